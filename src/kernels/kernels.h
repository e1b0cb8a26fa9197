/* SPDX-License-Identifier: MIT */
/* kernels: the arithmetic of a forward pass, one contract a family, several machine codes.
 *
 * Owns: block types, plain C references (ref/), x86 and Arm code, their choice at run time.
 * May include: base. Pure: no allocation, locks, logging or threads; pointers, sizes and row ranges
 * in. Start reading: types.h, then this file, then ref/; wide/ is the same once more over eight
 * lanes, for every ISA that gives it those lanes (x86/lanes.h, arm/lanes.h).
 *
 * Results. For each output the sum runs over the row in one order that depends neither on the
 * number of rows or columns of the call nor on the ISA, and every fused multiply-add is one
 * rounding everywhere. So a token's result is the same to the bit alone and in a batch, and where
 * the comment of an entry says "exact" the ISAs agree with ref/ to the bit, for finite inputs and
 * finite block scales. Others (hostile files) give NaN or an infinity, and which is not promised.
 *
 * Lanes and fold. A dot product has eight float lanes, all 0 at first. Elements are taken in order;
 * element i goes to lane i mod 8 (mul_f32, attention), also in a tail shorter than eight. At the
 * end the lanes are folded: ((0+4) + (2+6)) + ((1+5) + (3+7)).
 *
 * Integer dot products (mul_q8). A weight row is a row of sub-blocks of 32 small integers w[32];
 * each has a scale for its two halves, d[0] and d[1] (equal but for Q2_K Q3_K Q6_K NVFP4), and
 * Q4_1 Q5_1 Q2_K Q4_K Q5_K have a minimum m (negative in K types; Q2_K one for each half), so that
 * weight i is d[i / 16] * w[i] + m:
 *
 * - Q8_0 Q4_1 Q5_1 Q8_K: w = q; Q4_0: w = q - 8; Q5_0: w = q - 16; TQ1_0 TQ2_0: w = q - 1
 *
 * - IQ4_NL IQ4_XS MXFP4 NVFP4: w from a table of 16
 *
 * - Q2_K Q4_K Q5_K: w = q, d[h] = d * scale, m = -(dmin * min)
 *
 * - Q3_K: w = q - 4, Q6_K: w = q - 32, d[h] = d * scale of the half; IQ4_XS: d[h] = d * scale
 *
 * All of these products are exact, and d * w but for Q8_K. For each sub-block, in order, with the
 * activation block x:
 *
 * - t[j] = w[4j] * x.q[4j] + … + w[4j+3] * x.q[4j+3], in int32, for each lane j of 8
 *
 * - lane[j] = fma(d[j / 4] * x.d, (float)t[j], lane[j]); for Q2_K then lane[j] =
 *   fma(m[j / 4] * x.d, (float)(x.q[4j] + … + x.q[4j+3]), lane[j])
 *
 * - min = fma(m, x.s, min), for the other types with a minimum
 *
 * The result is fold(lane), plus min for those. */
#ifndef WATTLE_KERNELS_KERNELS_H
#define WATTLE_KERNELS_KERNELS_H

#include "kernels/packed.h"
#include "kernels/peak.h"
#include "kernels/quantize.h"
#include "kernels/types.h"

#include <stdbool.h>

/* An activation row quantized for integer dot products: blocks of 32 (the length of the row is a
 * multiple of 32). value = d * q. */
struct q8_block {
    float d;         /* max|x| / 127 */
    float s;         /* d * (sum of q), which weights with a minimum need */
    int16_t half[2]; /* sum of q[0..15], of q[16..31] */
    int8_t q[32];    /* x * (127 / max|x|) to nearest, ties to even, in [-127, 127] */
};

/* Activation functions; e is exp(-|t|) of exp.h.
 * - SILU, GELU_TANH, GELU_QUICK: x * sigmoid(t), as x / (1 + e), or (x * e) / (1 + e) for t < 0; t
 *   is x; x * fma(GELU_T3, x * x, GELU_T1); 1.702 * x. Within 4 ulp of x * sigmoid(t) for t >= -87;
 *   -0 below -87.3 (truth: above -1.1e-36). t has its own rounding: 3 ulp, which becomes 3 |t| ulp
 *   of the result where t < 0; 8e-8 |x| at most.
 * - GELU_ERF: x * (1 + erf(x / sqrt 2)) / 2, as x * Q or x * (1 - Q), Q the share of the
 *   normal distribution above |x| (activation.h). Within 6 ulp for x >= -13.1; -0 below -13.3.
 * - RELU: 0 for x < 0; RELU2: its square.
 * Of -infinity all but the last two give NaN, as the product 0 * infinity in their formula does. */
enum activation {
    ACTIVATION_SILU,
    ACTIVATION_GELU_TANH, /* x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 */
    ACTIVATION_GELU_ERF,
    ACTIVATION_GELU_QUICK,
    ACTIVATION_RELU,
    ACTIVATION_RELU2,
};

/* Attention of the query heads that share a KV head over n_kv positions. Position p of the KV head
 * begins at k + p * stride and v + p * stride (floats). */
struct attention {
    const float *q; /* [n_q][head_dim] */
    const float *k, *v;
    size_t n_q, stride, head_dim, n_kv;
    float scale;
    float softcap; /* 0: none */
    const float
        *slopes;       /* [n_q] ALiBi: slope * p is added to the score of position p; NULL: none */
    const float *bias; /* query i's [n_kv] at bias + i * bias_stride, added to the scores; 7 more
                        * are read and not used; NULL: none */
    size_t bias_stride;
};

/* One ISA's kernels. Lengths k are in elements: multiples of the weight type's block (and of 32 for
 * q8 paths). Weights (row, w) may lie at any address, floats and blocks at multiples of 4; nothing
 * may alias but x == y where said. A length, row range or n of 0 is fine. */
struct kernels {
    const char *isa;         /* "c", "avx2", "vnni", "neon", "dotprod" */
    const struct peak *peak; /* what this machine code reaches at the most */

    /* k values of one weight row -> y. exact. */
    void (*dequant)(uint32_t type, const void *row, float *y, size_t k);

    /* x[k] -> q[k/32]. exact. A block whose max|x| is below 2^-100 is all zeros; one that
     * holds an infinity or NaN has d = s = NaN, the rest 0, so that it is not silently lost. */
    void (*quantize_q8)(const float *x, struct q8_block *q, size_t k);

    /* out[c * out_stride + r - row0] = dot(W row r, column c), for rows [row0, row1), columns [0,
     * n). W: row r begins at w + r * row_bytes and is as dequant gives it. x: column c begins at
     * x + c * k. lane = fma(weight, x, lane). Any wtype. scratch: k floats, of the caller's thread.
     * exact. */
    void (*mul_f32)(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0,
                    size_t row1, const float *x, size_t n, float *out, size_t out_stride,
                    float *scratch);

    /* The same on quantized columns: column c begins at x + c * (k / 32). Quantized wtypes only
     * (see kernels_has_q8). exact. Within k / 32 * 2^-23 of the sum of |d * x.d * t| and |m * x.s|,
     * in the worst case; in practice near 1e-7 of the sum of |weight * value|. */
    void (*mul_q8)(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0,
                   size_t row1, const struct q8_block *x, size_t n, float *out, size_t out_stride);

    /* The same with packed weights (packed.h): w is group 0, row0 a multiple of PACKED_ROWS; column
     * c begins at x + c * (k / 32). exact:
     *
     * - t = sum of (code - offset) * x.q over the block, an integer; Q4_K Q5_K: s = scale * t;
     *   Q6_K: s = scale[0] * t[0] + scale[1] * t[1], t of either half
     * - types of 32: sum = fma(d * x.d, (float)t, sum); types of 256: over the sub-blocks
     *   part = fma(x.d, (float)s, part) from 0, then sum = fma(d, part, sum)
     * - types of 32: min = fma(m, x.s, min); types of 256: over the sub-blocks
     *   part_min = fma((float)min, x.s, part_min) from 0, then min = fma(-dmin, part_min, min)
     * - the result is sum, or sum + min for types with a minimum. */
    void (*mul_packed)(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                       const struct q8_block *x, size_t n, float *out, size_t out_stride);

    /* y = (x * r) * weight with r = (float)(1 / sqrt(mean(x^2) + eps)); x == y is fine. Squares,
     * mean and root are double; element i goes to lane i mod 8, lanes are folded. weight NULL: all
     * ones. exact. n > 0. */
    void (*rms_norm)(const float *x, const float *weight, float eps, float *y, size_t n);

    /* y = (x - mean) * r, then * weight, then + bias, each step rounded, with
     * r = (float)(1 / sqrt(mean((x - mean)^2) + eps)); x == y is fine. Both means, x - mean and the
     * root are double; lanes as in rms_norm, of squares by fma. weight, bias: NULL leaves out the
     * step. exact. n > 0. */
    void (*layer_norm)(const float *x, const float *weight, const float *bias, float eps, float *y,
                       size_t n);

    /* y[i] += x[i]. exact. */
    void (*add)(float *y, const float *x, size_t n);

    /* y[i] = fma(a, x[i], y[i]). exact. */
    void (*add_scaled)(float *y, const float *x, float a, size_t n);

    /* x[i] *= a. exact. */
    void (*scale)(float *x, float a, size_t n);

    /* x[i] into [-limit, limit], limit >= 0; a NaN stays one. exact. */
    void (*clamp)(float *x, float limit, size_t n);

    /* x[i] = cap * tanh(x[i] / cap), cap > 0; tanh within 3 ulp. exact. tanh: activation.h. */
    void (*softcap)(float *x, float cap, size_t n);

    /* x[i] = a(x[i]). A NaN stays one. exact. See enum activation. */
    void (*activate)(enum activation a, float *x, size_t n);

    /* gate[i] = a(gate[i]) * up[i]. exact. */
    void (*gate_mul)(enum activation a, float *gate, const float *up, size_t n);

    /* Rotates pairs of one head by the angle whose cosine and sine are given, n_rot/2 each.
     * interleaved: pairs (2i, 2i+1) as GGUF's llama has them; else (i, i + n_rot/2). a, b ->
     * a * cos - b * sin, a * sin + b * cos, each operation rounded. n_rot even. exact. */
    void (*rope)(float *x, const float *cos_t, const float *sin_t, size_t n_rot, bool interleaved);

    /* y = softmax(score) v for each query, [n_q][head_dim]. scores: scratch of [n_q][n_kv] floats.
     * n_kv > 0. exact, and for a query what it is alone:
     *   score[p] = dot(q, k[p]) * scale, as mul_f32 sums; with a softcap that of `softcap`; with a
     *   slope that is not 0 fma(slope, (float)p, score[p]); with a bias + bias[p];
     *   e[p] = exp(score[p] - max score), 0 below exp(-87.3); sum of e in eight lanes, p to lane
     *   p mod 8, folded;
     *   y[i] = (v[0][i] * e[0] + v[1][i] * e[1] + …) / sum, fma by fma in the order of p from 0. */
    void (*attention)(const struct attention *a, float *scores, float *y);
};

/* True for the types that mul_q8 takes: all that have blocks. */
bool kernels_has_q8(uint32_t type);

/* The best table that this CPU has, chosen by CPUID / HWCAP, at most the one named by isa ("c",
 * "avx2", "vnni" on x86, "neon", "dotprod" on Arm; NULL or "" for no cap): a CPU without the one
 * named gets the next plainer. NULL if isa names none of this machine's kind. Any thread. */
const struct kernels *kernels_get(const char *isa);

/* Tables from the plainest ("c") to the best that this CPU runs, NULL-terminated: for tests. */
const struct kernels *const *kernels_all(void);

#endif
