/* SPDX-License-Identifier: MIT */
/* Attention of the query heads of a KV head. Included after an ISA's lanes.h. */
#ifndef WATTLE_KERNELS_WIDE_ATTENTION_H
#define WATTLE_KERNELS_WIDE_ATTENTION_H

#include "kernels/wide/activations.h"
#include "kernels/wide/mul_f32.h"
#include "kernels/wide/rows.h"

/* What becomes of eight dot products of a query, those of the positions from p. */
wide_inline struct v8f scored(const struct attention *a, size_t query, struct v8f dot, size_t p)
{
    static const float lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct v8f s = v8f_mul(dot, v8f_set1(a->scale));
    if (a->softcap != 0)
        s = v8f_capped(s, v8f_set1(a->softcap));
    if (a->slopes && a->slopes[query] != 0) /* positions are exact in float up to 2^24 */
        s = v8f_fma(v8f_set1(a->slopes[query]), v8f_add(v8f_set1((float)p), v8f_load(lane)), s);
    if (a->bias)
        s = v8f_add(s, v8f_load(a->bias + query * a->bias_stride + p));
    return s;
}

/* scores[p] = e[p]; returns their sum. */
wide_inline float softmax(const struct attention *a, size_t query, float *scores)
{
    struct v8f max = v8f_set1(-INFINITY), sum = v8f_zero();
    const size_t n_kv = a->n_kv;
    size_t p = 0;
    for (; n_kv - p >= 8; p += 8) {
        struct v8f s = scored(a, query, v8f_load(scores + p), p);
        v8f_store(scores + p, s);
        max = v8f_max(max, s);
    }
    struct v8f tail = v8f_set1(-INFINITY);
    if (p < n_kv) {
        store_part(scores + p, n_kv - p, scored(a, query, load_part(scores + p, n_kv - p, 0), p));
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

/* The weighted sums of values of a few queries, 8 * lanes elements each, held in registers over all
 * positions. Query j's weights are at e + j * n_kv, its result at y + j * head_dim. */
wide_inline void weigh_values(int queries, int lanes, const struct attention *a, const float *v,
                              const float *e, const float *sums, float *y)
{
    struct v8f acc[3][8];
#pragma GCC unroll 16
    for (int j = 0; j < queries; j++)
#pragma GCC unroll 16
        for (int i = 0; i < lanes; i++)
            acc[j][i] = v8f_zero();
    for (size_t p = 0; p < a->n_kv; p++, v += a->stride) {
        struct v8f weight[3];
#pragma GCC unroll 16
        for (int j = 0; j < queries; j++)
            weight[j] = v8f_set1(e[(size_t)j * a->n_kv + p]);
#pragma GCC unroll 16
        for (int i = 0; i < lanes; i++) {
            struct v8f value = v8f_load(v + 8 * i);
#pragma GCC unroll 16
            for (int j = 0; j < queries; j++)
                acc[j][i] = v8f_fma(value, weight[j], acc[j][i]);
        }
    }
#pragma GCC unroll 16
    for (int j = 0; j < queries; j++)
#pragma GCC unroll 16
        for (int i = 0; i < lanes; i++)
            v8f_store(y + (size_t)j * a->head_dim + 8 * i, v8f_div(acc[j][i], v8f_set1(sums[j])));
}

/* All elements of a few queries: as many lanes at a time as leave registers free. */
wide_inline void weigh(int queries, const struct attention *a, const float *e, const float *sums,
                       float *y)
{
    const int lanes = queries == 1 ? 8 : 4;
    size_t i = 0;
    for (; a->head_dim - i >= 8 * (size_t)lanes; i += 8 * (size_t)lanes)
        weigh_values(queries, lanes, a, a->v + i, e, sums, y + i);
    for (; a->head_dim - i >= 8; i += 8)
        weigh_values(queries, 1, a, a->v + i, e, sums, y + i);
    for (; i < a->head_dim; i++)
        for (size_t j = 0; j < (size_t)queries; j++) {
            float acc = 0;
            for (size_t p = 0; p < a->n_kv; p++)
                acc = fmaf(a->v[p * a->stride + i], e[j * a->n_kv + p], acc);
            y[j * a->head_dim + i] = acc / sums[j];
        }
}

/* Queries go by threes, what is left over by twos: a value that was loaded serves all of them. */
static void wide_attention(const struct attention *a, float *scores, float *y)
{
    float sums[3];
    /* Keys are rows of weights, queries their columns. */
    f32_plain(WTYPE_F32, (const uint8_t *)a->k, a->stride * sizeof *a->k, a->head_dim, a->n_kv,
              a->q, a->n_q, scores, a->n_kv);
    for (size_t query = 0, n; query < a->n_q; query += n) {
        const size_t left = a->n_q - query;
        float *e = scores + query * a->n_kv, *out = y + query * a->head_dim;
        n = left == 4 ? 2 : left < 3 ? left : 3;
        for (size_t j = 0; j < n; j++)
            sums[j] = softmax(a, query + j, e + j * a->n_kv);
        if (n == 3)
            weigh(3, a, e, sums, out);
        else if (n == 2)
            weigh(2, a, e, sums, out);
        else
            weigh(1, a, e, sums, out);
    }
}

#endif
