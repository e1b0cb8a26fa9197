/* SPDX-License-Identifier: MIT */
/* rms_norm, add, silu_mul and rope. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_MAX = 600 };

static const size_t lengths[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,   10,  11, 12,
                                 13, 14, 15, 16, 17, 31, 33, 64, 127, 576, 599};

/* The same numbers in two guarded buffers, one for each table. */
struct twin {
    struct guarded got, want;
};

static void twin_open(struct twin *t, const float *values, size_t n)
{
    guarded_open(&t->got, n * sizeof(float), 4);
    guarded_open(&t->want, n * sizeof(float), 8);
    if (values) {
        memcpy(t->got.p, values, n * sizeof(float));
        memcpy(t->want.p, values, n * sizeof(float));
    }
}

static void twin_close(struct twin *t, struct check *c, size_t n, const char *what)
{
    check_same(c, (float *)t->got.p, (float *)t->want.p, n, what);
    guarded_close(&t->got, c, what);
    guarded_close(&t->want, c, what);
}

static void rms_norm(struct check *c, enum fill kind, size_t n)
{
    float x[N_MAX], weight[N_MAX];
    struct twin y, in_place;
    char what[64];

    snprintf(what, sizeof what, "rms_norm n=%zu fill=%d", n, (int)kind);
    fill_floats(&c->rng, kind, x, n);
    fill_floats(&c->rng, FILL_PLAIN, weight, n);
    twin_open(&y, NULL, n);
    twin_open(&in_place, x, n);
    c->got->rms_norm(x, weight, 1e-5f, (float *)y.got.p, n);
    c->ref->rms_norm(x, weight, 1e-5f, (float *)y.want.p, n);
    float *inside = (float *)in_place.got.p;
    c->got->rms_norm(inside, weight, 1e-5f, inside, n);
    memcpy(in_place.want.p, y.want.p, n * sizeof(float));

    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] * (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double want = (double)x[i] / sqrt(mean + 1e-5) * (double)weight[i];
        if (!(fabs((double)((float *)y.got.p)[i] - want) <= 3e-7 * fabs(want) + 1e-44))
            check_fail(c, "%s: %.9g, expected %.9g", what, (double)((float *)y.got.p)[i], want);
    }
    twin_close(&y, c, n, what);
    twin_close(&in_place, c, n, what);
}

static void add(struct check *c, enum fill kind, size_t n)
{
    float x[N_MAX], start[N_MAX];
    struct twin y;
    fill_floats(&c->rng, kind, x, n);
    fill_floats(&c->rng, kind, start, n);
    twin_open(&y, start, n);
    c->got->add((float *)y.got.p, x, n);
    for (size_t i = 0; i < n; i++)
        ((float *)y.want.p)[i] = start[i] + x[i];
    twin_close(&y, c, n, "add");
}

static void silu_mul(struct check *c, const float *gate, size_t n)
{
    float up[N_MAX];
    struct twin y;
    fill_floats(&c->rng, FILL_PLAIN, up, n);
    twin_open(&y, gate, n);
    c->got->gate_mul(ACTIVATION_SILU, (float *)y.got.p, up, n);
    c->ref->gate_mul(ACTIVATION_SILU, (float *)y.want.p, up, n);
    twin_close(&y, c, n, "silu_mul");
}

/* silu itself (times 1) over the whole range, in units of the last place of the true value. */
static void silu_accuracy(struct check *c)
{
    float x[8], y[8], one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    double worst = 0;
    for (float at = -87; at < 100; at += 0.0013f) {
        for (int j = 0; j < 8; j++)
            y[j] = x[j] = at + (float)j * 0.00017f;
        c->got->gate_mul(ACTIVATION_SILU, y, one, 8);
        for (int j = 0; j < 8; j++) {
            double want = (double)x[j] / (1 + exp(-(double)x[j]));
            float near = fabsf((float)want);
            double ulp = (double)(nextafterf(near, INFINITY) - near);
            worst = fmax(worst, fabs((double)y[j] - want) / ulp);
        }
    }
    c->compared += 8 * 143847;
    if (!(worst <= 4))
        check_fail(c, "silu: off by %.2f ulp, promised 4", worst);

    static const struct {
        float x, want;
    } ends[] = {{-88, -0.0f},         {-1e30f, -0.0f}, {-INFINITY, NAN},
                {INFINITY, INFINITY}, {1e30f, 1e30f},  {0, 0},
                {-0.0f, -0.0f},       {NAN, NAN},      {1e-40f, 5e-41f}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        float v = ends[i].x;
        c->got->gate_mul(ACTIVATION_SILU, &v, one, 1);
        if (!same_float(v, ends[i].want))
            check_fail(c, "silu(%g) is %g, expected %g", (double)ends[i].x, (double)v,
                       (double)ends[i].want);
    }
}

static void rope(struct check *c, enum fill kind, size_t n_rot, bool interleaved)
{
    float x[N_MAX], cos_t[N_MAX], sin_t[N_MAX];
    struct twin y;
    char what[64];

    snprintf(what, sizeof what, "rope n_rot=%zu interleaved=%d fill=%d", n_rot, interleaved,
             (int)kind);
    fill_floats(&c->rng, kind, x, n_rot);
    for (size_t i = 0; i < n_rot / 2; i++) {
        double angle = rng_unit(&c->rng) * 100;
        cos_t[i] = (float)cos(angle);
        sin_t[i] = (float)sin(angle);
    }
    twin_open(&y, x, n_rot);
    c->got->rope((float *)y.got.p, cos_t, sin_t, n_rot, interleaved);
    c->ref->rope((float *)y.want.p, cos_t, sin_t, n_rot, interleaved);
    for (size_t i = 0; i < n_rot / 2; i++) { /* the plain way, without ref's pointers */
        size_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + n_rot / 2;
        float want_a = x[a] * cos_t[i] - x[b] * sin_t[i],
              want_b = x[a] * sin_t[i] + x[b] * cos_t[i];
        const float *got = (float *)y.got.p;
        if (!same_float(got[a], want_a) || !same_float(got[b], want_b))
            check_fail(c, "%s: pair %zu", what, i);
    }
    twin_close(&y, c, n_rot, what);
}

void check_rows(struct check *c)
{
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int kind = 0; kind < FILL_KINDS; kind++) {
            float gate[N_MAX];
            rms_norm(c, (enum fill)kind, lengths[i]);
            add(c, (enum fill)kind, lengths[i]);
            fill_floats(&c->rng, (enum fill)kind, gate, lengths[i]);
            silu_mul(c, gate, lengths[i]);
            for (size_t j = 0; j < lengths[i]; j++)
                gate[j] = (float)(rng_unit(&c->rng) * 200 - 100);
            silu_mul(c, gate, lengths[i]);
        }
    for (size_t n_rot = 0; n_rot <= 130; n_rot += 2)
        for (int kind = 0; kind < FILL_KINDS; kind++) {
            rope(c, (enum fill)kind, n_rot, false);
            rope(c, (enum fill)kind, n_rot, true);
        }
    silu_accuracy(c);
}
