/* SPDX-License-Identifier: MIT */
/* What a family of models does, as data: one forward pass reads it and serves all of them.
 *
 * A family is a file in families/ that fills traits from a config, and one row in families.c. A
 * field comes here when the first family needs it. */
#ifndef WATTLE_MODEL_TRAITS_H
#define WATTLE_MODEL_TRAITS_H

#include "model/config.h"

enum { TRAITS_VOCAB_MAX = 4 << 20 };

enum rope_scaling { ROPE_SCALING_NONE, ROPE_SCALING_LINEAR, ROPE_SCALING_YARN };

struct rope_traits {
    int32_t n_rot;    /* elements of a head that are rotated, even; the rest stay */
    bool interleaved; /* pairs (2i, 2i+1), else (i, i + n_rot/2) */
    double base;
    enum rope_scaling scaling;
    double factor;           /* context is stretched by this; 1: not */
    int32_t original_ctx;    /* YaRN: what the model was trained with before */
    double attention_factor; /* YaRN: on top of the paper's magnitude */
    double beta_fast, beta_slow;
};

/* Bounds are those of read_*: every product of three fits in 63 bits. */
struct traits {
    int32_t n_vocab; /* 0: as many as the embedding has rows */
    int32_t n_ctx, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
    float norm_eps;
    float attention_scale; /* of q·k */
    struct rope_traits rope;
};

struct family {
    const char *arch; /* general.architecture */
    void (*read)(struct config *c, struct traits *t);
};

/* The family by its architecture name, or an error that lists those we have. */
int family_find(struct span arch, const struct family **out, struct err *e);

/* Parts of a family's read that most share. The names are GGUF's, without the prefix. */
void read_sizes(struct config *c, struct traits *t);
void read_rope(struct config *c, struct traits *t);
/* Fails if one of the n keys is there and not zero or false: it would change what we compute. */
void refuse_features(struct config *c, const char *const *names, size_t n);

#endif
