/* SPDX-License-Identifier: MIT */
/* From a token's text to its id. Private to text/. */
#ifndef WATTLE_TEXT_VOCAB_INDEX_H
#define WATTLE_TEXT_VOCAB_INDEX_H

#include "base/base.h"

/* An open-addressing hash table over the vocabulary's own texts; at most half full. */
struct vocab_index {
    const struct span *tokens; /* borrowed */
    uint32_t *slots;           /* id + 1; 0: free */
    uint32_t mask;
    uint32_t seed; /* a table of chosen collisions must not be writable in advance */
    size_t longest;
};

/* Room for n texts of `tokens` (n <= 2^22). */
int vocab_index_init(struct vocab_index *x, const struct span *tokens, size_t n, struct err *e);
void vocab_index_release(struct vocab_index *x);
/* Adds tokens[id]; returns the id that has the same text already, else -1. */
int32_t vocab_index_add(struct vocab_index *x, int32_t id);
/* The id of the text, -1 if there is none. */
int32_t vocab_index_find(const struct vocab_index *x, struct span text);
/* The id of the text that a and b make together. */
int32_t vocab_index_find_joined(const struct vocab_index *x, struct span a, struct span b);

#endif
