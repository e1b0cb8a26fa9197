/* SPDX-License-Identifier: MIT */
/* Peaks over 256-bit registers: memory and floats, the same for every level above AVX2. */
#ifndef WATTLE_KERNELS_X86_PEAK_H
#define WATTLE_KERNELS_X86_PEAK_H

#include "kernels/peak.h"

#include <immintrin.h>

/* Ten sums: two instructions a cycle of up to five cycles each, and registers left. They
 * have names, since the compiler keeps an array of them in memory. */
#define PEAK_EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)
enum { PEAK_SUMS = 10 };

/* The compiler cannot know that v is what it was, so that it computes with it anew: no instruction
 * comes of it. */
#define PEAK_FRESH(v) __asm__ volatile("" : "+x"(v))

/* Four streams, which keep more of the memory's banks at work than one. */
static inline uint64_t peak_read(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    size_t quarter = n / 4;
    __m256i sums[8];
    for (int j = 0; j < 8; j++)
        sums[j] = _mm256_setzero_si256();
    for (size_t i = 0; i < quarter; i += 64) {
        for (size_t j = 0; j < 8; j++)
            sums[j] = _mm256_xor_si256(
                sums[j], _mm256_load_si256(
                             (const __m256i *)(const void *)(bytes + j / 2 * quarter + i) + j % 2));
    }
    for (int j = 1; j < 8; j++)
        sums[0] = _mm256_xor_si256(sums[0], sums[j]);
    uint64_t words[4];
    _mm256_storeu_si256((__m256i *)(void *)words, sums[0]);
    return words[0] ^ words[1] ^ words[2] ^ words[3];
}

static inline float peak_f32(size_t rounds)
{
    __m256 w = _mm256_set1_ps(0.5f), x = _mm256_set1_ps(0.25f);
#define ZERO(j) __m256 sum##j = _mm256_setzero_ps();
#define STEP(j)    \
    PEAK_FRESH(x); \
    sum##j = _mm256_fmadd_ps(sum##j, w, x);
#define ADD(j) x = _mm256_add_ps(x, sum##j);
    PEAK_EACH(ZERO)
    for (size_t r = 0; r < rounds; r++) {
        PEAK_EACH(STEP)
    }
    PEAK_EACH(ADD)
#undef ZERO
#undef STEP
#undef ADD
    return _mm256_cvtss_f32(x);
}

#endif
