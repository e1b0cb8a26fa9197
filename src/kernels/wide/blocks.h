/* SPDX-License-Identifier: MIT */
/* Reading sub-blocks of 32 weights into lanes. Layouts: ref/blocks.c. Private to kernels/; included
 * after an ISA's lanes.h. `type` is a constant at every call, so that one branch remains. */
#ifndef WATTLE_KERNELS_WIDE_BLOCKS_H
#define WATTLE_KERNELS_WIDE_BLOCKS_H

#include "kernels/bits.h"
#include "kernels/types.h"

#include <stdbool.h>
#include <stddef.h>

/* As ref_sub; m and mag hold nothing where the type has no minimum, or no negative weights. */
struct sub {
    struct v32b w, mag; /* weights; their absolute values for v8i_dot_signed */
    struct v8f d;       /* scale of each lane */
    float m;
};

/* Scales of a block: what K types spread over 256 weights. Empty for the others. */
struct scales {
    float d[16]; /* [8] for Q4_K and Q5_K; [16], one for 16 weights, for Q6_K */
    float m[8];
};

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

/* The 6-bit scales and minima of Q4_K and Q5_K, four bytes at a time. */
wide_inline void read_k_scales(const uint8_t *block, struct scales *s)
{
    uint32_t a = load_u32(block + 4), b = load_u32(block + 8), c = load_u32(block + 12);
    uint32_t scale[2] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)};
    uint32_t min[2] = {b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)};
    uint8_t bytes[16];
    memcpy(bytes, scale, 8);
    memcpy(bytes + 8, min, 8);
    v8f_store(s->d, v8f_mul(v8f_set1(half_at(block)), v8f_from_u8(bytes)));
    v8f_store(s->m, v8f_mul(v8f_set1(-half_at(block + 2)), v8f_from_u8(bytes + 8)));
}

wide_inline void read_scales(uint32_t type, const uint8_t *block, struct scales *s)
{
    if (type == WTYPE_Q6_K) {
        struct v8f d = v8f_set1(half_at(block + 208));
        v8f_store(s->d, v8f_mul(d, v8f_from_i8(block + 192)));
        v8f_store(s->d + 8, v8f_mul(d, v8f_from_i8(block + 200)));
    } else if (type == WTYPE_Q4_K || type == WTYPE_Q5_K) {
        read_k_scales(block, s);
    }
}

/* Sub-block i (a constant after unrolling) of a block. */
wide_inline struct sub read_sub(uint32_t type, const uint8_t *block, int i, const struct scales *s)
{
    struct sub r = {.m = 0};
    switch (type) {
    case WTYPE_Q8_0:
        r.w = v32b_load(block + 2);
        break;
    case WTYPE_Q4_0:
        r.w = v32b_minus(v32b_nibbles(block + 2), 8);
        break;
    case WTYPE_Q4_1:
        r.w = v32b_nibbles(block + 4);
        break;
    case WTYPE_Q5_0:
        r.w = v32b_minus(v32b_or(v32b_nibbles(block + 6), v32b_sixteens(block + 2)), 16);
        break;
    case WTYPE_Q5_1:
        r.w = v32b_or(v32b_nibbles(block + 8), v32b_sixteens(block + 4));
        break;
    case WTYPE_Q4_K:
        r.w = v32b_field(block + 16 + 32 * (i / 2), 4 * (i % 2), 15);
        break;
    case WTYPE_Q5_K:
        r.w = v32b_join(v32b_field(block + 48 + 32 * (i / 2), 4 * (i % 2), 15),
                        v32b_field(block + 16, i, 1));
        break;
    default: /* Q6_K */
        r.w = v32b_join(v32b_field(block + 64 * (i / 4) + 32 * (i % 2), 4 * (i % 4 / 2), 15),
                        v32b_field(block + 128 + 32 * (i / 4), 2 * (i % 4), 3));
        r.w = v32b_minus(r.w, 32);
        break;
    }
    r.mag = has_min(type) ? r.w : v32b_abs(r.w);
    if (type == WTYPE_Q6_K) {
        r.d = v8f_set_halves(s->d[2 * i], s->d[2 * i + 1]);
    } else if (block_subs(type) == 8) {
        r.d = v8f_set1(s->d[i]);
        r.m = s->m[i];
    } else {
        r.d = v8f_set1(half_at(block));
        if (has_min(type))
            r.m = half_at(block + 2);
    }
    return r;
}

#endif
