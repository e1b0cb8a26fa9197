/* SPDX-License-Identifier: MIT */
/* Two small integers for each of eight rows, as pairs of 16 bits: what wide/mul_packed.h multiplies
 * sums with. Included after lanes.h by the dots files. */
#ifndef WATTLE_KERNELS_X86_SCALES_H
#define WATTLE_KERNELS_X86_SCALES_H

#include "kernels/x86/lanes.h"

struct scales {
    __m256i pairs;
};

/* n for all. */
wide_inline struct scales scales_all(int n)
{
    return (struct scales){_mm256_set1_epi16((short)n)};
}

/* A byte a row, for both halves. */
wide_inline struct scales scales_of_bytes(const uint8_t *p)
{
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return (struct scales){_mm256_or_si256(wide, _mm256_slli_epi32(wide, 16))};
}

/* Two signed bytes a row. */
wide_inline struct scales scales_of_halves(const uint8_t *p)
{
    return (struct scales){_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p))};
}

/* Half h's for both. */
wide_inline struct scales scales_half(struct scales s, int h)
{
    __m256i from = h ? _mm256_set1_epi32(0x03020302) : _mm256_set1_epi32(0x01000100);
    __m256i four = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404,
                                     0x08080808, 0x0c0c0c0c);
    return (struct scales){_mm256_shuffle_epi8(s.pairs, _mm256_add_epi8(from, four))};
}

/* Times n, a constant; the results fit 16 bits. */
wide_inline struct scales scales_times(struct scales s, int n)
{
    return (struct scales){_mm256_mullo_epi16(s.pairs, _mm256_set1_epi16((short)n))};
}

/* scale[0] * half[0] + scale[1] * half[1] */
wide_inline struct v8i scales_dot_halves(struct scales s, const int16_t half[2])
{
    int32_t both;
    memcpy(&both, half, sizeof both);
    return (struct v8i){_mm256_madd_epi16(s.pairs, _mm256_set1_epi32(both))};
}

#endif
