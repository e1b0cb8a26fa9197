/* SPDX-License-Identifier: MIT */
/* What the quantizers of ref/ share: a block's weights and importances, and fits of a line through
 * them. Private to kernels/ref/.
 *
 * Sums are kept in four lanes, so that they are the same whatever the compiler makes of them. */
#ifndef WATTLE_KERNELS_REF_QUANTIZE_H
#define WATTLE_KERNELS_REF_QUANTIZE_H

#include "kernels/quantize.h"

#include "kernels/bits.h"

#include <stdbool.h>

/* n weights and their importances: positive, about 1. n is 16, 32 or 256. */
struct fit_block {
    const float *x, *w;
    size_t n;
};

/* The whole number nearest to v, ties to even; |v| < 2^22. */
static inline float fit_round(float v)
{
    const float magic = 0x1.8p23f;
    return (v + magic) - magic;
}

static inline float fit_clamp(float v, float low, float high)
{
    v = v < low ? low : v;
    return v > high ? high : v;
}

/* The nearest finite binary16. */
uint16_t fit_half(float f);

/* The value with the largest magnitude. */
float fit_extreme(const struct fit_block *b);

/* The scale d for x = d * q, q in [low, high]: near the least weighted error. 0 for zeros. */
float fit_scale(const struct fit_block *b, float low, float high);
/* The scale and minimum for x = d * q + m, q in [0, high], d >= 0. below: m is at most 0. */
void fit_line(const struct fit_block *b, float high, bool below, float *d, float *m);

/* q nearest to (x - m) / d, in [low, high], and the weighted error of d * q + m. d 0: q is 0 (or
 * the end of the range that is nearest to it). */
float fit_apply(const struct fit_block *b, float d, float m, float low, float high, float *q);

/* Rows of one block format; x and importance as in quantize_row, whole blocks. */
void quantize_small(uint32_t type, const float *x, const float *importance, uint8_t *row, size_t k);
void quantize_k(uint32_t type, const float *x, const float *importance, uint8_t *row, size_t k);

/* One block's inputs made tame: |x| at most 2^28, beyond which no scale reaches, and importances
 * about 1, none of them 0. */
void fit_load(const float *x, const float *importance, size_t n, float *x_out, float *w_out);

#endif
