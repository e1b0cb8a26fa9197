/* SPDX-License-Identifier: MIT */
/* What the two files that translate Oniguruma's expressions share: oniguruma.c and
 * oniguruma_sets.c. Private to them. */
#ifndef WATTLE_TEXT_ONIGURUMA_H
#define WATTLE_TEXT_ONIGURUMA_H

#include "base/base.h"

enum { ONIG_DEPTH_MAX = 100 }; /* of groups and sets in each other */

/* Members of a PCRE2 set. */
#define ONIG_SPACE "\\t-\\r\\x{85}\\p{Z}"
#define ONIG_WORD  "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

struct translation {
    struct span s;
    size_t at;
    struct buf *out;
    size_t atom;   /* where the last operand began in out; SIZE_MAX: there is none */
    bool extended; /* (?x) */
    int depth;
};

int onig_fail(const struct translation *t, const char *why, struct err *e);
/* The byte so far ahead; -1 behind the end. */
int onig_peek(const struct translation *t, size_t ahead);
bool onig_looks_at(const struct translation *t, const char *s);

/* A set that escapes and brackets put members into. */
struct set;
/* What stands behind a backslash and means the same in and outside of sets (NULL: outside). 1:
 * done, 0: something else. */
int onig_escape(struct translation *t, struct set *c, struct err *e);
/* [ … ], at `[`. */
int onig_bracket(struct translation *t, struct buf *out, struct err *e);

#endif
