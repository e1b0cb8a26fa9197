/* SPDX-License-Identifier: MIT */
/* Attention of one query head. Included after an ISA's lanes.h. */
#ifndef WATTLE_KERNELS_WIDE_ATTENTION_H
#define WATTLE_KERNELS_WIDE_ATTENTION_H

#include "kernels/wide/mul_f32.h"
#include "kernels/wide/rows.h"

/* scores[p] = e[p]; returns their sum. */
wide_inline float softmax(float *scores, size_t n_kv, float scale)
{
    struct v8f max = v8f_set1(-INFINITY), sum = v8f_zero(), factor = v8f_set1(scale);
    size_t p = 0;
    for (; n_kv - p >= 8; p += 8) {
        struct v8f s = v8f_mul(v8f_load(scores + p), factor);
        v8f_store(scores + p, s);
        max = v8f_max(max, s);
    }
    struct v8f tail = v8f_set1(-INFINITY);
    if (p < n_kv) {
        store_part(scores + p, n_kv - p, v8f_mul(load_part(scores + p, n_kv - p, 0), factor));
        tail = load_part(scores + p, n_kv - p, -INFINITY);
        max = v8f_max(max, tail);
    }
    max = v8f_set1(v8f_fold_max(max));
    for (p = 0; n_kv - p >= 8; p += 8) {
        struct v8f e = v8f_exp(v8f_sub(v8f_load(scores + p), max));
        v8f_store(scores + p, e);
        sum = v8f_add(sum, e);
    }
    if (p < n_kv) { /* a lane of the fill adds exp(-inf) = 0 */
        struct v8f e = v8f_exp(v8f_sub(tail, max));
        store_part(scores + p, n_kv - p, e);
        sum = v8f_add(sum, e);
    }
    return v8f_fold(sum);
}

/* y[8 * lanes]: the weighted sum of values over all positions, held in registers meanwhile. */
wide_inline void weigh_values(int lanes, const float *v, size_t stride, const float *e, size_t n_kv,
                              float sum, float *y)
{
    struct v8f acc[8];
#pragma GCC unroll 16
    for (int j = 0; j < lanes; j++)
        acc[j] = v8f_zero();
    for (size_t p = 0; p < n_kv; p++, v += stride) {
        struct v8f ep = v8f_set1(e[p]);
#pragma GCC unroll 16
        for (int j = 0; j < lanes; j++)
            acc[j] = v8f_fma(v8f_load(v + 8 * j), ep, acc[j]);
    }
#pragma GCC unroll 16
    for (int j = 0; j < lanes; j++)
        v8f_store(y + 8 * j, v8f_div(acc[j], v8f_set1(sum)));
}

static void wide_attention(const float *q, const float *k, const float *v, size_t stride,
                           size_t head_dim, size_t n_kv, float scale, float *scores, float *y)
{
    /* Keys are rows of weights to the one column q. */
    f32_plain(WTYPE_F32, (const uint8_t *)k, stride * sizeof *k, head_dim, n_kv, q, 1, scores, 0);
    float sum = softmax(scores, n_kv, scale);

    size_t i = 0;
    for (; head_dim - i >= 64; i += 64)
        weigh_values(8, v + i, stride, scores, n_kv, sum, y + i);
    for (; head_dim - i >= 8; i += 8)
        weigh_values(1, v + i, stride, scores, n_kv, sum, y + i);
    for (; i < head_dim; i++) {
        float acc = 0;
        for (size_t p = 0; p < n_kv; p++)
            acc = fmaf(v[p * stride + i], scores[p], acc);
        y[i] = acc / sum;
    }
}

#endif
