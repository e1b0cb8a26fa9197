/* SPDX-License-Identifier: MIT */
/* Blocks of 256 whose sub-blocks have whole numbers as scales (and minima), with a scale for those.
 * Layouts: ref/blocks.c.
 *
 * The sub-blocks are fitted alone; then the whole numbers are chosen by the error that they make,
 * not by their distance from the fit, and the block's two scales are fitted anew to what was
 * chosen. The last two steps take turns. */
#include "kernels/ref/quantize.h"

#include <string.h>

enum {
    BLOCK = 256,
    SUBS_MAX = 16,
    ENDS_TRIED = 3, /* the largest scale is the last whole number, the last but one, … */
    TURNS = 4,
};

/* One block as it will be written: x = d * scale[j] * q - dmin * min[j]. Numbers that are whole are
 * floats, so that all of it is arithmetic of one kind. */
struct k_block {
    uint16_t d, dmin; /* binary16 */
    float scale[SUBS_MAX], min[SUBS_MAX];
    float q[BLOCK];
    float error;
};

/* What a type's numbers can be. */
struct k_kind {
    uint32_t type;
    size_t n_subs;
    float low, high;             /* of q */
    float scale_low, scale_high; /* min: 0 to scale_high, or none where low < 0 */
    bool has_min;
};

static struct fit_block part(const struct fit_block *b, const struct k_kind *k, size_t j)
{
    size_t n = BLOCK / k->n_subs;
    return (struct fit_block){b->x + j * n, b->w + j * n, n};
}

static float magnitude(float v)
{
    return v < 0 ? -v : v;
}

/* The best whole scale and minimum of sub-block j near those of from, one step to either side. */
static float choose(const struct fit_block *sub, const struct k_kind *k, float d, float dmin,
                    float scale, float min, struct k_block *out, size_t j)
{
    float trial[BLOCK / 8], least = 0;
    bool first = true;
    for (float s = scale - 1; s <= scale + 1; s++)
        for (float m = k->has_min ? min - 1 : 0; m <= (k->has_min ? min + 1 : 0); m++) {
            if (s < k->scale_low || s > k->scale_high || m < 0 || m > k->scale_high)
                continue;
            float error = fit_apply(sub, d * s, -(dmin * m), k->low, k->high, trial);
            if (first || error < least) {
                first = false;
                least = error;
                out->scale[j] = s;
                out->min[j] = m;
                memcpy(out->q + j * sub->n, trial, sub->n * sizeof *trial);
            }
        }
    return least;
}

/* v / unit as a whole number in [low, high]. */
static float whole(float v, float unit, float low, float high)
{
    return unit == 0 ? 0 : fit_round(fit_clamp(v / unit, low, high));
}

/* The finite binary16 next to f that is not nearer to 0. These scales are often subnormal, where
 * the nearest one can be so much less than f that the largest weights are out of reach. */
static uint16_t half_beyond(float f)
{
    uint16_t half = fit_half(f);
    return magnitude(float_from_half(half)) < magnitude(f) && (half & 0x7fff) < 0x7bff
               ? (uint16_t)(half + 1)
               : half;
}

/* The block with the scales d and dmin, its sub-blocks as near as can be to those fitted. */
static void assign(const struct fit_block *b, const struct k_kind *k, const float *fit_d,
                   const float *fit_min, uint16_t half_d, uint16_t half_dmin, struct k_block *out)
{
    const float d = float_from_half(half_d), dmin = float_from_half(half_dmin);
    out->d = half_d;
    out->dmin = half_dmin;
    out->error = 0;
    for (size_t j = 0; j < k->n_subs; j++) {
        struct fit_block sub = part(b, k, j);
        out->error += choose(&sub, k, d, dmin, whole(fit_d[j], d, k->scale_low, k->scale_high),
                             whole(fit_min[j], dmin, 0, k->scale_high), out, j);
    }
}

/* The scales that suit best what was chosen: least squares of x = d * a - dmin * c. */
static bool refit(const struct fit_block *b, const struct k_kind *k, const struct k_block *chosen,
                  float *d, float *dmin)
{
    const size_t n = BLOCK / k->n_subs;
    double aa = 0, ac = 0, cc = 0, xa = 0, xc = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        const double a = (double)(chosen->scale[i / n] * chosen->q[i]);
        const double c = -(double)chosen->min[i / n];
        const double w = (double)b->w[i], x = (double)b->x[i];
        aa += w * a * a;
        ac += w * a * c;
        cc += w * c * c;
        xa += w * x * a;
        xc += w * x * c;
    }
    const double det = aa * cc - ac * ac;
    if (cc > 0 && det > 1e-9 * aa * cc) {
        *d = (float)((cc * xa - ac * xc) / det);
        *dmin = (float)((aa * xc - ac * xa) / det);
    } else if (aa > 0) {
        *d = (float)(xa / aa);
        *dmin = float_from_half(chosen->dmin);
    } else {
        return false;
    }
    return k->has_min ? *d >= 0 && *dmin >= 0 : true;
}

static void fit(const struct fit_block *b, const struct k_kind *k, struct k_block *best)
{
    float d[SUBS_MAX], min[SUBS_MAX] = {0}, most_d = 0, most_min = 0;
    for (size_t j = 0; j < k->n_subs; j++) {
        struct fit_block sub = part(b, k, j);
        if (k->has_min) {
            fit_line(&sub, k->high, true, &d[j], &min[j]);
            min[j] = -min[j];
        } else {
            d[j] = fit_scale(&sub, k->low, k->high);
        }
        most_d = magnitude(d[j]) > magnitude(most_d) ? d[j] : most_d;
        most_min = min[j] > most_min ? min[j] : most_min;
    }
    /* With signs the end of the range that is farther from 0 is the negative one. */
    const float end = magnitude(k->scale_low) > k->scale_high ? k->scale_low : k->scale_high;
    for (int i = 0; i < ENDS_TRIED; i++) {
        struct k_block next;
        float last = end < 0 ? end + (float)i : end - (float)i;
        assign(b, k, d, min, half_beyond(most_d / last), half_beyond(most_min / k->scale_high),
               &next);
        if (i == 0 || next.error < best->error)
            *best = next;
    }
    for (int turn = 0; turn < TURNS; turn++) {
        struct k_block next;
        float next_d, next_min;
        if (!refit(b, k, best, &next_d, &next_min))
            break;
        assign(b, k, d, min, fit_half(next_d), fit_half(next_min), &next);
        if (!(next.error < best->error))
            break;
        *best = next;
    }
}

/* ---- bytes ---- */

static void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* 8 scales and 8 minima of 6 bits in 12 bytes: k_scale in blocks.c reads them. */
static void pack_k_scales(const struct k_block *b, uint8_t *out)
{
    for (unsigned j = 0; j < 4; j++) {
        unsigned scale = (unsigned)b->scale[j], min = (unsigned)b->min[j];
        unsigned late_scale = (unsigned)b->scale[j + 4], late_min = (unsigned)b->min[j + 4];
        out[j] = (uint8_t)(scale | late_scale >> 4 << 6);
        out[j + 4] = (uint8_t)(min | late_min >> 4 << 6);
        out[j + 8] = (uint8_t)((late_scale & 15) | (late_min & 15) << 4);
    }
}

/* Pairs of sub-blocks share 32 bytes. */
static void pack_k_nibbles(const float *q, uint8_t *out)
{
    for (unsigned p = 0; p < 4; p++)
        for (unsigned l = 0; l < 32; l++)
            out[32 * p + l] = (uint8_t)(((unsigned)q[64 * p + l] & 15) |
                                        ((unsigned)q[64 * p + 32 + l] & 15) << 4);
}

static void pack_k(const struct k_block *b, bool five_bits, uint8_t *out)
{
    store_u16(out, b->d);
    store_u16(out + 2, b->dmin);
    pack_k_scales(b, out + 4);
    out += 16;
    if (five_bits) {
        for (unsigned l = 0; l < 32; l++) {
            unsigned high = 0;
            for (unsigned j = 0; j < 8; j++)
                high |= ((unsigned)b->q[32 * j + l] >> 4) << j;
            out[l] = (uint8_t)high;
        }
        out += 32;
    }
    pack_k_nibbles(b->q, out);
}

static void pack_q6_k(const struct k_block *b, uint8_t *out)
{
    memset(out, 0, 192);
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned v = (unsigned)(b->q[i] + 32), half = i / 128, r = i % 128 / 32, l = i % 32;
        out[64 * half + 32 * (r % 2) + l] |= (uint8_t)((v & 15) << 4 * (r / 2));
        out[128 + 32 * half + l] |= (uint8_t)(v >> 4 << 2 * r);
    }
    for (unsigned j = 0; j < 16; j++)
        out[192 + j] = (uint8_t)(int8_t)b->scale[j];
    store_u16(out + 208, b->d);
}

void quantize_k(uint32_t type, const float *x, const float *importance, uint8_t *row, size_t k)
{
    static const struct k_kind all[] = {
        {WTYPE_Q4_K, 8, 0, 15, 0, 63, true},
        {WTYPE_Q5_K, 8, 0, 31, 0, 63, true},
        {WTYPE_Q6_K, 16, -32, 31, -128, 127, false},
    };
    const struct k_kind *kind = all;
    while (kind->type != type)
        kind++;
    const size_t bytes = wtype_info(type)->block_bytes;
    for (size_t i = 0; i < k; i += BLOCK, row += bytes) {
        float tame[BLOCK], w[BLOCK];
        struct k_block block;
        fit_load(x + i, importance ? importance + i : NULL, BLOCK, tame, w);
        const struct fit_block b = {tame, w, BLOCK};
        fit(&b, kind, &block);
        if (type == WTYPE_Q6_K)
            pack_q6_k(&block, row);
        else
            pack_k(&block, type == WTYPE_Q5_K, row);
    }
}
