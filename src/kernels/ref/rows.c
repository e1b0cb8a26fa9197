/* SPDX-License-Identifier: MIT */
/* Row kernels in floats: norms, sums, rotation, attention. */
#include "kernels/ref/ref.h"

#include <math.h>

static double fold_doubles(const double lane[8])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

void ref_rms_norm(const float *x, const float *weight, float eps, float *y, size_t n)
{
    double lane[8] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 8] += (double)x[i] * (double)x[i];
    float r = (float)(1.0 / sqrt(fold_doubles(lane) / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = weight ? (x[i] * r) * weight[i] : x[i] * r;
}

void ref_layer_norm(const float *x, const float *weight, const float *bias, float eps, float *y,
                    size_t n)
{
    double sum[8] = {0}, squares[8] = {0};
    for (size_t i = 0; i < n; i++)
        sum[i % 8] += (double)x[i];
    double mean = fold_doubles(sum) / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - mean;
        squares[i % 8] = fma(d, d, squares[i % 8]);
    }
    float r = (float)(1.0 / sqrt(fold_doubles(squares) / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++) {
        float v = (float)((double)x[i] - mean) * r;
        v = weight ? v * weight[i] : v;
        y[i] = bias ? v + bias[i] : v;
    }
}

void ref_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

void ref_add_scaled(float *y, const float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf(a, x[i], y[i]);
}

void ref_scale(float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

void ref_clamp(float *x, float limit, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float low = x[i] < -limit ? -limit : x[i];
        x[i] = limit < low ? limit : low;
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

static void attend(const struct attention *a, size_t query, float *scores, float *y)
{
    const float slope = a->slopes ? a->slopes[query] : 0;
    float max = -INFINITY, lane[8] = {0};
    for (size_t p = 0; p < a->n_kv; p++) {
        float s = ref_dot(a->q + query * a->head_dim, a->k + p * a->stride, a->head_dim) * a->scale;
        if (a->softcap != 0)
            s = ref_capped(s, a->softcap);
        if (slope != 0)
            s = fmaf(slope, (float)p, s);
        if (a->bias)
            s += a->bias[query * a->bias_stride + p];
        scores[p] = s;
        max = s > max ? s : max;
    }
    for (size_t p = 0; p < a->n_kv; p++) {
        scores[p] = ref_exp(scores[p] - max);
        lane[p % 8] += scores[p];
    }
    float sum = ref_fold(lane);
    for (size_t i = 0; i < a->head_dim; i++) {
        float acc = 0;
        for (size_t p = 0; p < a->n_kv; p++)
            acc = fmaf(a->v[p * a->stride + i], scores[p], acc);
        y[i] = acc / sum;
    }
}

void ref_attention(const struct attention *a, float *scores, float *y)
{
    for (size_t query = 0; query < a->n_q; query++)
        attend(a, query, scores + query * a->n_kv, y + query * a->head_dim);
}
