/* SPDX-License-Identifier: MIT */
/* Steps that go token by token: embedding, norms, rotation, the residual stream. See forward.h. */
#include "model/chunks.h"
#include "model/rope.h"

#include <string.h>

enum { ANGLE_WORK = 40 }; /* a sine and a cosine, in multiply-adds */

/* ---- embedding ---- */

struct embed_job {
    struct forward *f;
    const int32_t *ids;
    float *to; /* [n][length] */
    size_t length, first, n, n_chunk;
};

static void read_row(const struct model *m, const struct matrix *w, size_t row, float *y)
{
    m->kernels->dequant(w->type, w->data + row * w->row_bytes, y, w->n_cols);
}

static void embed_chunk(void *ctx, size_t chunk, int worker)
{
    const struct embed_job *j = ctx;
    const struct model *m = j->f->model;
    struct rotation *const rotations[] = {&j->f->rope, &j->f->rope_local};
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        float *to = j->to + t * j->length;
        read_row(m, &m->embedding, (size_t)j->ids[t], to);
        if (m->traits.embedding_scale != 1)
            m->kernels->scale(to, m->traits.embedding_scale, j->length);
        for (size_t r = 0; r < 2; r++) {
            const struct rotation *rotation = rotations[r];
            size_t at = t * ((size_t)rotation->traits->n_rot / 2);
            if (rotation->traits->n_rot)
                rope_angles(rotation->inverse, rotation->traits->n_rot, rotation->magnitude,
                            (int32_t)(j->first + t), rotation->cosines + at, rotation->sines + at);
        }
    }
}

struct place_job {
    struct forward *f;
    size_t first, n, n_chunk;
};

/* Learned positions and the embedding's norm. */
static void place_chunk(void *ctx, size_t chunk, int worker)
{
    const struct place_job *j = ctx;
    const struct model *m = j->f->model;
    const struct traits *traits = &m->traits;
    size_t n_embd = (size_t)traits->n_embd;
    float *row = j->f->row + (size_t)worker * j->f->longest_row;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        read_row(m, &m->positions, j->first + t + (size_t)traits->positions_from, row);
        m->kernels->add(j->f->x + t * n_embd, row, n_embd);
    }
}

void step_embed(struct forward *f, const int32_t *ids, size_t first, size_t n)
{
    const struct model *m = f->model;
    const struct traits *t = &m->traits;
    size_t n_embd = (size_t)t->n_embd, length = m->embedding.n_cols;
    size_t n_angles = (size_t)t->rope.n_rot / 2 + (size_t)t->rope_local.n_rot / 2;
    bool projected = m->embedding_in.n_rows != 0;
    struct embed_job j = {f,
                          ids,
                          projected ? f->token : f->x,
                          length,
                          first,
                          n,
                          chunk_items(f, n, length + n_angles * ANGLE_WORK)};
    run_chunks(f, embed_chunk, &j, n, j.n_chunk);
    if (projected) {
        const struct product in = {
            .in = step_columns(f, f->token, n, length, m->embedding_in.q8, f->q8),
            .w = &m->embedding_in,
            .out = f->x,
            .stride = n_embd,
        };
        step_products(f, &in, 1, &(struct finish){0});
    }
    if (m->positions.n_rows) {
        struct place_job p = {f, first, n, chunk_items(f, n, n_embd)};
        run_chunks(f, place_chunk, &p, n, p.n_chunk);
    }
    if (m->embedding_norm.there)
        step_norm(f, f->x, &m->embedding_norm, f->x, n);
}

/* ---- norms ---- */

static void normalize(const struct kernels *k, enum norm_kind kind, float eps,
                      const struct norm *norm, const float *x, float *y, size_t n)
{
    if (kind == NORM_LAYER) {
        k->layer_norm(x, norm->weight, norm->bias, eps, y, n);
        return;
    }
    k->rms_norm(x, norm->weight, eps, y, n);
    if (norm->bias)
        k->add(y, norm->bias, n);
}

struct norm_job {
    struct forward *f;
    const float *x;
    const struct norm *norm;
    float *y;
    size_t n, n_chunk;
};

static void norm_chunk(void *ctx, size_t chunk, int worker)
{
    const struct norm_job *j = ctx;
    const struct model *m = j->f->model;
    size_t n_embd = (size_t)m->traits.n_embd;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++)
        normalize(m->kernels, m->traits.norm, m->traits.norm_eps, j->norm, j->x + t * n_embd,
                  j->y + t * n_embd, n_embd);
}

void step_norm(struct forward *f, const float *x, const struct norm *norm, float *y, size_t n)
{
    struct norm_job j = {f, x, norm, y, n, chunk_items(f, n, (size_t)f->model->traits.n_embd)};
    run_chunks(f, norm_chunk, &j, n, j.n_chunk);
}

struct residual_job {
    struct forward *f;
    float *x;
    const struct norm *post, *after;
    size_t n, n_chunk;
};

static void residual_chunk(void *ctx, size_t chunk, int worker)
{
    const struct residual_job *j = ctx;
    const struct model *m = j->f->model;
    const struct traits *traits = &m->traits;
    size_t n_embd = (size_t)traits->n_embd;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        float *x = j->x + t * n_embd, *y = j->f->projected + t * n_embd;
        if (j->post->there)
            normalize(m->kernels, traits->norm, traits->norm_eps, j->post, y, y, n_embd);
        if (traits->residual_scale != 1)
            m->kernels->scale(y, traits->residual_scale, n_embd);
        m->kernels->add(x, y, n_embd);
        if (j->after)
            normalize(m->kernels, traits->norm, traits->norm_eps, j->after, x, x, n_embd);
    }
}

void step_residual(struct forward *f, float *x, const struct norm *post, const struct norm *after,
                   size_t n)
{
    size_t work = 3 * (size_t)f->model->traits.n_embd;
    struct residual_job j = {f, x, post, after, n, chunk_items(f, n, work)};
    run_chunks(f, residual_chunk, &j, n, j.n_chunk);
}

/* ---- heads ---- */

struct heads_job {
    struct forward *f;
    const struct layer *layer;
    const struct rotation *rotation;
    float *keys;
    size_t n, n_chunk;
};

/* One token's queries or keys, [dim / head_dim][head_dim]. */
static void normalize_heads(const struct model *m, const struct norm *norm, float *x, size_t dim)
{
    const struct traits *t = &m->traits;
    size_t length = t->qk_norm == QK_NORM_ROW ? dim : (size_t)t->head_dim;
    for (size_t i = 0; i < dim; i += length) {
        size_t own = t->qk_norm == QK_NORM_HEADS ? i : 0;
        struct norm part = *norm;
        part.weight = part.weight ? part.weight + own : NULL;
        part.bias = part.bias ? part.bias + own : NULL;
        normalize(m->kernels, t->qk_norm_kind, t->qk_norm_eps, &part, x + i, x + i, length);
    }
}

static void rotate_heads(const struct heads_job *j, size_t t, float *x, size_t dim)
{
    const struct rotation *r = j->rotation;
    size_t n_rot = (size_t)r->traits->n_rot;
    for (size_t i = 0; i < dim; i += (size_t)j->f->model->traits.head_dim)
        j->f->model->kernels->rope(x + i, r->cosines + t * (n_rot / 2), r->sines + t * (n_rot / 2),
                                   n_rot, r->traits->interleaved);
}

static void heads_chunk(void *ctx, size_t chunk, int worker)
{
    const struct heads_job *j = ctx;
    const struct model *m = j->f->model;
    size_t q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        float *query = j->f->query + t * q_dim, *key = j->keys + t * kv_dim;
        if (j->layer->q_norm.there)
            normalize_heads(m, &j->layer->q_norm, query, q_dim);
        if (j->layer->k_norm.there)
            normalize_heads(m, &j->layer->k_norm, key, kv_dim);
        if (j->rotation) {
            rotate_heads(j, t, query, q_dim);
            rotate_heads(j, t, key, kv_dim);
        }
    }
}

void step_heads(struct forward *f, const struct layer *layer, const struct rotation *rotation,
                float *keys, size_t n)
{
    if (!rotation && !layer->q_norm.there && !layer->k_norm.there)
        return;
    size_t work = model_q_dim(f->model) + model_kv_dim(f->model);
    struct heads_job j = {f, layer, rotation, keys, n, chunk_items(f, n, work)};
    run_chunks(f, heads_chunk, &j, n, j.n_chunk);
}
