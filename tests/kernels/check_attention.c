/* SPDX-License-Identifier: MIT */
/* attention: to the bit against plain C, by bound against double precision. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    DIM_MAX = 136,
    KV_MAX = 100,
};

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The definition, in double. */
static void accurate(struct check *c, const struct attention *a, const float *y, const char *what)
{
    double e[KV_MAX], max = -INFINITY, sum = 0, cap = (double)a->softcap;
    for (size_t p = 0; p < a->n_kv; p++) {
        e[p] = dot(a->q, a->k + p * a->stride, a->head_dim) * (double)a->scale;
        if (cap != 0)
            e[p] = cap * tanh(e[p] / cap);
        e[p] += (double)a->slope * (double)p + (a->bias ? (double)a->bias[p] : 0);
        max = fmax(max, e[p]);
    }
    for (size_t p = 0; p < a->n_kv; p++)
        sum += e[p] = exp(e[p] - max);
    for (size_t i = 0; i < a->head_dim; i++) {
        double want = 0, size = 0;
        for (size_t p = 0; p < a->n_kv; p++) {
            want += (double)a->v[p * a->stride + i] * e[p] / sum;
            size += fabs((double)a->v[p * a->stride + i]) * e[p] / sum;
        }
        /* An absolute error of 1e-6 times the largest score, within an exponential. */
        if (!(fabs((double)y[i] - want) <= 1e-5 * size))
            check_fail(c, "%s: y[%zu] is %.9g, expected %.9g", what, i, (double)y[i], want);
    }
}

/* How the scores of a case are made. */
struct shape {
    float sharpness; /* how far scores lie apart; large ones leave one position */
    float softcap, slope;
    bool bias;
};

static void attention(struct check *c, size_t head_dim, size_t n_kv, size_t gap, struct shape s)
{
    const size_t stride = head_dim + gap;
    float q[DIM_MAX], bias[KV_MAX + 7];
    struct guarded k, v, scores[2], y[2];
    char what[140];

    snprintf(what, sizeof what,
             "attention dim=%zu n_kv=%zu gap=%zu sharpness=%g cap=%g slope=%g bias=%d", head_dim,
             n_kv, gap, (double)s.sharpness, (double)s.softcap, (double)s.slope, s.bias);
    guarded_open(&k, n_kv * stride * sizeof(float), 4);
    guarded_open(&v, n_kv * stride * sizeof(float), 8);
    fill_floats(&c->rng, FILL_PLAIN, q, head_dim);
    fill_floats(&c->rng, FILL_PLAIN, (float *)k.p, n_kv * stride);
    fill_floats(&c->rng, FILL_PLAIN, (float *)v.p, n_kv * stride);
    fill_floats(&c->rng, FILL_PLAIN, bias, n_kv);
    for (size_t i = n_kv; i < n_kv + 7; i++)
        bias[i] = NAN; /* read and not used */
    for (size_t i = 0; i < head_dim; i++)
        q[i] *= s.sharpness;
    const struct attention a = {.q = q,
                                .k = (float *)k.p,
                                .v = (float *)v.p,
                                .stride = stride,
                                .head_dim = head_dim,
                                .n_kv = n_kv,
                                .scale = 1.0f / sqrtf((float)head_dim),
                                .softcap = s.softcap,
                                .slope = s.slope,
                                .bias = s.bias ? bias : NULL};
    for (int t = 0; t < 2; t++) {
        guarded_open(&scores[t], n_kv * sizeof(float), 4);
        guarded_open(&y[t], head_dim * sizeof(float), 4);
        (t ? c->ref : c->got)->attention(&a, (float *)scores[t].p, (float *)y[t].p);
    }
    check_same(c, (float *)y[0].p, (float *)y[1].p, head_dim, what);
    if (s.sharpness <= 10)
        accurate(c, &a, (float *)y[0].p, what);
    for (size_t i = 0; i < head_dim; i++)
        if (!isfinite(((float *)y[0].p)[i]))
            check_fail(c, "%s: y[%zu] is not finite", what, i);
    for (int t = 0; t < 2; t++) {
        guarded_close(&scores[t], c, what);
        guarded_close(&y[t], c, what);
    }
    guarded_close(&k, c, what);
    guarded_close(&v, c, what);
}

void check_attention(struct check *c)
{
    static const size_t dims[] = {1, 2, 5, 7, 8, 9, 16, 40, 64, 72, 80, 96, 127, 128, 136};
    static const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 100};
    static const struct shape shapes[] = {
        {0, 0, 0, 0},     {1, 0, 0, 0},     {10, 0, 0, 0},        {1000, 0, 0, 0},
        {1e20f, 0, 0, 0}, {1, 50, 0, 0},    {10, 2, 0, 0},        {1e20f, 30, 0, 0},
        {1, 0, 0.5f, 0},  {1, 5, 2, 0},     {10, 0, 0.0039f, 0},  {10, 50, -1.0f, 0},
        {1, 0, 0, 1},     {10, 5, 0.5f, 1}, {1e20f, 50, 0.25f, 1}};
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                attention(c, dims[d], counts[n], (d + n) % 3 * 5, shapes[s]);
}
