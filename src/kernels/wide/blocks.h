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
 * and its minimum in lanes 2r and 2r + 1, or, for Q6_K, the scales of its two halves. Where a type
 * has neither, the second of a pair means nothing. */

wide_inline size_t block_bytes(uint32_t type)
{
    switch (type) {
    case WTYPE_Q4_0:
        return 18;
    case WTYPE_Q4_1:
        return 20;
    case WTYPE_Q5_0:
        return 22;
    case WTYPE_Q5_1:
        return 24;
    case WTYPE_Q8_0:
        return 34;
    case WTYPE_Q4_K:
        return 144;
    case WTYPE_Q5_K:
        return 176;
    default:
        return 210; /* Q6_K */
    }
}

/* Sub-blocks of a block. */
wide_inline int block_subs(uint32_t type)
{
    return type == WTYPE_Q4_K || type == WTYPE_Q5_K || type == WTYPE_Q6_K ? 8 : 1;
}

wide_inline bool has_min(uint32_t type)
{
    return type == WTYPE_Q4_1 || type == WTYPE_Q5_1 || type == WTYPE_Q4_K || type == WTYPE_Q5_K;
}

/* What the scales of a block of a K type are until they become floats. */
struct k_scales {
    struct v8f d;      /* pairs: d and -dmin, or d twice */
    uint8_t pairs[64]; /* [8 sub-blocks][4 rows][2] */
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

/* The scales of one block in each of 1, 2 or 4 rows. */
wide_inline void read_k_scales(uint32_t type, const uint8_t *block, size_t row_bytes, int rows,
                               struct k_scales *s)
{
    static const float minus_odd[8] = {1, -1, 1, -1, 1, -1, 1, -1};
    uint8_t row[4][16];
    if (type == WTYPE_Q6_K) {
        float d[8];
#pragma GCC unroll 16
        for (int r = 0; r < 4; r++) {
            const uint8_t *b = block + (size_t)(r % rows) * row_bytes;
            memcpy(row[r], b + 192, 16);
            d[2 * r] = d[2 * r + 1] = half_at(b + 208);
        }
        s->d = v8f_load(d);
    } else {
#pragma GCC unroll 16
        for (int r = 0; r < 4; r++)
            read_6bit(block + (size_t)(r % rows) * row_bytes + 4, row[r]);
        s->d = v8f_mul(v8f_from_half_pairs(block, row_bytes, rows), v8f_load(minus_odd));
    }
    transpose_pairs(row, s->pairs);
}

/* The pairs of sub-block i; block and rows as above. */
wide_inline struct v8f read_pairs(uint32_t type, const uint8_t *block, size_t row_bytes, int rows,
                                  const struct k_scales *s, int i)
{
    if (type == WTYPE_Q6_K)
        return v8f_mul(s->d, v8f_from_i8(s->pairs + 8 * i));
    if (block_subs(type) == 8)
        return v8f_mul(s->d, v8f_from_u8(s->pairs + 8 * i));
    return v8f_from_half_pairs(block, row_bytes, rows);
}

/* Weights of sub-block i of a block. */
wide_inline struct v32b read_weights(uint32_t type, const uint8_t *block, int i)
{
    switch (type) {
    case WTYPE_Q8_0:
        return v32b_load(block + 2);
    case WTYPE_Q4_0:
        return v32b_minus(v32b_nibbles(block + 2), 8);
    case WTYPE_Q4_1:
        return v32b_nibbles(block + 4);
    case WTYPE_Q5_0:
        return v32b_minus(v32b_or(v32b_nibbles(block + 6), v32b_sixteens(block + 2)), 16);
    case WTYPE_Q5_1:
        return v32b_or(v32b_nibbles(block + 8), v32b_sixteens(block + 4));
    case WTYPE_Q4_K:
        return v32b_field(block + 16 + 32 * (i / 2), 4 * (i % 2), 15);
    case WTYPE_Q5_K:
        return v32b_join(v32b_field(block + 48 + 32 * (i / 2), 4 * (i % 2), 15),
                         v32b_field(block + 16, i, 1));
    default: { /* Q6_K */
        const uint8_t *low = block + 64 * (i / 4) + 32 * (i % 2),
                      *high = block + 128 + 32 * (i / 4);
        return v32b_minus(
            v32b_join(v32b_field(low, 4 * (i % 4 / 2), 15), v32b_field(high, 2 * (i % 4), 3)), 32);
    }
    }
}

#endif
