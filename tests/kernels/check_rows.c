/* SPDX-License-Identifier: MIT */
/* Norms, sums and rope. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_MAX = CHECK_LENGTH_MAX };

static void rms_norm(struct check *c, enum fill kind, size_t n, bool weighted)
{
    float x[N_MAX], weight[N_MAX];
    const float *w = weighted ? weight : NULL;
    struct twin y, in_place;
    char what[64];

    snprintf(what, sizeof what, "rms_norm n=%zu fill=%d weighted=%d", n, (int)kind, weighted);
    fill_floats(&c->rng, kind, x, n);
    fill_floats(&c->rng, FILL_PLAIN, weight, n);
    twin_open(&y, NULL, n);
    twin_open(&in_place, x, n);
    c->got->rms_norm(x, w, 1e-5f, (float *)y.got.p, n);
    c->ref->rms_norm(x, w, 1e-5f, (float *)y.want.p, n);
    float *inside = (float *)in_place.got.p;
    c->got->rms_norm(inside, w, 1e-5f, inside, n);
    memcpy(in_place.want.p, y.want.p, n * sizeof(float));

    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] * (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double want = (double)x[i] / sqrt(mean + 1e-5) * (w ? (double)w[i] : 1);
        if (!(fabs((double)((float *)y.got.p)[i] - want) <= 3e-7 * fabs(want) + 1e-44))
            check_fail(c, "%s: %.9g, expected %.9g", what, (double)((float *)y.got.p)[i], want);
    }
    twin_close(&y, c, n, what);
    twin_close(&in_place, c, n, what);
}

/* offset: a mean that is large beside the spread, where single precision would lose it. */
static void layer_norm(struct check *c, enum fill kind, size_t n, int parts, float offset)
{
    float x[N_MAX], weight[N_MAX], bias[N_MAX];
    const float *w = parts & 1 ? weight : NULL, *b = parts & 2 ? bias : NULL;
    struct twin y, in_place;
    char what[80];

    snprintf(what, sizeof what, "layer_norm n=%zu fill=%d parts=%d offset=%g", n, (int)kind, parts,
             (double)offset);
    fill_floats(&c->rng, kind, x, n);
    fill_floats(&c->rng, FILL_PLAIN, weight, n);
    fill_floats(&c->rng, FILL_PLAIN, bias, n);
    for (size_t i = 0; i < n; i++)
        x[i] += offset;
    twin_open(&y, NULL, n);
    twin_open(&in_place, x, n);
    c->got->layer_norm(x, w, b, 1e-5f, (float *)y.got.p, n);
    c->ref->layer_norm(x, w, b, 1e-5f, (float *)y.want.p, n);
    float *inside = (float *)in_place.got.p;
    c->got->layer_norm(inside, w, b, 1e-5f, inside, n);
    memcpy(in_place.want.p, y.want.p, n * sizeof(float));

    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        square += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    for (size_t i = 0; i < n && kind != FILL_WILD; i++) {
        double main = ((double)x[i] - mean) / sqrt(square + 1e-5) * (w ? (double)w[i] : 1);
        double add = b ? (double)b[i] : 0, got = (double)((float *)y.got.p)[i];
        if (!(fabs(got - main - add) <=
              3e-7 * (fabs(main) + fabs(add)) + 1e-10 * (double)fabsf(offset)))
            check_fail(c, "%s: %.9g, expected %.9g", what, got, main + add);
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

/* scale, add_scaled and clamp against their one line of definition. */
static void simple(struct check *c, enum fill kind, size_t n)
{
    float x[N_MAX], start[N_MAX];
    struct twin y;
    const float a = 0.7f, limit = 0.5f;

    fill_floats(&c->rng, kind, x, n);
    fill_floats(&c->rng, kind, start, n);
    twin_open(&y, start, n);
    c->got->scale((float *)y.got.p, a, n);
    for (size_t i = 0; i < n; i++)
        ((float *)y.want.p)[i] = start[i] * a;
    twin_close(&y, c, n, "scale");

    twin_open(&y, start, n);
    c->got->add_scaled((float *)y.got.p, x, a, n);
    for (size_t i = 0; i < n; i++)
        ((float *)y.want.p)[i] = fmaf(a, x[i], start[i]);
    twin_close(&y, c, n, "add_scaled");

    start[0] = NAN;
    start[n - 1] = n > 1 ? -INFINITY : NAN;
    twin_open(&y, start, n);
    c->got->clamp((float *)y.got.p, limit, n);
    for (size_t i = 0; i < n; i++) {
        float v = start[i];
        ((float *)y.want.p)[i] = isnan(v) ? v : v > limit ? limit : v < -limit ? -limit : v;
    }
    twin_close(&y, c, n, "clamp");
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
    for (size_t i = 0; i < n_lengths; i++)
        for (int kind = 0; kind < FILL_KINDS; kind++) {
            rms_norm(c, (enum fill)kind, lengths[i], true);
            rms_norm(c, (enum fill)kind, lengths[i], false);
            for (int parts = 0; parts < 4; parts++) {
                layer_norm(c, (enum fill)kind, lengths[i], parts, 0);
                layer_norm(c, (enum fill)kind, lengths[i], parts, 1000);
            }
            add(c, (enum fill)kind, lengths[i]);
            simple(c, (enum fill)kind, lengths[i]);
        }
    for (size_t n_rot = 0; n_rot <= 130; n_rot += 2)
        for (int kind = 0; kind < FILL_KINDS; kind++) {
            rope(c, (enum fill)kind, n_rot, false);
            rope(c, (enum fill)kind, n_rot, true);
        }
}
