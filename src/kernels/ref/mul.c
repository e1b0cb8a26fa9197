/* SPDX-License-Identifier: MIT */
/* Dot products of weight rows with activation columns, and the quantizing of activations. */
#include "kernels/ref/ref.h"

#include "kernels/bits.h"

#include <math.h>

float ref_fold(const float lane[8])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

float ref_dot(const float *a, const float *b, size_t k)
{
    float lane[8] = {0};
    for (size_t i = 0; i < k; i++)
        lane[i % 8] = fmaf(a[i], b[i], lane[i % 8]);
    return ref_fold(lane);
}

void ref_mul_f32(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0, size_t row1,
                 const float *x, size_t n, float *out, size_t out_stride, float *scratch)
{
    for (size_t r = row0; r < row1; r++) {
        ref_dequant(type, (const uint8_t *)w + r * row_bytes, scratch, k);
        for (size_t c = 0; c < n; c++)
            out[c * out_stride + r - row0] = ref_dot(scratch, x + c * k, k);
    }
}

static void quantize_block(const float *x, struct q8_block *q)
{
    /* As integers the bits of |x| are in the order of their values, infinity and NaN on top. */
    uint32_t max_bits = 0;
    for (int i = 0; i < 32; i++) {
        uint32_t bits = bits_from_float(x[i]) & 0x7fffffff;
        if (bits > max_bits)
            max_bits = bits;
    }
    float max = float_from_bits(max_bits);
    memset(q, 0, sizeof *q);
    if (max_bits >= 0x7f800000) {
        q->d = q->s = NAN;
        return;
    }
    if (max < 0x1p-100f) /* 127 / max must not overflow */
        return;
    float inverse = 127.0f / max;
    for (int i = 0; i < 32; i++) {
        q->q[i] = (int8_t)lrintf(x[i] * inverse);
        q->half[i / 16] = (int16_t)(q->half[i / 16] + q->q[i]);
    }
    q->d = max / 127.0f;
    q->s = q->d * (float)(q->half[0] + q->half[1]);
}

void ref_quantize_q8(const float *x, struct q8_block *q, size_t k)
{
    for (size_t b = 0; b < k / 32; b++)
        quantize_block(x + 32 * b, q + b);
}

static float dot_q8(uint32_t type, const uint8_t *row, const struct q8_block *x, size_t n_subs)
{
    float lane[8] = {0}, min = 0;
    for (size_t i = 0; i < n_subs; i++, x++) {
        struct ref_sub s;
        ref_read_sub(type, row, i, &s);
        for (int j = 0; j < 8; j++) {
            int t = 0, sum = 0;
            for (int l = 4 * j; l < 4 * j + 4; l++) {
                t += s.w[l] * x->q[l];
                sum += x->q[l];
            }
            lane[j] = fmaf(s.d[j / 4] * x->d, (float)t, lane[j]);
            if (type == WTYPE_Q2_K)
                lane[j] = fmaf(s.m[j / 4] * x->d, (float)sum, lane[j]);
        }
        min = fmaf(s.m[0], x->s, min);
    }
    /* Without a minimum the terms of min are 0 * x.s, and x.s is NaN for a lost block: leave out.
     */
    bool has_min =
        type == WTYPE_Q4_1 || type == WTYPE_Q5_1 || type == WTYPE_Q4_K || type == WTYPE_Q5_K;
    return has_min ? ref_fold(lane) + min : ref_fold(lane);
}

void ref_mul_q8(uint32_t type, const void *w, size_t row_bytes, size_t k, size_t row0, size_t row1,
                const struct q8_block *x, size_t n, float *out, size_t out_stride)
{
    for (size_t r = row0; r < row1; r++)
        for (size_t c = 0; c < n; c++)
            out[c * out_stride + r - row0] =
                dot_q8(type, (const uint8_t *)w + r * row_bytes, x + c * (k / 32), k / 32);
}
