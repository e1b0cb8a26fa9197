/* SPDX-License-Identifier: MIT */
/* Normalizers of tokenizer.json. Private to text/. */
#ifndef WATTLE_TEXT_NORMALIZER_H
#define WATTLE_TEXT_NORMALIZER_H

#include "text/charsmap.h"
#include "text/regex.h"
#include "text/unicode.h"

enum normalizer_kind {
    NORMALIZER_FORM,
    NORMALIZER_LOWERCASE,
    NORMALIZER_STRIP,
    NORMALIZER_STRIP_ACCENTS,
    NORMALIZER_PREPEND,
    NORMALIZER_REPLACE,
    NORMALIZER_CHARSMAP,
    NORMALIZER_BYTE_LEVEL,
    NORMALIZER_NMT,
};

/* What is searched for: a text, or an expression where there is one. */
struct pattern {
    struct span text; /* not empty unless regex */
    struct regex *regex;
};

struct normalizer {
    enum normalizer_kind kind;
    enum normal_form form;
    bool left, right;       /* Strip */
    struct pattern pattern; /* Replace */
    struct span content;    /* Replace, Prepend; borrowed */
    struct charsmap *map;
};
void normalizer_release(struct normalizer *z);

/* One call's; one a thread. All zero is a valid beginning. */
struct normal_scratch {
    struct buf bufs[2];
    struct regex_scan scan;
};
void normal_scratch_release(struct normal_scratch *s);

struct normal_text {
    struct span text; /* the text itself, or in the scratch until its next use */
    bool front_moved; /* its first character is not the text's own */
};

/* Applies all in their order; prepends: Prepend too. text: valid UTF-8. */
int normalizers_apply(const struct normalizer *list, size_t n, struct normal_scratch *s,
                      struct span text, bool prepends, struct normal_text *out, struct err *e);

/* A search for all matches of a pattern, front to back. */
struct search {
    const struct pattern *pattern;
    struct span text;
    size_t at;
    size_t last_end; /* SIZE_MAX: no match yet */
};
/* 1: the next match is [*from, *to), which may be empty; 0: no more. */
int search_next(struct search *f, struct regex_scan *scan, size_t *from, size_t *to, struct err *e);

#endif
