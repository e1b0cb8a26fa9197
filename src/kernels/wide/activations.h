/* SPDX-License-Identifier: MIT */
/* Activation functions, and the exponential and hyperbolic tangent that they and attention share.
 * Included after an ISA's lanes.h. ref/activations.c has the same steps with the comments. */
#ifndef WATTLE_KERNELS_WIDE_ACTIVATIONS_H
#define WATTLE_KERNELS_WIDE_ACTIVATIONS_H

#include "kernels/activation.h"
#include "kernels/exp.h"
#include "kernels/kernels.h"
#include "kernels/wide/rows.h"

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

wide_inline struct v8f v8f_tanh(struct v8f x)
{
    struct v8f one = v8f_set1(1.0f), z = v8f_mul(x, x), minus = v8f_minus_abs(x);
    struct v8f p = v8f_fma(v8f_set1(TANH_4), z, v8f_set1(TANH_3));
    p = v8f_fma(p, z, v8f_set1(TANH_2));
    p = v8f_fma(p, z, v8f_set1(TANH_1));
    p = v8f_fma(p, z, v8f_set1(TANH_0));
    p = v8f_fma(p, v8f_mul(z, x), x);
    struct v8f e = v8f_exp(v8f_mul(v8f_set1(2.0f), minus));
    struct v8f t = v8f_div(v8f_sub(one, e), v8f_add(one, e));
    t = v8f_if_less(x, v8f_zero(), v8f_minus_abs(t), t);
    return v8f_if_less(v8f_set1(-TANH_SMALL), minus, p, t);
}

wide_inline struct v8f v8f_capped(struct v8f x, struct v8f cap)
{
    return v8f_mul(cap, v8f_tanh(v8f_div(x, cap)));
}

static void wide_softcap(float *x, float cap, size_t n)
{
    const struct v8f all = v8f_set1(cap);
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        v8f_store(x + i, v8f_capped(v8f_load(x + i), all));
    if (i < n)
        store_part(x + i, n - i, v8f_capped(load_part(x + i, n - i, 0), all));
}

/* x * sigmoid(t) */
wide_inline struct v8f times_sigmoid(struct v8f x, struct v8f t)
{
    struct v8f e = v8f_exp(v8f_minus_abs(t));
    struct v8f top = v8f_if_less(t, v8f_zero(), v8f_mul(x, e), x);
    return v8f_div(top, v8f_add(v8f_set1(1.0f), e));
}

wide_inline struct v8f gelu_erf(struct v8f x)
{
    const struct v8f three = v8f_set1(3.0f), minus_half = v8f_set1(-0.5f);
    struct v8f minus = v8f_minus_abs(x), end = v8f_set1(-GELU_END);
    struct v8f a = v8f_mul(v8f_if_less(minus, end, end, minus), v8f_set1(-1.0f));
    struct v8f square = v8f_mul(a, a), e = v8f_exp(v8f_mul(minus_half, square));
    struct v8f rounding = v8f_fma(a, a, v8f_mul(square, v8f_set1(-1.0f)));
    e = v8f_fma(e, v8f_mul(minus_half, rounding), e);
    struct v8f t = v8f_div(v8f_sub(a, three), v8f_add(a, three));
    struct v8f g = v8f_fma(v8f_set1(GELU_9), t, v8f_set1(GELU_8));
    g = v8f_fma(g, t, v8f_set1(GELU_7));
    g = v8f_fma(g, t, v8f_set1(GELU_6));
    g = v8f_fma(g, t, v8f_set1(GELU_5));
    g = v8f_fma(g, t, v8f_set1(GELU_4));
    g = v8f_fma(g, t, v8f_set1(GELU_3));
    g = v8f_fma(g, t, v8f_set1(GELU_2));
    g = v8f_fma(g, t, v8f_set1(GELU_1));
    g = v8f_fma(g, t, v8f_set1(GELU_0));
    struct v8f above = v8f_mul(e, g), below = v8f_sub(v8f_set1(1.0f), above);
    return v8f_mul(x, v8f_if_less(x, v8f_zero(), above, below));
}

wide_inline struct v8f activated(enum activation a, struct v8f x)
{
    struct v8f positive = v8f_if_less(x, v8f_zero(), v8f_zero(), x);
    switch (a) {
    case ACTIVATION_SILU:
        return times_sigmoid(x, x);
    case ACTIVATION_GELU_TANH: {
        struct v8f slope = v8f_fma(v8f_set1(GELU_T3), v8f_mul(x, x), v8f_set1(GELU_T1));
        return times_sigmoid(x, v8f_mul(x, slope));
    }
    case ACTIVATION_GELU_ERF:
        return gelu_erf(x);
    case ACTIVATION_GELU_QUICK:
        return times_sigmoid(x, v8f_mul(v8f_set1(GELU_QUICK), x));
    case ACTIVATION_RELU:
        return positive;
    case ACTIVATION_RELU2:
        return v8f_mul(positive, positive);
    }
    return x;
}

/* x = a(x), times up unless that is NULL; a is a constant at every call. */
wide_inline void activate_as(enum activation a, float *x, const float *up, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        struct v8f v = activated(a, v8f_load(x + i));
        v8f_store(x + i, up ? v8f_mul(v, v8f_load(up + i)) : v);
    }
    if (i < n) {
        struct v8f v = activated(a, load_part(x + i, n - i, 0));
        store_part(x + i, n - i, up ? v8f_mul(v, load_part(up + i, n - i, 0)) : v);
    }
}

static void wide_gate_mul(enum activation a, float *gate, const float *up, size_t n)
{
    switch (a) {
    case ACTIVATION_SILU:
        activate_as(ACTIVATION_SILU, gate, up, n);
        break;
    case ACTIVATION_GELU_TANH:
        activate_as(ACTIVATION_GELU_TANH, gate, up, n);
        break;
    case ACTIVATION_GELU_ERF:
        activate_as(ACTIVATION_GELU_ERF, gate, up, n);
        break;
    case ACTIVATION_GELU_QUICK:
        activate_as(ACTIVATION_GELU_QUICK, gate, up, n);
        break;
    case ACTIVATION_RELU:
        activate_as(ACTIVATION_RELU, gate, up, n);
        break;
    case ACTIVATION_RELU2:
        activate_as(ACTIVATION_RELU2, gate, up, n);
        break;
    }
}

static void wide_activate(enum activation a, float *x, size_t n)
{
    wide_gate_mul(a, x, NULL, n);
}

#endif
