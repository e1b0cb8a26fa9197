/* SPDX-License-Identifier: MIT */
/* The merging loop of byte pair encoding. Private to text/.
 *
 * Of all neighbours that can be merged, the pair of the lowest rank goes first, and of equal ranks
 * the leftmost; the result may merge again. O(n log n). Source: Sennrich, Haddow and Birch 2016,
 * "Neural Machine Translation of Rare Words with Subword Units", with the order of Hugging Face's
 * tokenizers. */
#ifndef WATTLE_TEXT_MERGE_H
#define WATTLE_TEXT_MERGE_H

#include "base/base.h"

#define MERGE_NONE UINT32_MAX

struct merge {
    uint32_t rank; /* MERGE_NONE: the two do not merge */
    int32_t id;    /* what they become */
};

/* What left and right become. Pure: the same answer for the same two ids. */
typedef struct merge (*merge_rule)(const void *context, int32_t left, int32_t right);

struct merge_node;

/* Scratch that grows with the longest word; one a thread. All zero is a valid beginning. */
struct merger {
    struct merge_node *nodes;
    uint64_t *heap;
    size_t cap;
};
void merger_release(struct merger *m);

/* Merges ids[0..*n) in place; *n becomes their new number. */
int merger_run(struct merger *m, merge_rule rule, const void *context, int32_t *ids, size_t *n,
               struct err *e);

#endif
