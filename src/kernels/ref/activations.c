/* SPDX-License-Identifier: MIT */
/* Activation functions, and the exponential and hyperbolic tangent that they and attention share.
 * The order of comparisons is the one that lets a NaN through. */
#include "kernels/ref/ref.h"

#include "kernels/activation.h"
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

static float tanh_of(float x)
{
    float size = fabsf(x), z = x * x;
    if (size < TANH_SMALL) {
        float p = fmaf(TANH_4, z, TANH_3);
        p = fmaf(p, z, TANH_2);
        p = fmaf(p, z, TANH_1);
        p = fmaf(p, z, TANH_0);
        return fmaf(p, z * x, x);
    }
    float e = ref_exp(-2.0f * size), t = (1.0f - e) / (1.0f + e);
    return x < 0 ? -t : t;
}

float ref_capped(float x, float cap)
{
    return cap * tanh_of(x / cap);
}

void ref_softcap(float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = ref_capped(x[i], cap);
}

/* x * sigmoid(t). exp(-|t|) cannot overflow, where exp(-t) would for t < -88. */
static float times_sigmoid(float x, float t)
{
    float e = ref_exp(-fabsf(t)), top = t < 0 ? x * e : x;
    return top / (1.0f + e);
}

static float gelu_erf(float x)
{
    /* An infinity must not make t a NaN. */
    float a = -fabsf(x) < -GELU_END ? GELU_END : fabsf(x);
    float square = a * a, rounding = fmaf(a, a, -square), e = ref_exp(-0.5f * square);
    e = fmaf(e, -0.5f * rounding, e);
    float t = (a - 3.0f) / (a + 3.0f), g = fmaf(GELU_9, t, GELU_8);
    g = fmaf(g, t, GELU_7);
    g = fmaf(g, t, GELU_6);
    g = fmaf(g, t, GELU_5);
    g = fmaf(g, t, GELU_4);
    g = fmaf(g, t, GELU_3);
    g = fmaf(g, t, GELU_2);
    g = fmaf(g, t, GELU_1);
    g = fmaf(g, t, GELU_0);
    float above = e * g;
    return x * (x < 0 ? above : 1.0f - above);
}

static float activated(enum activation a, float x)
{
    float positive = x < 0 ? 0 : x;
    switch (a) {
    case ACTIVATION_SILU:
        return times_sigmoid(x, x);
    case ACTIVATION_GELU_TANH:
        return times_sigmoid(x, x * fmaf(GELU_T3, x * x, GELU_T1));
    case ACTIVATION_GELU_ERF:
        return gelu_erf(x);
    case ACTIVATION_GELU_QUICK:
        return times_sigmoid(x, GELU_QUICK * x);
    case ACTIVATION_RELU:
        return positive;
    case ACTIVATION_RELU2:
        return positive * positive;
    }
    return x;
}

void ref_activate(enum activation a, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = activated(a, x[i]);
}

void ref_gate_mul(enum activation a, float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = activated(a, gate[i]) * up[i];
}
