/* SPDX-License-Identifier: MIT */
/* For tests: small models that together have every trait there is, most like a published family.
 */
#ifndef WATTLE_TESTS_MODEL_SHAPES_H
#define WATTLE_TESTS_MODEL_SHAPES_H

#include "model_maker.h"

enum { SHAPE_VOCAB = 96, SHAPE_CTX = 96, SHAPE_ORIGINAL_CTX = 24 };

static const float shape_short[8] = {1.0f, 1.02f, 1.05f, 1.1f, 1.3f, 1.6f, 2.0f, 2.5f};
static const float shape_long[8] = {1.08f, 1.5f, 2.6f, 4.0f, 7.0f, 12.0f, 20.0f, 32.0f};

static inline void shape_llama(struct traits *t)
{
    traits_init(t);
    t->n_vocab = SHAPE_VOCAB;
    t->n_ctx = SHAPE_CTX;
    t->n_embd = 64;
    t->n_layer = 3;
    t->n_head = 4;
    t->n_head_kv = 2;
    t->head_dim = 16;
    t->n_ff = 96;
    t->norm_eps = 1e-5f;
    t->qk_norm_eps = 1e-6f;
    t->attention_scale = 0.25f;
    t->rope.n_rot = 16;
    t->rope.base = 100;
    t->rope.factor = 1;
}

static inline void shape_mixtral(struct traits *t)
{
    t->n_expert = 6;
    t->n_expert_used = 2;
    t->n_ff_expert = 32;
    t->expert_norm = true;
}

static inline void shape_qwen_moe(struct traits *t)
{
    shape_mixtral(t);
    t->expert_norm = false;
    t->n_expert_used = 3;
    t->n_ff_shared = 128; /* longer than n_ff */
    t->shared_gated = true;
    t->layers[1] = LAYER_DENSE;
    t->qk_norm = QK_NORM_HEAD;
}

static inline void shape_experts_ungated(struct traits *t)
{
    shape_mixtral(t);
    t->n_ff_shared = 32;
    t->n_ff_expert = 160; /* the longest row */
    t->gated = false;
    t->activation = ACTIVATION_RELU2;
    t->residual_scale = 0.5f;
}

static inline void shape_gemma(struct traits *t)
{
    t->window = 5;
    t->layers[0] = t->layers[2] = LAYER_SLIDING | LAYER_LOCAL_ROPE;
    t->rope_local = t->rope;
    t->rope_local.base = 10;
    t->rope_local.n_rot = 12;
    t->attn_post_norm = t->ffn_post_norm = true;
    t->embedding_scale = 8;
    t->attention_softcap = 1.5f;
    t->final_softcap = 2;
    t->activation = ACTIVATION_GELU_TANH;
    t->tied = true;
}

static inline void shape_mpt(struct traits *t)
{
    t->rope.n_rot = 0;
    t->alibi = true;
    t->norm = NORM_LAYER;
    t->clip_qkv = 0.7f;
    t->gated = false;
    t->activation = ACTIVATION_GELU_ERF;
    t->window = 7;
    t->layers[1] = LAYER_SLIDING;
}

static inline void shape_falcon(struct traits *t)
{
    t->parallel = true;
    t->norm = NORM_LAYER;
    t->fused_qkv = true;
    t->qkv_order = QKV_GROUPS;
    t->gated = false;
    t->activation = ACTIVATION_GELU_ERF;
}

static inline void shape_cohere(struct traits *t)
{
    t->parallel = t->parallel_one_norm = true;
    t->norm = t->qk_norm_kind = NORM_LAYER;
    t->qk_norm = QK_NORM_HEADS;
    t->rope.interleaved = true;
    t->layers[2] = LAYER_NO_ROPE;
    t->logit_scale = 0.0625f;
}

static inline void shape_olmo2(struct traits *t)
{
    t->norm_before = false;
    t->attn_post_norm = t->ffn_post_norm = true;
    t->qk_norm = QK_NORM_ROW;
    t->rope.n_rot = 8;
}

static inline void shape_olmo1(struct traits *t)
{
    t->norm = NORM_LAYER;
    t->norm_plain = true;
}

static inline void shape_opt_350m(struct traits *t)
{
    t->norm = NORM_LAYER;
    t->norm_before = false;
    t->norm_after = true;
    t->output_norm = false;
    t->n_embd_token = 32;
    t->positions = true;
    t->positions_from = 2;
    t->rope.n_rot = 0;
    t->gated = false;
    t->activation = ACTIVATION_RELU;
    t->tied = true;
}

static inline void shape_bloom(struct traits *t)
{
    shape_mpt(t);
    t->clip_qkv = 0;
    t->embedding_norm = true;
    t->norm_after = true; /* not BLOOM's, but nobody's with norm_before as well */
}

static inline void shape_bloom_residual(struct traits *t)
{
    shape_mpt(t);
    t->residual_normed = true;
}

static inline void shape_gpt2_by_layer(struct traits *t)
{
    t->attention_scale_by_layer = true;
}

static inline void shape_longrope(struct traits *t)
{
    t->rope.scaling = ROPE_SCALING_LONGROPE;
    t->rope.factor = (double)SHAPE_CTX / SHAPE_ORIGINAL_CTX;
    t->rope.original_ctx = SHAPE_ORIGINAL_CTX;
    t->rope.short_factor = (float *)shape_short;
    t->rope.long_factor = (float *)shape_long;
}

static inline void shape_dynamic(struct traits *t)
{
    t->rope.scaling = ROPE_SCALING_DYNAMIC;
    t->rope.factor = 2;
    t->rope.original_ctx = SHAPE_ORIGINAL_CTX;
}

static inline void shape_as_it_is(struct traits *t)
{
    (void)t;
}

static const struct shape {
    const char *name;
    void (*change)(struct traits *t); /* of shape_llama */
    bool biases;
    enum wtype matrices;
} shapes[] = {
    {"llama", shape_as_it_is, false, WTYPE_F32},
    {"mixtral", shape_mixtral, false, WTYPE_F32},
    {"mixtral q8", shape_mixtral, true, WTYPE_Q8_0},
    {"qwen_moe", shape_qwen_moe, true, WTYPE_F32},
    {"qwen_moe q8", shape_qwen_moe, false, WTYPE_Q8_0},
    {"experts without gate", shape_experts_ungated, true, WTYPE_F32},
    {"gemma", shape_gemma, false, WTYPE_F32},
    {"gemma with biases", shape_gemma, true, WTYPE_F32},
    {"mpt", shape_mpt, false, WTYPE_F32},
    {"falcon", shape_falcon, true, WTYPE_F32},
    {"falcon q8", shape_falcon, false, WTYPE_Q8_0},
    {"cohere", shape_cohere, false, WTYPE_F32},
    {"olmo2", shape_olmo2, true, WTYPE_F32},
    {"olmo1", shape_olmo1, false, WTYPE_F32},
    {"opt_350m", shape_opt_350m, true, WTYPE_F32},
    {"bloom", shape_bloom, true, WTYPE_F32},
    {"bloom, normed stream", shape_bloom_residual, true, WTYPE_F32},
    {"gpt2 by layer", shape_gpt2_by_layer, true, WTYPE_F32},
    {"longrope", shape_longrope, false, WTYPE_F32},
    {"dynamic", shape_dynamic, false, WTYPE_F32},
};

enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* Zero m before. */
static inline void shape_make(struct model *m, const struct shape *s)
{
    static struct traits t; /* large */
    shape_llama(&t);
    s->change(&t);
    model_make(m, &t, s->biases, s->matrices);
}

static inline const struct shape *shape_named(const char *name)
{
    for (size_t i = 0; i < N_SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    abort();
}

#endif
