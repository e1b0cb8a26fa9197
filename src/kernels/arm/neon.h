/* SPDX-License-Identifier: MIT */
#ifndef WATTLE_KERNELS_ARM_NEON_H
#define WATTLE_KERNELS_ARM_NEON_H

#include "kernels/kernels.h"

/* Needs AArch64 with Advanced SIMD. */
extern const struct kernels kernels_neon;

#endif
