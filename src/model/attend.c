/* SPDX-License-Identifier: MIT */
/* Attention over a layer's keys and values: see forward.h. */
#include "model/chunks.h"

struct attend_job {
    struct forward *f;
    const float *query, *keys, *values;
    size_t first, n, window, n_items, n_chunk;
    float scale;
};

static void attend(const struct attend_job *j, size_t head, size_t t, float *scores)
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
        .stride = kv_dim,
        .head_dim = head_dim,
        .n_kv = end - begin,
        .scale = j->scale,
        .softcap = traits->attention_softcap,
        /* Counts from begin, not from 0: the same for all scores, so nothing to softmax. */
        .slope = m->alibi_slopes ? m->alibi_slopes[head] : 0,
        .bias = m->alibi_biases ? m->alibi_biases + head * model_alibi_stride(m) + begin : NULL,
    };
    m->kernels->attention(&a, scores, j->f->attended + at);
}

/* Items go head by head, tokens inside: what is near in time reads the same keys. */
static void attend_chunk(void *ctx, size_t chunk, int worker)
{
    const struct attend_job *j = ctx;
    float *scores = j->f->scores + (size_t)worker * (size_t)j->f->model->traits.n_ctx;
    for (size_t i = chunk * j->n_chunk; i < min_size(j->n_items, (chunk + 1) * j->n_chunk); i++)
        attend(j, i / j->n, i % j->n, scores);
}

void step_attend(struct forward *f, const float *query, const float *keys, const float *values,
                 size_t first, size_t n, size_t window, float scale)
{
    const struct traits *t = &f->model->traits;
    size_t n_items = n * (size_t)t->n_head, seen = first + n;
    size_t work = 2 * (size_t)t->head_dim * (window ? min_size(window, seen) : seen);
    struct attend_job j = {
        f, query, keys, values, first, n, window, n_items, chunk_items(f, n_items, work), scale};
    run_chunks(f, attend_chunk, &j, n_items, j.n_chunk);
}
