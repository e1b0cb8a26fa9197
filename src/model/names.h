/* SPDX-License-Identifier: MIT */
/* The places of a model's tensors and what files call them.
 *
 * A name is a pattern: the first %d is the layer, the second the expert (or the head, for norms of
 * one head each). ".weight" or ".bias" follows it in the file. */
#ifndef WATTLE_MODEL_NAMES_H
#define WATTLE_MODEL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum place {
    PLACE_EMBEDDING = 1,
    PLACE_POSITIONS,
    PLACE_EMBEDDING_NORM,
    PLACE_EMBEDDING_IN, /* n_embd_token -> n_embd */
    PLACE_OUTPUT_NORM,
    PLACE_HEAD_IN, /* n_embd -> n_embd_token */
    PLACE_HEAD,
    PLACE_ROPE_DIVISORS, /* GGUF only: [n_rot / 2] */
    PLACE_ROPE_LONG,
    PLACE_ROPE_SHORT,
    PLACE_ATTN_NORM, /* from here on one a layer */
    PLACE_ATTN_POST_NORM,
    PLACE_FFN_NORM,
    PLACE_FFN_POST_NORM,
    PLACE_QKV,
    PLACE_Q,
    PLACE_K,
    PLACE_V,
    PLACE_O,
    PLACE_Q_NORM,
    PLACE_K_NORM,
    PLACE_GATE_UP,
    PLACE_GATE,
    PLACE_UP,
    PLACE_DOWN,
    PLACE_ROUTER,
    PLACE_EXPERT_GATE, /* with %d: one matrix an expert; without: [n_expert][rows][cols] in one */
    PLACE_EXPERT_UP,
    PLACE_EXPERT_DOWN,
    PLACE_EXPERTS_GATE_UP, /* without ".weight": [n_expert][gate's rows, then up's][cols] in one */
    PLACE_EXPERTS_DOWN,    /* the same of down */
    PLACE_SHARED_ROUTER,   /* [1][n_embd] */
    PLACE_SHARED_GATE,
    PLACE_SHARED_UP,
    PLACE_SHARED_DOWN,
    PLACES,
};

struct tensor_name {
    enum place place;
    const char *pattern;
};

/* The pattern of a place: from the family's list (ends with {0}, may be NULL), else the default of
 * the format. Never NULL for a place that the default tables have; NULL otherwise. */
const char *place_pattern(const struct tensor_name *family, bool hf, enum place place);
/* A family whose files differ has several rows for a place: the nth of them, NULL beyond the last.
 */
const char *place_alternative(const struct tensor_name *family, enum place place, size_t nth);

#endif
