/* SPDX-License-Identifier: MIT */
/* mul_f32 and mul_q8: to the bit against plain C, by bound against double precision, and a column
 * alone against the same column in company. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 11,
    ROWS_TALL = 75, /* more than the kernels take at once */
    COLUMNS_MAX = 9,
    K_MAX = 800,
};

/* A weight matrix with its activations, which live as long as it. */
struct problem {
    uint32_t type;
    size_t k, rows, row_bytes;
    struct guarded w; /* [rows][row_bytes] */
    struct guarded x; /* [COLUMNS_MAX][k] */
    struct guarded q; /* [COLUMNS_MAX][k / 32]; empty if the type has no q8 */
    char what[64];
};

static void problem_open(struct problem *p, struct check *c, uint32_t type, enum fill kind,
                         size_t k, size_t rows, size_t padding)
{
    const struct wtype_info *info = wtype_info(type);
    *p = (struct problem){.type = type, .k = k, .rows = rows};
    p->row_bytes = k / info->block_elems * info->block_bytes + padding;
    snprintf(p->what, sizeof p->what, "%s k=%zu padding=%zu fill=%d", info->name, k, padding,
             (int)kind);
    guarded_open(&p->w, rows * p->row_bytes, padding % 4); /* at odd addresses too */
    guarded_open(&p->x, COLUMNS_MAX * k * sizeof(float), 4);
    guarded_open(&p->q, COLUMNS_MAX * (k / 32) * sizeof(struct q8_block), 4);
    for (size_t r = 0; r < rows; r++)
        fill_weights(&c->rng, type, kind, p->w.p + r * p->row_bytes, k);
    fill_floats(&c->rng, kind, (float *)p->x.p, COLUMNS_MAX * k);
    if (kernels_has_q8(type))
        c->ref->quantize_q8((float *)p->x.p, (struct q8_block *)p->q.p, COLUMNS_MAX * k);
}

static void problem_close(struct problem *p, struct check *c)
{
    guarded_close(&p->w, c, p->what);
    guarded_close(&p->x, c, p->what);
    guarded_close(&p->q, c, p->what);
}

/* Columns [first, first + n) of rows [row0, row1) by one of a table's two ways. */
static void run(const struct kernels *t, const struct problem *p, bool q8, size_t row0, size_t row1,
                size_t first, size_t n, float *out, size_t out_stride)
{
    if (q8) {
        t->mul_q8(p->type, p->w.p, p->row_bytes, p->k, row0, row1,
                  (struct q8_block *)p->q.p + first * (p->k / 32), n, out, out_stride);
    } else {
        float scratch[K_MAX];
        t->mul_f32(p->type, p->w.p, p->row_bytes, p->k, row0, row1, (float *)p->x.p + first * p->k,
                   n, out, out_stride, scratch);
    }
}

/* Both tables write n columns of a row range into poisoned memory with a gap behind each column:
 * all of it must come out the same, gaps included. */
static void same_as_ref(struct check *c, const struct problem *p, bool q8, size_t row0, size_t row1,
                        size_t n, size_t gap)
{
    const size_t stride = row1 - row0 + gap;
    struct guarded got, want;
    char what[160];

    snprintf(what, sizeof what, "%s %s rows %zu..%zu n=%zu gap=%zu", q8 ? "mul_q8" : "mul_f32",
             p->what, row0, row1, n, gap);
    guarded_open(&got, n * stride * sizeof(float), 0);
    guarded_open(&want, n * stride * sizeof(float), 0);
    run(c->got, p, q8, row0, row1, 0, n, (float *)got.p, stride);
    run(c->ref, p, q8, row0, row1, 0, n, (float *)want.p, stride);
    check_same(c, (float *)got.p, (float *)want.p, n * stride, what);
    guarded_close(&got, c, what);
    guarded_close(&want, c, what);
}

/* One row and one column at a time gives the bits of the whole. */
static void same_alone(struct check *c, const struct problem *p, bool q8)
{
    float all[COLUMNS_MAX * ROWS], one;
    run(c->got, p, q8, 0, ROWS, 0, COLUMNS_MAX, all, ROWS);
    for (size_t col = 0; col < COLUMNS_MAX; col++)
        for (size_t r = 0; r < ROWS; r++) {
            run(c->got, p, q8, r, r + 1, col, 1, &one, 1);
            check_same(c, &one, &all[col * ROWS + r], 1, p->what);
        }
}

/* Against double precision on the same dequantized numbers. sum |w x| is what float arithmetic can
 * be measured by: a result near 0 is a difference of large terms. */
static void accurate(struct check *c, const struct problem *p, bool q8)
{
    float out[COLUMNS_MAX * ROWS], w[K_MAX];
    const struct q8_block *q = (struct q8_block *)p->q.p;
    run(c->got, p, q8, 0, ROWS, 0, COLUMNS_MAX, out, ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        c->ref->dequant(p->type, p->w.p + r * p->row_bytes, w, p->k);
        for (size_t col = 0; col < COLUMNS_MAX; col++) {
            double sum = 0, size = 0;
            for (size_t i = 0; i < p->k; i++) {
                const struct q8_block *b = q + (col * p->k + i) / 32;
                double x =
                    q8 ? (double)b->d * b->q[i % 32] : (double)((float *)p->x.p)[col * p->k + i];
                sum += (double)w[i] * x;
                size += fabs((double)w[i] * x);
            }
            double error = fabs((double)out[col * ROWS + r] - sum);
            c->compared++;
            if (!(error <= 2e-6 * size + 1e-44))
                check_fail(c, "%s %s row %zu column %zu: %.9g, expected %.9g, off by %.2g of %.2g",
                           q8 ? "mul_q8" : "mul_f32", p->what, r, col, (double)out[col * ROWS + r],
                           sum, error, size);
        }
    }
}

static void check_problem(struct check *c, uint32_t type, enum fill kind, size_t k, size_t padding)
{
    static const size_t ranges[][2] = {{0, ROWS}, {3, 4}, {2, 9}, {5, 5}, {1, 5}, {8, 11}};
    struct problem p;
    problem_open(&p, c, type, kind, k, ROWS, padding);
    for (int q8 = 0; q8 <= (kernels_has_q8(type) ? 1 : 0); q8++) {
        for (size_t n = 0; n <= COLUMNS_MAX; n++)
            for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
                same_as_ref(c, &p, q8, ranges[i][0], ranges[i][1], n, (n + i) % 3);
        same_alone(c, &p, q8);
        if (kind != FILL_WILD) /* whose sums overflow */
            accurate(c, &p, q8);
    }
    problem_close(&p, c);
}

static void check_tall(struct check *c, uint32_t type)
{
    struct problem p;
    problem_open(&p, c, type, FILL_PLAIN, wtype_info(type)->block_elems == 256 ? 512 : 576,
                 ROWS_TALL, 0);
    for (int q8 = 0; q8 <= (kernels_has_q8(type) ? 1 : 0); q8++)
        for (size_t n = 1; n <= 5; n += 2)
            same_as_ref(c, &p, q8, n, ROWS_TALL, n, 1);
    problem_close(&p, c);
}

void check_mul(struct check *c)
{
    static const size_t plain[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 23, 64, 71, 576};
    static const size_t blocks[] = {0, 32, 64, 96, 160, 576};
    static const size_t pairs[] = {0, 64, 128, 192, 576};
    static const size_t k_blocks[] = {0, 256, 512, 768};
    static const struct {
        size_t elems;
        const size_t *ks;
        size_t n;
    } all[] = {{1, plain, sizeof plain / sizeof *plain},
               {32, blocks, sizeof blocks / sizeof *blocks},
               {64, pairs, sizeof pairs / sizeof *pairs},
               {256, k_blocks, sizeof k_blocks / sizeof *k_blocks}};

    for (size_t t = 0; t < n_types; t++) {
        for (size_t a = 0; a < sizeof all / sizeof *all; a++)
            for (size_t i = 0;
                 all[a].elems == wtype_info(all_types[t])->block_elems && i < all[a].n; i++)
                for (int kind = 0; kind < FILL_KINDS; kind++)
                    check_problem(c, all_types[t], (enum fill)kind, all[a].ks[i], i % 3 * 3);
        check_tall(c, all_types[t]);
    }
}
