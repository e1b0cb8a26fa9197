/* SPDX-License-Identifier: MIT */
#ifndef WATTLE_KERNELS_X86_AVX2_H
#define WATTLE_KERNELS_X86_AVX2_H

#include "kernels/kernels.h"

/* Needs AVX2, FMA and F16C. */
extern const struct kernels kernels_avx2;
/* Besides those AVX-VNNI, or AVX-512 VNNI with VL: two spellings of the same instruction. */
extern const struct kernels kernels_avx_vnni, kernels_avx512_vnni;

void avx_vnni_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                         const struct q8_block *x, size_t n, float *out, size_t out_stride);
void avx512_vnni_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                            const struct q8_block *x, size_t n, float *out, size_t out_stride);
extern const struct peak peak_avx2, peak_avx_vnni, peak_avx512_vnni;

#endif
