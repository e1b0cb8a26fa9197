/* SPDX-License-Identifier: MIT */
/* Frequencies and angles are rounded to 32-bit floats where the reference (transformers,
 * modeling_rope_utils.py) does so: at position 8000 the last bit of a frequency is worth more than
 * any later rounding. YaRN: Peng et al. 2023, section 3. */
#include "model/rope.h"

#include <math.h>

/* The pair whose wave turns n_turns times over the original context. */
static double turning_pair(const struct rope_traits *r, double n_turns)
{
    return r->n_rot * log(r->original_ctx / (n_turns * 2 * M_PI)) / (2 * log(r->base));
}

static void apply_yarn(const struct rope_traits *r, float *inverse)
{
    double low = fmax(floor(turning_pair(r, r->beta_fast)), 0);
    double high = fmin(ceil(turning_pair(r, r->beta_slow)), r->n_rot - 1);
    double width = high > low ? high - low : 0.001; /* the reference's way round 0 / 0 */
    for (int32_t i = 0; i < r->n_rot / 2; i++) {
        double ramp = fmin(fmax((i - low) / width, 0), 1);
        double slow = inverse[i] / r->factor;
        inverse[i] = (float)(slow * ramp + inverse[i] * (1 - ramp));
    }
}

float rope_frequencies(const struct rope_traits *r, const float *divisors, float *inverse)
{
    for (int32_t i = 0; i < r->n_rot / 2; i++) {
        float exponent = (float)(2 * i) / (float)r->n_rot;
        inverse[i] = 1.0f / (float)pow(r->base, exponent);
        if (divisors)
            inverse[i] /= divisors[i];
        if (r->scaling == ROPE_SCALING_LINEAR)
            inverse[i] /= (float)r->factor;
    }
    if (r->scaling != ROPE_SCALING_YARN)
        return 1;
    apply_yarn(r, inverse);
    double magnitude = r->factor > 1 ? 0.1 * log(r->factor) + 1 : 1;
    return (float)(magnitude * r->attention_factor);
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
