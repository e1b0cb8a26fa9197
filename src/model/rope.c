/* SPDX-License-Identifier: MIT */
/* Frequencies and angles are rounded to 32-bit floats where the reference (transformers,
 * modeling_rope_utils.py) does so: at position 8000 the last bit of a frequency is worth more than
 * any later rounding. YaRN: Peng et al. 2023, section 3. */
#include "model/rope.h"

#include <math.h>

bool rope_depends_on_length(const struct rope_traits *r)
{
    return r->n_rot > 0 &&
           (r->scaling == ROPE_SCALING_LONGROPE || r->scaling == ROPE_SCALING_DYNAMIC);
}

int32_t rope_regime(const struct rope_traits *r, int32_t length)
{
    if (!rope_depends_on_length(r) || length <= r->original_ctx)
        return 0;
    return r->scaling == ROPE_SCALING_DYNAMIC ? length : 1;
}

/* ---- YaRN ---- */

/* The pair whose wave turns n_turns times over the original context. */
static double turning_pair(const struct rope_traits *r, double n_turns)
{
    return r->n_rot * log(r->original_ctx / (n_turns * 2 * M_PI)) / (2 * log(r->base));
}

static void apply_yarn(const struct rope_traits *r, float *inverse)
{
    double low = turning_pair(r, r->beta_fast), high = turning_pair(r, r->beta_slow);
    low = fmax(r->truncate ? floor(low) : low, 0);
    high = fmin(r->truncate ? ceil(high) : high, r->n_rot - 1);
    double width = high > low ? high - low : 0.001; /* the reference's way round 0 / 0 */
    for (int32_t i = 0; i < r->n_rot / 2; i++) {
        double ramp = fmin(fmax((i - low) / width, 0), 1);
        double slow = inverse[i] / r->factor;
        inverse[i] = (float)(slow * ramp + inverse[i] * (1 - ramp));
    }
}

static double yarn_magnitude(double factor, double mscale)
{
    return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

/* ---- the others ---- */

/* Long waves are stretched by the factor, short ones stay, those between go from one to the other
 * by how often they turn over the original context. */
static void apply_llama3(const struct rope_traits *r, float *inverse)
{
    float factor = (float)r->factor, original = (float)r->original_ctx;
    float low = (float)r->low_freq_factor,
          width = (float)(r->high_freq_factor - r->low_freq_factor);
    float longest = (float)(r->original_ctx / r->low_freq_factor);
    float shortest = (float)(r->original_ctx / r->high_freq_factor);
    for (int32_t i = 0; i < r->n_rot / 2; i++) {
        float wave = (float)(2 * M_PI) / inverse[i];
        if (wave > longest) {
            inverse[i] /= factor;
        } else if (!(wave < shortest)) {
            float share = (original / wave - low) / width;
            inverse[i] = (1 - share) * inverse[i] / factor + share * inverse[i];
        }
    }
}

/* The base that a sequence of length tokens has by NTK-aware scaling. */
static float dynamic_base(const struct rope_traits *r, int32_t length)
{
    float stretch = (float)r->factor * (float)length / (float)r->original_ctx;
    stretch -= (float)(r->factor - 1);
    return (float)r->base * powf(stretch, (float)((double)r->n_rot / (r->n_rot - 2)));
}

static double paper_magnitude(const struct rope_traits *r)
{
    if (r->scaling == ROPE_SCALING_LONGROPE)
        return r->factor > 1 ? sqrt(1 + log(r->factor) / log(r->original_ctx)) : 1;
    if (r->scaling != ROPE_SCALING_YARN)
        return 1;
    if (r->mscale != 0 && r->mscale_all_dim != 0)
        return yarn_magnitude(r->factor, r->mscale) / yarn_magnitude(r->factor, r->mscale_all_dim);
    return yarn_magnitude(r->factor, 1);
}

float rope_frequencies(const struct rope_traits *r, int32_t regime, const float *divisors,
                       float *inverse)
{
    double base = r->base;
    if (r->scaling == ROPE_SCALING_DYNAMIC && regime > 0)
        base = dynamic_base(r, regime);
    if (r->scaling == ROPE_SCALING_LONGROPE)
        divisors = regime ? r->long_factor : r->short_factor;
    for (int32_t i = 0; i < r->n_rot / 2; i++) {
        float power = (float)pow(base, (float)(2 * i) / (float)r->n_rot);
        if (r->scaling == ROPE_SCALING_LONGROPE)
            power *= divisors[i];
        inverse[i] = 1.0f / power;
        if (divisors && r->scaling != ROPE_SCALING_LONGROPE)
            inverse[i] /= divisors[i];
        if (r->scaling == ROPE_SCALING_LINEAR)
            inverse[i] /= (float)r->factor;
    }
    if (r->scaling == ROPE_SCALING_YARN)
        apply_yarn(r, inverse);
    if (r->scaling == ROPE_SCALING_LLAMA3)
        apply_llama3(r, inverse);
    return (float)(r->attention_factor > 0 ? r->attention_factor : paper_magnitude(r));
}

void rope_angles(const float *inverse, int32_t n_rot, float magnitude, int32_t position,
                 float *cosines, float *sines)
{
    for (int32_t i = 0; i < n_rot / 2; i++) {
        float angle = (float)position * inverse[i];
        cosines[i] = (float)cos(angle) * magnitude;
        sines[i] = (float)sin(angle) * magnitude;
    }
}
