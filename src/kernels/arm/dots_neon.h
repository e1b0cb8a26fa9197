/* SPDX-License-Identifier: MIT */
/* Sums of products of codes and activations without the dot product instructions: one 16-bit sum
 * for each of a step's 32 places, over as many steps as fit. A step of codes of b bits adds at most
 * 127 * (2^b - 1): 8 steps of 5 bits 31496, 4 of 6 bits 32004; of bytes, which go in as signed, 2
 * steps 32512. */
#ifndef WATTLE_KERNELS_ARM_DOTS_NEON_H
#define WATTLE_KERNELS_ARM_DOTS_NEON_H

#include "kernels/arm/scales.h"

enum { DOTS_SPLIT = 0, DOTS_SIGNED = 1, DOTS_COLUMNS = 4 };

struct dots {
    int16x8_t v[4]; /* rows 0 and 1, 2 and 3, … */
};

wide_inline int dots_steps(int bits)
{
    return bits == 6 ? 4 : bits == 8 ? 2 : 8;
}

wide_inline struct dots dots_zero(void)
{
    const int16x8_t zero = vdupq_n_s16(0);
    return (struct dots){{zero, zero, zero, zero}};
}

wide_inline struct dots dots_add(struct dots t, struct v32b codes, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    const int8x16_t all = vreinterpretq_s8_s32(vdupq_n_s32(four));
    return (struct dots){{vmlal_s8(t.v[0], vget_low_s8(codes.low), vget_low_s8(all)),
                          vmlal_high_s8(t.v[1], codes.low, all),
                          vmlal_s8(t.v[2], vget_low_s8(codes.high), vget_low_s8(all)),
                          vmlal_high_s8(t.v[3], codes.high, all)}};
}

wide_inline struct v8i dots_rows(struct dots t)
{
    return (struct v8i){vpaddq_s32(vpaddlq_s16(t.v[0]), vpaddlq_s16(t.v[1])),
                        vpaddq_s32(vpaddlq_s16(t.v[2]), vpaddlq_s16(t.v[3]))};
}

/* sum + t * scale (both of a row's are the same) */
wide_inline struct v8i dots_flush_scaled(struct v8i sum, struct dots t, struct scales scale)
{
    const struct v8i rows = dots_rows(t);
    return (struct v8i){vmlaq_s32(sum.low, rows.low, scale.of[0].low),
                        vmlaq_s32(sum.high, rows.high, scale.of[0].high)};
}

wide_inline struct v8i dots_flush(struct v8i sum, struct dots t)
{
    const struct v8i rows = dots_rows(t);
    return (struct v8i){vaddq_s32(sum.low, rows.low), vaddq_s32(sum.high, rows.high)};
}

#endif
