/* SPDX-License-Identifier: MIT */
/* Integers and floats over 512-bit registers. */
#include "kernels/x86/avx2.h"

#include "kernels/x86/peak.h"

#define WIDE_FRESH(v) __asm__ volatile("" : "+v"(v)) /* as PEAK_FRESH */

static int32_t peak_int8(size_t rounds)
{
    __m512i w = _mm512_set1_epi8(3), x = _mm512_set1_epi8(-5);
#define ZERO(j) __m512i sum##j = _mm512_setzero_si512();
#define STEP(j)    \
    WIDE_FRESH(x); \
    sum##j = _mm512_dpbusd_epi32(sum##j, w, x);
#define ADD(j) x = _mm512_add_epi32(x, sum##j);
    PEAK_EACH(ZERO)
    for (size_t r = 0; r < rounds; r++) {
        PEAK_EACH(STEP)
    }
    PEAK_EACH(ADD)
#undef ZERO
#undef STEP
#undef ADD
    return _mm512_cvtsi512_si32(x);
}

static float peak_f32_wide(size_t rounds)
{
    __m512 w = _mm512_set1_ps(0.5f), x = _mm512_set1_ps(0.25f);
#define ZERO(j) __m512 sum##j = _mm512_setzero_ps();
#define STEP(j)    \
    WIDE_FRESH(x); \
    sum##j = _mm512_fmadd_ps(sum##j, w, x);
#define ADD(j) x = _mm512_add_ps(x, sum##j);
    PEAK_EACH(ZERO)
    for (size_t r = 0; r < rounds; r++) {
        PEAK_EACH(STEP)
    }
    PEAK_EACH(ADD)
#undef ZERO
#undef STEP
#undef ADD
    return _mm512_cvtss_f32(x);
}

const struct peak peak_avx512_vnni = {
    .isa = "avx512vnni",
    .int8_macs = PEAK_SUMS * 64,
    .f32_macs = PEAK_SUMS * 16,
    .read = peak_read,
    .int8 = peak_int8,
    .f32 = peak_f32_wide,
};
