/* SPDX-License-Identifier: MIT */
#ifndef WATTLE_KERNELS_ARM_NEON_H
#define WATTLE_KERNELS_ARM_NEON_H

#include "kernels/kernels.h"

/* Needs AArch64 with Advanced SIMD. */
extern const struct kernels kernels_neon;
/* Besides those FEAT_DotProd. */
extern const struct kernels kernels_dotprod;

void dotprod_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                        const struct q8_block *x, size_t n, float *out, size_t out_stride);
extern const struct peak peak_neon, peak_dotprod;

#endif
