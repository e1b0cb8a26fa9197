/* SPDX-License-Identifier: MIT */
/* Blocks of 32 with a scale, or a scale and a minimum, of their own. Layouts: ref/blocks.c. */
#include "kernels/ref/quantize.h"

#include <string.h>

static void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* A block on its way: the best scale of those tried, and what it makes of the weights. */
struct best {
    bool there;
    uint16_t d;
    float error;
    float q[32];
};

/* Tries the binary16 numbers near d, reach of them to either side. */
static void try_halves(const struct fit_block *b, float d, float m, float low, float high,
                       int reach, struct best *best)
{
    const uint16_t middle = fit_half(d);
    for (int i = -reach; i <= reach; i++) {
        float q[32];
        int size = (middle & 0x7fff) + i;
        if (size < 0 || size > 0x7bff)
            continue;
        uint16_t half = (uint16_t)((middle & 0x8000) | size);
        float error = fit_apply(b, float_from_half(half), m, low, high, q);
        if (best->there && !(error < best->error))
            continue;
        best->there = true;
        best->d = half;
        best->error = error;
        memcpy(best->q, q, sizeof q);
    }
}

/* q[32], from 0 on, in bits 4 and 5 as the types have them. */
static void pack_nibbles(const float *q, float offset, uint8_t *out)
{
    for (unsigned j = 0; j < 16; j++)
        out[j] = (uint8_t)(((unsigned)(q[j] + offset) & 15) | ((unsigned)(q[j + 16] + offset) & 15)
                                                                  << 4);
}

static void pack_high(const float *q, float offset, uint8_t *out)
{
    uint32_t high = 0;
    for (unsigned j = 0; j < 32; j++)
        high |= ((uint32_t)(q[j] + offset) >> 4) << j;
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(high >> 8 * i);
}

/* 8 bits are so fine that clipping hardly pays: the extreme is the last or the last but one step,
 * and what is left to choose is how the scale itself is rounded. */
static void write_q8_0(const struct fit_block *b, uint8_t *out)
{
    const float extreme = fit_extreme(b);
    struct best best = {0};
    try_halves(b, extreme / -128, 0, -128, 127, 2, &best);
    try_halves(b, extreme / -127, 0, -128, 127, 2, &best);
    store_u16(out, best.d);
    for (unsigned j = 0; j < 32; j++)
        out[2 + j] = (uint8_t)(int8_t)best.q[j];
}

static void write_scaled(const struct fit_block *b, int bits, uint8_t *out)
{
    const float low = -(float)(1 << (bits - 1)), high = -low - 1;
    struct best best = {0};
    try_halves(b, fit_scale(b, low, high), 0, low, high, 1, &best);
    store_u16(out, best.d);
    out += 2;
    if (bits == 5) {
        pack_high(best.q, -low, out);
        out += 4;
    }
    pack_nibbles(best.q, -low, out);
}

static void write_line(const struct fit_block *b, int bits, uint8_t *out)
{
    const float high = (float)((1 << bits) - 1);
    struct best best = {0};
    float d, m;
    fit_line(b, high, false, &d, &m);
    const uint16_t min = fit_half(m);
    try_halves(b, d, float_from_half(min), 0, high, 1, &best);
    store_u16(out, best.d);
    store_u16(out + 2, min);
    out += 4;
    if (bits == 5) {
        pack_high(best.q, 0, out);
        out += 4;
    }
    pack_nibbles(best.q, 0, out);
}

void quantize_small(uint32_t type, const float *x, const float *importance, uint8_t *row, size_t k)
{
    const size_t bytes = wtype_info(type)->block_bytes;
    for (size_t i = 0; i < k; i += 32, row += bytes) {
        float tame[32], w[32];
        fit_load(x + i, importance ? importance + i : NULL, 32, tame, w);
        const struct fit_block b = {tame, w, 32};
        if (type == WTYPE_Q8_0)
            write_q8_0(&b, row);
        else if (type == WTYPE_Q4_0 || type == WTYPE_Q5_0)
            write_scaled(&b, type == WTYPE_Q4_0 ? 4 : 5, row);
        else
            write_line(&b, type == WTYPE_Q4_1 ? 4 : 5, row);
    }
}
