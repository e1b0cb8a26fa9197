/* SPDX-License-Identifier: MIT */
/* The packed layout: its sizes, and how weights are put into it. */
#include "kernels/packed.h"

#include "base/base.h"
#include "kernels/bits.h"
#include "kernels/ref/packed.h"
#include "kernels/ref/ref.h"

static const struct packed_form forms[] = {
    {WTYPE_Q4_0, 1, 16, 0, 4, 8},  {WTYPE_Q4_1, 1, 32, 0, 4, 0},   {WTYPE_Q5_0, 1, 16, 0, 5, 16},
    {WTYPE_Q5_1, 1, 32, 0, 5, 0},  {WTYPE_Q8_0, 1, 16, 0, 8, 128}, {WTYPE_Q4_K, 8, 32, 16, 4, 0},
    {WTYPE_Q5_K, 8, 32, 16, 5, 0}, {WTYPE_Q6_K, 8, 16, 16, 6, 32},
};

const struct packed_form *packed_form(uint32_t type)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].type == type)
            return &forms[i];
    return NULL;
}

size_t packed_sub_bytes(const struct packed_form *f)
{
    return (size_t)f->scales + (size_t)f->bits * 32;
}

size_t packed_block_bytes(const struct packed_form *f)
{
    return f->head + f->n_subs * packed_sub_bytes(f);
}

bool packed_has(uint32_t type)
{
    return packed_form(type) != NULL;
}

bool packed_group_bytes(uint32_t type, size_t k, size_t *out)
{
    const struct packed_form *f = packed_form(type);
    return f && size_mul(k / (32u * f->n_subs), packed_block_bytes(f), out);
}

bool packed_bytes(uint32_t type, size_t k, size_t n_rows, size_t *out)
{
    size_t group;
    return packed_group_bytes(type, k, &group) &&
           size_mul(n_rows / PACKED_ROWS + (n_rows % PACKED_ROWS != 0), group, out);
}

/* Code l of row r into eight rows' codes, which are 0 so far. */
static void put_code(uint8_t *codes, unsigned bits, unsigned r, unsigned l, unsigned code)
{
    unsigned step = l / 4, byte = 4 * r + l % 4;
    if (bits == 8) {
        codes[32 * step + byte] = (uint8_t)code;
        return;
    }
    codes[32 * (step % 4) + byte] |= (uint8_t)((code & 15) << 4 * (step / 4));
    if (bits == 5)
        codes[128 + byte] |= (uint8_t)(code >> 4 << step);
    if (bits == 6)
        codes[128 + 32 * (step / 4) + byte] |= (uint8_t)(code >> 4 << 2 * (step % 4));
}

/* Where a block of the file has d and its minimum. */
static const uint8_t *block_scale(uint32_t type, const uint8_t *block, unsigned i)
{
    return block + (type == WTYPE_Q6_K ? 208 : 0) + 2 * i;
}

/* Row r's scale and minimum (Q6_K: scales of the halves) of a sub-block. */
static void put_scales(uint32_t type, const uint8_t *block, unsigned sub, unsigned r, uint8_t *out)
{
    int scale, min;
    if (type == WTYPE_Q6_K) {
        memcpy(out + 2 * r, block + 192 + 2 * sub, 2);
        return;
    }
    ref_k_scale(block + 4, sub, &scale, &min);
    out[r] = (uint8_t)scale;
    out[8 + r] = (uint8_t)min;
}

/* Block b of row r. */
static void put_block(const struct packed_form *f, const uint8_t *row, size_t b, unsigned r,
                      uint8_t *out)
{
    const uint8_t *block = row + b * wtype_info(f->type)->block_bytes;
    for (unsigned i = 0; i < f->head / 16u; i++)
        memcpy(out + 16 * i + 2 * r, block_scale(f->type, block, i), 2);
    out += f->head;
    for (unsigned i = 0; i < f->n_subs; i++, out += packed_sub_bytes(f)) {
        struct ref_sub s;
        ref_read_sub(f->type, row, b * f->n_subs + i, &s);
        if (f->scales)
            put_scales(f->type, block, i, r, out);
        for (unsigned l = 0; l < 32; l++)
            put_code(out + f->scales, f->bits, r, l, (unsigned)(s.w[l] + f->offset));
    }
}

void pack_group(uint32_t type, const void *rows, size_t row_bytes, size_t k, size_t n_rows,
                void *out)
{
    const struct packed_form *f = packed_form(type);
    size_t block = f ? packed_block_bytes(f) : 0, n_blocks = f ? k / (32u * f->n_subs) : 0;
    memset(out, 0, n_blocks * block);
    for (size_t b = 0; b < n_blocks; b++)
        for (unsigned r = 0; r < n_rows && r < PACKED_ROWS; r++)
            put_block(f, (const uint8_t *)rows + r * row_bytes, b, r, (uint8_t *)out + b * block);
}
