/* SPDX-License-Identifier: MIT */
/* kernels: the arithmetic of a forward pass, one contract a family, several machine codes.
 *
 * Owns: block types, plain C references (ref/), x86 and Arm code, their choice at run time.
 * May include: base. Pure: no allocation, locks, logging or threads; pointers, sizes and row ranges
 * in. Start reading: types.h, then this file, then ref/.
 *
 * Results. For each output the sum runs over the row in one order that depends neither on the
 * number of rows or columns of the call nor on the ISA: eight lanes, lane j taking elements j, j+8,
 * … (f32), or the block integer sums of its four bytes (q8), each block's float product added by
 * one fused multiply-add; lanes are folded ((0+4)+(2+6))+((1+5)+(3+7)). So a token's result is the
 * same to the bit alone and in a batch, and the ISAs agree with ref/ to the bit where the comment
 * of the entry says "exact". */
#ifndef WATTLE_KERNELS_KERNELS_H
#define WATTLE_KERNELS_KERNELS_H

#include "kernels/types.h"

#include <stdbool.h>

/* An activation row quantized for integer dot products: blocks of 32 (the length of the row is a
 * multiple of 32), one float scale and the sums of its two halves, which asymmetric weights and
 * 16-wide scales need. */
struct q8_block {
    float d;        /* value = d * q; d = max|x| / 127 */
    int16_t sum[2]; /* sum of q[0..15], q[16..31] */
    int8_t q[32];   /* round to nearest even, in [-127, 127] */
};

/* One ISA's kernels. Lengths k are in elements: multiples of the weight type's block (and of 32 for
 * q8 paths); pointers need the alignment of their element type only; nothing may alias but x == y
 * where said. */
struct kernels {
    const char *isa; /* "c", "avx2", "neon" */

    /* k values of one weight row -> y. exact. */
    void (*dequant)(uint32_t type, const void *row, float *y, size_t k);

    /* x[k] -> q[k/32]. exact. A block of zeros has d == 0. */
    void (*quantize_q8)(const float *x, struct q8_block *q, size_t k);

    /* out[c * out_stride + r - row0] = dot(W row r, column c), for rows [row0, row1), columns [0,
     * n). W: row r begins at w + r * row_bytes, dequantized on the fly and multiplied in f32. x:
     * column c begins at x + c * k. Any wtype. scratch: k floats, of the caller's thread. exact. */
    void (*mul_f32)(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0,
                    size_t row1, const float *x, size_t n, float *out, size_t out_stride,
                    float *scratch);

    /* The same on quantized columns: column c begins at x + c * (k / 32). Quantized wtypes only
     * (see kernels_has_q8). exact. */
    void (*mul_q8)(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0,
                   size_t row1, const struct q8_block *x, size_t n, float *out, size_t out_stride);

    /* y = x * rsqrt(mean(x^2) + eps) * weight; x == y is fine. The mean is summed in eight double
     * lanes. exact. */
    void (*rms_norm)(const float *x, const float *weight, float eps, float *y, size_t n);

    /* y[i] += x[i]. exact. */
    void (*add)(float *y, const float *x, size_t n);

    /* gate[i] = silu(gate[i]) * up[i]; silu(x) = x / (1 + exp(-x)). Within 4 ulp of the exact value
     * of silu times up's rounding; the same polynomial in every ISA, so exact between them. */
    void (*silu_mul)(float *gate, const float *up, size_t n);

    /* Rotates pairs of one head by the angle whose cosine and sine are given, n_rot/2 each.
     * interleaved: pairs (2i, 2i+1) as GGUF's llama has them; else (i, i + n_rot/2). exact. */
    void (*rope)(float *x, const float *cos_t, const float *sin_t, size_t n_rot, bool interleaved);

    /* Attention of one query head over n_kv positions, one pass or two; y[head_dim].
     * keys/values: position p of this KV head begins at k + p * stride (floats). scores: scratch of
     * n_kv floats. softmax(scale * q·k) v. head_dim a multiple of 8 or not. exact between ISAs. */
    void (*attention)(const float *q, const float *k, const float *v, size_t stride,
                      size_t head_dim, size_t n_kv, float scale, float *scores, float *y);
};

/* True for the types that mul_q8 takes: Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K. */
bool kernels_has_q8(uint32_t type);

/* The best table that this CPU has, chosen by CPUID / HWCAP, at most the one named by isa ("c",
 * "avx2", "neon"; NULL or
 * "" for no cap). NULL if isa names none of ours. Any thread. */
const struct kernels *kernels_get(const char *isa);

/* Tables from the plainest ("c") to the best that this CPU runs, NULL-terminated: for tests. */
const struct kernels *const *kernels_all(void);

#endif
