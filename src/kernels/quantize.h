/* SPDX-License-Identifier: MIT */
/* From floats to weight blocks: the way back from dequant.
 *
 * For each block the scale (and minimum) is searched that makes the squared error
 *
 *   sum over i of importance[i] * (x[i] - dequantized[i])^2
 *
 * small, all importances 1 where none are given. The search is deterministic and the same on every
 * machine. What quantize_row wrote and dequant read comes back as the same values; K types may move
 * it by a small part of their error.
 *
 * Pure: no allocation, no state, any thread. */
#ifndef WATTLE_KERNELS_QUANTIZE_H
#define WATTLE_KERNELS_QUANTIZE_H

#include "kernels/types.h"

#include <stdbool.h>

/* Beyond it a finite value has no F16 near it. */
#define QUANTIZE_F16_MAX 65504.0f

/* True for the types that quantize_row writes: F32 F16 BF16, Q8_0 Q4_0 Q4_1 Q5_0 Q5_1, Q4_K Q5_K
 * Q6_K. */
bool quantize_has(uint32_t type);

/* x[k] -> k / block_elems blocks of type at row, at any address. k: a multiple of block_elems; 0 is
 * fine. x: finite, for F16 at most QUANTIZE_F16_MAX; the caller checks. importance: [k], finite and
 * at least 0, or NULL; plain types (F32 F16 BF16) round each value to nearest, ties to even,
 * whatever the importance. Nothing may alias. Blocks of huge values get the largest finite scale;
 * what is below half of a type's smallest step becomes 0. */
void quantize_row(uint32_t type, const float *x, const float *importance, void *row, size_t k);

#endif
