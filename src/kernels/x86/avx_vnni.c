/* SPDX-License-Identifier: MIT */
/* Products of packed weights over AVX-VNNI. Compiled with -mavxvnni besides avx2.c's
 * flags; nothing but this one function leaves the file. */
#include "kernels/x86/avx2.h"

#include "kernels/x86/lanes.h"

#define VNNI_COLUMNS 4
#define VNNI_DOT     _mm256_dpbusd_avx_epi32
#include "kernels/x86/dots_vnni.h"

#include "kernels/wide/mul_packed.h"

void avx_vnni_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                         const struct q8_block *x, size_t n, float *out, size_t out_stride)
{
    wide_mul_packed(type, w, k, row0, row1, x, n, out, out_stride);
}
