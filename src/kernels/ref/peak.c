/* SPDX-License-Identifier: MIT */
/* Peaks in plain C: what the compiler makes of it. The operands lie in the first-level cache, since
 * C has no registers to name. */
#include "kernels/ref/ref.h"

#include <string.h>

enum { LANES = 32, STEPS = 8 };

static uint64_t ref_read(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    uint64_t sums[8] = {0}, sum = 0;
    for (size_t i = 0; i < n; i += sizeof sums) {
        uint64_t words[8];
        memcpy(words, bytes + i, sizeof words);
        for (int j = 0; j < 8; j++)
            sums[j] += words[j];
    }
    for (int j = 0; j < 8; j++)
        sum += sums[j];
    return sum;
}

static int32_t ref_int8(size_t rounds)
{
    int8_t w[STEPS][LANES], x[STEPS][LANES];
    int32_t sums[LANES] = {0}, sum = 0;
    for (int i = 0; i < STEPS * LANES; i++) {
        w[i / LANES][i % LANES] = (int8_t)(i * 7);
        x[i / LANES][i % LANES] = (int8_t)(i * 13);
    }
    for (size_t r = 0; r < rounds; r++)
        for (size_t s = 0; s < STEPS; s++)
            for (int i = 0; i < LANES; i++) /* (r + s) % STEPS: not the same product each round */
                sums[i] =
                    (int32_t)((uint32_t)sums[i] + (uint32_t)(w[(r + s) % STEPS][i] * x[s][i]));
    for (int i = 0; i < LANES; i++)
        sum = (int32_t)((uint32_t)sum + (uint32_t)sums[i]);
    return sum;
}

static float ref_f32(size_t rounds)
{
    float w[STEPS][LANES], sums[LANES] = {0}, sum = 0;
    for (int i = 0; i < STEPS * LANES; i++)
        w[i / LANES][i % LANES] = 1.0f / (float)(i + 1);
    for (size_t r = 0; r < rounds; r++)
        for (size_t s = 0; s < STEPS; s++)
            for (int i = 0; i < LANES; i++)
                sums[i] = sums[i] * 0.5f + w[(r + s) % STEPS][i];
    for (int i = 0; i < LANES; i++)
        sum += sums[i];
    return sum;
}

const struct peak peak_ref = {
    .isa = "c",
    .int8_macs = STEPS * LANES,
    .f32_macs = STEPS * LANES,
    .read = ref_read,
    .int8 = ref_int8,
    .f32 = ref_f32,
};
