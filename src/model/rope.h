/* SPDX-License-Identifier: MIT */
/* The angles of rotary position embeddings. */
#ifndef WATTLE_MODEL_ROPE_H
#define WATTLE_MODEL_ROPE_H

#include "model/traits.h"

/* Which angles a sequence of length tokens has: equal numbers, equal angles. 0 for most models at
 * any length; longrope: 0 or 1; dynamic: grows with the length beyond original_ctx. */
int32_t rope_regime(const struct rope_traits *r, int32_t length);

/* Whether rope_regime is ever other than 0. */
bool rope_depends_on_length(const struct rope_traits *r);

/* inverse[n_rot / 2]: radians a position, after scaling; divisors (as Llama 3's GGUF files bring
 * them in rope_freqs.weight) or NULL. Returns the magnitude that cosines and sines are multiplied
 * by. As Hugging Face's modeling_rope_utils computes them. */
float rope_frequencies(const struct rope_traits *r, int32_t regime, const float *divisors,
                       float *inverse);

/* Cosines and sines of one position, n_rot / 2 each. */
void rope_angles(const float *inverse, int32_t n_rot, float magnitude, int32_t position,
                 float *cosines, float *sines);

#endif
