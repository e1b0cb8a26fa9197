/* SPDX-License-Identifier: MIT */
/* Eight lanes on AVX2, FMA and F16C: what wide/ is written in. Static inline only: it is included
 * by files compiled with those flags alone. arm/lanes.h has the same names.
 *
 *   v8f   eight floats                     v8i   eight int32
 *   v32b  32 bytes: small weights          v8d   eight doubles */
#ifndef WATTLE_KERNELS_X86_LANES_H
#define WATTLE_KERNELS_X86_LANES_H

#include "kernels/wide/inline.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

struct v8f {
    __m256 v;
};
struct v8i {
    __m256i v;
};
struct v32b {
    __m256i v;
};
struct v8d {
    __m256d low, high;
};

/* --- floats --- */

wide_inline struct v8f v8f_zero(void)
{
    return (struct v8f){_mm256_setzero_ps()};
}

wide_inline struct v8f v8f_set1(float f)
{
    return (struct v8f){_mm256_set1_ps(f)};
}

/* Lane `low` (a constant) in lanes 0..3, lane `high` in lanes 4..7. */
wide_inline struct v8f v8f_spread(struct v8f a, int low, int high)
{
    __m256i from = _mm256_setr_epi32(low, low, low, low, high, high, high, high);
    return (struct v8f){_mm256_permutevar8x32_ps(a.v, from)};
}

wide_inline struct v8f v8f_load(const void *p)
{
    return (struct v8f){_mm256_loadu_ps((const float *)p)};
}

wide_inline void v8f_store(float *p, struct v8f a)
{
    _mm256_storeu_ps(p, a.v);
}

/* 16 floats: those at even places, those at odd places; and back. */
wide_inline void v8f_load_pairs(const float *p, struct v8f *even, struct v8f *odd)
{
    __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
    __m256 low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);
    even->v = _mm256_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0));
    odd->v = _mm256_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1));
}

wide_inline void v8f_store_pairs(float *p, struct v8f even, struct v8f odd)
{
    __m256 low = _mm256_unpacklo_ps(even.v, odd.v), high = _mm256_unpackhi_ps(even.v, odd.v);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(low, high, 0x31));
}

wide_inline struct v8f v8f_from_halves(const uint8_t *p)
{
    return (struct v8f){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p))};
}

wide_inline struct v8f v8f_from_bf16(const uint8_t *p)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return (struct v8f){_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
}

/* One binary16. */
wide_inline float half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

/* Two binary16 from each of four rows; with fewer rows (1, 2 or 4) they repeat. */
wide_inline struct v8f v8f_from_half_pairs(const uint8_t *p, size_t row_bytes, int rows)
{
    int32_t pair[4];
#pragma GCC unroll 16
    for (int r = 0; r < 4; r++)
        memcpy(&pair[r], p + (size_t)(r % rows) * row_bytes, sizeof pair[r]);
    return (struct v8f){_mm256_cvtph_ps(_mm_setr_epi32(pair[0], pair[1], pair[2], pair[3]))};
}

/* The same of one binary16 of each row, in both lanes. */
wide_inline struct v8f v8f_from_half_twice(const uint8_t *p, size_t row_bytes, int rows)
{
    uint16_t h[4];
#pragma GCC unroll 16
    for (int r = 0; r < 4; r++)
        memcpy(&h[r], p + (size_t)(r % rows) * row_bytes, sizeof h[r]);
    __m128i four = _mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3], 0, 0, 0, 0);
    return (struct v8f){_mm256_cvtph_ps(_mm_unpacklo_epi16(four, four))};
}

/* Four floats, given by their bits, in two lanes each. */
wide_inline struct v8f v8f_twice(const uint32_t bits[4])
{
    __m128i four = _mm_setr_epi32((int)bits[0], (int)bits[1], (int)bits[2], (int)bits[3]);
    __m256i from = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return (struct v8f){
        _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(_mm256_castsi128_si256(four), from))};
}

/* Eight doubles, rounded. */
wide_inline struct v8f v8f_from_f64(const uint8_t *p)
{
    __m128 low = _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)p));
    __m128 high = _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)(p + 32)));
    return (struct v8f){_mm256_set_m128(high, low)};
}

/* Eight of NVFP4's scales: ref/blocks.c has the comments. */
wide_inline struct v8f v8f_from_ue4m3(const uint8_t *p)
{
    __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    __m256i lost = _mm256_cmpeq_epi32(e, _mm256_set1_epi32(0x7f));
    __m256i bits = _mm256_slli_epi32(_mm256_and_si256(e, _mm256_set1_epi32(0x7f)), 20);
    bits = _mm256_andnot_si256(lost, bits);
    return (struct v8f){_mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p119f))};
}

wide_inline struct v8f v8f_add(struct v8f a, struct v8f b)
{
    return (struct v8f){_mm256_add_ps(a.v, b.v)};
}

wide_inline struct v8f v8f_sub(struct v8f a, struct v8f b)
{
    return (struct v8f){_mm256_sub_ps(a.v, b.v)};
}

wide_inline struct v8f v8f_mul(struct v8f a, struct v8f b)
{
    return (struct v8f){_mm256_mul_ps(a.v, b.v)};
}

wide_inline struct v8f v8f_div(struct v8f a, struct v8f b)
{
    return (struct v8f){_mm256_div_ps(a.v, b.v)};
}

/* a * b + c, one rounding. */
wide_inline struct v8f v8f_fma(struct v8f a, struct v8f b, struct v8f c)
{
    return (struct v8f){_mm256_fmadd_ps(a.v, b.v, c.v)};
}

wide_inline struct v8f v8f_max(struct v8f a, struct v8f b)
{
    return (struct v8f){_mm256_max_ps(a.v, b.v)};
}

/* -|a| */
wide_inline struct v8f v8f_minus_abs(struct v8f a)
{
    return (struct v8f){_mm256_or_ps(a.v, _mm256_set1_ps(-0.0f))};
}

/* x < bound ? a : b, lane by lane. */
wide_inline struct v8f v8f_if_less(struct v8f x, struct v8f bound, struct v8f a, struct v8f b)
{
    return (struct v8f){_mm256_blendv_ps(b.v, a.v, _mm256_cmp_ps(x.v, bound.v, _CMP_LT_OQ))};
}

/* 2^n of the n that stands in the low bits of t: see exp.h. */
wide_inline struct v8f v8f_exp2_of_rounded(struct v8f t)
{
    __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t.v), 23);
    return (struct v8f){_mm256_castsi256_ps(_mm256_add_epi32(n, _mm256_set1_epi32(0x3f800000)))};
}

/* ((0+4) + (2+6)) + ((1+5) + (3+7)) */
wide_inline float v8f_fold(struct v8f a)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

wide_inline float v8f_fold_max(struct v8f a)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* --- doubles --- */

wide_inline struct v8d v8d_zero(void)
{
    return (struct v8d){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

/* acc + x^2 in double. The square of a float is exact there, so that a fused step is the same. */
wide_inline struct v8d v8d_add_square(struct v8d acc, struct v8f x)
{
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x.v));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1));
    return (struct v8d){_mm256_fmadd_pd(low, low, acc.low), _mm256_fmadd_pd(high, high, acc.high)};
}

wide_inline struct v8d v8d_add_floats(struct v8d acc, struct v8f x)
{
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x.v));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1));
    return (struct v8d){_mm256_add_pd(low, acc.low), _mm256_add_pd(high, acc.high)};
}

/* x - b in double. */
wide_inline struct v8d v8d_distance(struct v8f x, double b)
{
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x.v));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1)), b4 = _mm256_set1_pd(b);
    return (struct v8d){_mm256_sub_pd(low, b4), _mm256_sub_pd(high, b4)};
}

/* a * b + c, one rounding. */
wide_inline struct v8d v8d_fma(struct v8d a, struct v8d b, struct v8d c)
{
    return (struct v8d){_mm256_fmadd_pd(a.low, b.low, c.low),
                        _mm256_fmadd_pd(a.high, b.high, c.high)};
}

wide_inline struct v8f v8f_from_doubles(struct v8d a)
{
    return (struct v8f){_mm256_set_m128(_mm256_cvtpd_ps(a.high), _mm256_cvtpd_ps(a.low))};
}

wide_inline void v8d_store(double *p, struct v8d a)
{
    _mm256_storeu_pd(p, a.low);
    _mm256_storeu_pd(p + 4, a.high);
}

/* --- integers --- */

wide_inline struct v8i v8i_abs_bits(struct v8f a)
{
    __m256i mask = _mm256_set1_epi32(0x7fffffff);
    return (struct v8i){_mm256_and_si256(_mm256_castps_si256(a.v), mask)};
}

wide_inline struct v8i v8i_max(struct v8i a, struct v8i b)
{
    return (struct v8i){_mm256_max_epi32(a.v, b.v)};
}

wide_inline int32_t v8i_fold_max(struct v8i a)
{
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
    __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
    __m128i one = _mm_max_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(one);
}

wide_inline struct v8i v8i_zero(void)
{
    return (struct v8i){_mm256_setzero_si256()};
}

/* To nearest, ties to even (the rounding mode that every thread starts with). */
wide_inline struct v8i v8i_round(struct v8f a)
{
    return (struct v8i){_mm256_cvtps_epi32(a.v)};
}

wide_inline struct v8i v8i_sub(struct v8i a, struct v8i b)
{
    return (struct v8i){_mm256_sub_epi32(a.v, b.v)};
}

wide_inline struct v8f v8f_from_ints(struct v8i a)
{
    return (struct v8f){_mm256_cvtepi32_ps(a.v)};
}

wide_inline int v8i_fold_pairs(__m256i pairs)
{
    __m256i sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1))));
}

/* 32 numbers within int8 stored as such, and the sums of a and b, of c and d. */
wide_inline void v8i_pack_bytes(struct v8i a, struct v8i b, struct v8i c, struct v8i d, int8_t *p,
                                int16_t sums[2])
{
    __m256i ab = _mm256_packs_epi32(a.v, b.v), cd = _mm256_packs_epi32(c.v, d.v);
    /* Packing works within 128 bits: a0 b0 c0 d0 a1 b1 c1 d1, four bytes each. */
    __m256i mixed = _mm256_packs_epi16(ab, cd);
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32(mixed, order));
    sums[0] = (int16_t)v8i_fold_pairs(ab);
    sums[1] = (int16_t)v8i_fold_pairs(cd);
}

/* Eight bytes, unsigned or signed, as floats. */
wide_inline struct v8f v8f_from_u8(const uint8_t *p)
{
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return (struct v8f){_mm256_cvtepi32_ps(wide)};
}

wide_inline struct v8f v8f_from_i8(const uint8_t *p)
{
    __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return (struct v8f){_mm256_cvtepi32_ps(wide)};
}

/* The nibbles of eight bytes as floats. */
wide_inline struct v8f v8f_from_low_nibbles(const uint8_t *p)
{
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return (struct v8f){_mm256_cvtepi32_ps(_mm256_and_si256(wide, _mm256_set1_epi32(15)))};
}

wide_inline struct v8f v8f_from_high_nibbles(const uint8_t *p)
{
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return (struct v8f){_mm256_cvtepi32_ps(_mm256_srli_epi32(wide, 4))};
}

/* Transposes pairs of bytes: rows[r][2i], rows[r][2i + 1] -> out[8i + 2r], out[8i + 2r + 1]. */
wide_inline void transpose_pairs(uint8_t rows[4][16], uint8_t out[64])
{
    __m128i r0 = _mm_loadu_si128((const __m128i *)rows[0]);
    __m128i r1 = _mm_loadu_si128((const __m128i *)rows[1]);
    __m128i r2 = _mm_loadu_si128((const __m128i *)rows[2]);
    __m128i r3 = _mm_loadu_si128((const __m128i *)rows[3]);
    __m128i low01 = _mm_unpacklo_epi16(r0, r1), high01 = _mm_unpackhi_epi16(r0, r1);
    __m128i low23 = _mm_unpacklo_epi16(r2, r3), high23 = _mm_unpackhi_epi16(r2, r3);
    _mm_storeu_si128((__m128i *)out, _mm_unpacklo_epi32(low01, low23));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_unpackhi_epi32(low01, low23));
    _mm_storeu_si128((__m128i *)(out + 32), _mm_unpacklo_epi32(high01, high23));
    _mm_storeu_si128((__m128i *)(out + 48), _mm_unpackhi_epi32(high01, high23));
}

/* a, then b. */
wide_inline void join_bytes(uint64_t a, uint64_t b, uint8_t out[16])
{
    _mm_storeu_si128((__m128i *)out, _mm_set_epi64x((long long)b, (long long)a));
}

/* a[0] b[0] a[1] b[1] … of eight bytes each. */
wide_inline void zip_bytes(uint64_t a, uint64_t b, uint8_t out[16])
{
    __m128i both =
        _mm_unpacklo_epi8(_mm_cvtsi64_si128((long long)a), _mm_cvtsi64_si128((long long)b));
    _mm_storeu_si128((__m128i *)out, both);
}

/* --- bytes --- */

wide_inline struct v32b v32b_load(const void *p)
{
    return (struct v32b){_mm256_loadu_si256((const __m256i *)p)};
}

/* 16 bytes, twice. */
wide_inline struct v32b v32b_load_twice(const uint8_t *p)
{
    return (struct v32b){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p))};
}

/* 16 bytes of p, then the four of q four times. */
wide_inline struct v32b v32b_load_repeated(const uint8_t *p, const uint8_t *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    __m128i low = _mm_loadu_si128((const __m128i *)p);
    return (struct v32b){_mm256_set_m128i(_mm_set1_epi32(four), low)};
}

/* 16 bytes: their low nibbles, then their high nibbles. */
wide_inline struct v32b v32b_nibbles(const uint8_t *p)
{
    __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    __m256i both = _mm256_srlv_epi32(twice, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
    return (struct v32b){_mm256_and_si256(both, _mm256_set1_epi8(15))};
}

/* The same by eights: low nibbles of bytes 0..7, their high nibbles, then bytes 8..15. */
wide_inline struct v32b v32b_nibbles_of_eights(const uint8_t *p)
{
    __m256i all = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    __m256i twice = _mm256_permute4x64_epi64(all, _MM_SHUFFLE(1, 1, 0, 0));
    __m256i both = _mm256_srlv_epi64(twice, _mm256_setr_epi64x(0, 4, 0, 4));
    return (struct v32b){_mm256_and_si256(both, _mm256_set1_epi8(15))};
}

/* table[index], indices below 16. */
wide_inline struct v32b v32b_lookup(struct v32b index, const int8_t table[16])
{
    __m128i t = _mm_loadu_si128((const __m128i *)table);
    return (struct v32b){_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), index.v)};
}

wide_inline struct v32b v32b_set1(char b)
{
    return (struct v32b){_mm256_set1_epi8(b)};
}

/* The whole part of 3 * (q * power mod 256) / 256: a base-3 digit of TQ1_0. Even and odd bytes
 * apart, in 16 bits. */
wide_inline struct v32b v32b_digits(struct v32b q, const uint8_t power[32])
{
    const __m256i p = _mm256_loadu_si256((const __m256i *)power);
    const __m256i low = _mm256_set1_epi16(255), three = _mm256_set1_epi16(3);
    __m256i even = _mm256_mullo_epi16(_mm256_and_si256(q.v, low), _mm256_and_si256(p, low));
    __m256i odd = _mm256_mullo_epi16(_mm256_srli_epi16(q.v, 8), _mm256_srli_epi16(p, 8));
    even = _mm256_srli_epi16(_mm256_mullo_epi16(_mm256_and_si256(even, low), three), 8);
    odd = _mm256_mullo_epi16(_mm256_and_si256(odd, low), three);
    return (struct v32b){_mm256_or_si256(even, _mm256_andnot_si256(low, odd))};
}

/* (byte >> shift & mask) of 32 bytes, a negative shift to the left. The shift works on 16 bits, the
 * mask drops the neighbour's. */
wide_inline struct v32b v32b_field(const void *p, int shift, char mask)
{
    __m256i q = _mm256_loadu_si256((const __m256i *)p);
    q = shift < 0 ? _mm256_slli_epi16(q, -shift) : _mm256_srli_epi16(q, shift);
    return (struct v32b){_mm256_and_si256(q, _mm256_set1_epi8(mask))};
}

/* 16 in byte i where bit i of the four bytes is set. */
wide_inline struct v32b v32b_sixteens(const uint8_t *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    __m256i spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits), _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2,
                                                  2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return (struct v32b){_mm256_and_si256(set, _mm256_set1_epi8(16))};
}

wide_inline struct v32b v32b_or(struct v32b a, struct v32b b)
{
    return (struct v32b){_mm256_or_si256(a.v, b.v)};
}

wide_inline struct v32b v32b_minus(struct v32b a, char b)
{
    return (struct v32b){_mm256_sub_epi8(a.v, _mm256_set1_epi8(b))};
}

wide_inline struct v32b v32b_abs(struct v32b a)
{
    return (struct v32b){_mm256_abs_epi8(a.v)};
}

/* Bytes 8i..8i+7 (int8) as floats. */
wide_inline struct v8f v32b_floats(struct v32b a, int i)
{
    __m128i half = i < 2 ? _mm256_castsi256_si128(a.v) : _mm256_extracti128_si256(a.v, 1);
    if (i % 2)
        half = _mm_srli_si128(half, 8);
    return (struct v8f){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half))};
}

/* Sums of four products w * x. Pairs are added in 16 bits, which 2 * 127 * 127 fills without
 * saturating: w in 0..127, x in -127..127. */
wide_inline struct v8i v8i_dot_positive(struct v32b w, struct v32b x)
{
    __m256i pairs = _mm256_maddubs_epi16(w.v, x.v);
    return (struct v8i){_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))};
}

/* The same for w in -128..127, whose absolute values (128 too, unsigned) the caller has at hand:
 * |w| * (x with the sign of w); 2 * 128 * 127 = 32512. */
wide_inline struct v8i v8i_dot_signed(struct v32b w, struct v32b abs_w, struct v32b x)
{
    __m256i pairs = _mm256_maddubs_epi16(abs_w.v, _mm256_sign_epi8(x.v, w.v));
    return (struct v8i){_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))};
}

#endif
