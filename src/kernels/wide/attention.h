/* SPDX-License-Identifier: MIT */
/* Attention of one query head. Included after an ISA's lanes.h. */
#ifndef WATTLE_KERNELS_WIDE_ATTENTION_H
#define WATTLE_KERNELS_WIDE_ATTENTION_H

#include "kernels/wide/activations.h"
#include "kernels/wide/mul_f32.h"
#include "kernels/wide/rows.h"

/* What becomes of eight dot products, those of the positions from p. */
wide_inline struct v8f scored(const struct attention *a, struct v8f dot, size_t p)
{
    static const float lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct v8f s = v8f_mul(dot, v8f_set1(a->scale));
    if (a->softcap != 0)
        s = v8f_capped(s, v8f_set1(a->softcap));
    if (a->slope != 0) /* positions are exact in float up to 2^24 */
        s = v8f_fma(v8f_set1(a->slope), v8f_add(v8f_set1((float)p), v8f_load(lane)), s);
    if (a->bias)
        s = v8f_add(s, v8f_load(a->bias + p));
    return s;
}

/* scores[p] = e[p]; returns their sum. */
wide_inline float softmax(const struct attention *a, float *scores)
{
    struct v8f max = v8f_set1(-INFINITY), sum = v8f_zero();
    const size_t n_kv = a->n_kv;
    size_t p = 0;
    for (; n_kv - p >= 8; p += 8) {
        struct v8f s = scored(a, v8f_load(scores + p), p);
        v8f_store(scores + p, s);
        max = v8f_max(max, s);
    }
    struct v8f tail = v8f_set1(-INFINITY);
    if (p < n_kv) {
        store_part(scores + p, n_kv - p, scored(a, load_part(scores + p, n_kv - p, 0), p));
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

static void wide_attention(const struct attention *a, float *scores, float *y)
{
    const size_t head_dim = a->head_dim, stride = a->stride, n_kv = a->n_kv;
    const float *v = a->v;
    /* Keys are rows of weights to the one column q. */
    f32_plain(WTYPE_F32, (const uint8_t *)a->k, stride * sizeof *a->k, head_dim, n_kv, a->q, 1,
              scores, 0);
    float sum = softmax(a, scores);

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
