/* SPDX-License-Identifier: MIT */
/* Peaks over 128-bit registers: memory and floats, the same for every level from NEON on. */
#ifndef WATTLE_KERNELS_ARM_PEAK_H
#define WATTLE_KERNELS_ARM_PEAK_H

#include "kernels/peak.h"

#include <arm_neon.h>

/* Sixteen sums: four instructions a cycle of four cycles each. They have names, since the compiler
 * keeps an array of them in memory. */
#define PEAK_EACH(DO) \
    DO(0)             \
    DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
enum { PEAK_SUMS = 16 };

/* The compiler cannot know that v is what it was, so that it computes with it anew: no instruction
 * comes of it. */
#define PEAK_FRESH(v) __asm__ volatile("" : "+w"(v))

/* Four streams, which keep more of the memory's banks at work than one. */
static inline uint64_t peak_read(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    size_t quarter = n / 4;
    uint8x16_t sums[16];
    for (int j = 0; j < 16; j++)
        sums[j] = vdupq_n_u8(0);
    for (size_t i = 0; i < quarter; i += 64) {
        for (size_t j = 0; j < 16; j++)
            sums[j] = veorq_u8(sums[j], vld1q_u8(bytes + j / 4 * quarter + i + j % 4 * 16));
    }
    for (int j = 1; j < 16; j++)
        sums[0] = veorq_u8(sums[0], sums[j]);
    uint64x2_t words = vreinterpretq_u64_u8(sums[0]);
    return vgetq_lane_u64(words, 0) ^ vgetq_lane_u64(words, 1);
}

static inline float peak_f32(size_t rounds)
{
    float32x4_t w = vdupq_n_f32(0.5f), x = vdupq_n_f32(0.25f);
#define ZERO(j) float32x4_t sum##j = vdupq_n_f32(0);
#define STEP(j)    \
    PEAK_FRESH(x); \
    sum##j = vfmaq_f32(sum##j, w, x);
#define ADD(j) x = vaddq_f32(x, sum##j);
    PEAK_EACH(ZERO)
    for (size_t r = 0; r < rounds; r++) {
        PEAK_EACH(STEP)
    }
    PEAK_EACH(ADD)
#undef ZERO
#undef STEP
#undef ADD
    return vgetq_lane_f32(x, 0);
}

#endif
