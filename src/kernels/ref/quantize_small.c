/* SPDX-License-Identifier: MIT */
/* Blocks of 32 with a scale, or a scale and a minimum, of their own. Layouts: ref/blocks.c. */
#include "kernels/ref/quantize.h"

#include <string.h>

/* How a type's block is laid out. */
struct small {
    uint32_t type;
    int bits;
    bool has_min;
};

static void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* Of the binary16 numbers near d the one with the least error, with what it makes of the weights in
 * q. reach: how many to either side. */
static uint16_t best_half(const struct fit_block *b, float d, float m, float low, float high,
                          int reach, float *q)
{
    float trial[32], least = 0;
    uint16_t middle = fit_half(d), best = middle;
    bool first = true;
    for (int i = -reach; i <= reach; i++) {
        int size = (middle & 0x7fff) + i;
        if (size < 0 || size > 0x7bff)
            continue;
        uint16_t half = (uint16_t)((middle & 0x8000) | size);
        float error = fit_apply(b, float_from_half(half), m, low, high, trial);
        if (first || error < least) {
            first = false;
            least = error;
            best = half;
            memcpy(q, trial, sizeof trial);
        }
    }
    return best;
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

static void write_scaled(const struct fit_block *b, int bits, uint8_t *out)
{
    const float low = -(float)(1 << (bits - 1)), high = -low - 1;
    float q[32];
    /* Of 8 bits the grid is so fine that clipping never pays: only the scale's own rounding is
     * left to choose. */
    float d = fit_scale(b, low, high);
    store_u16(out, best_half(b, d, 0, low, high, bits == 8 ? 8 : 1, q));
    out += 2;
    if (bits == 8) {
        for (unsigned j = 0; j < 32; j++)
            out[j] = (uint8_t)(int8_t)q[j];
        return;
    }
    if (bits == 5) {
        pack_high(q, -low, out);
        out += 4;
    }
    pack_nibbles(q, -low, out);
}

static void write_line(const struct fit_block *b, int bits, uint8_t *out)
{
    const float high = (float)((1 << bits) - 1);
    float q[32], d, m;
    fit_line(b, high, false, &d, &m);
    uint16_t min = fit_half(m);
    store_u16(out, best_half(b, d, float_from_half(min), 0, high, 1, q));
    store_u16(out + 2, min);
    out += 4;
    if (bits == 5) {
        pack_high(q, 0, out);
        out += 4;
    }
    pack_nibbles(q, 0, out);
}

void quantize_small(uint32_t type, const float *x, const float *importance, uint8_t *row, size_t k)
{
    static const struct small all[] = {
        {WTYPE_Q8_0, 8, false}, {WTYPE_Q4_0, 4, false}, {WTYPE_Q4_1, 4, true},
        {WTYPE_Q5_0, 5, false}, {WTYPE_Q5_1, 5, true},
    };
    const struct small *kind = all;
    while (kind->type != type)
        kind++;
    const size_t bytes = wtype_info(type)->block_bytes;
    for (size_t i = 0; i < k; i += 32, row += bytes) {
        float tame[32], w[32];
        fit_load(x + i, importance ? importance + i : NULL, 32, tame, w);
        const struct fit_block b = {tame, w, 32};
        if (kind->has_min)
            write_line(&b, kind->bits, row);
        else
            write_scaled(&b, kind->bits, row);
    }
}
