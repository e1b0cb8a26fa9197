/* SPDX-License-Identifier: MIT */
#include "kernels/x86/avx2.h"

#include "kernels/x86/peak.h"

#define PEAK_INT8(sum, w, x) _mm256_dpbusd_avx_epi32(sum, w, x)
#include "kernels/x86/peak_int8.h"

const struct peak peak_avx_vnni = {
    .isa = "avxvnni",
    .int8_macs = PEAK_SUMS * 32,
    .f32_macs = PEAK_SUMS * 8,
    .read = peak_read,
    .int8 = peak_int8,
    .f32 = peak_f32,
};
