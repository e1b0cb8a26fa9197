/* SPDX-License-Identifier: MIT */
/* activate, gate_mul and softcap: to the bit against plain C; against double precision over the
 * whole range, in units of the last place of the true value; at their ends. */
#include "check.h"

#include <math.h>
#include <stdio.h>

enum { N_MAX = CHECK_LENGTH_MAX };

/* What kernels.h says of each: ulp promised where t (or x) >= from. */
static const struct kind {
    enum activation a;
    const char *name;
    double (*truth)(double x);
    float from, ulp;
    float low; /* of -1e30 */
} kinds[];

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static double gelu_tanh(double x)
{
    /* (1 + tanh(u)) / 2 without its cancellation */
    return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double gelu_erf(double x)
{
    return x * erfc(-x / M_SQRT2) / 2;
}

static double gelu_quick(double x)
{
    return x / (1 + exp(-1.702 * x));
}

static double relu(double x)
{
    return x > 0 ? x : 0;
}

static double relu2(double x)
{
    return x > 0 ? x * x : 0;
}

static const struct kind kinds[] = {
    {ACTIVATION_SILU, "silu", silu, -87, 4, -0.0f},
    /* t of -1 has 3 ulp, and 4 of its own */
    {ACTIVATION_GELU_TANH, "gelu_tanh", gelu_tanh, -0.6f, 7, -0.0f},
    {ACTIVATION_GELU_ERF, "gelu_erf", gelu_erf, -13, 6, -0.0f},
    {ACTIVATION_GELU_QUICK, "gelu_quick", gelu_quick, -0.6f, 7, -0.0f},
    {ACTIVATION_RELU, "relu", relu, -1e30f, 0, 0},
    {ACTIVATION_RELU2, "relu2", relu2, -1e30f, 0.5f, 0},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void gate_mul(struct check *c, const struct kind *k, const float *gate, size_t n)
{
    float up[N_MAX];
    struct twin y;
    fill_floats(&c->rng, FILL_PLAIN, up, n);
    twin_open(&y, gate, n);
    c->got->gate_mul(k->a, (float *)y.got.p, up, n);
    c->ref->gate_mul(k->a, (float *)y.want.p, up, n);
    twin_close(&y, c, n, k->name);

    twin_open(&y, gate, n);
    c->got->activate(k->a, (float *)y.got.p, n);
    c->ref->activate(k->a, (float *)y.want.p, n);
    twin_close(&y, c, n, k->name);
}

static double ulp_of(double want)
{
    float near = fabsf((float)want);
    return (double)(nextafterf(near, INFINITY) - near);
}

/* Also: never further than 1e-7 |x| from the truth, where that is more than the relative 1e-6. */
static void accuracy(struct check *c, const struct kind *k)
{
    double worst = 0, worst_far = 0;
    float where = 0;
    for (float at = -90; at < 100; at += 0.0017f) {
        float x[8], y[8];
        for (int j = 0; j < 8; j++)
            y[j] = x[j] = at + (float)j * 0.00021f;
        c->got->activate(k->a, y, 8);
        for (int j = 0; j < 8; j++) {
            double want = k->truth((double)x[j]), error = fabs((double)y[j] - want);
            if (x[j] >= k->from && error / ulp_of(want) > worst) {
                worst = error / ulp_of(want);
                where = x[j];
            }
            worst_far = fmax(worst_far, error / fmax(1e-6 * fabs(want), 1e-7 * fabs((double)x[j])));
        }
    }
    for (float at = 1e-38f; at < 1; at *= 1.01f) { /* and near 0, either sign */
        float x[2] = {at, -at}, y[2] = {at, -at};
        c->got->activate(k->a, y, 2);
        for (int j = 0; j < 2; j++)
            worst = fmax(worst, fabs((double)y[j] - k->truth((double)x[j])) /
                                    ulp_of(k->truth((double)x[j])));
    }
    c->compared += 8 * 111765 + 2 * 8793;
    if (!(worst <= (double)k->ulp))
        check_fail(c, "%s: off by %.2f ulp near %g, promised %g", k->name, worst, (double)where,
                   (double)k->ulp);
    if (!(worst_far <= 1))
        check_fail(c, "%s: off by %.2f of what is allowed", k->name, worst_far);
}

static void end(struct check *c, const struct kind *k, float x, float want)
{
    float v = x;
    c->got->activate(k->a, &v, 1);
    if (!same_float(v, want))
        check_fail(c, "%s(%g) is %g, expected %g", k->name, (double)x, (double)v, (double)want);
}

static void ends(struct check *c, const struct kind *k)
{
    const bool plain = k->a == ACTIVATION_RELU || k->a == ACTIVATION_RELU2;
    end(c, k, -1e30f, k->low);
    end(c, k, -100, k->low);
    end(c, k, -INFINITY, plain ? 0 : NAN);
    end(c, k, INFINITY, INFINITY);
    end(c, k, 1e15f, k->a == ACTIVATION_RELU2 ? 1e15f * 1e15f : 1e15f);
    end(c, k, 0, 0);
    end(c, k, -0.0f, k->a == ACTIVATION_RELU2 ? 0 : -0.0f);
    end(c, k, NAN, NAN);
}

static void softcap(struct check *c, const float *x, float cap, size_t n)
{
    struct twin y;
    twin_open(&y, x, n);
    c->got->softcap((float *)y.got.p, cap, n);
    c->ref->softcap((float *)y.want.p, cap, n);
    twin_close(&y, c, n, "softcap");
}

/* With a cap of 1 it is tanh itself; with another, two roundings come to it. */
static void softcap_accuracy(struct check *c, float cap, double promised)
{
    double worst = 0;
    float where = 0;
    for (float at = 1e-30f; at < 200; at = at < 0.1f ? at * 1.001f : at + 0.0013f)
        for (int sign = -1; sign <= 1; sign += 2) {
            float x = at * (float)sign, y = x;
            c->got->softcap(&y, cap, 1);
            double want = (double)cap * tanh((double)x / (double)cap);
            double error = fabs((double)y - want) / ulp_of(want);
            if (error > worst) {
                worst = error;
                where = x;
            }
            c->compared++;
        }
    if (!(worst <= promised))
        check_fail(c, "softcap %g: off by %.2f ulp near %g, promised %g", (double)cap, worst,
                   (double)where, promised);

    static const float x[] = {INFINITY, -INFINITY, 1e30f, -1e30f, 0, NAN, 1e-42f};
    const float want[] = {cap, -cap, cap, -cap, 0, NAN, 1e-42f};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        float y = x[i];
        c->got->softcap(&y, cap, 1);
        if (!same_float(y, want[i]) && !(fabsf(y - want[i]) < 1e-43f)) /* subnormal */
            check_fail(c, "softcap %g of %g is %g", (double)cap, (double)x[i], (double)y);
    }
}

void check_activations(struct check *c)
{
    float x[N_MAX];
    for (size_t i = 0; i < n_lengths; i++) {
        size_t n = lengths[i];
        for (int kind = 0; kind <= FILL_KINDS; kind++) {
            if (kind < FILL_KINDS)
                fill_floats(&c->rng, (enum fill)kind, x, n);
            else
                for (size_t j = 0; j < n; j++)
                    x[j] = (float)(rng_unit(&c->rng) * 200 - 100);
            for (int k = 0; k < N_KINDS; k++)
                gate_mul(c, &kinds[k], x, n);
            softcap(c, x, 1, n);
            softcap(c, x, 30, n);
            softcap(c, x, 0.3f, n);
        }
    }
    for (int k = 0; k < N_KINDS; k++) {
        accuracy(c, &kinds[k]);
        ends(c, &kinds[k]);
    }
    softcap_accuracy(c, 1, 3);
    softcap_accuracy(c, 50, 5);
}
