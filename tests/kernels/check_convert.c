/* SPDX-License-Identifier: MIT */
/* dequant and quantize_q8. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void dequant_type(struct check *c, uint32_t type, enum fill kind, size_t k, size_t shift)
{
    const struct wtype_info *info = wtype_info(type);
    struct guarded row, got, want;
    char what[96];

    snprintf(what, sizeof what, "dequant %s k=%zu shift=%zu fill=%d", info->name, k, shift,
             (int)kind);
    guarded_open(&row, k / info->block_elems * info->block_bytes, shift);
    guarded_open(&got, k * sizeof(float), 0);
    guarded_open(&want, k * sizeof(float), 0);
    fill_weights(&c->rng, type, kind, row.p, k);
    c->got->dequant(type, row.p, (float *)got.p, k);
    c->ref->dequant(type, row.p, (float *)want.p, k);
    check_same(c, (float *)got.p, (float *)want.p, k, what);
    guarded_close(&row, c, what);
    guarded_close(&got, c, what);
    guarded_close(&want, c, what);
}

/* Every bit pattern of a 16-bit float. */
static void dequant_all(struct check *c, uint32_t type)
{
    static uint16_t row[65536];
    static float got[65536], want[65536];
    for (size_t i = 0; i < 65536; i++)
        row[i] = (uint16_t)i;
    c->got->dequant(type, row, got, 65536);
    c->ref->dequant(type, row, want, 65536);
    check_same(c, got, want, 65536, wtype_info(type)->name);
    for (size_t i = 0; i < 65536 && type == WTYPE_F16; i++) {
        /* by the definition of binary16 */
        int e = (int)(i >> 10 & 31), f = (int)(i & 1023);
        double v = e == 31 ? (f ? NAN : INFINITY) : e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
        if (i & 0x8000)
            v = -v;
        if (!same_float(want[i], (float)v)) {
            check_fail(c, "F16 %04zx is %a, expected %a", i, (double)want[i], v);
            break;
        }
    }
}

/* What the header says of a block, whoever made it. */
static void quantized_block(struct check *c, const float *x, const struct q8_block *q)
{
    float max = 0;
    int sum = 0;
    for (int i = 0; i < 32; i++) {
        max = fmaxf(max, fabsf(x[i]));
        sum += q->q[i];
        /* half a step, and the rounding of x * (127 / max) */
        if (fabs((double)x[i] - (double)q->d * q->q[i]) > (double)q->d * 0.50002 + 0x1p-100)
            check_fail(c, "quantize_q8: %a became %d * %a", (double)x[i], q->q[i], (double)q->d);
        if (q->q[i] == -128)
            check_fail(c, "quantize_q8: -128 for %a", (double)x[i]);
    }
    float d = max < 0x1p-100f ? 0 : max / 127;
    if (!same_float(q->d, d) || !same_float(q->s, d * (float)sum))
        check_fail(c, "quantize_q8: d %a s %a, expected %a %a", (double)q->d, (double)q->s,
                   (double)d, (double)(d * (float)sum));
}

static void quantize(struct check *c, enum fill kind, size_t k, size_t shift)
{
    struct guarded x, got, want;
    const size_t bytes = k / 32 * sizeof(struct q8_block);

    guarded_open(&x, k * sizeof(float), shift);
    guarded_open(&got, bytes, shift);
    guarded_open(&want, bytes, shift);
    float *f = (float *)x.p;
    fill_floats(&c->rng, kind, f, k);
    for (size_t b = 1; b < k / 32; b += 3) /* ties: 127, then halves of a step */
        for (size_t i = 0; i < 32; i++)
            f[32 * b + i] = i ? (float)i - 15.5f : 127.0f;
    c->got->quantize_q8(f, (struct q8_block *)got.p, k);
    c->ref->quantize_q8(f, (struct q8_block *)want.p, k);
    c->compared += (long)k;
    if (memcmp(got.p, want.p, bytes) != 0)
        check_fail(c, "quantize_q8 k=%zu shift=%zu fill=%d: differs", k, shift, (int)kind);
    for (size_t b = 0; b < k / 32; b++)
        quantized_block(c, f + 32 * b, (struct q8_block *)got.p + b);
    guarded_close(&x, c, "quantize_q8 x");
    guarded_close(&got, c, "quantize_q8 q");
    guarded_close(&want, c, "quantize_q8 q");
}

static void quantize_lost(struct check *c, float bad)
{
    float x[64];
    struct q8_block q[2];
    fill_floats(&c->rng, FILL_PLAIN, x, 64);
    x[32 + rng_below(&c->rng, 32)] = bad;
    c->got->quantize_q8(x, q, 64);
    quantized_block(c, x, &q[0]);
    bool zero = true;
    for (int i = 0; i < 32; i++)
        zero = zero && q[1].q[i] == 0;
    if (!isnan(q[1].d) || !isnan(q[1].s) || !zero)
        check_fail(c, "quantize_q8: a block with %a must have d = s = NaN, q = 0", (double)bad);
}

void check_convert(struct check *c)
{
    for (size_t t = 0; t < n_types; t++)
        for (int kind = 0; kind < FILL_KINDS; kind++) {
            size_t step = wtype_info(all_types[t])->block_elems, last = step == 1 ? 40 : 3 * step;
            for (size_t k = 0; k <= last; k += step)
                dequant_type(c, all_types[t], (enum fill)kind, k, k % 4);
        }
    dequant_all(c, WTYPE_F16);
    dequant_all(c, WTYPE_BF16);
    for (int kind = 0; kind < FILL_KINDS; kind++)
        for (size_t k = 0; k <= 320; k += 32)
            quantize(c, (enum fill)kind, k, k / 32 % 4 * 4);
    quantize_lost(c, INFINITY);
    quantize_lost(c, -INFINITY);
    quantize_lost(c, NAN);
}
