/* SPDX-License-Identifier: MIT */
/* The angles of rotary position embeddings. */
#ifndef WATTLE_MODEL_ROPE_H
#define WATTLE_MODEL_ROPE_H

#include "model/traits.h"

/* inverse[n_rot / 2]: radians a position, after scaling; divisors (as Llama 3 files bring them in
 * rope_freqs.weight) or NULL. Returns the magnitude that cosines and sines are multiplied by. */
float rope_frequencies(const struct rope_traits *r, const float *divisors, float *inverse);

/* Cosines and sines of one position, n_rot / 2 each. */
void rope_angles(const float *inverse, int32_t n_rot, float magnitude, int32_t position,
                 float *cosines, float *sines);

#endif
