/* SPDX-License-Identifier: MIT */
/* Published models as numbers: what their config.json says. Private to lab/. */
#ifndef WATTLE_LAB_SYNTH_SHAPE_H
#define WATTLE_LAB_SYNTH_SHAPE_H

#include "base/base.h"

/* What a model is built of, beyond Llama's: RMS norms, gated SiLU, no biases, a head of its own. */
enum shape_part {
    SHAPE_TIED = 1 << 0,       /* the head is the embedding */
    SHAPE_QKV_BIAS = 1 << 1,   /* biases of queries, keys and values */
    SHAPE_BIASES = 1 << 2,     /* of everything, the head too */
    SHAPE_LAYER_NORM = 1 << 3, /* layer norms, with biases */
    SHAPE_PARALLEL = 1 << 4,   /* attention and feed-forward beside each other, one norm for both */
    SHAPE_FUSED = 1 << 5,      /* q, k, v in one matrix; gate and up in one */
    SHAPE_UNGATED = 1 << 6,    /* no gate, GELU */
    SHAPE_QK_NORM = 1 << 7,    /* norms of each head's queries and keys */
    SHAPE_POST_NORMS = 1 << 8, /* norms behind attention and feed-forward */
    SHAPE_GEMMA = 1 << 9,      /* gated GELU; norms of safetensors are one less */
    SHAPE_SOFTCAPS = 1 << 10,  /* of scores and logits: 50 and 30 */
    SHAPE_LONGROPE = 1 << 11,
    SHAPE_LLAMA3_ROPE = 1 << 12,
};

struct synth_shape {
    const char *name;                    /* "tinyllama-1.1b" */
    const char *source;                  /* the repository whose config.json the numbers are from */
    const char *arch;                    /* GGUF's general.architecture */
    const char *model_type, *class_name; /* config.json's */
    int32_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab, n_ctx;
    int32_t n_rot; /* of a head's elements, those that rotate */
    double rope_theta;
    double norm_eps;
    int32_t window;  /* 0: none */
    int32_t pattern; /* every so manieth layer sees all; 0: none does */
    unsigned parts;  /* of enum shape_part */
};

/* In alphabetical order; NULL beyond the last. */
const struct synth_shape *synth_shape_at(size_t i);
/* ERR_USAGE: one line with the nearest and all names. */
int synth_shape_find(const struct synth_shape **out, const char *name, struct err *e);

static inline bool shape_has(const struct synth_shape *s, enum shape_part part)
{
    return (s->parts & (unsigned)part) != 0;
}

/* Of the rotation of long contexts, what stands in place of the published lists: numbers of the
 * same kind. i < n_rot / 2. */
float synth_long_factor(const struct synth_shape *s, int32_t i);
float synth_short_factor(const struct synth_shape *s, int32_t i);
/* Llama 3's divisors of the rotation's frequencies. */
float synth_llama3_divisor(const struct synth_shape *s, int32_t i);

enum {
    SHAPE_LONGROPE_CTX = 4096, /* the context before both kinds of stretching */
    SHAPE_LLAMA3_CTX = 8192,
    SHAPE_LLAMA3_FACTOR = 32,
    SHAPE_LLAMA3_LOW = 1,
    SHAPE_LLAMA3_HIGH = 4,
};

#endif
