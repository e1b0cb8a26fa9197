/* SPDX-License-Identifier: MIT */
/* Regular expressions of tokenizer.json, which are Oniguruma's, run by PCRE2. Private to text/. */
#ifndef WATTLE_TEXT_REGEX_H
#define WATTLE_TEXT_REGEX_H

#include "base/base.h"

struct regex; /* immutable once open: any number of threads */

/* An expression in Oniguruma's (Ruby's) syntax; what: for messages ("normalizer"). */
int regex_open(struct regex **out, struct span expression, const char *what, struct err *e);
void regex_close(struct regex **r);

/* What a search needs beside the text; one a thread. All zero is a valid beginning. */
struct regex_scan {
    void *found, *context, *stack;
    bool large; /* the stack */
};
int regex_scan_open(struct regex_scan *s, struct err *e); /* again: does nothing */
void regex_scan_release(struct regex_scan *s);

/* 1: the first match in text (valid UTF-8) at or after `from` is [*start, *end); 0: there is none.
 * Below 0: an expression that takes too many steps, or no memory. */
int regex_find(const struct regex *r, struct regex_scan *s, struct span text, size_t from,
               size_t *start, size_t *end, struct err *e);

/* oniguruma.c: the same expression in PCRE2's syntax, for PCRE2_UTF | PCRE2_UCP |
 * PCRE2_MULTILINE. */
int oniguruma_translate(struct span expression, struct buf *out, struct err *e);

#endif
