/* SPDX-License-Identifier: MIT */
/* Sums of products of codes and activations without VNNI: pairs of products are added in 16 bits,
 * and so are a few steps one after another before they are widened, which is what makes small codes
 * cheap: one multiplication and one addition for 32 products. A step of codes of b bits adds at
 * most 2 * 127 * (2^b - 1) to a lane: 8 steps of 4 bits 30480, 4 of 5 bits 31496, 2 of 6 bits
 * 32004. Bytes go in as two nibbles. */
#ifndef WATTLE_KERNELS_X86_DOTS_AVX2_H
#define WATTLE_KERNELS_X86_DOTS_AVX2_H

#include "kernels/x86/scales.h"

enum { DOTS_SPLIT = 1, DOTS_SIGNED = 0, DOTS_COLUMNS = 4 };

struct dots {
    __m256i v; /* two 16-bit sums a row */
};

wide_inline int dots_steps(int bits)
{
    return bits == 5 ? 4 : bits == 6 ? 2 : 8;
}

wide_inline struct dots dots_zero(void)
{
    return (struct dots){_mm256_setzero_si256()};
}

wide_inline struct dots dots_add(struct dots t, struct v32b codes, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    __m256i pairs = _mm256_maddubs_epi16(codes.v, _mm256_set1_epi32(four));
    t.v = _mm256_add_epi16(t.v, pairs);
    __asm__("" : "+x"(t.v)); /* or the compiler adds in another order and runs out of registers */
    return t;
}

/* sum + t * scale (both of a row's are the same) */
wide_inline struct v8i dots_flush_scaled(struct v8i sum, struct dots t, struct scales scale)
{
    return (struct v8i){_mm256_add_epi32(sum.v, _mm256_madd_epi16(t.v, scale.pairs))};
}

wide_inline struct v8i dots_flush(struct v8i sum, struct dots t)
{
    return dots_flush_scaled(sum, t, scales_all(1));
}

#endif
