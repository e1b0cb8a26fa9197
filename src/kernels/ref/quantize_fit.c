/* SPDX-License-Identifier: MIT */
/* Fits of a scale, and of a scale with a minimum, to a block of weights.
 *
 * For fixed whole numbers q the best scale follows from the normal equations of least squares; for
 * a fixed scale the best q is the nearest. Neither is the other's optimum, so some scales are tried
 * that put the largest weight near the end of the range of q, and from the best of them the two
 * steps take turns until nothing gets better (Lloyd's alternation, as for one-dimensional k-means
 * with evenly spaced centres). */
#include "kernels/ref/quantize.h"

#include <string.h>

#define FIT_TINY 0x1p-40f /* far below the least scale, 2^-24 */

enum {
    SCALES_TRIED = 11, /* from the end of the range + 1 down to - 1, in fifths */
    LINES_TRIED = 21,  /* the same in tenths */
    TURNS = 6,
};

/* Four floats at once, which every machine has and compilers don't find by themselves here. */
typedef float lanes __attribute__((vector_size(16)));
typedef int32_t lane_bits __attribute__((vector_size(16)));

static inline lanes load(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline lanes all(float f)
{
    return (lanes){f, f, f, f};
}

static inline lanes choose(lane_bits which, lanes yes, lanes no)
{
    return (lanes)((which & (lane_bits)yes) | (~which & (lane_bits)no));
}

/* The whole numbers nearest to v in [low, high]. Clamped before they are rounded, which is right up
 * to 2^22 only. */
static inline lanes whole(lanes v, float low, float high)
{
    const lanes magic = all(0x1.8p23f);
    v = choose(v < all(low), all(low), v);
    v = choose(v > all(high), all(high), v);
    return (v + magic) - magic;
}

static inline float fold(lanes v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

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
    const lanes inverse = all(d == 0 ? 0 : 1 / d);
    lanes sum = all(0);
    for (size_t i = 0; i < b->n; i += 4) {
        lanes x = load(b->x + i), v = whole((x - m) * inverse, low, high);
        lanes error = x - (d * v + m);
        memcpy(q + i, &v, sizeof v);
        sum += load(b->w + i) * (error * error);
    }
    return fold(sum);
}

/* ---- x = d * q ---- */

/* The gain of the best d for the q that inverse gives: how much the error is less than that of all
 * zeros. */
static float scale_gain(const struct fit_block *b, float inverse, float low, float high, float *d)
{
    lanes xq = all(0), qq = all(0);
    for (size_t i = 0; i < b->n; i += 4) {
        lanes x = load(b->x + i), q = whole(x * inverse, low, high), wq = load(b->w + i) * q;
        xq += wq * x;
        qq += wq * q;
    }
    const float sum_xq = fold(xq), sum_qq = fold(qq);
    if (!(sum_qq > 0))
        return 0;
    *d = sum_xq / sum_qq;
    return sum_xq * *d;
}

float fit_extreme(const struct fit_block *b)
{
    float least = 0, most = 0;
    for (size_t i = 0; i < b->n; i++) {
        least = b->x[i] < least ? b->x[i] : least;
        most = b->x[i] > most ? b->x[i] : most;
    }
    return most >= -least ? most : least;
}

float fit_scale(const struct fit_block *b, float low, float high)
{
    const float extreme = fit_extreme(b);
    float best = 0, gain = 0;
    if (extreme > -FIT_TINY && extreme < FIT_TINY)
        return 0;
    for (int sign = -1; sign <= 1; sign += 2)
        for (int step = 0; step < SCALES_TRIED; step++) {
            float target = -low + 1 - 0.2f * (float)step, d = 0;
            float g = scale_gain(b, (float)sign * target / extreme, low, high, &d);
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
    lanes q1 = all(0), q2 = all(0), xq = all(0);
    for (size_t i = 0; i < b->n; i += 4) {
        lanes x = load(b->x + i), q = whole((x - m) * inverse, 0, high), wq = load(b->w + i) * q;
        q1 += wq;
        q2 += wq * q;
        xq += wq * x;
    }
    const float sq = fold(q1), sqq = fold(q2), sxq = fold(xq);
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
    struct line_sums sums = {0, 0};
    for (size_t i = 0; i < b->n; i++) {
        least = b->x[i] < least ? b->x[i] : least;
        most = b->x[i] > most ? b->x[i] : most;
        sums.w += b->w[i];
        sums.wx += b->w[i] * b->x[i];
    }
    if (below && least > 0)
        least = 0;
    *d = 0;
    *m = least;
    if (!(most - least >= FIT_TINY))
        return;

    struct line best = {0, least, -1};
    for (int step = 0; step < LINES_TRIED; step++) {
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
