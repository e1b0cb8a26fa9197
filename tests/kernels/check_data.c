/* SPDX-License-Identifier: MIT */
/* Weights and activations for the kernel checks. */
#include "check.h"

#include <string.h>

const uint32_t all_types[] = {WTYPE_F32,   WTYPE_F16,    WTYPE_BF16,   WTYPE_F64,   WTYPE_I8,
                              WTYPE_Q8_0,  WTYPE_Q4_0,   WTYPE_Q4_1,   WTYPE_Q5_0,  WTYPE_Q5_1,
                              WTYPE_Q2_K,  WTYPE_Q3_K,   WTYPE_Q4_K,   WTYPE_Q5_K,  WTYPE_Q6_K,
                              WTYPE_Q8_K,  WTYPE_IQ4_NL, WTYPE_IQ4_XS, WTYPE_MXFP4, WTYPE_NVFP4,
                              WTYPE_TQ1_0, WTYPE_TQ2_0};
const size_t n_types = sizeof all_types / sizeof *all_types;

/* A finite binary16. Wild ones: largest, smallest normal, largest and smallest subnormal, zeros. */
static uint16_t random_half(struct rng *r, enum fill kind)
{
    static const uint16_t wild[] = {0x7bff, 0xfbff, 0x0400, 0x8400, 0x03ff,
                                    0x83ff, 0x0001, 0x8001, 0x0000, 0x8000};
    if (kind == FILL_ZERO)
        return 0;
    if (kind == FILL_WILD)
        return wild[rng_below(r, sizeof wild / sizeof *wild)];
    /* 2^-8 to 2^-3, either sign */
    return (uint16_t)(rng_below(r, 2) << 15 | (7 + rng_below(r, 5)) << 10 | rng_below(r, 1024));
}

static void put_half(uint8_t *p, uint16_t h)
{
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

static float random_float(struct rng *r, enum fill kind)
{
    static const float wild[] = {1e30f, -1e30f, 1e-30f, -1e-38f, 1e-40f, -1e-45f,
                                 0.0f,  -0.0f,  1.0f,   -127.5f, 0.5f,   3.0f};
    if (kind == FILL_ZERO)
        return 0;
    if (kind == FILL_WILD)
        return wild[rng_below(r, sizeof wild / sizeof *wild)];
    /* A sum of uniform numbers: bell-shaped as activations are. */
    return (float)(rng_unit(r) + rng_unit(r) + rng_unit(r) + rng_unit(r) - 2.0);
}

void fill_floats(struct rng *r, enum fill kind, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(r, kind);
}

/* Where the scales of a block are. */
static void fill_scales(struct rng *r, uint32_t type, enum fill kind, uint8_t *block)
{
    float f = random_float(r, kind == FILL_WILD ? FILL_PLAIN : kind);
    switch (type) {
    case WTYPE_Q2_K:
        put_half(block + 80, random_half(r, kind));
        put_half(block + 82, random_half(r, kind));
        break;
    case WTYPE_Q3_K:
        put_half(block + 108, random_half(r, kind));
        break;
    case WTYPE_Q6_K:
        put_half(block + 208, random_half(r, kind));
        break;
    case WTYPE_Q8_K:
        memcpy(block, &f, 4);
        break;
    case WTYPE_MXFP4: /* 2^-8 to 2^-1; or all there are */
        block[0] = (uint8_t)(kind == FILL_WILD ? rng_u64(r) : 120 + rng_below(r, 8));
        break;
    case WTYPE_NVFP4: /* no bits that are not finite */
    case WTYPE_I8:
        break;
    case WTYPE_TQ1_0:
        put_half(block + 52, random_half(r, kind));
        break;
    case WTYPE_TQ2_0:
        put_half(block + 64, random_half(r, kind));
        break;
    default:
        put_half(block, random_half(r, kind));
        if (type == WTYPE_Q4_1 || type == WTYPE_Q5_1 || type == WTYPE_Q4_K || type == WTYPE_Q5_K)
            put_half(block + 2, random_half(r, kind));
        break;
    }
}

void fill_weights(struct rng *r, uint32_t type, enum fill kind, uint8_t *row, size_t k)
{
    static const uint8_t extreme[] = {0x80, 0x7f, 0xff, 0x00, 0x81};
    const struct wtype_info *info = wtype_info(type);

    for (size_t b = 0; b < k / info->block_elems; b++, row += info->block_bytes) {
        float f = random_float(r, kind);
        if (type == WTYPE_F32) {
            memcpy(row, &f, 4);
        } else if (type == WTYPE_F64) {
            double d = (double)f * (1 + 1e-9); /* between floats */
            memcpy(row, &d, 8);
        } else if (type == WTYPE_BF16) {
            uint32_t bits;
            memcpy(&bits, &f, 4);
            put_half(row, (uint16_t)(bits >> 16));
        } else if (type == WTYPE_F16) {
            put_half(row, random_half(r, kind));
        } else {
            for (size_t i = 0; i < info->block_bytes; i++)
                row[i] = kind == FILL_WILD && rng_below(r, 2)
                             ? extreme[rng_below(r, sizeof extreme)]
                             : (uint8_t)rng_u64(r);
            fill_scales(r, type, kind, row);
        }
    }
}
