/* SPDX-License-Identifier: MIT */
/* What a core can do at the most: reading memory, multiplying 8-bit integers, multiplying floats.
 * The yardsticks of wattle bench: nothing is computed with them.
 *
 * The arithmetic stays in registers, with as many sums at once as hide an instruction's latency.
 * One core each; a machine's limit is that of all its threads at once. Each by the plainest way
 * that the instruction set has: AVX2 multiplies pairs, widens and adds (three instructions), VNNI
 * and Arm's dot product do so in one. Included by kernels.h. */
#ifndef WATTLE_KERNELS_PEAK_H
#define WATTLE_KERNELS_PEAK_H

#include <stddef.h>
#include <stdint.h>

struct peak {
    const char *isa;            /* of the integer products: "avx2", "avx512vnni" */
    size_t int8_macs, f32_macs; /* multiply-adds in one round */
    /* Reads n bytes, a multiple of 512, from an address that is a multiple of 64. What comes back
     * depends on all of them, so that none can be left out. */
    uint64_t (*read)(const void *p, size_t n);
    /* 8-bit by 8-bit into 32 bits. */
    int32_t (*int8)(size_t rounds);
    float (*f32)(size_t rounds);
};

#endif
