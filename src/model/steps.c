/* SPDX-License-Identifier: MIT */
/* The steps of a forward pass: see forward.h.
 *
 * Chunks. Every thread should find about CHUNKS_A_THREAD of them, so that one that the system holds
 * up leaves its share to the others, but none is worth less than a few microseconds of work, which
 * is what claiming it and meeting at the end cost. With one thread there is one chunk. */
#include "model/forward.h"

enum {
    CHUNKS_A_THREAD = 6,
    WORK_MIN = 64 << 10,      /* multiply-adds: 3 to 6 us for one column of 4-bit rows */
    COLUMN_BYTES = 128 << 10, /* of activations: half of a small second-level cache */
};

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* n items of work multiply-adds each: how many make one chunk. */
static size_t chunk_items(const struct forward *f, size_t n, size_t work)
{
    if (f->n_threads == 1)
        return n;
    size_t even = divide_up(n, (size_t)f->n_threads * CHUNKS_A_THREAD);
    return max_size(even, divide_up(WORK_MIN, max_size(work, 1)));
}

static void run_chunks(struct forward *f, pool_fn fn, void *job, size_t n_chunks)
{
    if (n_chunks == 1)
        fn(job, 0, 0);
    else
        pool_run(f->pool, fn, job, n_chunks);
}

/* ---- tokens ---- */

struct norm_job {
    struct forward *f;
    const float *x, *weight;
    size_t n, n_chunk;
};

static void norm_chunk(void *ctx, size_t chunk, int worker)
{
    const struct norm_job *j = ctx;
    const struct model *m = j->f->model;
    size_t n_embd = (size_t)m->traits.n_embd;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++)
        m->kernels->rms_norm(j->x + t * n_embd, j->weight, m->traits.norm_eps,
                             j->f->normed + t * n_embd, n_embd);
}

void step_norm(struct forward *f, const float *x, const float *weight, size_t n)
{
    struct norm_job j = {f, x, weight, n, chunk_items(f, n, (size_t)f->model->traits.n_embd)};
    run_chunks(f, norm_chunk, &j, divide_up(n, j.n_chunk));
}

struct quantize_job {
    struct forward *f;
    const float *x;
    size_t n, length, n_chunk;
};

static void quantize_chunk(void *ctx, size_t chunk, int worker)
{
    const struct quantize_job *j = ctx;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++)
        j->f->model->kernels->quantize_q8(j->x + t * j->length, j->f->q8 + t * (j->length / 32),
                                          j->length);
}

struct columns step_columns(struct forward *f, const float *x, size_t n, size_t length,
                            const struct product *parts, size_t n_parts)
{
    struct columns c = {.x = x, .n = n, .length = length};
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].w->q8)
            c.q8 = f->q8;
    if (c.q8) {
        struct quantize_job j = {f, x, n, length, chunk_items(f, n, length)};
        run_chunks(f, quantize_chunk, &j, divide_up(n, j.n_chunk));
    }
    return c;
}

struct rotate_job {
    struct forward *f;
    float *keys;
    size_t n, n_chunk;
};

static void rotate_chunk(void *ctx, size_t chunk, int worker)
{
    const struct rotate_job *j = ctx;
    const struct model *m = j->f->model;
    const struct rope_traits *r = &m->traits.rope;
    size_t n_rot = (size_t)r->n_rot, head_dim = (size_t)m->traits.head_dim;
    size_t q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        const float *cosines = j->f->cosines + t * (n_rot / 2);
        const float *sines = j->f->sines + t * (n_rot / 2);
        for (size_t i = 0; i < q_dim; i += head_dim)
            m->kernels->rope(j->f->query + t * q_dim + i, cosines, sines, n_rot, r->interleaved);
        for (size_t i = 0; i < kv_dim; i += head_dim)
            m->kernels->rope(j->keys + t * kv_dim + i, cosines, sines, n_rot, r->interleaved);
    }
}

void step_rotate(struct forward *f, float *keys, size_t n)
{
    size_t work = model_q_dim(f->model) + model_kv_dim(f->model);
    struct rotate_job j = {f, keys, n, chunk_items(f, n, work)};
    run_chunks(f, rotate_chunk, &j, divide_up(n, j.n_chunk));
}

/* ---- rows ---- */

/* Rows [row0, row1) of p for all columns, bias included. Columns go in groups that stay in the
 * second-level cache while the chunk's rows pass over them. */
static void multiply(const struct forward *f, const struct columns *in, const struct product *p,
                     size_t row0, size_t row1, int worker)
{
    const struct kernels *k = f->model->kernels;
    const struct matrix *w = p->w;
    size_t column_bytes = w->q8 ? in->length / 32 * sizeof *in->q8 : in->length * sizeof *in->x;
    size_t group = max_size(COLUMN_BYTES / column_bytes, 4);
    for (size_t c = 0; c < in->n; c += group) {
        size_t n = min_size(group, in->n - c);
        float *out = p->out + c * p->stride + row0;
        if (w->q8)
            k->mul_q8(w->type, w->data, w->row_bytes, w->n_cols, row0, row1,
                      in->q8 + c * (in->length / 32), n, out, p->stride);
        else
            k->mul_f32(w->type, w->data, w->row_bytes, w->n_cols, row0, row1,
                       in->x + c * in->length, n, out, p->stride,
                       f->row + (size_t)worker * f->longest_row);
    }
    for (size_t c = 0; w->bias && c < in->n; c++)
        k->add(p->out + c * p->stride + row0, w->bias + row0, row1 - row0);
}

struct products_job {
    struct forward *f;
    const struct columns *in;
    const struct product *parts;
    size_t n_parts, n_rows, n_chunk;
    float *residual;
};

/* The parts' rows count as if they were one matrix. */
static void products_chunk(void *ctx, size_t chunk, int worker)
{
    const struct products_job *j = ctx;
    size_t begin = chunk * j->n_chunk, end = min_size(j->n_rows, begin + j->n_chunk), base = 0;
    for (size_t i = 0; i < j->n_parts; i++) {
        const struct product *p = &j->parts[i];
        size_t row0 = max_size(begin, base), row1 = min_size(end, base + p->w->n_rows);
        if (row0 < row1)
            multiply(j->f, j->in, p, row0 - base, row1 - base, worker);
        base += p->w->n_rows;
    }
    for (size_t c = 0; j->residual && c < j->in->n; c++)
        j->f->model->kernels->add(j->residual + c * j->parts->stride + begin,
                                  j->parts->out + c * j->parts->stride + begin, end - begin);
}

void step_products(struct forward *f, const struct columns *in, const struct product *parts,
                   size_t n_parts, float *residual)
{
    struct products_job j = {f, in, parts, n_parts, 0, 0, residual};
    for (size_t i = 0; i < n_parts; i++)
        j.n_rows += parts[i].w->n_rows;
    j.n_chunk = chunk_items(f, j.n_rows, in->length * in->n);
    run_chunks(f, products_chunk, &j, divide_up(j.n_rows, j.n_chunk));
}

struct gated_job {
    struct forward *f;
    const struct columns *in;
    const struct product *gate, *up;
    size_t n_chunk;
};

static void gated_chunk(void *ctx, size_t chunk, int worker)
{
    const struct gated_job *j = ctx;
    size_t row0 = chunk * j->n_chunk, row1 = min_size(j->gate->w->n_rows, row0 + j->n_chunk);
    multiply(j->f, j->in, j->gate, row0, row1, worker);
    multiply(j->f, j->in, j->up, row0, row1, worker);
    for (size_t c = 0; c < j->in->n; c++)
        j->f->model->kernels->gate_mul(ACTIVATION_SILU, j->gate->out + c * j->gate->stride + row0,
                                       j->up->out + c * j->up->stride + row0, row1 - row0);
}

void step_gated(struct forward *f, const struct columns *in, const struct product *gate,
                const struct product *up)
{
    size_t n_rows = gate->w->n_rows;
    struct gated_job j = {f, in, gate, up, chunk_items(f, n_rows, 2 * in->length * in->n)};
    run_chunks(f, gated_chunk, &j, divide_up(n_rows, j.n_chunk));
}

/* ---- heads ---- */

struct attend_job {
    struct forward *f;
    const float *query, *keys, *values;
    size_t first, n, n_items, n_chunk;
};

/* Items go head by head, tokens inside: what is near in time reads the same keys. */
static void attend_chunk(void *ctx, size_t chunk, int worker)
{
    const struct attend_job *j = ctx;
    const struct model *m = j->f->model;
    size_t head_dim = (size_t)m->traits.head_dim, q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    size_t share = (size_t)(m->traits.n_head / m->traits.n_head_kv);
    float *scores = j->f->scores + (size_t)worker * (size_t)m->traits.n_ctx;
    for (size_t i = chunk * j->n_chunk; i < min_size(j->n_items, (chunk + 1) * j->n_chunk); i++) {
        size_t head = i / j->n, t = i % j->n, kv = head / share * head_dim;
        size_t at = t * q_dim + head * head_dim;
        struct attention a = {.q = j->query + at,
                              .k = j->keys + kv,
                              .v = j->values + kv,
                              .stride = kv_dim,
                              .head_dim = head_dim,
                              .n_kv = j->first + t + 1,
                              .scale = m->traits.attention_scale};
        m->kernels->attention(&a, scores, j->f->attended + at);
    }
}

void step_attend(struct forward *f, const float *query, const float *keys, const float *values,
                 size_t first, size_t n)
{
    const struct traits *t = &f->model->traits;
    size_t n_items = n * (size_t)t->n_head;
    size_t work = 2 * (size_t)t->head_dim * (first + n);
    struct attend_job j = {f,     query, keys,    values,
                           first, n,     n_items, chunk_items(f, n_items, work)};
    run_chunks(f, attend_chunk, &j, divide_up(n_items, j.n_chunk));
}
