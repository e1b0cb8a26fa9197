/* SPDX-License-Identifier: MIT */
#ifndef WATTLE_KERNELS_X86_AVX2_H
#define WATTLE_KERNELS_X86_AVX2_H

#include "kernels/kernels.h"

/* Needs AVX2, FMA and F16C. */
extern const struct kernels kernels_avx2;

#endif
