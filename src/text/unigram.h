/* SPDX-License-Identifier: MIT */
/* Unigram: a text becomes the tokens whose scores add up to the most. Ids equal those of Hugging
 * Face's `tokenizers` (model "Unigram"). Private to text/. */
#ifndef WATTLE_TEXT_UNIGRAM_H
#define WATTLE_TEXT_UNIGRAM_H

#include "text/tokenizer.h"

struct unigram; /* immutable once open: any number of threads */

/* tokens and scores: [n], borrowed until unigram_close; a token whose text stands twice is its
 * last. Scores are finite. unk: the token of what no other one covers, -1: such text is an error.
 * byte_fallback: a run of uncovered characters is spelled in the tokens <0x00> … <0xFF>, if each of
 * its bytes has one. */
int unigram_open(struct unigram **out, const struct span *tokens, const double *scores, size_t n,
                 int32_t unk, bool byte_fallback, struct err *e);
void unigram_close(struct unigram **u);

/* Appends the ids of text: valid UTF-8, normalized, without added tokens. Time is in proportion to
 * the text times the longest token that begins at a place of it. */
int unigram_encode(const struct unigram *u, struct span text, struct token_list *out,
                   struct err *e);

#endif
