/* SPDX-License-Identifier: MIT */
/* What two neighbouring tokens become. Private to text/. */
#ifndef WATTLE_TEXT_PAIRS_H
#define WATTLE_TEXT_PAIRS_H

#include "text/merge.h"

struct pair_table; /* immutable once filled */

int pair_table_open(struct pair_table **out, size_t n, struct err *e); /* room for n */
void pair_table_close(struct pair_table **p);
/* The later of two equal pairs counts, as in Hugging Face's map. */
void pair_table_add(struct pair_table *p, int32_t left, int32_t right, struct merge merge);
/* A merge_rule; context: the table. */
struct merge pair_table_merge(const void *context, int32_t left, int32_t right);

/* All pairs, in no order, into out (NULL: none); how many there are. */
struct ranked_pair {
    uint32_t rank;
    int32_t left, right;
};
size_t pair_table_list(const struct pair_table *p, struct ranked_pair *out);

#endif
