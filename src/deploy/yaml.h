/* SPDX-License-Identifier: MIT */
/* Block YAML, written so that readers of YAML 1.1 and of 1.2 see the same strings.
 *
 * Values that come from outside are double-quoted, with JSON's escapes and YAML's, unless they
 * cannot be taken for anything but a string (see yaml_is_plain). Sources: YAML 1.1 (2005)
 * and 1.2.2, sections 5.7 (escapes) and 7.3 (flow scalars); YAML 1.1 types bool, int, float, null,
 * timestamp. */
#ifndef WATTLE_DEPLOY_YAML_H
#define WATTLE_DEPLOY_YAML_H

#include "base/base.h"

struct yaml {
    struct buf *out; /* borrowed */
    int depth;       /* blanks before the next line */
    bool dash;       /* the next line begins an item */
    bool begun;      /* the caller's: a document was written */
    bool dollars;    /* '$' in values is written twice: compose files, arguments of Kubernetes */
};

void yaml_init(struct yaml *y, struct buf *out);
/* "# text", each line. */
void yaml_comment(struct yaml *y, const char *text);
void yaml_document(struct yaml *y); /* "---" */

/* "key:", and what follows is inside it until yaml_end. */
void yaml_open(struct yaml *y, const char *key);
void yaml_end(struct yaml *y);
/* Inside a list: what follows until yaml_end is one item, a mapping. */
void yaml_open_item(struct yaml *y);

void yaml_text(struct yaml *y, const char *key, const char *value);
/* Quoted even where it need not be. */
void yaml_quoted(struct yaml *y, const char *key, const char *value);
/* A number or word of ours, as it is. */
void yaml_token(struct yaml *y, const char *key, const char *token);
void yaml_number(struct yaml *y, const char *key, int64_t value);
/* "key: ["a", "b"]"; the words end with NULL. */
void yaml_words(struct yaml *y, const char *key, const char *const *words);
/* Lines of ours, as they are, without the last newline; the first begins with no blank. */
void yaml_block(struct yaml *y, const char *key, const char *lines);
/* "- value"; of the last, lines as of a block. */
void yaml_item(struct yaml *y, const char *value);
void yaml_item_quoted(struct yaml *y, const char *value);
void yaml_item_block(struct yaml *y, const char *lines);

/* Neither version of YAML can take it for anything but this string. */
bool yaml_is_plain(const char *text);
/* In double quotes. text: UTF-8; an invalid byte becomes U+FFFD. */
void yaml_put_quoted(struct buf *out, const char *text, bool dollars);

#endif
