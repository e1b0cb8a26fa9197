/* SPDX-License-Identifier: MIT */
/* How the bytes of each block type stand for weights, and the reading of whole rows.
 *
 * Layouts (all little-endian, d and m are binary16; source: types.h). n:m is an array of m bytes:
 *   Q8_0  d, q:32                       int8
 *   Q4_0  d, q:16                       byte j: low nibble w[j], high nibble w[j + 16]
 *   Q4_1  d, m, q:16
 *   Q5_0  d, high:4, q:16               bit i of high: fifth bit of w[i]; nibbles as Q4_0
 *   Q5_1  d, m, high:4, q:16
 *   Q4_K  d, dmin, scales:12, q:128     256 weights = 8 sub-blocks; pairs (2p, 2p+1) share 32 bytes
 *                                       of q, low nibbles the first, high nibbles the second
 *   Q5_K  d, dmin, scales:12, high:32, q:128
 *                                       bit i of high[l]: fifth bit of w[l] of sub-block i
 *   Q6_K  low:128, high:64, scales:16 (int8, one for 16 weights), d
 *                                       a half (4 sub-blocks) has 64 bytes of low, 32 of high; its
 *                                       sub-block r: low[32 * (r % 2) + l] nibble r / 2, and bits
 *                                       2r, 2r + 1 of high[l]
 * scales:12 of Q4_K and Q5_K hold 8 scales and 8 minima of 6 bits: see k_scale. */
#include "kernels/ref/ref.h"

#include "kernels/bits.h"

/* Nibble j of 32 in Q4_0's order. */
static int nibble(const uint8_t *q, unsigned j)
{
    return j < 16 ? q[j] & 15 : q[j - 16] >> 4;
}

static void read_q8_0(const uint8_t *b, struct ref_sub *s)
{
    s->d[0] = s->d[1] = float_from_half(load_u16(b));
    memcpy(s->w, b + 2, 32);
}

static void read_q4_0(const uint8_t *b, struct ref_sub *s)
{
    s->d[0] = s->d[1] = float_from_half(load_u16(b));
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = (int8_t)(nibble(b + 2, j) - 8);
}

static void read_q4_1(const uint8_t *b, struct ref_sub *s)
{
    s->d[0] = s->d[1] = float_from_half(load_u16(b));
    s->m = float_from_half(load_u16(b + 2));
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = (int8_t)nibble(b + 4, j);
}

static void read_q5_0(const uint8_t *b, struct ref_sub *s)
{
    uint32_t high = load_u32(b + 2);
    s->d[0] = s->d[1] = float_from_half(load_u16(b));
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = (int8_t)((nibble(b + 6, j) | (int)(high >> j & 1) << 4) - 16);
}

static void read_q5_1(const uint8_t *b, struct ref_sub *s)
{
    uint32_t high = load_u32(b + 4);
    s->d[0] = s->d[1] = float_from_half(load_u16(b));
    s->m = float_from_half(load_u16(b + 2));
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = (int8_t)(nibble(b + 8, j) | (int)(high >> j & 1) << 4);
}

/* Scale and minimum of sub-block i. The first four have the low 6 bits of bytes i and i + 4; the
 * last four have the nibbles of byte i + 4, and their upper two bits are the upper two of bytes
 * i - 4 and i. */
static void k_scale(const uint8_t *scales, unsigned i, int *scale, int *min)
{
    if (i < 4) {
        *scale = scales[i] & 63;
        *min = scales[i + 4] & 63;
    } else {
        *scale = (scales[i + 4] & 15) | scales[i - 4] >> 6 << 4;
        *min = scales[i + 4] >> 4 | scales[i] >> 6 << 4;
    }
}

static void read_k_head(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    int scale, min;
    k_scale(b + 4, i, &scale, &min);
    s->d[0] = s->d[1] = float_from_half(load_u16(b)) * (float)scale;
    s->m = -(float_from_half(load_u16(b + 2)) * (float)min);
}

static void read_q4_k(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    const uint8_t *q = b + 16 + 32 * (i / 2);
    read_k_head(b, i, s);
    for (unsigned l = 0; l < 32; l++)
        s->w[l] = (int8_t)(q[l] >> 4 * (i % 2) & 15);
}

static void read_q5_k(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    const uint8_t *high = b + 16, *q = b + 48 + 32 * (i / 2);
    read_k_head(b, i, s);
    for (unsigned l = 0; l < 32; l++)
        s->w[l] = (int8_t)((q[l] >> 4 * (i % 2) & 15) | (high[l] >> i & 1) << 4);
}

static void read_q6_k(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    unsigned half = i / 4, r = i % 4;
    const uint8_t *low = b + 64 * half + 32 * (r % 2), *high = b + 128 + 32 * half;
    float d = float_from_half(load_u16(b + 208));
    for (unsigned h = 0; h < 2; h++)
        s->d[h] = d * (float)(int8_t)b[192 + 2 * i + h];
    for (unsigned l = 0; l < 32; l++)
        s->w[l] = (int8_t)(((low[l] >> 4 * (r / 2) & 15) | (high[l] >> 2 * r & 3) << 4) - 32);
}

void ref_read_sub(uint32_t type, const uint8_t *row, size_t i, struct ref_sub *s)
{
    s->m = 0;
    switch (type) {
    case WTYPE_Q8_0:
        read_q8_0(row + i * 34, s);
        break;
    case WTYPE_Q4_0:
        read_q4_0(row + i * 18, s);
        break;
    case WTYPE_Q4_1:
        read_q4_1(row + i * 20, s);
        break;
    case WTYPE_Q5_0:
        read_q5_0(row + i * 22, s);
        break;
    case WTYPE_Q5_1:
        read_q5_1(row + i * 24, s);
        break;
    case WTYPE_Q4_K:
        read_q4_k(row + i / 8 * 144, i % 8, s);
        break;
    case WTYPE_Q5_K:
        read_q5_k(row + i / 8 * 176, i % 8, s);
        break;
    case WTYPE_Q6_K:
        read_q6_k(row + i / 8 * 210, i % 8, s);
        break;
    }
}

void ref_dequant(uint32_t type, const void *row, float *y, size_t k)
{
    const uint8_t *p = row;
    if (type == WTYPE_F32) {
        for (size_t i = 0; i < k; i++)
            y[i] = float_from_bits(load_u32(p + 4 * i));
    } else if (type == WTYPE_F16) {
        for (size_t i = 0; i < k; i++)
            y[i] = float_from_half(load_u16(p + 2 * i));
    } else if (type == WTYPE_BF16) {
        for (size_t i = 0; i < k; i++)
            y[i] = float_from_bits((uint32_t)load_u16(p + 2 * i) << 16);
    } else if (kernels_has_q8(type)) {
        struct ref_sub s;
        for (size_t i = 0; i < k; i++) {
            if (i % 32 == 0)
                ref_read_sub(type, p, i / 32, &s);
            y[i] = s.d[i % 32 / 16] * (float)s.w[i % 32] + s.m;
        }
    }
}
