/* SPDX-License-Identifier: MIT */
/* Keeps a vocabulary's markup that stands in data from being read as markup.
 *
 * In each text that is data, a mark (a Unicode noncharacter that no such text has) goes inside
 * every occurrence of a special token's text. The marks travel through the chat template; behind it
 * they are taken out again and their places become borders that no special token may span
 * (encode_options.breaks). A special token of a single character cannot be split and so cannot be
 * told apart; published vocabularies have none that is a control token. */
#ifndef WATTLE_ENGINE_MARKUP_H
#define WATTLE_ENGINE_MARKUP_H

#include "text/text.h"

struct markup; /* immutable once open; borrows the tokenizer's texts */

int markup_open(struct markup **out, const struct tokenizer *t, struct err *e);
void markup_close(struct markup **m);

enum { MARK_BYTES = 3 };
struct mark {
    char utf8[MARK_BYTES];
};

/* One of U+FDD0…U+FDEF that is in none of the texts; ERR_FORMAT when they use all. */
int markup_choose(struct mark *mark, const struct span *texts, size_t n, struct err *e);
/* Appends text with marks to out. O(n log vocabulary). */
void markup_add(const struct markup *m, struct mark mark, struct span text, struct buf *out);

struct break_list {
    size_t *at; /* sorted; free with break_list_release */
    size_t n, cap;
};
void break_list_release(struct break_list *l);
/* Takes the marks out of text, in place, and appends where they stood. */
int markup_strip(struct mark mark, struct buf *text, struct break_list *breaks, struct err *e);

#endif
