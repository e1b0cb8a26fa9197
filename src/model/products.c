/* SPDX-License-Identifier: MIT */
/* Matrices times columns: see forward.h. */
#include "model/chunks.h"

enum { COLUMN_BYTES = 128 << 10 }; /* of activations: half of a small second-level cache */

struct quantize_job {
    struct forward *f;
    const float *x;
    struct q8_block *q8;
    size_t n, length, n_chunk;
};

static void quantize_chunk(void *ctx, size_t chunk, int worker)
{
    const struct quantize_job *j = ctx;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++)
        j->f->model->kernels->quantize_q8(j->x + t * j->length, j->q8 + t * (j->length / 32),
                                          j->length);
}

struct columns step_columns(struct forward *f, const float *x, size_t n, size_t length,
                            bool quantize, struct q8_block *q8)
{
    if (!quantize)
        return (struct columns){x, NULL, n, length};
    struct quantize_job j = {f, x, q8, n, length, chunk_items(f, n, length)};
    run_chunks(f, quantize_chunk, &j, n, j.n_chunk);
    return (struct columns){x, q8, n, length};
}

/* Rows [row0, row1) of w, which follow one another from data on (or are packed), for all columns.
 * Columns go in groups that stay in the second-level cache while the rows pass over them. */
static void multiply_rows(const struct forward *f, const struct product *p, const struct matrix *w,
                          const uint8_t *data, float *out, size_t row0, size_t row1, int worker)
{
    const struct kernels *k = f->model->kernels;
    const struct columns *in = &p->in;
    size_t column_bytes = w->q8 ? in->length / 32 * sizeof *in->q8 : in->length * sizeof *in->x;
    size_t group = max_size(COLUMN_BYTES / column_bytes, 4);
    for (size_t c = 0; c < in->n; c += group) {
        size_t n = min_size(group, in->n - c);
        float *to = out + c * p->stride + row0;
        if (w->packed)
            k->mul_packed(w->type, w->packed, w->n_cols, row0, row1, in->q8 + c * (in->length / 32),
                          n, to, p->stride);
        else if (w->q8)
            k->mul_q8(w->type, data, w->row_bytes, w->n_cols, row0, row1,
                      in->q8 + c * (in->length / 32), n, to, p->stride);
        else
            k->mul_f32(w->type, data, w->row_bytes, w->n_cols, row0, row1, in->x + c * in->length,
                       n, to, p->stride, f->row + (size_t)worker * f->longest_row);
    }
}

/* Rows [row0, row1) of w for all columns, bias included. */
static void multiply(const struct forward *f, const struct product *p, const struct matrix *w,
                     float *out, size_t row0, size_t row1, int worker)
{
    for (size_t row = row0, end; row < row1; row = end) {
        size_t group = row / w->group_rows;
        size_t shift = group * (w->group_apart - w->group_rows); /* other matrices' rows before */
        const uint8_t *data = w->data ? w->data + shift * w->row_bytes : NULL;
        end = min_size(row1, (group + 1) * w->group_rows);
        multiply_rows(f, p, w, data, out, row, end, worker);
    }
    for (size_t c = 0; w->bias && c < p->in.n; c++)
        f->model->kernels->add(out + c * p->stride + row0, w->bias + row0, row1 - row0);
}

/* y[n], at the place offset of the result. */
static void finish_rows(const struct model *m, const struct finish *finish, float *y, size_t offset,
                        size_t n)
{
    if (finish->clamp > 0)
        m->kernels->clamp(y, finish->clamp, n);
    if (finish->activated)
        m->kernels->activate(m->traits.activation, y, n);
    if (finish->scale != 0 && finish->scale != 1)
        m->kernels->scale(y, finish->scale, n);
    if (finish->softcap > 0)
        m->kernels->softcap(y, finish->softcap, n);
    if (finish->residual)
        m->kernels->add(finish->residual + offset, y, n);
}

struct products_job {
    struct forward *f;
    const struct product *parts;
    const struct finish *finish;
    size_t n_parts, n_chunk;
};

/* Multiply-adds of one row. */
static size_t row_work(const struct product *p)
{
    return p->in.n * p->in.length * (p->up ? 2 : 1);
}

static void product_rows(const struct products_job *j, const struct product *p, size_t row0,
                         size_t row1, int worker)
{
    const struct model *m = j->f->model;
    multiply(j->f, p, p->w, p->out, row0, row1, worker);
    if (p->up)
        multiply(j->f, p, p->up, p->up_out, row0, row1, worker);
    for (size_t c = 0; c < p->in.n; c++) {
        size_t offset = c * p->stride + row0;
        if (p->up)
            m->kernels->gate_mul(m->traits.activation, p->out + offset, p->up_out + offset,
                                 row1 - row0);
        finish_rows(m, j->finish, p->out + offset, offset, row1 - row0);
    }
}

/* The first row of a group that begins at work or behind it. Kernels read packed rows by groups. */
static size_t first_row(size_t at, size_t work)
{
    return divide_up(divide_up(at, work), PACKED_ROWS) * PACKED_ROWS;
}

/* A chunk is a range of the work of all parts' rows, one after another: parts differ in columns and
 * in their length. It has the groups of rows that begin in it. */
static void products_chunk(void *ctx, size_t chunk, int worker)
{
    const struct products_job *j = ctx;
    size_t begin = chunk * j->n_chunk, end = begin + j->n_chunk, base = 0;
    for (size_t i = 0; i < j->n_parts && base < end; i++) {
        const struct product *p = &j->parts[i];
        size_t work = row_work(p);
        size_t row0 = begin > base ? first_row(begin - base, work) : 0;
        size_t row1 = min_size(first_row(end - base, work), p->w->n_rows);
        if (row0 < row1)
            product_rows(j, p, row0, row1, worker);
        base += p->w->n_rows * work;
    }
}

void step_products(struct forward *f, const struct product *parts, size_t n_parts,
                   const struct finish *finish)
{
    struct products_job j = {f, parts, finish, n_parts, 0};
    size_t work = 0;
    for (size_t i = 0; i < n_parts; i++)
        work += parts[i].w->n_rows * row_work(&parts[i]);
    j.n_chunk = chunk_items(f, work, 1);
    run_chunks(f, products_chunk, &j, work, j.n_chunk);
}
