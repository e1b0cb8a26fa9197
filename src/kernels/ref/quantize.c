/* SPDX-License-Identifier: MIT */
/* Rows of every type that can be written: contract in quantize.h. */
#include "kernels/ref/quantize.h"

#include <string.h>

bool quantize_has(uint32_t type)
{
    switch (type) {
    case WTYPE_F32:
    case WTYPE_F16:
    case WTYPE_BF16:
    case WTYPE_Q8_0:
    case WTYPE_Q4_0:
    case WTYPE_Q4_1:
    case WTYPE_Q5_0:
    case WTYPE_Q5_1:
    case WTYPE_Q4_K:
    case WTYPE_Q5_K:
    case WTYPE_Q6_K:
        return true;
    default:
        return false;
    }
}

static void store(uint8_t *p, uint32_t v, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* The upper half of a binary32, rounded to nearest, ties to even. */
static uint32_t bf16_from_float(float f)
{
    uint32_t bits = bits_from_float(f);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

void quantize_row(uint32_t type, const float *x, const float *importance, void *row, size_t k)
{
    uint8_t *out = row;
    switch (type) {
    case WTYPE_F32:
        for (size_t i = 0; i < k; i++)
            store(out + 4 * i, bits_from_float(x[i]), 4);
        break;
    case WTYPE_F16:
        for (size_t i = 0; i < k; i++)
            store(out + 2 * i, half_from_float(x[i]), 2);
        break;
    case WTYPE_BF16:
        for (size_t i = 0; i < k; i++)
            store(out + 2 * i, bf16_from_float(x[i]), 2);
        break;
    case WTYPE_Q4_K:
    case WTYPE_Q5_K:
    case WTYPE_Q6_K:
        quantize_k(type, x, importance, row, k);
        break;
    default:
        quantize_small(type, x, importance, row, k);
        break;
    }
}
