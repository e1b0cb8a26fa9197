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
static void accurate(struct check *c, const float *q, const float *k, const float *v, size_t stride,
                     size_t head_dim, size_t n_kv, double scale, const float *y, const char *what)
{
    double e[KV_MAX], max = -INFINITY, sum = 0;
    for (size_t p = 0; p < n_kv; p++) {
        e[p] = dot(q, k + p * stride, head_dim) * scale;
        max = fmax(max, e[p]);
    }
    for (size_t p = 0; p < n_kv; p++)
        sum += e[p] = exp(e[p] - max);
    for (size_t i = 0; i < head_dim; i++) {
        double want = 0, size = 0;
        for (size_t p = 0; p < n_kv; p++) {
            want += (double)v[p * stride + i] * e[p] / sum;
            size += fabs((double)v[p * stride + i]) * e[p] / sum;
        }
        /* An absolute error of 1e-6 times the largest score, within an exponential. */
        if (!(fabs((double)y[i] - want) <= 1e-5 * size))
            check_fail(c, "%s: y[%zu] is %.9g, expected %.9g", what, i, (double)y[i], want);
    }
}

/* sharpness: how far scores lie apart; large ones leave one position. */
static void attention(struct check *c, size_t head_dim, size_t n_kv, size_t gap, float sharpness)
{
    const size_t stride = head_dim + gap;
    float q[DIM_MAX], scale = 1.0f / sqrtf((float)head_dim);
    struct guarded k, v, scores[2], y[2];
    char what[96];

    snprintf(what, sizeof what, "attention dim=%zu n_kv=%zu gap=%zu sharpness=%g", head_dim, n_kv,
             gap, (double)sharpness);
    guarded_open(&k, n_kv * stride * sizeof(float), 4);
    guarded_open(&v, n_kv * stride * sizeof(float), 8);
    fill_floats(&c->rng, FILL_PLAIN, q, head_dim);
    fill_floats(&c->rng, FILL_PLAIN, (float *)k.p, n_kv * stride);
    fill_floats(&c->rng, FILL_PLAIN, (float *)v.p, n_kv * stride);
    for (size_t i = 0; i < head_dim; i++)
        q[i] *= sharpness;
    for (int t = 0; t < 2; t++) {
        guarded_open(&scores[t], n_kv * sizeof(float), 4);
        guarded_open(&y[t], head_dim * sizeof(float), 4);
        const struct attention a = {q, (float *)k.p, (float *)v.p, stride, head_dim, n_kv, scale, 0,
                                    0};
        (t ? c->ref : c->got)->attention(&a, (float *)scores[t].p, (float *)y[t].p);
    }
    check_same(c, (float *)y[0].p, (float *)y[1].p, head_dim, what);
    if (sharpness <= 10)
        accurate(c, q, (float *)k.p, (float *)v.p, stride, head_dim, n_kv, (double)scale,
                 (float *)y[0].p, what);
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
    static const float sharpness[] = {0, 1, 10, 1000, 1e20f};
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++)
            for (size_t s = 0; s < sizeof sharpness / sizeof *sharpness; s++)
                attention(c, dims[d], counts[n], (d + n) % 3 * 5, sharpness[s]);
}
