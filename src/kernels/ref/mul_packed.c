/* SPDX-License-Identifier: MIT */
/* Dot products of packed rows with activation columns. Layout: packed.h. */
#include "kernels/ref/ref.h"

#include "kernels/bits.h"
#include "kernels/ref/packed.h"

#include <math.h>

/* Code l of row r. */
static int code_at(const uint8_t *codes, unsigned bits, unsigned r, unsigned l)
{
    unsigned step = l / 4, byte = 4 * r + l % 4;
    if (bits == 8)
        return codes[32 * step + byte];
    int code = codes[32 * (step % 4) + byte] >> 4 * (step / 4) & 15;
    if (bits == 5)
        code |= (codes[128 + byte] >> step & 1) << 4;
    if (bits == 6)
        code |= (codes[128 + 32 * (step / 4) + byte] >> 2 * (step % 4) & 3) << 4;
    return code;
}

/* (code - offset) * x over elements [l0, l1). */
static int dot_codes(const struct packed_form *f, const uint8_t *codes, unsigned r,
                     const struct q8_block *x, unsigned l0, unsigned l1)
{
    int t = 0;
    for (unsigned l = l0; l < l1; l++)
        t += (code_at(codes, f->bits, r, l) - f->offset) * x->q[l];
    return t;
}

/* The scale times the products of row r's sub-block, an integer. */
static int dot_scaled(const struct packed_form *f, const uint8_t *sub, unsigned r,
                      const struct q8_block *x)
{
    const uint8_t *codes = sub + f->scales;
    if (f->type == WTYPE_Q6_K)
        return (int8_t)sub[2 * r] * dot_codes(f, codes, r, x, 0, 16) +
               (int8_t)sub[2 * r + 1] * dot_codes(f, codes, r, x, 16, 32);
    return (f->scales ? sub[r] : 1) * dot_codes(f, codes, r, x, 0, 32);
}

static float half_at(const uint8_t *head, unsigned i, unsigned r)
{
    return float_from_half(load_u16(head + 16 * i + 2 * r));
}

/* Row r of a group of n_blocks blocks. */
static float dot_packed(const struct packed_form *f, const uint8_t *group, size_t n_blocks,
                        unsigned r, const struct q8_block *x)
{
    float sum = 0, min = 0;
    const uint8_t *block = group;
    for (size_t b = 0; b < n_blocks; b++, block += packed_block_bytes(f), x += f->n_subs) {
        const uint8_t *sub = block + f->head;
        float d = half_at(block, 0, r), m = f->head > 16 ? half_at(block, 1, r) : 0;
        if (f->n_subs == 1) {
            sum = fmaf(d * x->d, (float)dot_scaled(f, sub, r, x), sum);
            min = f->head > 16 ? fmaf(m, x->s, min) : 0;
            continue;
        }
        float part = 0, part_min = 0;
        for (unsigned i = 0; i < f->n_subs; i++, sub += packed_sub_bytes(f)) {
            part = fmaf(x[i].d, (float)dot_scaled(f, sub, r, x + i), part);
            if (f->head > 16)
                part_min = fmaf((float)sub[8 + r], x[i].s, part_min);
        }
        sum = fmaf(d, part, sum);
        min = f->head > 16 ? fmaf(-m, part_min, min) : 0;
    }
    return f->head > 16 ? sum + min : sum;
}

void ref_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                    const struct q8_block *x, size_t n, float *out, size_t out_stride)
{
    const struct packed_form *f = packed_form(type);
    size_t n_blocks = f ? k / (32u * f->n_subs) : 0;
    for (size_t r = row0; f && r < row1; r++) {
        const uint8_t *group =
            (const uint8_t *)w + r / PACKED_ROWS * n_blocks * packed_block_bytes(f);
        for (size_t c = 0; c < n; c++)
            out[c * out_stride + r - row0] =
                dot_packed(f, group, n_blocks, r % PACKED_ROWS, x + c * (k / 32));
    }
}
