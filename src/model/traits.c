/* SPDX-License-Identifier: MIT */
/* Readings that families share. The bounds are generous beside published models and small enough
 * that no product of three overflows 63 bits. */
#include "model/traits.h"

#include <math.h>

enum {
    CTX_MAX = 16 << 20,
    LAYERS_MAX = 1024,
    EMBD_MAX = 1 << 20,
    FF_MAX = 1 << 22,
    HEADS_MAX = 4096,
    HEAD_DIM_MAX = 4096,
};

void read_sizes(struct config *c, struct traits *t)
{
    t->n_ctx = config_int(c, "context_length", 1, CTX_MAX);
    t->n_embd = config_int(c, "embedding_length", 1, EMBD_MAX);
    t->n_layer = config_int(c, "block_count", 1, LAYERS_MAX);
    t->n_ff = config_int(c, "feed_forward_length", 1, FF_MAX);
    t->n_head = config_int(c, "attention.head_count", 1, HEADS_MAX);
    t->n_head_kv = config_int_or(c, "attention.head_count_kv", 1, HEADS_MAX, t->n_head);
    t->n_vocab = config_int_or(c, "vocab_size", 1, TRAITS_VOCAB_MAX, 0);
    if (t->n_head % t->n_head_kv)
        config_fail(c, ERR_FORMAT, "attention.head_count_kv", "%d, expected a divisor of %d heads",
                    t->n_head_kv, t->n_head);
    t->head_dim = config_int_or(c, "attention.key_length", 1, HEAD_DIM_MAX, 0);
    if (!t->head_dim) {
        t->head_dim = t->n_embd / t->n_head;
        if (t->n_embd % t->n_head || t->head_dim > HEAD_DIM_MAX)
            config_fail(c, ERR_FORMAT, "embedding_length",
                        "%d, expected a multiple of %d heads, at most %d each", t->n_embd,
                        t->n_head, HEAD_DIM_MAX);
    }
    int32_t value_dim = config_int_or(c, "attention.value_length", 1, HEAD_DIM_MAX, t->head_dim);
    if (value_dim != t->head_dim)
        config_fail(c, ERR_UNSUPPORTED, "attention.value_length",
                    "%d, expected the key length %d: others are not supported", value_dim,
                    t->head_dim);
    t->attention_scale = (float)(1.0 / sqrt(t->head_dim));
}

static void read_scaling(struct config *c, struct traits *t)
{
    struct rope_traits *r = &t->rope;
    struct span kind = config_text(c, "rope.scaling.type");
    r->factor = config_real_or(c, "rope.scaling.factor", 1e-3, 1e6, 1);
    if (span_is(kind, "yarn")) {
        r->scaling = ROPE_SCALING_YARN;
        r->original_ctx =
            config_int_or(c, "rope.scaling.original_context_length", 1, CTX_MAX, t->n_ctx);
        r->attention_factor = config_real_or(c, "rope.scaling.attn_factor", 1e-3, 1e3, 1);
        r->beta_fast = config_real_or(c, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32);
        r->beta_slow = config_real_or(c, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1);
        static const char *const others[] = {"rope.scaling.yarn_log_multiplier"};
        refuse_features(c, others, sizeof others / sizeof *others);
    } else if (kind.n == 0 || span_is(kind, "linear")) {
        /* Files before rope.scaling.* have the factor under its old name. */
        if (kind.n == 0)
            r->factor = config_real_or(c, "rope.scale_linear", 1e-3, 1e6, r->factor);
        r->scaling = r->factor == 1 ? ROPE_SCALING_NONE : ROPE_SCALING_LINEAR;
    } else if (span_is(kind, "none")) {
        r->scaling = ROPE_SCALING_NONE;
        r->factor = 1;
    } else {
        config_fail(c, ERR_UNSUPPORTED, "rope.scaling.type",
                    "'%.*s' is not supported, expected none, linear or yarn", SPAN_FMT(kind));
    }
}

void read_rope(struct config *c, struct traits *t)
{
    t->rope.base = config_real_or(c, "rope.freq_base", 1.0000001, 1e15, 10000);
    t->rope.n_rot = config_int_or(c, "rope.dimension_count", 0, HEAD_DIM_MAX, t->head_dim);
    if (t->rope.n_rot > t->head_dim || t->rope.n_rot % 2)
        config_fail(c, ERR_FORMAT, "rope.dimension_count",
                    "%d, expected an even number of at most %d, the length of a head",
                    t->rope.n_rot, t->head_dim);
    read_scaling(c, t);
}

void refuse_features(struct config *c, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (config_is_set(c, names[i]))
            config_fail(c, ERR_UNSUPPORTED, names[i],
                        "is set, and %s models that use it are not supported", c->arch);
}
