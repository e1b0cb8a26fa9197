/* SPDX-License-Identifier: MIT */
/* Which type each tensor of a GGUF file gets when a whole model is asked for in one.
 *
 * The rule is the one that llama.cpp's llama-quantize follows (src/llama-quant.cpp there), so that
 * two files of one name hold the same bytes a token: the head in more bits, and for the "medium"
 * mixes so too the values and the feed-forward's way down of some layers. */
#ifndef WATTLE_LAB_MIX_H
#define WATTLE_LAB_MIX_H

#include "base/base.h"

struct mix {
    const char *name;   /* "q4_k_m" */
    uint32_t type;      /* enum wtype: of most matrices */
    uint32_t more;      /* of those that get more bits; the same where the mix has no such */
    uint32_t file_type; /* GGUF's general.file_type (enum llama_ftype) */
};

/* In the order of their bits; NULL beyond the last. */
const struct mix *mix_at(size_t i);
const struct mix *mix_find(const char *name); /* NULL: there is none; any case */

enum mix_role {
    MIX_EMBEDDING,
    MIX_HEAD,
    MIX_VALUES /* also fused with q and k */,
    MIX_DOWN,
    MIX_OTHER
};

/* The type of one matrix: which layer of how many, how long its rows are, and whether the model's
 * head is its embedding. Rows that no block of the type divides get the nearest type of blocks of
 * 32, or F16. */
uint32_t mix_type(const struct mix *m, enum mix_role role, int32_t layer, int32_t n_layers,
                  uint64_t row_elems, bool tied);

#endif
