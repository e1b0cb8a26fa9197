/* SPDX-License-Identifier: MIT */
/* Float dot products, and the dequantizing that they need. Included after an ISA's lanes.h. Tiles:
 * as in mul_q8.h. Weights without blocks become floats in registers; the other types are
 * dequantized once a row, into the caller's scratch. */
#ifndef WATTLE_KERNELS_WIDE_MUL_F32_H
#define WATTLE_KERNELS_WIDE_MUL_F32_H

#include "kernels/wide/blocks.h"
#include "kernels/wide/prefetch.h"

#include <math.h>

enum { F32_TILE_ROWS = 4, F32_TILE_COLUMNS = 8 };

wide_inline size_t plain_bytes(uint32_t type)
{
    return type == WTYPE_F64 ? 8 : type == WTYPE_F32 ? 4 : type == WTYPE_I8 ? 1 : 2;
}

/* Eight weights of a type that has no blocks. */
wide_inline struct v8f plain_load(uint32_t type, const uint8_t *p)
{
    switch (type) {
    case WTYPE_F32:
        return v8f_load(p);
    case WTYPE_F16:
        return v8f_from_halves(p);
    case WTYPE_F64:
        return v8f_from_f64(p);
    case WTYPE_I8:
        return v8f_from_i8(p);
    default:
        return v8f_from_bf16(p);
    }
}

wide_inline float plain_at(uint32_t type, const uint8_t *p)
{
    switch (type) {
    case WTYPE_F32:
        return float_from_bits(load_u32(p));
    case WTYPE_F16:
        return half_at(p);
    case WTYPE_F64: {
        double d;
        memcpy(&d, p, sizeof d);
        return (float)d;
    }
    case WTYPE_I8:
        return (float)(int8_t)*p;
    default:
        return float_from_bits((uint32_t)load_u16(p) << 16);
    }
}

/* fold(lanes) after the elements i of [from, k), fewer than eight, have joined their lanes. */
wide_inline float fold_tail(uint32_t type, struct v8f lanes, const uint8_t *w, const float *x,
                            size_t from, size_t k)
{
    if (from == k)
        return v8f_fold(lanes);
    float lane[8];
    v8f_store(lane, lanes);
    for (size_t i = from; i < k; i++)
        lane[i - from] = fmaf(plain_at(type, w + i * plain_bytes(type)), x[i], lane[i - from]);
    return v8f_fold(v8f_load(lane));
}

/* out[c * out_stride + r] for a tile of rows x columns; column c at x + c * x_stride. */
wide_inline void f32_tile(uint32_t type, const uint8_t *w, size_t row_bytes, int rows,
                          const float *x, size_t x_stride, int columns, size_t k, float *out,
                          size_t out_stride)
{
    struct v8f lanes[F32_TILE_ROWS][F32_TILE_COLUMNS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++)
            lanes[r][c] = v8f_zero();
    /* Rows that lie apart (the keys of attention) are not read as one piece. */
    const bool once = columns == 1 && rows > 1 && row_bytes == k * plain_bytes(type);
    size_t i = 0;
    for (; k - i >= 8; i += 8) {
        struct v8f xs[F32_TILE_COLUMNS];
        if (once)
            prefetch_ahead(w, (size_t)rows * row_bytes, (size_t)rows * i * plain_bytes(type),
                           (size_t)rows * 8 * plain_bytes(type));
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++)
            xs[c] = v8f_load(x + (size_t)c * x_stride + i);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            struct v8f wr = plain_load(type, w + (size_t)r * row_bytes + i * plain_bytes(type));
#pragma GCC unroll 16
            for (int c = 0; c < columns; c++)
                lanes[r][c] = v8f_fma(wr, xs[c], lanes[r][c]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++)
            out[(size_t)c * out_stride + (size_t)r] = fold_tail(
                type, lanes[r][c], w + (size_t)r * row_bytes, x + (size_t)c * x_stride, i, k);
}

/* All columns of a group of rows, three at a time. */
wide_inline void f32_columns(uint32_t type, const uint8_t *w, size_t row_bytes, int rows,
                             const float *x, size_t k, size_t n, float *out, size_t out_stride)
{
    size_t c = 0;
    for (; n - c >= 3; c += 3)
        f32_tile(type, w, row_bytes, rows, x + c * k, k, 3, k, out + c * out_stride, out_stride);
    if (n - c == 2)
        f32_tile(type, w, row_bytes, rows, x + c * k, k, 2, k, out + c * out_stride, out_stride);
    else if (n - c == 1)
        f32_tile(type, w, row_bytes, rows, x + c * k, k, 1, k, out + c * out_stride, out_stride);
}

/* Weights that need no scratch. Four rows x three columns are twelve chains of fused multiply-adds,
 * which hide each other's latency, in 16 registers with the columns and one weight; and each load
 * of the columns, which come from the second-level cache, serves four rows. */
wide_inline void f32_plain(uint32_t type, const uint8_t *w, size_t row_bytes, size_t k,
                           size_t n_rows, const float *x, size_t n, float *out, size_t out_stride)
{
    size_t r = 0;
    for (; n_rows - r >= 4; r += 4)
        f32_columns(type, w + r * row_bytes, row_bytes, 4, x, k, n, out + r, out_stride);
    for (; r < n_rows; r++)
        f32_columns(type, w + r * row_bytes, row_bytes, 1, x, k, n, out + r, out_stride);
}

/* One row of floats that has been dequantized. */
static void f32_row(const float *w, size_t k, const float *x, size_t n, float *out,
                    size_t out_stride)
{
    const uint8_t *p = (const uint8_t *)w;
    size_t c = 0;
    for (; n - c >= 8; c += 8)
        f32_tile(WTYPE_F32, p, 0, 1, x + c * k, k, 8, k, out + c * out_stride, out_stride);
    for (; c < n; c++)
        f32_tile(WTYPE_F32, p, 0, 1, x + c * k, k, 1, k, out + c * out_stride, out_stride);
}

wide_inline void dequant_blocks(uint32_t type, const uint8_t *block, float *y, size_t k)
{
    const int subs = block_subs(type), high = halves_differ(type);
    struct block_scales scales;
    for (size_t b = 0; b < k / 32; b += (size_t)subs, block += block_bytes(type)) {
        if (subs > 1)
            read_block_scales(type, block, 0, 1, &scales);
#pragma GCC unroll 16
        for (int i = 0; i < subs; i++) {
            struct v32b w = v32b_minus(read_codes(type, block, i), code_offset(type));
            struct v8f pairs = read_pairs(type, block, 0, 1, &scales, i);
            struct v8f d[2] = {v8f_spread(pairs, 0, 0), v8f_spread(pairs, high, high)};
            struct v8f m[2] = {v8f_zero(), v8f_zero()};
            if (has_min(type))
                m[0] = m[1] = v8f_spread(pairs, 1, 1);
            if (has_half_mins(type)) {
                struct v8f mins = read_half_mins(&scales, i);
                m[0] = v8f_spread(mins, 0, 0);
                m[1] = v8f_spread(mins, 1, 1);
            }
            /* Where there is a minimum the product is exact, so that fusing the addition changes
             * nothing. */
#pragma GCC unroll 16
            for (int j = 0; j < 4; j++, y += 8)
                v8f_store(y, v8f_fma(d[j / 2], v32b_floats(w, j), m[j / 2]));
        }
    }
}

wide_inline void dequant_plain(uint32_t type, const uint8_t *p, float *y, size_t k)
{
    size_t i = 0;
    for (; k - i >= 8; i += 8)
        v8f_store(y + i, plain_load(type, p + i * plain_bytes(type)));
    for (; i < k; i++)
        y[i] = plain_at(type, p + i * plain_bytes(type));
}

static void wide_dequant(uint32_t type, const void *row, float *y, size_t k)
{
    switch (type) {
    case WTYPE_F32:
        memcpy(y, row, 4 * k);
        break;
    case WTYPE_F16:
        dequant_plain(WTYPE_F16, row, y, k);
        break;
    case WTYPE_BF16:
        dequant_plain(WTYPE_BF16, row, y, k);
        break;
    case WTYPE_F64:
        dequant_plain(WTYPE_F64, row, y, k);
        break;
    case WTYPE_I8:
        dequant_plain(WTYPE_I8, row, y, k);
        break;
    case WTYPE_Q8_0:
        dequant_blocks(WTYPE_Q8_0, row, y, k);
        break;
    case WTYPE_Q4_0:
        dequant_blocks(WTYPE_Q4_0, row, y, k);
        break;
    case WTYPE_Q4_1:
        dequant_blocks(WTYPE_Q4_1, row, y, k);
        break;
    case WTYPE_Q5_0:
        dequant_blocks(WTYPE_Q5_0, row, y, k);
        break;
    case WTYPE_Q5_1:
        dequant_blocks(WTYPE_Q5_1, row, y, k);
        break;
    case WTYPE_Q2_K:
        dequant_blocks(WTYPE_Q2_K, row, y, k);
        break;
    case WTYPE_Q3_K:
        dequant_blocks(WTYPE_Q3_K, row, y, k);
        break;
    case WTYPE_Q4_K:
        dequant_blocks(WTYPE_Q4_K, row, y, k);
        break;
    case WTYPE_Q5_K:
        dequant_blocks(WTYPE_Q5_K, row, y, k);
        break;
    case WTYPE_Q6_K:
        dequant_blocks(WTYPE_Q6_K, row, y, k);
        break;
    case WTYPE_Q8_K:
        dequant_blocks(WTYPE_Q8_K, row, y, k);
        break;
    case WTYPE_IQ4_NL:
        dequant_blocks(WTYPE_IQ4_NL, row, y, k);
        break;
    case WTYPE_IQ4_XS:
        dequant_blocks(WTYPE_IQ4_XS, row, y, k);
        break;
    case WTYPE_MXFP4:
        dequant_blocks(WTYPE_MXFP4, row, y, k);
        break;
    case WTYPE_NVFP4:
        dequant_blocks(WTYPE_NVFP4, row, y, k);
        break;
    case WTYPE_TQ1_0:
        dequant_blocks(WTYPE_TQ1_0, row, y, k);
        break;
    case WTYPE_TQ2_0:
        dequant_blocks(WTYPE_TQ2_0, row, y, k);
        break;
    }
}

static void wide_mul_f32(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0,
                         size_t row1, const float *x, size_t n, float *out, size_t out_stride,
                         float *scratch)
{
    const uint8_t *rows = (const uint8_t *)w + row0 * row_bytes;
    size_t n_rows = row1 > row0 ? row1 - row0 : 0;

    switch (type) {
    case WTYPE_F32:
        f32_plain(WTYPE_F32, rows, row_bytes, k, n_rows, x, n, out, out_stride);
        break;
    case WTYPE_F16:
        f32_plain(WTYPE_F16, rows, row_bytes, k, n_rows, x, n, out, out_stride);
        break;
    case WTYPE_BF16:
        f32_plain(WTYPE_BF16, rows, row_bytes, k, n_rows, x, n, out, out_stride);
        break;
    case WTYPE_F64:
        f32_plain(WTYPE_F64, rows, row_bytes, k, n_rows, x, n, out, out_stride);
        break;
    case WTYPE_I8:
        f32_plain(WTYPE_I8, rows, row_bytes, k, n_rows, x, n, out, out_stride);
        break;
    default:
        for (size_t r = 0; r < n_rows; r++) {
            wide_dequant(type, rows + r * row_bytes, scratch, k);
            f32_row(scratch, k, x, n, out + r, out_stride);
        }
        break;
    }
}

#endif
