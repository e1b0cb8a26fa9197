/* SPDX-License-Identifier: MIT */
#include "kernels/x86/avx2.h"

#include "kernels/x86/peak.h"

#define PEAK_INT8(sum, w, x) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)))
#include "kernels/x86/peak_int8.h"

const struct peak peak_avx2 = {
    .isa = "avx2",
    .int8_macs = PEAK_SUMS * 32,
    .f32_macs = PEAK_SUMS * 8,
    .read = peak_read,
    .int8 = peak_int8,
    .f32 = peak_f32,
};
