/* SPDX-License-Identifier: MIT */
/* How the bytes of each block type stand for weights, and the reading of whole rows.
 *
 * Layouts (all little-endian, d and m are binary16 but for Q8_K; source: types.h; n:m is an array
 * of m bytes; a sub-block is 32 weights):
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
 *   Q2_K  scales:16, q:64, d, dmin      scales[h] of 16 weights: low nibble the scale, high nibble
 *                                       the minimum; sub-block i: bits 2(i % 4), +1 of
 *                                       q[32 * (i / 4) + l]
 *   Q3_K  high:32, q:64, scales:12, d   as Q2_K, bit i of high[l] is the third bit
 *   Q8_K  d (binary32), q:256 (int8), sums:32 (unused)
 *   IQ4_NL  d, q:16                     nibbles as Q4_0 choose from iq4_values
 *   IQ4_XS  d, high:2, low:4, q:128     8 scales of 6 bits (low nibbles in low, two bits each in
 *                                       high), 32 too large; each 16 bytes of q as IQ4_NL
 *   MXFP4 e, q:16                       d = 2^(e - 128); nibbles as Q4_0 choose from fp4_values,
 *                                       which are twice what they stand for
 *   NVFP4 e:4, q:32                     64 weights, four 16ths with a scale each (read_ue4m3); byte
 *                                       j of 8: low nibble w[j], high nibble w[j + 8] of the 16
 *   TQ2_0 q:64, d                       as Q2_K's q, one too large
 *   TQ1_0 q:48, high:4, d               base 3: see read_tq1_0
 * scales:12 of Q4_K and Q5_K hold 8 scales and 8 minima of 6 bits: see ref_k_scale; of Q3_K 16
 * scales of 6 bits, 32 too large: see read_q3_k. */
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
    s->m[0] = s->m[1] = float_from_half(load_u16(b + 2));
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
    s->m[0] = s->m[1] = float_from_half(load_u16(b + 2));
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = (int8_t)(nibble(b + 8, j) | (int)(high >> j & 1) << 4);
}

/* Scale and minimum of sub-block i. The first four have the low 6 bits of bytes i and i + 4; the
 * last four have the nibbles of byte i + 4, and their upper two bits are the upper two of bytes
 * i - 4 and i. */
void ref_k_scale(const uint8_t *scales, unsigned i, int *scale, int *min)
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
    ref_k_scale(b + 4, i, &scale, &min);
    s->d[0] = s->d[1] = float_from_half(load_u16(b)) * (float)scale;
    s->m[0] = s->m[1] = -(float_from_half(load_u16(b + 2)) * (float)min);
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

static void read_q2_k(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    const uint8_t *q = b + 16 + 32 * (i / 4);
    float d = float_from_half(load_u16(b + 80)), dmin = float_from_half(load_u16(b + 82));
    for (unsigned h = 0; h < 2; h++) {
        s->d[h] = d * (float)(b[2 * i + h] & 15);
        s->m[h] = -(dmin * (float)(b[2 * i + h] >> 4));
    }
    for (unsigned l = 0; l < 32; l++)
        s->w[l] = (int8_t)(q[l] >> 2 * (i % 4) & 3);
}

static void read_q3_k(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    const uint8_t *q = b + 32 + 32 * (i / 4), *scales = b + 96;
    float d = float_from_half(load_u16(b + 108));
    for (unsigned h = 0; h < 2; h++) {
        /* Scale j: nibble j / 8 of byte j % 8; above it bits 2(j / 4), +1 of byte 8 + j % 4. */
        unsigned j = 2 * i + h;
        int scale = (scales[j % 8] >> 4 * (j / 8) & 15) | (scales[8 + j % 4] >> 2 * (j / 4) & 3)
                                                              << 4;
        s->d[h] = d * (float)(scale - 32);
    }
    for (unsigned l = 0; l < 32; l++)
        s->w[l] = (int8_t)(((q[l] >> 2 * (i % 4) & 3) | (b[l] >> i & 1) << 2) - 4);
}

static void read_q8_k(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    s->d[0] = s->d[1] = float_from_bits(load_u32(b));
    memcpy(s->w, b + 4 + 32 * i, 32);
}

/* Non-linear steps, finer near 0. */
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

static void read_iq4_nl(const uint8_t *b, struct ref_sub *s)
{
    s->d[0] = s->d[1] = float_from_half(load_u16(b));
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = iq4_values[nibble(b + 2, j)];
}

static void read_iq4_xs(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    int scale = (b[4 + i / 2] >> 4 * (i % 2) & 15) | (load_u16(b + 2) >> 2 * i & 3) << 4;
    s->d[0] = s->d[1] = float_from_half(load_u16(b)) * (float)(scale - 32);
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = iq4_values[nibble(b + 8 + 16 * i, j)];
}

/* Twice the values of a 4-bit float: sign, two bits of exponent, one of fraction. */
static const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void read_mxfp4(const uint8_t *b, struct ref_sub *s)
{
    /* 2^-128 and 2^-127 are subnormal. */
    s->d[0] = s->d[1] = float_from_bits(b[0] < 2 ? 0x00200000u << b[0] : (b[0] - 1u) << 23);
    for (unsigned j = 0; j < 32; j++)
        s->w[j] = fp4_values[nibble(b + 1, j)];
}

/* Half of an 8-bit float: 4 bits of exponent, 3 of fraction; its NaN counts as 0, the sign is not
 * looked at. Placed under the exponent of a binary32, its value is 2^120 times too small. */
static float read_ue4m3(uint8_t e)
{
    return e == 0x7f ? 0 : float_from_bits((e & 0x7fu) << 20) * 0x1p119f;
}

static void read_nvfp4(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    for (unsigned h = 0; h < 2; h++) {
        const uint8_t *q = b + 4 + 16 * i + 8 * h;
        s->d[h] = read_ue4m3(b[2 * i + h]);
        for (unsigned j = 0; j < 16; j++)
            s->w[16 * h + j] = fp4_values[j < 8 ? q[j] & 15 : q[j - 8] >> 4];
    }
}

static void read_tq2_0(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    s->d[0] = s->d[1] = float_from_half(load_u16(b + 64));
    for (unsigned l = 0; l < 32; l++)
        s->w[l] = (int8_t)((b[32 * (i / 4) + l] >> 2 * (i % 4) & 3) - 1);
}

/* A byte is a fraction of 256 in base 3: digit n is the whole part of 3 * (byte * 3^n mod 256) /
 * 256. Digit n of the first 32 bytes gives sub-block n (0 to 4), then digit n of the next 16 bytes
 * 16 weights, then digit n (0 to 3) of the last 4 bytes 4 weights. */
static void read_tq1_0(const uint8_t *b, unsigned i, struct ref_sub *s)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    s->d[0] = s->d[1] = float_from_half(load_u16(b + 52));
    for (unsigned l = 0; l < 32; l++) {
        unsigned at = 32 * i + l, byte = at % 32, digit = i;
        if (at >= 240) {
            byte = 48 + at % 4;
            digit = (at - 240) / 4;
        } else if (at >= 160) {
            byte = 32 + at % 16;
            digit = (at - 160) / 16;
        }
        s->w[l] = (int8_t)(((b[byte] * power[digit] & 255) * 3 >> 8) - 1);
    }
}

void ref_read_sub(uint32_t type, const uint8_t *row, size_t i, struct ref_sub *s)
{
    const struct wtype_info *info = wtype_info(type);
    const size_t subs = info->block_elems / 32;
    const uint8_t *b = row + i / subs * info->block_bytes;
    const unsigned sub = (unsigned)(i % subs);

    s->m[0] = s->m[1] = 0;
    switch (type) {
    case WTYPE_Q8_0:
        read_q8_0(b, s);
        break;
    case WTYPE_Q4_0:
        read_q4_0(b, s);
        break;
    case WTYPE_Q4_1:
        read_q4_1(b, s);
        break;
    case WTYPE_Q5_0:
        read_q5_0(b, s);
        break;
    case WTYPE_Q5_1:
        read_q5_1(b, s);
        break;
    case WTYPE_Q2_K:
        read_q2_k(b, sub, s);
        break;
    case WTYPE_Q3_K:
        read_q3_k(b, sub, s);
        break;
    case WTYPE_Q4_K:
        read_q4_k(b, sub, s);
        break;
    case WTYPE_Q5_K:
        read_q5_k(b, sub, s);
        break;
    case WTYPE_Q6_K:
        read_q6_k(b, sub, s);
        break;
    case WTYPE_Q8_K:
        read_q8_k(b, sub, s);
        break;
    case WTYPE_IQ4_NL:
        read_iq4_nl(b, s);
        break;
    case WTYPE_IQ4_XS:
        read_iq4_xs(b, sub, s);
        break;
    case WTYPE_MXFP4:
        read_mxfp4(b, s);
        break;
    case WTYPE_NVFP4:
        read_nvfp4(b, sub, s);
        break;
    case WTYPE_TQ1_0:
        read_tq1_0(b, sub, s);
        break;
    case WTYPE_TQ2_0:
        read_tq2_0(b, sub, s);
        break;
    }
}

static float plain_value(uint32_t type, const uint8_t *p, size_t i)
{
    switch (type) {
    case WTYPE_F64: {
        uint64_t bits = load_u32(p + 8 * i) | (uint64_t)load_u32(p + 8 * i + 4) << 32;
        double d;
        memcpy(&d, &bits, sizeof d);
        return (float)d;
    }
    case WTYPE_F32:
        return float_from_bits(load_u32(p + 4 * i));
    case WTYPE_F16:
        return float_from_half(load_u16(p + 2 * i));
    case WTYPE_BF16:
        return float_from_bits((uint32_t)load_u16(p + 2 * i) << 16);
    default: /* I8 */
        return (float)(int8_t)p[i];
    }
}

void ref_dequant(uint32_t type, const void *row, float *y, size_t k)
{
    const struct wtype_info *info = wtype_info(type);
    struct ref_sub s;
    for (size_t i = 0; info && i < k; i++) {
        if (info->block_elems == 1) {
            y[i] = plain_value(type, row, i);
            continue;
        }
        if (i % 32 == 0)
            ref_read_sub(type, row, i / 32, &s);
        y[i] = s.d[i % 32 / 16] * (float)s.w[i % 32] + s.m[i % 32 / 16];
    }
}
