/* SPDX-License-Identifier: MIT */
/* attention: to the bit against plain C, by bound against double precision. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    DIM_MAX = 136,
    KV_MAX = 100,
    QUERIES_MAX = 8,
};

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The definition, in double. */
static void accurate(struct check *c, const struct attention *a, size_t query, const float *y,
                     const char *what)
{
    const float *q = a->q + query * a->head_dim;
    double e[KV_MAX], max = -INFINITY, sum = 0, cap = (double)a->softcap;
    for (size_t p = 0; p < a->n_kv; p++) {
        e[p] = dot(q, a->k + p * a->stride, a->head_dim) * (double)a->scale;
        if (cap != 0)
            e[p] = cap * tanh(e[p] / cap);
        e[p] += a->slopes ? (double)a->slopes[query] * (double)p : 0;
        e[p] += a->bias ? (double)a->bias[query * a->bias_stride + p] : 0;
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

static void attention(struct check *c, size_t head_dim, size_t n_kv, size_t n_q, size_t gap,
                      struct shape s)
{
    const size_t stride = head_dim + gap, n_bias = n_kv + 7;
    float q[QUERIES_MAX * DIM_MAX], bias[QUERIES_MAX * (KV_MAX + 7)], slopes[QUERIES_MAX];
    struct guarded k, v, scores[2], y[2];
    char what[160];

    snprintf(what, sizeof what,
             "attention dim=%zu n_kv=%zu n_q=%zu gap=%zu sharpness=%g cap=%g slope=%g bias=%d",
             head_dim, n_kv, n_q, gap, (double)s.sharpness, (double)s.softcap, (double)s.slope,
             s.bias);
    guarded_open(&k, n_kv * stride * sizeof(float), 4);
    guarded_open(&v, n_kv * stride * sizeof(float), 8);
    fill_floats(&c->rng, FILL_PLAIN, q, n_q * head_dim);
    fill_floats(&c->rng, FILL_PLAIN, (float *)k.p, n_kv * stride);
    fill_floats(&c->rng, FILL_PLAIN, (float *)v.p, n_kv * stride);
    fill_floats(&c->rng, FILL_PLAIN, bias, n_q * n_bias);
    for (size_t i = 0; i < n_q; i++) {
        slopes[i] = s.slope / (float)(i + 1);
        for (size_t p = n_kv; p < n_bias; p++)
            bias[i * n_bias + p] = NAN; /* read and not used */
    }
    for (size_t i = 0; i < n_q * head_dim; i++)
        q[i] *= s.sharpness;
    struct attention a = {.q = q,
                          .k = (float *)k.p,
                          .v = (float *)v.p,
                          .n_q = n_q,
                          .stride = stride,
                          .head_dim = head_dim,
                          .n_kv = n_kv,
                          .scale = 1.0f / sqrtf((float)head_dim),
                          .softcap = s.softcap,
                          .slopes = s.slope != 0 ? slopes : NULL,
                          .bias = s.bias ? bias : NULL,
                          .bias_stride = n_bias};
    for (int t = 0; t < 2; t++) {
        guarded_open(&scores[t], n_q * n_kv * sizeof(float), 4);
        guarded_open(&y[t], n_q * head_dim * sizeof(float), 4);
    }
    c->got->attention(&a, (float *)scores[0].p, (float *)y[0].p);
    for (size_t i = 0; i < n_q; i++) { /* each query alone */
        struct attention one = a;
        one.n_q = 1;
        one.q += i * head_dim;
        one.slopes = a.slopes ? a.slopes + i : NULL;
        one.bias = a.bias ? a.bias + i * n_bias : NULL;
        c->ref->attention(&one, (float *)scores[1].p, (float *)y[1].p + i * head_dim);
    }
    check_same(c, (float *)y[0].p, (float *)y[1].p, n_q * head_dim, what);
    for (size_t i = 0; i < n_q && s.sharpness <= 10; i++)
        accurate(c, &a, i, (float *)y[0].p + i * head_dim, what);
    for (size_t i = 0; i < n_q * head_dim; i++)
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
                attention(c, dims[d], counts[n], 1 + (d + n + s) % QUERIES_MAX, (d + n) % 3 * 5,
                          shapes[s]);
}
