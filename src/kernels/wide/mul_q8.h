/* SPDX-License-Identifier: MIT */
/* Integer dot products of quantized weights and activations, and the quantizing of activations.
 * Included after an ISA's lanes.h.
 *
 * Work is done in tiles of rows x columns: several streams of weights and several chains of
 * additions are under way at once, an unpacked weight block serves all columns, an activation block
 * all rows, and the scales of four rows are multiplied in one instruction. Each output has its own
 * lanes, so a tile's shape does not show in the result. */
#ifndef WATTLE_KERNELS_WIDE_MUL_Q8_H
#define WATTLE_KERNELS_WIDE_MUL_Q8_H

#include "kernels/kernels.h"
#include "kernels/wide/blocks.h"
#include "kernels/wide/prefetch.h"

#include <math.h>

/* The largest tile: 8 sums, 2 activation blocks and an unpacked weight block in 16 registers. */
enum {
    Q8_ROWS = 4,
    Q8_COLUMNS = 2,
};

/* What stays the same for all tiles of a call. */
struct q8_job {
    const uint8_t *w;
    size_t row_bytes;
    size_t n_subs; /* of a row, and q8 blocks of a column */
    const struct q8_block *x;
    float *out; /* of row 0, column 0 */
    size_t out_stride;
};

/* Rows [r0, r0 + rows) x columns [c0, c0 + columns). */
wide_inline void q8_tile(uint32_t type, const struct q8_job *job, size_t r0, int rows, size_t c0,
                         int columns)
{
    struct v8f lanes[Q8_ROWS][Q8_COLUMNS], mins[Q8_COLUMNS]; /* mins: row r in lane 2r + 1 */
    const int subs = block_subs(type), high = halves_differ(type);
    const uint8_t *tile = job->w + r0 * job->row_bytes, *w = tile;
    const struct q8_block *x = job->x + c0 * job->n_subs;

#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        mins[c] = v8f_zero();
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            lanes[r][c] = v8f_zero();
    }
    for (size_t b = 0; b < job->n_subs; b += (size_t)subs, w += block_bytes(type)) {
        struct block_scales scales;
        if (columns == 1) /* no second use of the weights hides the memory */
            prefetch_ahead(tile, (size_t)rows * job->row_bytes, (size_t)rows * (size_t)(w - tile),
                           (size_t)rows * block_bytes(type));
        if (subs > 1)
            read_block_scales(type, w, job->row_bytes, rows, &scales);
#pragma GCC unroll 16
        for (int i = 0; i < subs; i++, x++) {
            struct v8f pairs = read_pairs(type, w, job->row_bytes, rows, &scales, i);
            struct v8f d[Q8_COLUMNS];
            struct v8f m[Q8_COLUMNS], sums[Q8_COLUMNS]; /* of halves with minima */
            struct v8i excess[Q8_COLUMNS];              /* what the offset of the codes adds */
            struct v32b q[Q8_COLUMNS];
#pragma GCC unroll 16
            for (int c = 0; c < columns; c++) {
                const struct q8_block *xb = x + (size_t)c * job->n_subs;
                d[c] = v8f_mul(pairs, v8f_set1(xb->d));
                if (has_min(type))
                    mins[c] = v8f_fma(pairs, v8f_set1(xb->s), mins[c]);
                q[c] = v32b_load(xb->q);
                if (code_offset(type))
                    excess[c] = v8i_dot_positive(v32b_set1(code_offset(type)), q[c]);
                if (has_half_mins(type)) {
                    m[c] = v8f_mul(read_half_mins(&scales, i), v8f_set1(xb->d));
                    sums[c] = v8f_from_ints(v8i_dot_positive(v32b_set1(1), q[c]));
                }
            }
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                struct v32b wr = read_codes(type, w + (size_t)r * job->row_bytes, i);
                struct v32b size = codes_signed(type) ? v32b_abs(wr) : wr;
#pragma GCC unroll 16
                for (int c = 0; c < columns; c++) {
                    struct v8i t = codes_signed(type) ? v8i_dot_signed(wr, size, q[c])
                                                      : v8i_dot_positive(wr, q[c]);
                    if (code_offset(type))
                        t = v8i_sub(t, excess[c]);
                    struct v8f dr = v8f_spread(d[c], 2 * r, 2 * r + high);
                    lanes[r][c] = v8f_fma(dr, v8f_from_ints(t), lanes[r][c]);
                    if (has_half_mins(type))
                        lanes[r][c] =
                            v8f_fma(v8f_spread(m[c], 2 * r, 2 * r + 1), sums[c], lanes[r][c]);
                }
            }
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        float min[8];
        v8f_store(min, mins[c]);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            float sum = v8f_fold(lanes[r][c]);
            job->out[(c0 + (size_t)c) * job->out_stride + r0 + (size_t)r] =
                has_min(type) ? sum + min[2 * r + 1] : sum;
        }
    }
}

/* Rows [r0, r1) of one group of columns. */
wide_inline void q8_rows(uint32_t type, const struct q8_job *job, size_t r0, size_t r1, size_t c0,
                         int columns)
{
    for (; r1 - r0 >= Q8_ROWS; r0 += Q8_ROWS)
        q8_tile(type, job, r0, Q8_ROWS, c0, columns);
    for (; r0 < r1; r0++)
        q8_tile(type, job, r0, 1, c0, columns);
}

wide_inline void q8_mul(uint32_t type, const struct q8_job *job, size_t n_rows, size_t n)
{
    /* Rows that stay in half of a small first-level cache while the columns pass over them. */
    size_t band = 16384 / (job->row_bytes + 1) / Q8_ROWS * Q8_ROWS + Q8_ROWS;
    for (size_t r0 = 0; r0 < n_rows; r0 += band) {
        size_t r1 = n_rows - r0 < band ? n_rows : r0 + band, c = 0;
        for (; n - c >= Q8_COLUMNS; c += Q8_COLUMNS)
            q8_rows(type, job, r0, r1, c, Q8_COLUMNS);
        if (c < n)
            q8_rows(type, job, r0, r1, c, 1);
    }
}

static void wide_mul_q8(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0,
                        size_t row1, const struct q8_block *x, size_t n, float *out,
                        size_t out_stride)
{
    const struct q8_job job = {
        (const uint8_t *)w + row0 * row_bytes, row_bytes, k / 32, x, out, out_stride};
    size_t n_rows = row1 > row0 ? row1 - row0 : 0;

    switch (type) {
    case WTYPE_Q8_0:
        q8_mul(WTYPE_Q8_0, &job, n_rows, n);
        break;
    case WTYPE_Q4_0:
        q8_mul(WTYPE_Q4_0, &job, n_rows, n);
        break;
    case WTYPE_Q4_1:
        q8_mul(WTYPE_Q4_1, &job, n_rows, n);
        break;
    case WTYPE_Q5_0:
        q8_mul(WTYPE_Q5_0, &job, n_rows, n);
        break;
    case WTYPE_Q5_1:
        q8_mul(WTYPE_Q5_1, &job, n_rows, n);
        break;
    case WTYPE_Q2_K:
        q8_mul(WTYPE_Q2_K, &job, n_rows, n);
        break;
    case WTYPE_Q3_K:
        q8_mul(WTYPE_Q3_K, &job, n_rows, n);
        break;
    case WTYPE_Q4_K:
        q8_mul(WTYPE_Q4_K, &job, n_rows, n);
        break;
    case WTYPE_Q5_K:
        q8_mul(WTYPE_Q5_K, &job, n_rows, n);
        break;
    case WTYPE_Q6_K:
        q8_mul(WTYPE_Q6_K, &job, n_rows, n);
        break;
    case WTYPE_Q8_K:
        q8_mul(WTYPE_Q8_K, &job, n_rows, n);
        break;
    case WTYPE_IQ4_NL:
        q8_mul(WTYPE_IQ4_NL, &job, n_rows, n);
        break;
    case WTYPE_IQ4_XS:
        q8_mul(WTYPE_IQ4_XS, &job, n_rows, n);
        break;
    case WTYPE_MXFP4:
        q8_mul(WTYPE_MXFP4, &job, n_rows, n);
        break;
    case WTYPE_NVFP4:
        q8_mul(WTYPE_NVFP4, &job, n_rows, n);
        break;
    case WTYPE_TQ1_0:
        q8_mul(WTYPE_TQ1_0, &job, n_rows, n);
        break;
    case WTYPE_TQ2_0:
        q8_mul(WTYPE_TQ2_0, &job, n_rows, n);
        break;
    }
}

static void wide_quantize_q8(const float *x, struct q8_block *q, size_t k)
{
    for (size_t b = 0; b < k / 32; b++, x += 32, q++) {
        struct v8f v[4];
        struct v8i max = v8i_abs_bits(v[0] = v8f_load(x));
#pragma GCC unroll 16
        for (int i = 1; i < 4; i++)
            max = v8i_max(max, v8i_abs_bits(v[i] = v8f_load(x + 8 * i)));
        /* As integers the bits of |x| are in the order of their values, infinity and NaN on top. */
        int32_t max_bits = v8i_fold_max(max);
        float top = float_from_bits((uint32_t)max_bits);
        if (max_bits >= 0x7f800000 || top < 0x1p-100f) {
            memset(q, 0, sizeof *q);
            if (max_bits >= 0x7f800000)
                q->d = q->s = NAN;
            continue;
        }
        struct v8f inverse = v8f_set1(127.0f / top);
        struct v8i i[4];
#pragma GCC unroll 16
        for (int j = 0; j < 4; j++)
            i[j] = v8i_round(v8f_mul(v[j], inverse));
        q->d = top / 127.0f;
        v8i_pack_bytes(i[0], i[1], i[2], i[3], q->q, q->half);
        q->s = q->d * (float)(q->half[0] + q->half[1]);
    }
}

#endif
