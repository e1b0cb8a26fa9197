/* SPDX-License-Identifier: MIT */
/* Eight lanes on AArch64's Advanced SIMD, as two registers of four: what wide/ is written in.
 * Static inline only. x86/lanes.h has the same names; what they mean is told there once more only
 * where the two differ.
 *
 *   v8f   eight floats                     v8i   eight int32
 *   v32b  32 bytes: small weights          v8d   eight doubles
 *
 * Long because it has every name of x86/lanes.h, one after another. */
#ifndef WATTLE_KERNELS_ARM_LANES_H
#define WATTLE_KERNELS_ARM_LANES_H

#include "kernels/wide/inline.h"

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct v8f {
    float32x4_t low, high;
};
struct v8i {
    int32x4_t low, high;
};
struct v32b {
    int8x16_t low, high;
};
struct v8d {
    float64x2_t v[4];
};

/* --- floats --- */

wide_inline struct v8f v8f_set1(float f)
{
    return (struct v8f){vdupq_n_f32(f), vdupq_n_f32(f)};
}

wide_inline struct v8f v8f_zero(void)
{
    return v8f_set1(0);
}

/* Lane `low` in lanes 0..3, lane `high` in lanes 4..7: by index, which is a constant once loops are
 * unrolled, because the intrinsics want one before that. */
wide_inline struct v8f v8f_spread(struct v8f a, int low, int high)
{
    return (struct v8f){vdupq_n_f32(low < 4 ? a.low[low] : a.high[low - 4]),
                        vdupq_n_f32(high < 4 ? a.low[high] : a.high[high - 4])};
}

/* At any address: by bytes. */
wide_inline struct v8f v8f_load(const void *p)
{
    return (struct v8f){vreinterpretq_f32_u8(vld1q_u8(p)),
                        vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)p + 16))};
}

wide_inline void v8f_store(float *p, struct v8f a)
{
    vst1q_f32(p, a.low);
    vst1q_f32(p + 4, a.high);
}

wide_inline void v8f_load_pairs(const float *p, struct v8f *even, struct v8f *odd)
{
    float32x4x2_t low = vld2q_f32(p), high = vld2q_f32(p + 8);
    *even = (struct v8f){low.val[0], high.val[0]};
    *odd = (struct v8f){low.val[1], high.val[1]};
}

wide_inline void v8f_store_pairs(float *p, struct v8f even, struct v8f odd)
{
    vst2q_f32(p, (float32x4x2_t){{even.low, odd.low}});
    vst2q_f32(p + 8, (float32x4x2_t){{even.high, odd.high}});
}

wide_inline struct v8f v8f_from_halves(const uint8_t *p)
{
    float16x8_t h = vreinterpretq_f16_u8(vld1q_u8(p));
    return (struct v8f){vcvt_f32_f16(vget_low_f16(h)), vcvt_high_f32_f16(h)};
}

wide_inline struct v8f v8f_from_bf16(const uint8_t *p)
{
    uint16x8_t b = vreinterpretq_u16_u8(vld1q_u8(p));
    return (struct v8f){vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(b), 16)),
                        vreinterpretq_f32_u32(vshll_high_n_u16(b, 16))};
}

wide_inline float half_at(const uint8_t *p)
{
    __fp16 h;
    memcpy(&h, p, sizeof h);
    return (float)h;
}

wide_inline struct v8f v8f_from_half_pairs(const uint8_t *p, size_t row_bytes, int rows)
{
    uint8_t pairs[16];
#pragma GCC unroll 16
    for (int r = 0; r < 4; r++)
        memcpy(pairs + 4 * r, p + (size_t)(r % rows) * row_bytes, 4);
    return v8f_from_halves(pairs);
}

wide_inline struct v8f v8f_from_half_twice(const uint8_t *p, size_t row_bytes, int rows)
{
    uint8_t pairs[16];
#pragma GCC unroll 16
    for (int r = 0; r < 8; r++)
        memcpy(pairs + 2 * r, p + (size_t)(r / 2 % rows) * row_bytes, 2);
    return v8f_from_halves(pairs);
}

wide_inline struct v8f v8f_twice(const uint32_t bits[4])
{
    float32x4_t four = vreinterpretq_f32_u32(vld1q_u32(bits));
    return (struct v8f){vzip1q_f32(four, four), vzip2q_f32(four, four)};
}

wide_inline float32x4_t floats_from_f64(const uint8_t *p)
{
    float64x2_t low = vreinterpretq_f64_u8(vld1q_u8(p));
    return vcvt_high_f32_f64(vcvt_f32_f64(low), vreinterpretq_f64_u8(vld1q_u8(p + 16)));
}

wide_inline struct v8f v8f_from_f64(const uint8_t *p)
{
    return (struct v8f){floats_from_f64(p), floats_from_f64(p + 32)};
}

wide_inline struct v8f v8f_from_ue4m3(const uint8_t *p)
{
    const float32x4_t scale = vdupq_n_f32(0x1p119f);
    uint8x8_t e = vld1_u8(p);
    uint8x8_t lost = vceq_u8(e, vdup_n_u8(0x7f));
    uint16x8_t wide = vshll_n_u8(vbic_u8(vand_u8(e, vdup_n_u8(0x7f)), lost), 4);
    uint32x4_t low = vshll_n_u16(vget_low_u16(wide), 16), high = vshll_high_n_u16(wide, 16);
    return (struct v8f){vmulq_f32(vreinterpretq_f32_u32(low), scale),
                        vmulq_f32(vreinterpretq_f32_u32(high), scale)};
}

wide_inline struct v8f v8f_add(struct v8f a, struct v8f b)
{
    return (struct v8f){vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
}

wide_inline struct v8f v8f_sub(struct v8f a, struct v8f b)
{
    return (struct v8f){vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)};
}

wide_inline struct v8f v8f_mul(struct v8f a, struct v8f b)
{
    return (struct v8f){vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}

wide_inline struct v8f v8f_div(struct v8f a, struct v8f b)
{
    return (struct v8f){vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)};
}

/* a * b + c, one rounding. */
wide_inline struct v8f v8f_fma(struct v8f a, struct v8f b, struct v8f c)
{
    return (struct v8f){vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}

wide_inline struct v8f v8f_max(struct v8f a, struct v8f b)
{
    return (struct v8f){vmaxq_f32(a.low, b.low), vmaxq_f32(a.high, b.high)};
}

wide_inline struct v8f v8f_minus_abs(struct v8f a)
{
    return (struct v8f){vnegq_f32(vabsq_f32(a.low)), vnegq_f32(vabsq_f32(a.high))};
}

/* x < bound ? a : b, lane by lane. */
wide_inline struct v8f v8f_if_less(struct v8f x, struct v8f bound, struct v8f a, struct v8f b)
{
    return (struct v8f){vbslq_f32(vcltq_f32(x.low, bound.low), a.low, b.low),
                        vbslq_f32(vcltq_f32(x.high, bound.high), a.high, b.high)};
}

wide_inline float32x4_t exp2_of_rounded(float32x4_t t)
{
    uint32x4_t n = vshlq_n_u32(vreinterpretq_u32_f32(t), 23);
    return vreinterpretq_f32_u32(vaddq_u32(n, vdupq_n_u32(0x3f800000)));
}

wide_inline struct v8f v8f_exp2_of_rounded(struct v8f t)
{
    return (struct v8f){exp2_of_rounded(t.low), exp2_of_rounded(t.high)};
}

/* ((0+4) + (2+6)) + ((1+5) + (3+7)) */
wide_inline float v8f_fold(struct v8f a)
{
    float32x4_t four = vaddq_f32(a.low, a.high);
    return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}

wide_inline float v8f_fold_max(struct v8f a)
{
    return vmaxvq_f32(vmaxq_f32(a.low, a.high));
}

/* --- doubles --- */

wide_inline struct v8d v8d_zero(void)
{
    const float64x2_t zero = vdupq_n_f64(0);
    return (struct v8d){{zero, zero, zero, zero}};
}

wide_inline struct v8d v8d_from_floats(struct v8f x)
{
    return (struct v8d){{vcvt_f64_f32(vget_low_f32(x.low)), vcvt_high_f64_f32(x.low),
                         vcvt_f64_f32(vget_low_f32(x.high)), vcvt_high_f64_f32(x.high)}};
}

wide_inline struct v8d v8d_add_square(struct v8d acc, struct v8f x)
{
    const struct v8d d = v8d_from_floats(x);
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++)
        acc.v[i] = vfmaq_f64(acc.v[i], d.v[i], d.v[i]);
    return acc;
}

wide_inline struct v8d v8d_add_floats(struct v8d acc, struct v8f x)
{
    const struct v8d d = v8d_from_floats(x);
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++)
        acc.v[i] = vaddq_f64(acc.v[i], d.v[i]);
    return acc;
}

/* x - b in double. */
wide_inline struct v8d v8d_distance(struct v8f x, double b)
{
    struct v8d d = v8d_from_floats(x);
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++)
        d.v[i] = vsubq_f64(d.v[i], vdupq_n_f64(b));
    return d;
}

/* a * b + c, one rounding. */
wide_inline struct v8d v8d_fma(struct v8d a, struct v8d b, struct v8d c)
{
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++)
        c.v[i] = vfmaq_f64(c.v[i], a.v[i], b.v[i]);
    return c;
}

wide_inline struct v8f v8f_from_doubles(struct v8d a)
{
    return (struct v8f){vcvt_high_f32_f64(vcvt_f32_f64(a.v[0]), a.v[1]),
                        vcvt_high_f32_f64(vcvt_f32_f64(a.v[2]), a.v[3])};
}

wide_inline void v8d_store(double *p, struct v8d a)
{
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++)
        vst1q_f64(p + 2 * i, a.v[i]);
}

/* --- integers --- */

wide_inline struct v8i v8i_abs_bits(struct v8f a)
{
    return (struct v8i){vreinterpretq_s32_f32(vabsq_f32(a.low)),
                        vreinterpretq_s32_f32(vabsq_f32(a.high))};
}

wide_inline struct v8i v8i_max(struct v8i a, struct v8i b)
{
    return (struct v8i){vmaxq_s32(a.low, b.low), vmaxq_s32(a.high, b.high)};
}

wide_inline int32_t v8i_fold_max(struct v8i a)
{
    return vmaxvq_s32(vmaxq_s32(a.low, a.high));
}

/* To nearest, ties to even. */
wide_inline struct v8i v8i_round(struct v8f a)
{
    return (struct v8i){vcvtnq_s32_f32(a.low), vcvtnq_s32_f32(a.high)};
}

wide_inline struct v8i v8i_sub(struct v8i a, struct v8i b)
{
    return (struct v8i){vsubq_s32(a.low, b.low), vsubq_s32(a.high, b.high)};
}

wide_inline struct v8f v8f_from_ints(struct v8i a)
{
    return (struct v8f){vcvtq_f32_s32(a.low), vcvtq_f32_s32(a.high)};
}

wide_inline int16x8_t narrow(struct v8i a)
{
    return vcombine_s16(vqmovn_s32(a.low), vqmovn_s32(a.high));
}

/* The sum of 32 numbers within int8, which are stored as such. */
wide_inline void v8i_pack_bytes(struct v8i a, struct v8i b, struct v8i c, struct v8i d, int8_t *p,
                                int16_t sums[2])
{
    int16x8_t a16 = narrow(a), b16 = narrow(b), c16 = narrow(c), d16 = narrow(d);
    vst1q_s8(p, vcombine_s8(vqmovn_s16(a16), vqmovn_s16(b16)));
    vst1q_s8(p + 16, vcombine_s8(vqmovn_s16(c16), vqmovn_s16(d16)));
    sums[0] = vaddvq_s16(vaddq_s16(a16, b16));
    sums[1] = vaddvq_s16(vaddq_s16(c16, d16));
}

wide_inline struct v8f v8f_from_i8(const uint8_t *p)
{
    int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(vld1_u8(p)));
    return (struct v8f){vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                        vcvtq_f32_s32(vmovl_high_s16(wide))};
}

wide_inline struct v8f v8f_from_bytes(uint8x8_t bytes)
{
    uint16x8_t wide = vmovl_u8(bytes);
    return (struct v8f){vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))),
                        vcvtq_f32_u32(vmovl_high_u16(wide))};
}

wide_inline struct v8f v8f_from_u8(const uint8_t *p)
{
    return v8f_from_bytes(vld1_u8(p));
}

wide_inline struct v8f v8f_from_low_nibbles(const uint8_t *p)
{
    return v8f_from_bytes(vand_u8(vld1_u8(p), vdup_n_u8(15)));
}

wide_inline struct v8f v8f_from_high_nibbles(const uint8_t *p)
{
    return v8f_from_bytes(vshr_n_u8(vld1_u8(p), 4));
}

/* Transposes pairs of bytes: rows[r][2i], rows[r][2i + 1] -> out[8i + 2r], out[8i + 2r + 1]. */
wide_inline void transpose_pairs(uint8_t rows[4][16], uint8_t out[64])
{
    uint16x8_t r0 = vreinterpretq_u16_u8(vld1q_u8(rows[0]));
    uint16x8_t r1 = vreinterpretq_u16_u8(vld1q_u8(rows[1]));
    uint16x8_t r2 = vreinterpretq_u16_u8(vld1q_u8(rows[2]));
    uint16x8_t r3 = vreinterpretq_u16_u8(vld1q_u8(rows[3]));
    uint32x4_t low01 = vreinterpretq_u32_u16(vzip1q_u16(r0, r1));
    uint32x4_t low23 = vreinterpretq_u32_u16(vzip1q_u16(r2, r3));
    uint32x4_t high01 = vreinterpretq_u32_u16(vzip2q_u16(r0, r1));
    uint32x4_t high23 = vreinterpretq_u32_u16(vzip2q_u16(r2, r3));
    vst1q_u8(out, vreinterpretq_u8_u32(vzip1q_u32(low01, low23)));
    vst1q_u8(out + 16, vreinterpretq_u8_u32(vzip2q_u32(low01, low23)));
    vst1q_u8(out + 32, vreinterpretq_u8_u32(vzip1q_u32(high01, high23)));
    vst1q_u8(out + 48, vreinterpretq_u8_u32(vzip2q_u32(high01, high23)));
}

/* a, then b. */
wide_inline void join_bytes(uint64_t a, uint64_t b, uint8_t out[16])
{
    vst1q_u8(out, vcombine_u8(vcreate_u8(a), vcreate_u8(b)));
}

/* a[0] b[0] a[1] b[1] … of eight bytes each. */
wide_inline void zip_bytes(uint64_t a, uint64_t b, uint8_t out[16])
{
    uint8x8_t a8 = vcreate_u8(a), b8 = vcreate_u8(b);
    vst1q_u8(out, vcombine_u8(vzip1_u8(a8, b8), vzip2_u8(a8, b8)));
}

/* --- bytes --- */

wide_inline struct v32b v32b_load(const void *p)
{
    return (struct v32b){vld1q_s8(p), vld1q_s8((const int8_t *)p + 16)};
}

wide_inline struct v32b v32b_load_twice(const uint8_t *p)
{
    int8x16_t q = vreinterpretq_s8_u8(vld1q_u8(p));
    return (struct v32b){q, q};
}

wide_inline struct v32b v32b_load_repeated(const uint8_t *p, const uint8_t *q)
{
    uint32_t four;
    memcpy(&four, q, sizeof four);
    return (struct v32b){vreinterpretq_s8_u8(vld1q_u8(p)), vreinterpretq_s8_u32(vdupq_n_u32(four))};
}

/* 16 bytes: their low nibbles, then their high nibbles. */
wide_inline struct v32b v32b_nibbles(const uint8_t *p)
{
    uint8x16_t q = vld1q_u8(p);
    return (struct v32b){vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8(15))),
                         vreinterpretq_s8_u8(vshrq_n_u8(q, 4))};
}

wide_inline struct v32b v32b_nibbles_of_eights(const uint8_t *p)
{
    uint8x16_t q = vld1q_u8(p), low = vandq_u8(q, vdupq_n_u8(15)), high = vshrq_n_u8(q, 4);
    uint64x2_t l = vreinterpretq_u64_u8(low), h = vreinterpretq_u64_u8(high);
    return (struct v32b){vreinterpretq_s8_u64(vzip1q_u64(l, h)),
                         vreinterpretq_s8_u64(vzip2q_u64(l, h))};
}

wide_inline struct v32b v32b_lookup(struct v32b index, const int8_t table[16])
{
    int8x16_t t = vld1q_s8(table);
    return (struct v32b){vqtbl1q_s8(t, vreinterpretq_u8_s8(index.low)),
                         vqtbl1q_s8(t, vreinterpretq_u8_s8(index.high))};
}

wide_inline struct v32b v32b_set1(char b)
{
    return (struct v32b){vdupq_n_s8((int8_t)b), vdupq_n_s8((int8_t)b)};
}

/* A third of 256 is passed once or twice. */
wide_inline int8x16_t digits(int8x16_t q, const uint8_t *power)
{
    uint8x16_t p = vmulq_u8(vreinterpretq_u8_s8(q), vld1q_u8(power));
    uint8x16_t one = vshrq_n_u8(vcgeq_u8(p, vdupq_n_u8(86)), 7);
    uint8x16_t two = vshrq_n_u8(vcgeq_u8(p, vdupq_n_u8(171)), 7);
    return vreinterpretq_s8_u8(vaddq_u8(one, two));
}

wide_inline struct v32b v32b_digits(struct v32b q, const uint8_t power[32])
{
    return (struct v32b){digits(q.low, power), digits(q.high, power + 16)};
}

wide_inline int8x16_t field(const uint8_t *p, int shift, char mask)
{
    uint8x16_t q = vshlq_u8(vld1q_u8(p), vdupq_n_s8((int8_t)-shift));
    return vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8((uint8_t)mask)));
}

/* (byte >> shift & mask) of 32 bytes, a negative shift to the left. */
wide_inline struct v32b v32b_field(const void *p, int shift, char mask)
{
    return (struct v32b){field(p, shift, mask), field((const uint8_t *)p + 16, shift, mask)};
}

wide_inline struct v32b v32b_or(struct v32b a, struct v32b b)
{
    return (struct v32b){vorrq_s8(a.low, b.low), vorrq_s8(a.high, b.high)};
}

/* 16 where a bit of the two bytes is set. */
wide_inline int8x16_t sixteens(uint8_t first, uint8_t second)
{
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    uint8x16_t set = vtstq_u8(vcombine_u8(vdup_n_u8(first), vdup_n_u8(second)), bit);
    return vreinterpretq_s8_u8(vandq_u8(set, vdupq_n_u8(16)));
}

/* 16 in byte i where bit i of the four bytes is set. */
wide_inline struct v32b v32b_sixteens(const uint8_t *p)
{
    return (struct v32b){sixteens(p[0], p[1]), sixteens(p[2], p[3])};
}

wide_inline struct v32b v32b_minus(struct v32b a, char b)
{
    const int8x16_t all = vdupq_n_s8((int8_t)b);
    return (struct v32b){vsubq_s8(a.low, all), vsubq_s8(a.high, all)};
}

/* What v8i_dot_signed wants beside w: nothing here. */
wide_inline struct v32b v32b_abs(struct v32b a)
{
    return a;
}

/* Bytes 8i..8i+7 as floats. */
wide_inline struct v8f v32b_floats(struct v32b a, int i)
{
    int8x16_t half = i < 2 ? a.low : a.high;
    int16x8_t wide = vmovl_s8(i % 2 ? vget_high_s8(half) : vget_low_s8(half));
    return (struct v8f){vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                        vcvtq_f32_s32(vmovl_high_s16(wide))};
}

/* Sums of four products. Pairs are added in 16 bits, which 2 * 128 * 127 does not fill. */
wide_inline int32x4_t dot_fours(int8x16_t w, int8x16_t x)
{
    int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vpaddlq_s16(vpaddq_s16(low, high));
}

/* w in -128..127, x in -127..127; the sign makes no difference here. */
wide_inline struct v8i v8i_dot_signed(struct v32b w, struct v32b abs_w, struct v32b x)
{
    (void)abs_w;
    return (struct v8i){dot_fours(w.low, x.low), dot_fours(w.high, x.high)};
}

wide_inline struct v8i v8i_dot_positive(struct v32b w, struct v32b x)
{
    return v8i_dot_signed(w, w, x);
}

#endif
