/* SPDX-License-Identifier: MIT */
/* Sums of products of codes and activations with the dot product instructions (FEAT_DotProd): four
 * products are added to 32 bits in one. */
#ifndef WATTLE_KERNELS_ARM_DOTS_DOTPROD_H
#define WATTLE_KERNELS_ARM_DOTS_DOTPROD_H

#include "kernels/arm/scales.h"

enum { DOTS_SPLIT = 0, DOTS_SIGNED = 1, DOTS_COLUMNS = 4 };

struct dots {
    struct v8i rows;
};

wide_inline int dots_steps(int bits)
{
    (void)bits;
    return 8;
}

wide_inline struct dots dots_zero(void)
{
    return (struct dots){v8i_zero()};
}

wide_inline struct dots dots_add(struct dots t, struct v32b codes, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    const int8x16_t all = vreinterpretq_s8_s32(vdupq_n_s32(four));
    return (struct dots){
        {vdotq_s32(t.rows.low, codes.low, all), vdotq_s32(t.rows.high, codes.high, all)}};
}

/* sum + t * scale (both of a row's are the same) */
wide_inline struct v8i dots_flush_scaled(struct v8i sum, struct dots t, struct scales scale)
{
    return (struct v8i){vmlaq_s32(sum.low, t.rows.low, scale.of[0].low),
                        vmlaq_s32(sum.high, t.rows.high, scale.of[0].high)};
}

wide_inline struct v8i dots_flush(struct v8i sum, struct dots t)
{
    return (struct v8i){vaddq_s32(sum.low, t.rows.low), vaddq_s32(sum.high, t.rows.high)};
}

#endif
