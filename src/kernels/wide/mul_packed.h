/* SPDX-License-Identifier: MIT */
/* Dot products of packed weights (packed.h) and quantized activations. Included after an ISA's
 * lanes.h and one of its dots files.
 *
 * A tile is one group of eight rows by a few columns. The eight rows' sums stand side by side in
 * one register a column, so nothing is folded, the scales of the rows are read as they lie, and a
 * loaded step of codes serves all columns.
 *
 * From dots files: struct dots, the sums of products under way, which may hold dots_steps(bits)
 * steps before they must be added to integers; DOTS_SPLIT where bytes go in as two nibbles;
 * DOTS_COLUMNS, what a tile has at most (4 to 8); DOTS_SIGNED where they go in as signed (their
 * offset taken off with a wrap of 8 bits); struct scales, two small integers for each row: of the
 * halves of its sub-block. */
#ifndef WATTLE_KERNELS_WIDE_MUL_PACKED_H
#define WATTLE_KERNELS_WIDE_MUL_PACKED_H

#include "kernels/kernels.h"
#include "kernels/packed.h"
#include "kernels/wide/inline.h"

enum { PACKED_AHEAD = 2048 /* bytes that are asked for in advance */ };

wide_inline int packed_bits(uint32_t type)
{
    switch (type) {
    case WTYPE_Q8_0:
        return 8;
    case WTYPE_Q6_K:
        return 6;
    case WTYPE_Q5_0:
    case WTYPE_Q5_1:
    case WTYPE_Q5_K:
        return 5;
    default:
        return 4;
    }
}

wide_inline int packed_offset(uint32_t type)
{
    switch (type) {
    case WTYPE_Q8_0:
        return DOTS_SIGNED ? 0 : 128;
    case WTYPE_Q6_K:
        return 32;
    case WTYPE_Q5_0:
        return 16;
    case WTYPE_Q4_0:
        return 8;
    default:
        return 0;
    }
}

wide_inline int packed_subs(uint32_t type)
{
    return type == WTYPE_Q4_K || type == WTYPE_Q5_K || type == WTYPE_Q6_K ? 8 : 1;
}

wide_inline bool packed_min(uint32_t type)
{
    return type == WTYPE_Q4_1 || type == WTYPE_Q5_1 || type == WTYPE_Q4_K || type == WTYPE_Q5_K;
}

wide_inline size_t packed_head(uint32_t type)
{
    return packed_min(type) ? 32 : 16;
}

wide_inline size_t packed_sub_size(uint32_t type)
{
    return (packed_subs(type) > 1 ? 16 : 0) + 32 * (size_t)packed_bits(type);
}

/* Step s of 32 codes. */
wide_inline struct v32b packed_step(int bits, const uint8_t *codes, int s)
{
    if (bits == 8)
        return DOTS_SIGNED ? v32b_minus(v32b_load(codes + 32 * s), (char)128)
                           : v32b_load(codes + 32 * s);
    struct v32b low = v32b_field(codes + 32 * (s % 4), s / 4 * 4, 15);
    if (bits == 5)
        return v32b_or(low, v32b_field(codes + 128, s - 4, 16));
    if (bits == 6)
        return v32b_or(low, v32b_field(codes + 128 + 32 * (s / 4), 2 * (s % 4) - 4, 48));
    return low;
}

/* sums += scale * (codes * x), of steps [from, from + n) of each column's block. */
wide_inline void packed_steps(int bits, const uint8_t *codes, int from, int n,
                              const struct q8_block *const x[], int columns, bool scaled,
                              struct scales scales, struct v8i sums[])
{
    struct dots t[DOTS_COLUMNS], high[DOTS_COLUMNS]; /* high: of high nibbles */
    const bool split = bits == 8 && DOTS_SPLIT;
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++)
        t[c] = high[c] = dots_zero();
#pragma GCC unroll 16
    for (int s = from; s < from + n; s++) {
        struct v32b w = split ? v32b_field(codes + 32 * s, 0, 15) : packed_step(bits, codes, s);
        struct v32b w_high = split ? v32b_field(codes + 32 * s, 4, 15) : w;
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++) {
            t[c] = dots_add(t[c], w, x[c]->q + 4 * s);
            if (split)
                high[c] = dots_add(high[c], w_high, x[c]->q + 4 * s);
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        sums[c] = scaled ? dots_flush_scaled(sums[c], t[c], scales) : dots_flush(sums[c], t[c]);
        if (split)
            sums[c] = dots_flush_scaled(sums[c], high[c], scales_all(16));
    }
}

/* The integer that stands for each row's sub-block in the contract of mul_packed. */
wide_inline void packed_sums(uint32_t type, const uint8_t *sub, const struct q8_block *const x[],
                             int columns, struct v8i sums[])
{
    const int bits = packed_bits(type), offset = packed_offset(type);
    const bool scaled = packed_subs(type) > 1, halves = type == WTYPE_Q6_K;
    const uint8_t *codes = sub + (scaled ? 16 : 0);
    const struct scales one = scales_all(1);
    const struct scales scales = halves   ? scales_of_halves(sub)
                                 : scaled ? scales_of_bytes(sub)
                                          : one;
    const struct scales offsets = halves ? scales_times(scales, -offset) : scales_all(-offset);
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++)
        sums[c] = offset ? scales_dot_halves(offsets, x[c]->half) : v8i_zero();
    const int n = halves && dots_steps(bits) > 4 ? 4 : dots_steps(bits);
#pragma GCC unroll 16
    for (int from = 0; from < 8; from += n)
        packed_steps(bits, codes, from, n, x, columns, scaled,
                     halves ? scales_half(scales, from / 4) : scales, sums);
}

/* A block of 32: sum += d x.d t, min += m x.s. */
wide_inline void packed_block_plain(uint32_t type, const uint8_t *block,
                                    const struct q8_block *const x[], int columns, struct v8f sum[],
                                    struct v8f min[])
{
    struct v8i t[DOTS_COLUMNS];
    packed_sums(type, block + packed_head(type), x, columns, t);
    struct v8f d = v8f_from_halves(block);
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        sum[c] = v8f_fma(v8f_mul(d, v8f_set1(x[c]->d)), v8f_from_ints(t[c]), sum[c]);
        if (packed_min(type))
            min[c] = v8f_fma(v8f_from_halves(block + 16), v8f_set1(x[c]->s), min[c]);
    }
}

/* A block of eight sub-blocks; advances x. */
wide_inline void packed_block_k(uint32_t type, const uint8_t *block, const struct q8_block *x[],
                                int columns, struct v8f sum[], struct v8f min[])
{
    struct v8f part[DOTS_COLUMNS], part_min[DOTS_COLUMNS];
    const uint8_t *sub = block + packed_head(type);
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++)
        part[c] = part_min[c] = v8f_zero();
    for (int i = 0; i < 8; i++, sub += packed_sub_size(type)) {
        struct v8i t[DOTS_COLUMNS];
        packed_sums(type, sub, x, columns, t);
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++) {
            part[c] = v8f_fma(v8f_set1(x[c]->d), v8f_from_ints(t[c]), part[c]);
            if (packed_min(type))
                part_min[c] = v8f_fma(v8f_from_u8(sub + 8), v8f_set1(x[c]->s), part_min[c]);
            x[c]++;
        }
    }
    struct v8f d = v8f_from_halves(block);
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        sum[c] = v8f_fma(d, part[c], sum[c]);
        if (packed_min(type)) {
            struct v8f m = v8f_sub(v8f_zero(), v8f_from_halves(block + 16));
            min[c] = v8f_fma(m, part_min[c], min[c]);
        }
    }
}

/* What stays the same for all tiles of a call. */
struct packed_job {
    size_t n_blocks, n_subs; /* of a row */
    const struct q8_block *x;
    float *out; /* of row 0, column 0 */
    size_t out_stride;
};

/* n_rows of a group by columns [c0, c0 + columns). */
wide_inline void packed_tile(uint32_t type, const struct packed_job *job, const uint8_t *group,
                             size_t row, size_t n_rows, size_t c0, int columns)
{
    const size_t block_size = packed_head(type) + (size_t)packed_subs(type) * packed_sub_size(type);
    const struct q8_block *x[DOTS_COLUMNS];
    struct v8f sum[DOTS_COLUMNS], min[DOTS_COLUMNS];
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        x[c] = job->x + (c0 + (size_t)c) * job->n_subs;
        sum[c] = min[c] = v8f_zero();
    }
    for (size_t b = 0; b < job->n_blocks; b++, group += block_size) {
        if (columns == 1) /* no second use of the weights hides the memory */
#pragma GCC unroll 32
            for (size_t i = 0; i < (block_size + 63) / 64; i++)
                __builtin_prefetch((const void *)((uintptr_t)group + PACKED_AHEAD + 64 * i), 0, 3);
        if (packed_subs(type) > 1) {
            packed_block_k(type, group, x, columns, sum, min);
            continue;
        }
        packed_block_plain(type, group, x, columns, sum, min);
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++)
            x[c]++;
    }
#pragma GCC unroll 16
    for (int c = 0; c < columns; c++) {
        float *out = job->out + (c0 + (size_t)c) * job->out_stride + row, all[8];
        struct v8f result = packed_min(type) ? v8f_add(sum[c], min[c]) : sum[c];
        if (n_rows == PACKED_ROWS) {
            v8f_store(out, result);
            continue;
        }
        v8f_store(all, result);
        memcpy(out, all, n_rows * sizeof *out);
    }
}

wide_inline void packed_mul(uint32_t type, const struct packed_job *job, const uint8_t *w,
                            size_t n_rows, size_t n)
{
    const size_t block_size = packed_head(type) + (size_t)packed_subs(type) * packed_sub_size(type);
    for (size_t r = 0; r < n_rows; r += PACKED_ROWS, w += job->n_blocks * block_size) {
        size_t rows = n_rows - r < PACKED_ROWS ? n_rows - r : PACKED_ROWS, c = 0;
        for (; n - c >= DOTS_COLUMNS; c += DOTS_COLUMNS)
            packed_tile(type, job, w, r, rows, c, DOTS_COLUMNS);
        if (DOTS_COLUMNS > 4 && n - c >= 4) {
            packed_tile(type, job, w, r, rows, c, 4);
            c += 4;
        }
        if (n - c == 3)
            packed_tile(type, job, w, r, rows, c, 3);
        else if (n - c == 2)
            packed_tile(type, job, w, r, rows, c, 2);
        else if (n - c == 1)
            packed_tile(type, job, w, r, rows, c, 1);
    }
}

#define PACKED_CASE(type)                                                                          \
    case type: {                                                                                   \
        const size_t elems = 32 * (size_t)packed_subs(type);                                       \
        const size_t size = packed_head(type) + (size_t)packed_subs(type) * packed_sub_size(type); \
        const struct packed_job job = {k / elems, k / 32, x, out, out_stride};                     \
        packed_mul(type, &job, (const uint8_t *)w + row0 / PACKED_ROWS * (k / elems) * size,       \
                   row1 > row0 ? row1 - row0 : 0, n);                                              \
        break;                                                                                     \
    }

static void wide_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                            const struct q8_block *x, size_t n, float *out, size_t out_stride)
{
    switch (type) {
        PACKED_CASE(WTYPE_Q4_0)
        PACKED_CASE(WTYPE_Q4_1)
        PACKED_CASE(WTYPE_Q5_0)
        PACKED_CASE(WTYPE_Q5_1)
        PACKED_CASE(WTYPE_Q8_0)
        PACKED_CASE(WTYPE_Q4_K)
        PACKED_CASE(WTYPE_Q5_K)
        PACKED_CASE(WTYPE_Q6_K)
    }
}

#undef PACKED_CASE

#endif
