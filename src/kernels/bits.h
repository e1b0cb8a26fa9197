/* SPDX-License-Identifier: MIT */
/* Bytes of a weight block as numbers: little-endian, at any address. Private to kernels/. */
#ifndef WATTLE_KERNELS_BITS_H
#define WATTLE_KERNELS_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline float float_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_from_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* IEEE 754 binary16 to binary32: every value is exact; a NaN stays one and is made quiet, as the
 * machine instructions do. */
static inline float float_from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000 | fraction << 13 | (fraction ? 1u << 22 : 0));
    if (exponent == 0) /* zero or subnormal: fraction * 2^-24 */
        return float_from_bits(sign | bits_from_float((float)fraction * 0x1p-24f));
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

/* The nearest binary16, ties to even; from 65520 on an infinity. f is no NaN. */
static inline uint16_t half_from_float(float f)
{
    uint32_t bits = bits_from_float(f), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (size < 0x38800000) { /* subnormal: adding 1/2 rounds to multiples of 2^-24 */
        uint32_t rounded = bits_from_float(float_from_bits(size) + 0.5f);
        return (uint16_t)(sign | (rounded - 0x3f000000));
    }
    uint32_t odd = size >> 13 & 1;
    return (uint16_t)(sign | (size - ((127 - 15) << 23) + 0xfff + odd) >> 13);
}

#endif
