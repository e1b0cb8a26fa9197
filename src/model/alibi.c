/* SPDX-License-Identifier: MIT */
/* ALiBi, https://arxiv.org/abs/2108.12409: what a score gets for its distance, by slope a head. */
#include "model/parts.h"

#include <math.h>

/* Section 3: powers of one ratio; where the heads are no power of two, those of the power below
 * and, for the rest, every other one of the power above. */
static double slope(const struct traits *t, int32_t head)
{
    int32_t power = 1;
    double max = (double)t->alibi_max;
    while (power * 2 <= t->n_head)
        power *= 2;
    if (head < power)
        return exp2(-max * (head + 1) / power);
    return exp2(-max * (2 * (head - power) + 1) / (2 * power));
}

/* To nearest, ties to even; finite values. */
static float round_bf16(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static int make_slopes(struct model *m, struct err *e)
{
    const struct traits *t = &m->traits;
    m->alibi_slopes = arena_array(&m->arena, (size_t)t->n_head, sizeof *m->alibi_slopes);
    if (!m->alibi_slopes)
        return err_set(e, ERR_NOMEM, "no memory for %d slopes", t->n_head);
    for (int32_t h = 0; h < t->n_head; h++)
        m->alibi_slopes[h] = (float)(slope(t, h) * (double)t->alibi_scale);
    return 0;
}

/* Falcon's, trained with it so: steps, where a product of slope and position needs more than the
 * eight bits of bfloat16. */
static int make_biases(struct model *m, struct err *e)
{
    const struct traits *t = &m->traits;
    size_t n = model_alibi_stride(m);
    m->alibi_biases = arena_array(&m->arena, (size_t)t->n_head * n, sizeof *m->alibi_biases);
    if (!m->alibi_biases)
        return err_set(e, ERR_NOMEM, "no memory for biases of %d heads and %d positions", t->n_head,
                       t->n_ctx);
    for (int32_t h = 0; h < t->n_head; h++) {
        float *bias = m->alibi_biases + (size_t)h * n, s = round_bf16((float)slope(t, h));
        for (size_t p = 0; p < n; p++)
            bias[p] = round_bf16(s * round_bf16((float)p)) * t->alibi_scale;
    }
    return 0;
}

int model_alibi(struct model *m, struct err *e)
{
    return m->traits.alibi_bf16 ? make_biases(m, e) : make_slopes(m, e);
}
