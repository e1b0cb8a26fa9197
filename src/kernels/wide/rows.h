/* SPDX-License-Identifier: MIT */
/* Row kernels in floats. Included after an ISA's lanes.h. A tail shorter than eight goes through
 * the same instructions in a padded copy, so that it is the same to the bit. */
#ifndef WATTLE_KERNELS_WIDE_ROWS_H
#define WATTLE_KERNELS_WIDE_ROWS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* n < 8 floats, the rest is fill. */
wide_inline struct v8f load_part(const float *p, size_t n, float fill)
{
    float part[8];
    v8f_store(part, v8f_set1(fill));
    memcpy(part, p, n * sizeof *p);
    return v8f_load(part);
}

wide_inline void store_part(float *p, size_t n, struct v8f a)
{
    float part[8];
    v8f_store(part, a);
    memcpy(p, part, n * sizeof *p);
}

wide_inline double fold_doubles(const double lane[8])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static void wide_rms_norm(const float *x, const float *weight, float eps, float *y, size_t n)
{
    struct v8d squares = v8d_zero();
    double lane[8];
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        squares = v8d_add_square(squares, v8f_load(x + i));
    v8d_store(lane, squares);
    for (size_t j = 0; i + j < n; j++)
        lane[j] += (double)x[i + j] * (double)x[i + j];
    float r = (float)(1.0 / sqrt(fold_doubles(lane) / (double)n + (double)eps));

    for (i = 0; n - i >= 8; i += 8) {
        struct v8f v = v8f_mul(v8f_load(x + i), v8f_set1(r));
        v8f_store(y + i, weight ? v8f_mul(v, v8f_load(weight + i)) : v);
    }
    for (; i < n; i++)
        y[i] = weight ? (x[i] * r) * weight[i] : x[i] * r;
}

static void wide_layer_norm(const float *x, const float *weight, const float *bias, float eps,
                            float *y, size_t n)
{
    struct v8d sum = v8d_zero(), squares = v8d_zero();
    double lane[8];
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        sum = v8d_add_floats(sum, v8f_load(x + i));
    v8d_store(lane, sum);
    for (size_t j = 0; i + j < n; j++)
        lane[j] += (double)x[i + j];
    double mean = fold_doubles(lane) / (double)n;

    for (i = 0; n - i >= 8; i += 8) {
        struct v8d d = v8d_distance(v8f_load(x + i), mean);
        squares = v8d_fma(d, d, squares);
    }
    v8d_store(lane, squares);
    for (size_t j = 0; i + j < n; j++) {
        double d = (double)x[i + j] - mean;
        lane[j] = fma(d, d, lane[j]);
    }
    float r = (float)(1.0 / sqrt(fold_doubles(lane) / (double)n + (double)eps));

    for (i = 0; n - i >= 8; i += 8) {
        struct v8f v = v8f_from_doubles(v8d_distance(v8f_load(x + i), mean));
        v = v8f_mul(v, v8f_set1(r));
        v = weight ? v8f_mul(v, v8f_load(weight + i)) : v;
        v8f_store(y + i, bias ? v8f_add(v, v8f_load(bias + i)) : v);
    }
    for (; i < n; i++) {
        float v = (float)((double)x[i] - mean) * r;
        v = weight ? v * weight[i] : v;
        y[i] = bias ? v + bias[i] : v;
    }
}

static void wide_add(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        v8f_store(y + i, v8f_add(v8f_load(y + i), v8f_load(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

static void wide_add_scaled(float *y, const float *x, float a, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        v8f_store(y + i, v8f_fma(v8f_set1(a), v8f_load(x + i), v8f_load(y + i)));
    for (; i < n; i++)
        y[i] = fmaf(a, x[i], y[i]);
}

static void wide_scale(float *x, float a, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        v8f_store(x + i, v8f_mul(v8f_load(x + i), v8f_set1(a)));
    for (; i < n; i++)
        x[i] *= a;
}

static void wide_clamp(float *x, float limit, size_t n)
{
    const struct v8f low = v8f_set1(-limit), high = v8f_set1(limit);
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        struct v8f v = v8f_load(x + i);
        v = v8f_if_less(v, low, low, v);
        v8f_store(x + i, v8f_if_less(high, v, high, v));
    }
    for (; i < n; i++) {
        float v = x[i] < -limit ? -limit : x[i];
        x[i] = limit < v ? limit : v;
    }
}

/* a * cos - b * sin, a * sin + b * cos */
wide_inline void rotate(struct v8f *a, struct v8f *b, struct v8f cos_t, struct v8f sin_t)
{
    struct v8f a0 = *a, b0 = *b;
    *a = v8f_sub(v8f_mul(a0, cos_t), v8f_mul(b0, sin_t));
    *b = v8f_add(v8f_mul(a0, sin_t), v8f_mul(b0, cos_t));
}

static void wide_rope(float *x, const float *cos_t, const float *sin_t, size_t n_rot,
                      bool interleaved)
{
    size_t n = n_rot / 2, step = interleaved ? 2 : 1, apart = interleaved ? 1 : n, i = 0;
    for (; n - i >= 8; i += 8) {
        struct v8f a, b, c = v8f_load(cos_t + i), s = v8f_load(sin_t + i);
        if (interleaved) {
            v8f_load_pairs(x + 2 * i, &a, &b);
            rotate(&a, &b, c, s);
            v8f_store_pairs(x + 2 * i, a, b);
        } else {
            a = v8f_load(x + i);
            b = v8f_load(x + n + i);
            rotate(&a, &b, c, s);
            v8f_store(x + i, a);
            v8f_store(x + n + i, b);
        }
    }
    for (; i < n; i++) {
        float *a = x + i * step, *b = a + apart, a0 = *a, b0 = *b;
        *a = a0 * cos_t[i] - b0 * sin_t[i];
        *b = a0 * sin_t[i] + b0 * cos_t[i];
    }
}

#endif
