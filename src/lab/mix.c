/* SPDX-License-Identifier: MIT */
#include "lab/mix.h"

#include "kernels/kernels.h"

#include <strings.h>

static const struct mix mixes[] = {
    {"f32", WTYPE_F32, WTYPE_F32, 0},       {"f16", WTYPE_F16, WTYPE_F16, 1},
    {"bf16", WTYPE_BF16, WTYPE_BF16, 32},   {"q8_0", WTYPE_Q8_0, WTYPE_Q8_0, 7},
    {"q6_k", WTYPE_Q6_K, WTYPE_Q6_K, 18},   {"q5_k_m", WTYPE_Q5_K, WTYPE_Q6_K, 17},
    {"q5_1", WTYPE_Q5_1, WTYPE_Q5_1, 9},    {"q5_0", WTYPE_Q5_0, WTYPE_Q5_0, 8},
    {"q4_k_m", WTYPE_Q4_K, WTYPE_Q6_K, 15}, {"q4_1", WTYPE_Q4_1, WTYPE_Q4_1, 3},
    {"q4_0", WTYPE_Q4_0, WTYPE_Q4_0, 2},
};

const struct mix *mix_at(size_t i)
{
    return i < sizeof mixes / sizeof *mixes ? &mixes[i] : NULL;
}

const struct mix *mix_find(const char *name)
{
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (strcasecmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

static bool divides(uint32_t type, uint64_t row_elems)
{
    return row_elems % wtype_info(type)->block_elems == 0;
}

/* The first and the last eighth, and every third between. */
static bool has_more_bits(int32_t layer, int32_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

static uint32_t wanted(const struct mix *m, enum mix_role role, int32_t layer, int32_t n_layers,
                       uint64_t row_elems, bool tied)
{
    bool is_head = role == MIX_HEAD || (tied && role == MIX_EMBEDDING);
    if (wtype_info(m->type)->block_elems == 1)
        return m->type;
    if (is_head && (m->type == WTYPE_Q8_0 || !divides(m->type, row_elems)))
        return WTYPE_Q8_0;
    if (is_head)
        return WTYPE_Q6_K;
    bool may = role == MIX_VALUES || role == MIX_DOWN;
    return may && has_more_bits(layer, n_layers) ? m->more : m->type;
}

uint32_t mix_type(const struct mix *m, enum mix_role role, int32_t layer, int32_t n_layers,
                  uint64_t row_elems, bool tied)
{
    uint32_t type = wanted(m, role, layer, n_layers, row_elems, tied);
    if (divides(type, row_elems))
        return type;
    uint32_t near = type == WTYPE_Q4_K   ? WTYPE_Q5_0
                    : type == WTYPE_Q5_K ? WTYPE_Q5_1
                    : type == WTYPE_Q6_K ? WTYPE_Q8_0
                                         : type;
    return divides(near, row_elems) ? near : WTYPE_F16;
}
