/* SPDX-License-Identifier: MIT */
/* Row kernels in floats: norms, activations, rotation, attention; and the exponential they share.
 */
#include "kernels/ref/ref.h"

#include "kernels/bits.h"
#include "kernels/exp.h"

#include <math.h>

float ref_exp(float x)
{
    if (x < EXP_LOWEST)
        return 0;
    /* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of t. */
    float t = fmaf(x, EXP_LOG2E, EXP_ROUND), n = t - EXP_ROUND;
    float r = fmaf(n, -EXP_LN2_LOW, fmaf(n, -EXP_LN2_HIGH, x));
    float p = EXP_C4;
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, EXP_C1);
    p = fmaf(p, r, EXP_C0);
    p = fmaf(p, r * r, r) + 1.0f;
    return p * float_from_bits((bits_from_float(t) << 23) + 0x3f800000);
}

void ref_rms_norm(const float *x, const float *weight, float eps, float *y, size_t n)
{
    double lane[8] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 8] += (double)x[i] * (double)x[i];
    double sum =
        ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    float r = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] * r) * weight[i];
}

void ref_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

void ref_silu_mul(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* exp(-|x|) cannot overflow, where exp(-x) would for x < -88. */
        float x = gate[i], e = ref_exp(-fabsf(x));
        float top = x < 0 ? x * e : x;
        gate[i] = top / (1.0f + e) * up[i];
    }
}

void ref_rope(float *x, const float *cos_t, const float *sin_t, size_t n_rot, bool interleaved)
{
    size_t n = n_rot / 2, step = interleaved ? 2 : 1, apart = interleaved ? 1 : n;
    for (size_t i = 0; i < n; i++) {
        float *a = x + i * step, *b = a + apart, a0 = *a, b0 = *b;
        *a = a0 * cos_t[i] - b0 * sin_t[i];
        *b = a0 * sin_t[i] + b0 * cos_t[i];
    }
}

void ref_attention(const float *q, const float *k, const float *v, size_t stride, size_t head_dim,
                   size_t n_kv, float scale, float *scores, float *y)
{
    float max = -INFINITY, lane[8] = {0};
    for (size_t p = 0; p < n_kv; p++) {
        scores[p] = ref_dot(q, k + p * stride, head_dim) * scale;
        max = scores[p] > max ? scores[p] : max;
    }
    for (size_t p = 0; p < n_kv; p++) {
        scores[p] = ref_exp(scores[p] - max);
        lane[p % 8] += scores[p];
    }
    float sum = ref_fold(lane);
    for (size_t i = 0; i < head_dim; i++) {
        float acc = 0;
        for (size_t p = 0; p < n_kv; p++)
            acc = fmaf(v[p * stride + i], scores[p], acc);
        y[i] = acc / sum;
    }
}
