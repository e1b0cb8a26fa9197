/* SPDX-License-Identifier: MIT */
#include "kernels/arm/neon.h"

#include "kernels/arm/peak.h"

static int32_t peak_int8(size_t rounds)
{
    int8x16_t w = vdupq_n_s8(3), x = vdupq_n_s8(-5);
#define ZERO(j) int32x4_t sum##j = vdupq_n_s32(0);
#define STEP(j)    \
    PEAK_FRESH(x); \
    sum##j = vdotq_s32(sum##j, w, x);
#define ADD(j) all = vaddq_s32(all, sum##j);
    PEAK_EACH(ZERO)
    for (size_t r = 0; r < rounds; r++) {
        PEAK_EACH(STEP)
    }
    int32x4_t all = vdupq_n_s32(0);
    PEAK_EACH(ADD)
#undef ZERO
#undef STEP
#undef ADD
    return vaddvq_s32(all);
}

const struct peak peak_dotprod = {
    .isa = "dotprod",
    .int8_macs = PEAK_SUMS * 16,
    .f32_macs = PEAK_SUMS * 4,
    .read = peak_read,
    .int8 = peak_int8,
    .f32 = peak_f32,
};
