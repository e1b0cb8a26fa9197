/* SPDX-License-Identifier: MIT */
/* Row kernels in floats. Included after an ISA's lanes.h. A tail shorter than eight goes through
 * the same instructions in a padded copy, so that it is the same to the bit. */
#ifndef WATTLE_KERNELS_WIDE_ROWS_H
#define WATTLE_KERNELS_WIDE_ROWS_H

#include "kernels/exp.h"

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

/* exp(x) for x <= 0; ref_exp has the comments. */
wide_inline struct v8f v8f_exp(struct v8f x)
{
    struct v8f t = v8f_fma(x, v8f_set1(EXP_LOG2E), v8f_set1(EXP_ROUND));
    struct v8f n = v8f_sub(t, v8f_set1(EXP_ROUND));
    struct v8f r = v8f_fma(n, v8f_set1(-EXP_LN2_HIGH), x);
    r = v8f_fma(n, v8f_set1(-EXP_LN2_LOW), r);
    struct v8f p = v8f_set1(EXP_C4);
    p = v8f_fma(p, r, v8f_set1(EXP_C3));
    p = v8f_fma(p, r, v8f_set1(EXP_C2));
    p = v8f_fma(p, r, v8f_set1(EXP_C1));
    p = v8f_fma(p, r, v8f_set1(EXP_C0));
    p = v8f_add(v8f_fma(p, v8f_mul(r, r), r), v8f_set1(1.0f));
    p = v8f_mul(p, v8f_exp2_of_rounded(t));
    return v8f_if_less(x, v8f_set1(EXP_LOWEST), v8f_zero(), p);
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
    double sum =
        ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    float r = (float)(1.0 / sqrt(sum / (double)n + (double)eps));

    for (i = 0; n - i >= 8; i += 8)
        v8f_store(y + i, v8f_mul(v8f_mul(v8f_load(x + i), v8f_set1(r)), v8f_load(weight + i)));
    for (; i < n; i++)
        y[i] = (x[i] * r) * weight[i];
}

static void wide_add(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        v8f_store(y + i, v8f_add(v8f_load(y + i), v8f_load(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

wide_inline struct v8f silu_mul(struct v8f x, struct v8f up)
{
    struct v8f e = v8f_exp(v8f_minus_abs(x));
    struct v8f top = v8f_if_less(x, v8f_zero(), v8f_mul(x, e), x);
    return v8f_mul(v8f_div(top, v8f_add(v8f_set1(1.0f), e)), up);
}

static void wide_silu_mul(float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        v8f_store(gate + i, silu_mul(v8f_load(gate + i), v8f_load(up + i)));
    if (i < n)
        store_part(gate + i, n - i,
                   silu_mul(load_part(gate + i, n - i, 0), load_part(up + i, n - i, 0)));
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
