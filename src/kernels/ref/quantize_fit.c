/* SPDX-License-Identifier: MIT */
/* Fits of a scale, and of a scale with a minimum, to a block of weights.
 *
 * For fixed whole numbers q the best scale follows from the normal equations of least squares; for
 * a fixed scale the best q is the nearest. Neither is the other's optimum, so some scales are tried
 * that put the largest weight near the end of the range of q, and from the best of them the two
 * steps take turns until nothing gets better (Lloyd's alternation, as for one-dimensional k-means
 * with evenly spaced centres). */
#include "kernels/ref/quantize.h"

#include "kernels/ref/ref.h"

enum {
    SCALES_TRIED = 21, /* from the end of the range -1 to +1, in tenths */
    TURNS = 6,
};

uint16_t fit_half(float f)
{
    return half_from_float(fit_clamp(f, -QUANTIZE_F16_MAX, QUANTIZE_F16_MAX));
}

void fit_load(const float *x, const float *importance, size_t n, float *x_out, float *w_out)
{
    double sum = 0;
    for (size_t i = 0; importance && i < n; i++)
        sum += (double)importance[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        x_out[i] = fit_clamp(x[i], -0x1p28f, 0x1p28f);
        /* A weight that does not matter still has to be something: a thousandth of what all have.
         */
        w_out[i] = mean > 0 ? (float)((double)importance[i] / mean * 0.999 + 0.001) : 1;
    }
}

float fit_apply(const struct fit_block *b, float d, float m, float low, float high, float *q)
{
    const float inverse = d == 0 ? 0 : 1 / d;
    float lane[8] = {0};
    for (size_t i = 0; i < b->n; i += 8)
        for (size_t l = 0; l < 8; l++) {
            /* Clamped before it is rounded, which is right up to 2^22 only. */
            float v = fit_round(fit_clamp((b->x[i + l] - m) * inverse, low, high));
            float error = b->x[i + l] - (d * v + m);
            q[i + l] = v;
            lane[l] += b->w[i + l] * (error * error);
        }
    return ref_fold(lane);
}

/* ---- x = d * q ---- */

/* The gain of the best d for the q that inverse gives: how much the error is less than that of all
 * zeros. */
static float scale_gain(const struct fit_block *b, float inverse, float low, float high, float *d)
{
    float xq[8] = {0}, qq[8] = {0};
    for (size_t i = 0; i < b->n; i += 8)
        for (size_t l = 0; l < 8; l++) {
            float q = fit_round(fit_clamp(b->x[i + l] * inverse, low, high));
            float wq = b->w[i + l] * q;
            xq[l] += wq * b->x[i + l];
            qq[l] += wq * q;
        }
    float sum_xq = ref_fold(xq), sum_qq = ref_fold(qq);
    if (!(sum_qq > 0))
        return 0;
    *d = sum_xq / sum_qq;
    return sum_xq * *d;
}

static float largest(const struct fit_block *b)
{
    float most = 0;
    for (size_t i = 0; i < b->n; i++) {
        float size = b->x[i] < 0 ? -b->x[i] : b->x[i];
        most = size > most ? size : most;
    }
    return most;
}

float fit_scale(const struct fit_block *b, float low, float high)
{
    const float most = largest(b);
    float best = 0, gain = 0;
    if (!(most >= 0x1p-40f)) /* far below the least scale */
        return 0;
    for (int sign = -1; sign <= 1; sign += 2)
        for (int step = 0; step < SCALES_TRIED; step++) {
            float target = -low + 1 - 0.1f * (float)step, d = 0;
            float g = scale_gain(b, (float)sign * target / most, low, high, &d);
            if (g > gain) {
                gain = g;
                best = d;
            }
        }
    for (int turn = 0; turn < TURNS && best != 0; turn++) {
        float d = 0, g = scale_gain(b, 1 / best, low, high, &d);
        if (!(g > gain))
            break;
        gain = g;
        best = d;
    }
    return best;
}

/* ---- x = d * q + m ---- */

struct line {
    float d, m, gain;
};

/* Sums that do not depend on q. */
struct line_sums {
    float w, wx;
};

static struct line best_line(const struct fit_block *b, const struct line_sums *s, float inverse,
                             float m, float high, bool below)
{
    float q1[8] = {0}, q2[8] = {0}, xq[8] = {0};
    for (size_t i = 0; i < b->n; i += 8)
        for (size_t l = 0; l < 8; l++) {
            float q = fit_round(fit_clamp((b->x[i + l] - m) * inverse, 0, high));
            float wq = b->w[i + l] * q;
            q1[l] += wq;
            q2[l] += wq * q;
            xq[l] += wq * b->x[i + l];
        }
    const float sq = ref_fold(q1), sqq = ref_fold(q2), sxq = ref_fold(xq);
    const float det = s->w * sqq - sq * sq;
    struct line best = {0, s->wx / s->w, 0};
    if (det > 0) {
        best.d = (s->w * sxq - s->wx * sq) / det;
        best.m = (sqq * s->wx - sq * sxq) / det;
    }
    if (below && best.m > 0)
        best = (struct line){sqq > 0 ? sxq / sqq : 0, 0, 0};
    if (best.d < 0)
        best = (struct line){0, below && s->wx > 0 ? 0 : s->wx / s->w, 0};
    best.gain = best.d * sxq + best.m * s->wx;
    return best;
}

void fit_line(const struct fit_block *b, float high, bool below, float *d, float *m)
{
    float least = b->x[0], most = b->x[0];
    float w[8] = {0}, wx[8] = {0};
    for (size_t i = 0; i < b->n; i++) {
        least = b->x[i] < least ? b->x[i] : least;
        most = b->x[i] > most ? b->x[i] : most;
        w[i % 8] += b->w[i];
        wx[i % 8] += b->w[i] * b->x[i];
    }
    const struct line_sums sums = {ref_fold(w), ref_fold(wx)};
    if (below && least > 0)
        least = 0;
    *d = 0;
    *m = least;
    if (!(most - least >= 0x1p-40f))
        return;

    struct line best = {0, least, -1};
    for (int step = 0; step < SCALES_TRIED; step++) {
        float inverse = (high + 1 - 0.1f * (float)step) / (most - least);
        struct line line = best_line(b, &sums, inverse, least, high, below);
        if (line.gain > best.gain)
            best = line;
    }
    for (int turn = 0; turn < TURNS && best.d > 0; turn++) {
        struct line line = best_line(b, &sums, 1 / best.d, best.m, high, below);
        if (!(line.gain > best.gain))
            break;
        best = line;
    }
    *d = best.d;
    *m = best.m;
}
