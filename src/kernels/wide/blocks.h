/* SPDX-License-Identifier: MIT */
/* Reading sub-blocks of 32 weights into lanes. Layouts: ref/blocks.c. Private to kernels/; included
 * after an ISA's lanes.h. `type` is a constant at every call, so that one branch remains. */
#ifndef WATTLE_KERNELS_WIDE_BLOCKS_H
#define WATTLE_KERNELS_WIDE_BLOCKS_H

#include "kernels/bits.h"
#include "kernels/types.h"

#include <stdbool.h>
#include <stddef.h>

/* Scales are handled for up to four rows at a time, as pairs in eight lanes: row r has its scale
 * and its minimum in lanes 2r and 2r + 1, or, for types whose halves differ, the scales of its two
 * halves. Where a type has neither, the second of a pair means nothing. */

wide_inline size_t block_bytes(uint32_t type)
{
    switch (type) {
    case WTYPE_Q4_0:
    case WTYPE_IQ4_NL:
        return 18;
    case WTYPE_Q4_1:
        return 20;
    case WTYPE_Q5_0:
        return 22;
    case WTYPE_Q5_1:
        return 24;
    case WTYPE_Q8_0:
        return 34;
    case WTYPE_Q2_K:
        return 84;
    case WTYPE_Q3_K:
        return 110;
    case WTYPE_Q4_K:
        return 144;
    case WTYPE_Q5_K:
        return 176;
    case WTYPE_Q6_K:
        return 210;
    case WTYPE_Q8_K:
        return 292;
    case WTYPE_IQ4_XS:
        return 136;
    case WTYPE_MXFP4:
        return 17;
    case WTYPE_NVFP4:
        return 36;
    case WTYPE_TQ1_0:
        return 54;
    default:
        return 66; /* TQ2_0 */
    }
}

/* Sub-blocks of a block. */
wide_inline int block_subs(uint32_t type)
{
    switch (type) {
    case WTYPE_Q8_0:
    case WTYPE_Q4_0:
    case WTYPE_Q4_1:
    case WTYPE_Q5_0:
    case WTYPE_Q5_1:
    case WTYPE_IQ4_NL:
    case WTYPE_MXFP4:
        return 1;
    case WTYPE_NVFP4:
        return 2;
    default:
        return 8;
    }
}

/* A minimum for each sub-block. */
wide_inline bool has_min(uint32_t type)
{
    return type == WTYPE_Q4_1 || type == WTYPE_Q5_1 || type == WTYPE_Q4_K || type == WTYPE_Q5_K;
}

/* A minimum for each half. */
wide_inline bool has_half_mins(uint32_t type)
{
    return type == WTYPE_Q2_K;
}

/* 1 where the halves of a sub-block have scales of their own. */
wide_inline int halves_differ(uint32_t type)
{
    return type == WTYPE_Q2_K || type == WTYPE_Q3_K || type == WTYPE_Q6_K || type == WTYPE_NVFP4;
}

/* What the scales of a block of several sub-blocks are until they become floats. */
struct block_scales {
    struct v8f d;      /* pairs: d and -dmin, or d twice */
    struct v8f m;      /* -dmin twice, for types with half mins */
    uint8_t pairs[64]; /* [8 sub-blocks][4 rows][2]; Q2_K: scales in low nibbles, minima in high */
};

/* The 6-bit scales and minima of Q4_K and Q5_K, four bytes at a time, as pairs. */
wide_inline void read_6bit(const uint8_t *scales, uint8_t pairs[16])
{
    uint32_t a = load_u32(scales), b = load_u32(scales + 4), c = load_u32(scales + 8);
    uint32_t scale_high = (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030);
    uint32_t min_high = (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030);
    zip_bytes((uint64_t)scale_high << 32 | (a & 0x3f3f3f3f),
              (uint64_t)min_high << 32 | (b & 0x3f3f3f3f), pairs);
}

/* The 16 scales of Q3_K: nibbles of the first eight bytes, two more bits in the last four. */
wide_inline void read_q3_k_scales(const uint8_t *scales, uint8_t out[16])
{
    const uint64_t nibbles = 0x0f0f0f0f0f0f0f0f, twos = 0x3030303030303030;
    uint64_t low = load_u32(scales) | (uint64_t)load_u32(scales + 4) << 32;
    uint64_t high = load_u32(scales + 8);
    uint64_t both = high << 4 | high << (32 + 2); /* bits 0, 1 | bits 2, 3 over bits 4, 5 */
    uint64_t first = (low & nibbles) | (both & twos);
    both = high | high >> 2 << 32;
    uint64_t second = (low >> 4 & nibbles) | (both & twos);
    join_bytes(first, second, out);
}

/* The 8 scales of IQ4_XS, each twice: 2 bits of 16, above nibbles of 32. */
wide_inline void read_iq4_xs_scales(const uint8_t *block, uint8_t out[16])
{
    uint64_t high = load_u16(block + 2), low = load_u32(block + 4);
    low = (low | low << 16) & 0x0000ffff0000ffff;
    low = (low | low << 8) & 0x00ff00ff00ff00ff;
    low = (low | low << 4) & 0x0f0f0f0f0f0f0f0f;
    high = (high | high << 24) & 0x000000ff000000ff;
    high = (high | high << 12) & 0x000f000f000f000f;
    high = (high | high << 6) & 0x0303030303030303;
    zip_bytes(low | high << 4, low | high << 4, out);
}

/* The scales of one block, as bytes. What is stored here and further on is read back in pieces that
 * were stored whole: a load that gathers several stores would wait for all of them. */
wide_inline void read_scale_bytes(uint32_t type, const uint8_t *block, uint8_t out[16])
{
    switch (type) {
    case WTYPE_Q2_K:
        memcpy(out, block, 16);
        break;
    case WTYPE_Q3_K:
        read_q3_k_scales(block + 96, out);
        break;
    case WTYPE_Q6_K:
        memcpy(out, block + 192, 16);
        break;
    case WTYPE_IQ4_XS:
        read_iq4_xs_scales(block, out);
        break;
    default: /* Q4_K, Q5_K */
        read_6bit(block + 4, out);
        break;
    }
}

/* d, and m, of one block in each of 1, 2 or 4 rows. */
wide_inline void read_block_d(uint32_t type, const uint8_t *block, size_t row_bytes, int rows,
                              struct block_scales *s)
{
    static const float minus_odd[8] = {1, -1, 1, -1, 1, -1, 1, -1};
    switch (type) {
    case WTYPE_Q2_K:
        s->d = v8f_from_half_twice(block + 80, row_bytes, rows);
        s->m = v8f_mul(v8f_from_half_twice(block + 82, row_bytes, rows), v8f_set1(-1));
        break;
    case WTYPE_Q3_K:
        s->d = v8f_from_half_twice(block + 108, row_bytes, rows);
        break;
    case WTYPE_Q6_K:
        s->d = v8f_from_half_twice(block + 208, row_bytes, rows);
        break;
    case WTYPE_Q8_K: {
        uint32_t bits[4];
#pragma GCC unroll 16
        for (int r = 0; r < 4; r++)
            bits[r] = load_u32(block + (size_t)(r % rows) * row_bytes);
        s->d = v8f_twice(bits);
        break;
    }
    case WTYPE_IQ4_XS:
        s->d = v8f_from_half_twice(block, row_bytes, rows);
        break;
    case WTYPE_TQ1_0:
        s->d = v8f_from_half_twice(block + 52, row_bytes, rows);
        break;
    case WTYPE_TQ2_0:
        s->d = v8f_from_half_twice(block + 64, row_bytes, rows);
        break;
    default: /* Q4_K, Q5_K */
        s->d = v8f_mul(v8f_from_half_pairs(block, row_bytes, rows), v8f_load(minus_odd));
        break;
    }
}

/* The scales of one block of several sub-blocks in each of 1, 2 or 4 rows. */
wide_inline void read_block_scales(uint32_t type, const uint8_t *block, size_t row_bytes, int rows,
                                   struct block_scales *s)
{
    uint8_t row[4][16];
    if (type == WTYPE_NVFP4) {
        uint64_t subs[2] = {0, 0};
#pragma GCC unroll 16
        for (int r = 0; r < 4; r++) {
            uint64_t four = load_u32(block + (size_t)(r % rows) * row_bytes);
            subs[0] |= (four & 0xffff) << 16 * r;
            subs[1] |= four >> 16 << 16 * r;
        }
        memcpy(s->pairs, subs, sizeof subs);
        return;
    }
    read_block_d(type, block, row_bytes, rows, s);
    if (type == WTYPE_Q8_K || type == WTYPE_TQ1_0 || type == WTYPE_TQ2_0)
        return;
#pragma GCC unroll 16
    for (int r = 0; r < 4; r++)
        read_scale_bytes(type, block + (size_t)(r % rows) * row_bytes, row[r]);
    transpose_pairs(row, s->pairs);
}

/* The pairs of sub-block i; block and rows as above. */
wide_inline struct v8f read_pairs(uint32_t type, const uint8_t *block, size_t row_bytes, int rows,
                                  const struct block_scales *s, int i)
{
    switch (type) {
    case WTYPE_Q6_K:
        return v8f_mul(s->d, v8f_from_i8(s->pairs + 8 * i));
    case WTYPE_Q3_K:
    case WTYPE_IQ4_XS:
        return v8f_mul(s->d, v8f_sub(v8f_from_u8(s->pairs + 8 * i), v8f_set1(32)));
    case WTYPE_Q2_K:
        return v8f_mul(s->d, v8f_from_low_nibbles(s->pairs + 8 * i));
    case WTYPE_Q4_K:
    case WTYPE_Q5_K:
        return v8f_mul(s->d, v8f_from_u8(s->pairs + 8 * i));
    case WTYPE_Q8_K:
    case WTYPE_TQ1_0:
    case WTYPE_TQ2_0:
        return s->d;
    case WTYPE_NVFP4:
        return v8f_from_ue4m3(s->pairs + 8 * i);
    case WTYPE_MXFP4: {
        uint32_t bits[4]; /* of 2^(e - 128) */
#pragma GCC unroll 16
        for (int r = 0; r < 4; r++) {
            uint32_t e = block[(size_t)(r % rows) * row_bytes];
            bits[r] = e < 2 ? 0x00200000u << e : (e - 1) << 23;
        }
        return v8f_twice(bits);
    }
    default: /* one or two binary16 in front */
        return v8f_from_half_pairs(block, row_bytes, rows);
    }
}

/* The minima of the halves of sub-block i, as pairs. */
wide_inline struct v8f read_half_mins(const struct block_scales *s, int i)
{
    return v8f_mul(s->m, v8f_from_high_nibbles(s->pairs + 8 * i));
}

/* Codes of sub-block i of a block of TQ1_0. */
wide_inline struct v32b read_digits(const uint8_t *block, int i)
{
    static const uint8_t powers[8][32] = {
        {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
        {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
         3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
        {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
         9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9},
        {27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
         27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27},
        {81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81,
         81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81},
        {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
         3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
        {9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  9,
         27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27},
        {81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81, 81,
         1,  1,  1,  1,  3,  3,  3,  3,  9,  9,  9,  9,  27, 27, 27, 27},
    };
    if (i < 5)
        return v32b_digits(v32b_load(block), powers[i]);
    if (i < 7)
        return v32b_digits(v32b_load_twice(block + 32), powers[i]);
    return v32b_digits(v32b_load_repeated(block + 32, block + 48), powers[i]);
}

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
/* 12 added */
static const int8_t fp4_codes[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

/* Codes are weights with this added: 0 to 127, as products want them. IQ4's tables and Q8 are too
 * wide for that and stay signed, with nothing added. */
wide_inline char code_offset(uint32_t type)
{
    switch (type) {
    case WTYPE_Q4_0:
        return 8;
    case WTYPE_Q5_0:
        return 16;
    case WTYPE_Q3_K:
        return 4;
    case WTYPE_Q6_K:
        return 32;
    case WTYPE_MXFP4:
    case WTYPE_NVFP4:
        return 12;
    case WTYPE_TQ1_0:
    case WTYPE_TQ2_0:
        return 1;
    default:
        return 0;
    }
}

wide_inline bool codes_signed(uint32_t type)
{
    return type == WTYPE_Q8_0 || type == WTYPE_Q8_K || type == WTYPE_IQ4_NL || type == WTYPE_IQ4_XS;
}

/* Codes of sub-block i of a block. */
wide_inline struct v32b read_codes(uint32_t type, const uint8_t *block, int i)
{
    switch (type) {
    case WTYPE_Q8_0:
        return v32b_load(block + 2);
    case WTYPE_Q4_0:
        return v32b_nibbles(block + 2);
    case WTYPE_Q4_1:
        return v32b_nibbles(block + 4);
    case WTYPE_Q5_0:
        return v32b_or(v32b_nibbles(block + 6), v32b_sixteens(block + 2));
    case WTYPE_Q5_1:
        return v32b_or(v32b_nibbles(block + 8), v32b_sixteens(block + 4));
    case WTYPE_Q2_K:
        return v32b_field(block + 16 + 32 * (i / 4), 2 * (i % 4), 3);
    case WTYPE_Q3_K:
        return v32b_or(v32b_field(block + 32 + 32 * (i / 4), 2 * (i % 4), 3),
                       v32b_field(block, i - 2, 4));
    case WTYPE_Q4_K:
        return v32b_field(block + 16 + 32 * (i / 2), 4 * (i % 2), 15);
    case WTYPE_Q5_K:
        return v32b_or(v32b_field(block + 48 + 32 * (i / 2), 4 * (i % 2), 15),
                       v32b_field(block + 16, i - 4, 16));
    case WTYPE_Q6_K: {
        const uint8_t *low = block + 64 * (i / 4) + 32 * (i % 2),
                      *high = block + 128 + 32 * (i / 4);
        return v32b_or(v32b_field(low, 4 * (i % 4 / 2), 15), v32b_field(high, 2 * (i % 4) - 4, 48));
    }
    case WTYPE_Q8_K:
        return v32b_load(block + 4 + 32 * i);
    case WTYPE_IQ4_NL:
        return v32b_lookup(v32b_nibbles(block + 2), iq4_values);
    case WTYPE_IQ4_XS:
        return v32b_lookup(v32b_nibbles(block + 8 + 16 * i), iq4_values);
    case WTYPE_MXFP4:
        return v32b_lookup(v32b_nibbles(block + 1), fp4_codes);
    case WTYPE_NVFP4:
        return v32b_lookup(v32b_nibbles_of_eights(block + 4 + 16 * i), fp4_codes);
    case WTYPE_TQ1_0:
        return read_digits(block, i);
    default: /* TQ2_0 */
        return v32b_field(block + 32 * (i / 4), 2 * (i % 4), 3);
    }
}

#endif
