/* SPDX-License-Identifier: MIT */
/* pack_group and mul_packed: plain C by bound against double precision on the weights as dequant
 * gives them, so that packing and multiplying are both seen; other tables to the bit against plain
 * C, and a column alone against the same column in company. */
#include "check.h"

#include "kernels/packed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    ROWS = 29, /* three groups and five rows of a fourth */
    COLUMNS_MAX = 9,
    K_MAX = 768,
};

struct problem {
    uint32_t type;
    size_t k, row_bytes;
    struct guarded w, packed; /* [ROWS][row_bytes], and packed */
    struct guarded x, q;      /* [COLUMNS_MAX][k], and as q8 blocks */
    char what[64];
};

static void problem_open(struct problem *p, struct check *c, uint32_t type, enum fill kind,
                         size_t k)
{
    const struct wtype_info *info = wtype_info(type);
    size_t bytes = 0, group = 0;
    *p = (struct problem){.type = type, .k = k};
    p->row_bytes = k / info->block_elems * info->block_bytes;
    snprintf(p->what, sizeof p->what, "%s k=%zu fill=%d", info->name, k, (int)kind);
    if (!packed_bytes(type, k, ROWS, &bytes) || !packed_group_bytes(type, k, &group))
        check_fail(c, "%s: no packed size", p->what);
    guarded_open(&p->w, ROWS * p->row_bytes, 1);
    guarded_open(&p->packed, bytes, 0);
    guarded_open(&p->x, COLUMNS_MAX * k * sizeof(float), 4);
    guarded_open(&p->q, COLUMNS_MAX * (k / 32) * sizeof(struct q8_block), 4);
    for (size_t r = 0; r < ROWS; r++)
        fill_weights(&c->rng, type, kind, p->w.p + r * p->row_bytes, k);
    fill_floats(&c->rng, kind, (float *)p->x.p, COLUMNS_MAX * k);
    c->ref->quantize_q8((float *)p->x.p, (struct q8_block *)p->q.p, COLUMNS_MAX * k);
    for (size_t r = 0; r < ROWS; r += PACKED_ROWS)
        pack_group(type, p->w.p + r * p->row_bytes, p->row_bytes, k,
                   ROWS - r < PACKED_ROWS ? ROWS - r : PACKED_ROWS,
                   p->packed.p + r / PACKED_ROWS * group);
}

static void problem_close(struct problem *p, struct check *c)
{
    guarded_close(&p->w, c, p->what);
    guarded_close(&p->packed, c, p->what);
    guarded_close(&p->x, c, p->what);
    guarded_close(&p->q, c, p->what);
}

static void run(const struct kernels *t, const struct problem *p, size_t row0, size_t row1,
                size_t first, size_t n, float *out, size_t out_stride)
{
    t->mul_packed(p->type, p->packed.p, p->k, row0, row1,
                  (struct q8_block *)p->q.p + first * (p->k / 32), n, out, out_stride);
}

/* Against sums in double of the weights that dequant gives and the values that the blocks stand
 * for. The products of a row with a minimum cancel, so the bound is by the sum of sizes. */
static void check_accuracy(struct check *c, const struct problem *p)
{
    float row[K_MAX], got[COLUMNS_MAX][ROWS];
    run(c->ref, p, 0, ROWS, 0, COLUMNS_MAX, got[0], ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        c->ref->dequant(p->type, p->w.p + r * p->row_bytes, row, p->k);
        for (size_t n = 0; n < COLUMNS_MAX; n++) {
            const struct q8_block *q = (struct q8_block *)p->q.p + n * (p->k / 32);
            double want = 0, size = 0;
            for (size_t i = 0; i < p->k; i++) {
                double term = (double)row[i] * q[i / 32].d * q[i / 32].q[i % 32];
                want += term;
                size += fabs(term);
            }
            /* A weight with a minimum is a difference of two larger numbers. */
            if (fabs(got[n][r] - want) > 4e-6 * size + 1e-30)
                check_fail(c, "%s row %zu column %zu: %g, expected %g", p->what, r, n,
                           (double)got[n][r], want);
            c->compared++;
        }
    }
}

static void check_problem(struct check *c, const struct problem *p)
{
    static const struct {
        size_t row0, row1;
    } ranges[] = {{0, ROWS}, {8, 24}, {16, 27}, {24, ROWS}, {8, 8}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const size_t row0 = ranges[i].row0, rows = ranges[i].row1 - row0;
        for (size_t n = 1; n <= COLUMNS_MAX; n++) {
            const size_t stride = rows + n % 3, first = n % 2 ? COLUMNS_MAX - n : 0;
            struct twin out;
            twin_open(&out, NULL, COLUMNS_MAX * (rows + 2));
            run(c->got, p, row0, row0 + rows, first, n, (float *)out.got.p, stride);
            for (size_t one = 0; one < n; one++) /* each column alone */
                run(c->ref, p, row0, row0 + rows, first + one, 1,
                    (float *)out.want.p + one * stride, stride);
            twin_close(&out, c, COLUMNS_MAX * (rows + 2), p->what);
        }
    }
}

void check_packed(struct check *c)
{
    static const size_t ks[] = {32, 96, 256, 512, K_MAX};
    for (size_t t = 0; t < n_types; t++)
        for (size_t i = 0; packed_has(all_types[t]) && i < sizeof ks / sizeof *ks; i++)
            for (int kind = 0; kind < FILL_KINDS; kind++) {
                struct problem p;
                if (ks[i] % wtype_info(all_types[t])->block_elems)
                    continue;
                problem_open(&p, c, all_types[t], (enum fill)kind, ks[i]);
                if (c->got == c->ref && kind != FILL_WILD)
                    check_accuracy(c, &p);
                check_problem(c, &p);
                problem_close(&p, c);
            }
}
