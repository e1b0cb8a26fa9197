/* SPDX-License-Identifier: MIT */
/* Sums of products of codes and activations with VNNI: four products are added to 32 bits in one
 * instruction. VNNI_DOT is the intrinsic: AVX-VNNI and AVX-512 with VL spell it differently.
 * VNNI_COLUMNS: what its registers allow. */
#ifndef WATTLE_KERNELS_X86_DOTS_VNNI_H
#define WATTLE_KERNELS_X86_DOTS_VNNI_H

#include "kernels/x86/scales.h"

enum { DOTS_SPLIT = 0, DOTS_SIGNED = 0, DOTS_COLUMNS = VNNI_COLUMNS };

struct dots {
    __m256i v; /* a 32-bit sum a row */
};

wide_inline int dots_steps(int bits)
{
    (void)bits;
    return 8;
}

wide_inline struct dots dots_zero(void)
{
    return (struct dots){_mm256_setzero_si256()};
}

wide_inline struct dots dots_add(struct dots t, struct v32b codes, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return (struct dots){VNNI_DOT(t.v, codes.v, _mm256_set1_epi32(four))};
}

/* sum + t * scale (both of a row's are the same) */
wide_inline struct v8i dots_flush_scaled(struct v8i sum, struct dots t, struct scales scale)
{
    __m256i one = _mm256_srai_epi32(scale.pairs, 16);
    return (struct v8i){_mm256_add_epi32(sum.v, _mm256_mullo_epi32(t.v, one))};
}

wide_inline struct v8i dots_flush(struct v8i sum, struct dots t)
{
    return (struct v8i){_mm256_add_epi32(sum.v, t.v)};
}

#endif
