/* SPDX-License-Identifier: MIT */
/* For tests: models of random weights, made in memory from traits alone, without any file. */
#ifndef WATTLE_TESTS_MODEL_MAKER_H
#define WATTLE_TESTS_MODEL_MAKER_H

#include "model/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct maker {
    struct model *m;
    struct rng rng;
    bool biases;         /* matrices and norms have them */
    enum wtype matrices; /* F32 or Q8_0, which then meets 8-bit activations */
};

static inline void *maker_memory(struct maker *k, size_t n, size_t size)
{
    void *p = arena_array(&k->m->arena, n, size);
    if (!p)
        abort();
    return p;
}

/* n floats in around ± size. */
static inline float *make_floats(struct maker *k, size_t n, double around, double size)
{
    float *x = maker_memory(k, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(around + size * (2 * rng_unit(&k->rng) - 1));
    return x;
}

static inline struct matrix make_matrix(struct maker *k, int32_t n_rows, int32_t n_cols)
{
    enum { BLOCK = 32, BLOCK_BYTES = 34, HALF_2_TO_MINUS_9 = 0x1800 };
    struct matrix w = {.n_rows = (size_t)n_rows,
                       .n_cols = (size_t)n_cols,
                       .group_rows = (size_t)n_rows,
                       .group_apart = (size_t)n_rows,
                       .type = k->matrices};
    w.bias = k->biases ? make_floats(k, w.n_rows, 0, 0.3) : NULL;
    if (k->matrices == WTYPE_F32) {
        w.row_bytes = w.n_cols * sizeof(float);
        w.data = (uint8_t *)make_floats(k, w.n_rows * w.n_cols, 0, 1.6 / sqrt((double)w.n_cols));
        return w;
    }
    w.q8 = true;
    w.row_bytes = w.n_cols / BLOCK * BLOCK_BYTES;
    uint8_t *data = maker_memory(k, w.n_rows, w.row_bytes);
    for (size_t i = 0; i < w.n_rows * w.row_bytes; i++)
        data[i] = (uint8_t)rng_below(&k->rng, 256);
    for (size_t i = 0; i < w.n_rows * w.row_bytes; i += BLOCK_BYTES) {
        data[i] = HALF_2_TO_MINUS_9 & 255;
        data[i + 1] = HALF_2_TO_MINUS_9 >> 8;
    }
    w.data = data;
    return w;
}

static inline struct norm make_norm(struct maker *k, size_t n)
{
    struct norm norm = {.there = true};
    if (k->m->traits.norm_plain)
        return norm;
    norm.weight = make_floats(k, n, 1, 0.4);
    norm.bias = k->biases ? make_floats(k, n, 0, 0.2) : NULL;
    return norm;
}

static inline void make_qk_norms(struct maker *k, struct layer *l)
{
    const struct traits *t = &k->m->traits;
    size_t head = (size_t)t->head_dim, q = model_q_dim(k->m), kv = model_kv_dim(k->m);
    if (t->qk_norm == QK_NORM_NONE)
        return;
    l->q_norm = make_norm(k, t->qk_norm == QK_NORM_HEAD ? head : q);
    l->k_norm = make_norm(k, t->qk_norm == QK_NORM_HEAD ? head : kv);
}

/* Rows [first, …) of whole, group_rows in each of its n_groups groups. */
static inline struct matrix maker_rows(const struct matrix *whole, size_t n_groups, size_t first,
                                       size_t group_rows)
{
    struct matrix w = *whole;
    w.data += first * w.row_bytes;
    w.n_rows = n_groups * group_rows;
    w.group_rows = group_rows;
    w.group_apart = whole->n_rows / n_groups;
    w.bias = NULL;
    return w;
}

static inline void make_heads(struct maker *k, struct layer *l)
{
    const struct traits *t = &k->m->traits;
    int32_t q = t->n_head * t->head_dim, kv = t->n_head_kv * t->head_dim;
    l->o = make_matrix(k, t->n_embd, q);
    if (t->fused_qkv) {
        size_t groups = (size_t)t->n_head_kv, head = (size_t)t->head_dim;
        size_t own = (size_t)t->n_head / groups * head;
        struct matrix whole = make_matrix(k, q + 2 * kv, t->n_embd);
        l->q = maker_rows(&whole, groups, 0, own);
        l->k = maker_rows(&whole, groups, own, head);
        l->v = maker_rows(&whole, groups, own + head, head);
        return;
    }
    l->q = make_matrix(k, q, t->n_embd);
    l->k = make_matrix(k, kv, t->n_embd);
    l->v = make_matrix(k, kv, t->n_embd);
}

static inline void make_ffn(struct maker *k, struct matrix *gate, struct matrix *up,
                            struct matrix *down, int32_t n_ff)
{
    int32_t n_embd = k->m->traits.n_embd;
    if (k->m->traits.gated)
        *gate = make_matrix(k, n_ff, n_embd);
    *up = make_matrix(k, n_ff, n_embd);
    *down = make_matrix(k, n_embd, n_ff);
}

static inline void make_layer(struct maker *k, size_t i)
{
    struct layer *l = &k->m->layers[i];
    const struct traits *t = &k->m->traits;
    size_t n_embd = (size_t)t->n_embd;
    if (t->norm_before || t->norm_after)
        l->attn_norm = make_norm(k, n_embd);
    if ((t->norm_before || t->norm_after) && !t->parallel_one_norm)
        l->ffn_norm = make_norm(k, n_embd);
    if (t->attn_post_norm)
        l->attn_post_norm = make_norm(k, n_embd);
    if (t->ffn_post_norm)
        l->ffn_post_norm = make_norm(k, n_embd);
    make_qk_norms(k, l);
    make_heads(k, l);
    if (!t->n_expert || t->layers[i] & LAYER_DENSE) {
        make_ffn(k, &l->gate, &l->up, &l->down, t->n_ff);
        return;
    }
    enum wtype matrices = k->matrices;
    k->matrices = WTYPE_F32; /* routers are, in quantized files */
    l->router = make_matrix(k, t->n_expert, t->n_embd);
    if (t->shared_gated)
        l->shared_router = make_matrix(k, 1, t->n_embd);
    k->matrices = matrices;
    l->experts = maker_memory(k, (size_t)t->n_expert, sizeof *l->experts);
    for (int32_t e = 0; e < t->n_expert; e++)
        make_ffn(k, &l->experts[e].gate, &l->experts[e].up, &l->experts[e].down, t->n_ff_expert);
    if (t->n_ff_shared)
        make_ffn(k, &l->gate, &l->up, &l->down, t->n_ff_shared);
}

static inline void model_unmake(struct model *m)
{
    arena_release(&m->arena);
}

/* Zero m before; its traits stay valid as long as it does. */
static inline void model_make(struct model *m, const struct traits *traits, bool biases,
                              enum wtype matrices)
{
    struct maker k = {.m = m, .biases = biases, .matrices = matrices};
    const struct traits *t = &m->traits;
    m->traits = *traits;
    m->kernels = kernels_get(NULL);
    arena_init(&m->arena, 64 << 20);
    rng_seed(&k.rng, 7);
    int32_t n_token = t->n_embd_token ? t->n_embd_token : t->n_embd;
    m->embedding = make_matrix(&k, t->n_vocab, n_token);
    m->head = t->tied ? m->embedding : make_matrix(&k, t->n_vocab, n_token);
    if (t->n_embd_token) {
        m->embedding_in = make_matrix(&k, t->n_embd, n_token);
        m->head_in = make_matrix(&k, n_token, t->n_embd);
    }
    if (t->positions)
        m->positions = make_matrix(&k, t->n_ctx + t->positions_from, t->n_embd);
    if (t->embedding_norm)
        m->embedding_norm = make_norm(&k, (size_t)t->n_embd);
    if (t->output_norm)
        m->output_norm = make_norm(&k, (size_t)t->n_embd);
    if (t->alibi)
        m->alibi_slopes = make_floats(&k, (size_t)t->n_head, 0.3, 0.25);
    m->layers = maker_memory(&k, (size_t)t->n_layer, sizeof *m->layers);
    for (size_t i = 0; i < (size_t)t->n_layer; i++)
        make_layer(&k, i);
}

#endif
