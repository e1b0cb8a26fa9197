/* SPDX-License-Identifier: MIT */
/* The integer peak over 256-bit registers, for files that define PEAK_INT8(sum, w, x): eight sums
 * of four products each of unsigned w and signed x. */
#ifndef WATTLE_KERNELS_X86_PEAK_INT8_H
#define WATTLE_KERNELS_X86_PEAK_INT8_H

#include "kernels/x86/peak.h"

static inline int32_t peak_int8(size_t rounds)
{
    __m256i w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(-5);
#define ZERO(j) __m256i sum##j = _mm256_setzero_si256();
#define STEP(j)    \
    PEAK_FRESH(x); \
    sum##j = PEAK_INT8(sum##j, w, x);
#define ADD(j) x = _mm256_add_epi32(x, sum##j);
    PEAK_EACH(ZERO)
    for (size_t r = 0; r < rounds; r++) {
        PEAK_EACH(STEP)
    }
    PEAK_EACH(ADD)
#undef ZERO
#undef STEP
#undef ADD
    return _mm256_cvtsi256_si32(x);
}

#endif
