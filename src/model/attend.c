/* SPDX-License-Identifier: MIT */
/* Attention over a layer's keys and values: see forward.h. */
#include "model/chunks.h"

struct attend_job {
    struct forward *f;
    const float *query, *keys, *values;
    size_t first, n, window, n_q, n_items, n_chunk;
    float scale;
};

enum { QUERIES_MAX = 12 }; /* their scores of a few hundred positions fit the first-level cache */

size_t attend_queries(const struct traits *t)
{
    size_t share = (size_t)(t->n_head / t->n_head_kv), parts = divide_up(share, QUERIES_MAX);
    while (share % parts)
        parts++;
    return share / parts;
}

/* The query heads [head, head + n_q) of token t, which share a KV head. */
static void attend(const struct attend_job *j, size_t head, size_t n_q, size_t t, float *scores)
{
    const struct model *m = j->f->model;
    const struct traits *traits = &m->traits;
    size_t head_dim = (size_t)traits->head_dim, kv_dim = model_kv_dim(m);
    size_t share = (size_t)(traits->n_head / traits->n_head_kv);
    size_t at = t * model_q_dim(m) + head * head_dim;
    size_t end = j->first + t + 1, begin = j->window && end > j->window ? end - j->window : 0;
    size_t kv = begin * kv_dim + head / share * head_dim;
    const struct attention a = {
        .q = j->query + at,
        .k = j->keys + kv,
        .v = j->values + kv,
        .n_q = n_q,
        .stride = kv_dim,
        .head_dim = head_dim,
        .n_kv = end - begin,
        .scale = j->scale,
        .softcap = traits->attention_softcap,
        /* Counts from begin, not from 0: the same for all scores, so nothing to softmax. */
        .slopes = m->alibi_slopes ? m->alibi_slopes + head : NULL,
        .bias = m->alibi_biases ? m->alibi_biases + head * model_alibi_stride(m) + begin : NULL,
        .bias_stride = model_alibi_stride(m),
    };
    m->kernels->attention(&a, scores, j->f->attended + at);
}

/* Items go group by group of heads, tokens inside: what is near in time reads the same keys. */
static void attend_chunk(void *ctx, size_t chunk, int worker)
{
    const struct attend_job *j = ctx;
    float *scores = j->f->scores + (size_t)worker * j->f->scores_size;
    for (size_t i = chunk * j->n_chunk; i < min_size(j->n_items, (chunk + 1) * j->n_chunk); i++)
        attend(j, i / j->n * j->n_q, j->n_q, i % j->n, scores);
}

void step_attend(struct forward *f, const float *query, const float *keys, const float *values,
                 size_t first, size_t n, size_t window, float scale)
{
    const struct traits *t = &f->model->traits;
    size_t n_q = attend_queries(t), n_items = n * (size_t)t->n_head / n_q, seen = first + n;
    size_t work = 2 * n_q * (size_t)t->head_dim * (window ? min_size(window, seen) : seen);
    struct attend_job j = {.f = f,
                           .query = query,
                           .keys = keys,
                           .values = values,
                           .first = first,
                           .n = n,
                           .window = window,
                           .n_q = n_q,
                           .n_items = n_items,
                           .n_chunk = chunk_items(f, n_items, work),
                           .scale = scale};
    run_chunks(f, attend_chunk, &j, n_items, j.n_chunk);
}
