/* SPDX-License-Identifier: MIT */
/* The plain C kernels: what every other ISA is checked against. Written to be read, not for speed.
 * Contracts: kernels.h. Private to kernels/. */
#ifndef WATTLE_KERNELS_REF_REF_H
#define WATTLE_KERNELS_REF_REF_H

#include "kernels/kernels.h"

/* A sub-block of 32 weights as mul_q8 in kernels.h speaks of it. */
struct ref_sub {
    float d[2]; /* scale of w[0..15], of w[16..31] */
    float m[2]; /* minimum of either half; 0 for types without one */
    int8_t w[32];
};

/* The i-th sub-block of a row of a type for which kernels_has_q8. */
void ref_read_sub(uint32_t type, const uint8_t *row, size_t i, struct ref_sub *s);

/* Scale and minimum of sub-block i of Q4_K and Q5_K, from their 12 bytes. */
void ref_k_scale(const uint8_t *scales, unsigned i, int *scale, int *min);

/* ((0+4) + (2+6)) + ((1+5) + (3+7)) */
float ref_fold(const float lane[8]);

/* The dot product of k pairs in eight lanes. */
float ref_dot(const float *a, const float *b, size_t k);

/* exp(x) for x <= 0. */
float ref_exp(float x);
/* cap * tanh(x / cap) */
float ref_capped(float x, float cap);

void ref_dequant(uint32_t type, const void *row, float *y, size_t k);
void ref_quantize_q8(const float *x, struct q8_block *q, size_t k);
void ref_mul_f32(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0, size_t row1,
                 const float *x, size_t n, float *out, size_t out_stride, float *scratch);
void ref_mul_q8(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0, size_t row1,
                const struct q8_block *x, size_t n, float *out, size_t out_stride);
void ref_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                    const struct q8_block *x, size_t n, float *out, size_t out_stride);
void ref_rms_norm(const float *x, const float *weight, float eps, float *y, size_t n);
void ref_add(float *y, const float *x, size_t n);
void ref_layer_norm(const float *x, const float *weight, const float *bias, float eps, float *y,
                    size_t n);
void ref_add_scaled(float *y, const float *x, float a, size_t n);
void ref_scale(float *x, float a, size_t n);
void ref_clamp(float *x, float limit, size_t n);
void ref_softcap(float *x, float cap, size_t n);
void ref_activate(enum activation a, float *x, size_t n);
void ref_gate_mul(enum activation a, float *gate, const float *up, size_t n);
void ref_rope(float *x, const float *cos_t, const float *sin_t, size_t n_rot, bool interleaved);
void ref_attention(const struct attention *a, float *scores, float *y);

extern const struct kernels kernels_ref;
extern const struct peak peak_ref;

#endif
