/* SPDX-License-Identifier: MIT */
/* Two small integers for each of eight rows: what wide/mul_packed.h multiplies sums with. Included
 * by the dots files. */
#ifndef WATTLE_KERNELS_ARM_SCALES_H
#define WATTLE_KERNELS_ARM_SCALES_H

#include "kernels/arm/lanes.h"

struct scales {
    struct v8i of[2]; /* the first half's, the second's */
};

wide_inline struct v8i v8i_zero(void)
{
    return (struct v8i){vdupq_n_s32(0), vdupq_n_s32(0)};
}

/* n for all. */
wide_inline struct scales scales_all(int n)
{
    const struct v8i all = {vdupq_n_s32(n), vdupq_n_s32(n)};
    return (struct scales){{all, all}};
}

wide_inline struct v8i widen(int16x8_t a)
{
    return (struct v8i){vmovl_s16(vget_low_s16(a)), vmovl_high_s16(a)};
}

/* A byte a row, for both halves. */
wide_inline struct scales scales_of_bytes(const uint8_t *p)
{
    const struct v8i all = widen(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p))));
    return (struct scales){{all, all}};
}

/* Two signed bytes a row. */
wide_inline struct scales scales_of_halves(const uint8_t *p)
{
    const int8x8x2_t both = vld2_s8((const int8_t *)p);
    return (struct scales){{widen(vmovl_s8(both.val[0])), widen(vmovl_s8(both.val[1]))}};
}

/* Half h's for both. */
wide_inline struct scales scales_half(struct scales s, int h)
{
    return (struct scales){{s.of[h], s.of[h]}};
}

wide_inline struct scales scales_times(struct scales s, int n)
{
    for (int h = 0; h < 2; h++)
        s.of[h] = (struct v8i){vmulq_n_s32(s.of[h].low, n), vmulq_n_s32(s.of[h].high, n)};
    return s;
}

/* scale[0] * half[0] + scale[1] * half[1] */
wide_inline struct v8i scales_dot_halves(struct scales s, const int16_t half[2])
{
    return (struct v8i){vmlaq_n_s32(vmulq_n_s32(s.of[0].low, half[0]), s.of[1].low, half[1]),
                        vmlaq_n_s32(vmulq_n_s32(s.of[0].high, half[0]), s.of[1].high, half[1])};
}

#endif
