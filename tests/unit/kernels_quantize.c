/* SPDX-License-Identifier: MIT */
/* From floats to blocks and back: how far values move, what must not move at all, and rows at the
 * ends of what floats can be. */
#include "base/base.h"
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { K = 2048, ROW_MAX = K * 4, CANARY = 0xa5 };

static const uint32_t blocks[] = {WTYPE_Q8_0, WTYPE_Q4_0, WTYPE_Q4_1, WTYPE_Q5_0,
                                  WTYPE_Q5_1, WTYPE_Q4_K, WTYPE_Q5_K, WTYPE_Q6_K};
enum { N_BLOCKS = sizeof blocks / sizeof *blocks };

static bool is_k(uint32_t type)
{
    return wtype_info(type)->block_elems == 256;
}

static void dequantize(uint32_t type, const void *row, float *y, size_t k)
{
    kernels_get("c")->dequant(type, row, y, k);
}

/* x there and back. The row lies at an odd address between bytes that must stay as they are. */
static void round_trip(uint32_t type, const float *x, const float *importance, float *y, size_t k)
{
    static uint8_t bytes[ROW_MAX + 64];
    const struct wtype_info *info = wtype_info(type);
    const size_t n = k / info->block_elems * info->block_bytes;
    memset(bytes, CANARY, sizeof bytes);
    quantize_row(type, x, importance, bytes + 33, k);
    for (size_t i = 0; i < sizeof bytes; i++)
        if (i < 33 || i >= 33 + n)
            assert_int_equal(bytes[i], CANARY);
    dequantize(type, bytes + 33, y, k);
}

/* Normally distributed, by the sum of twelve. */
static void normal_row(uint64_t seed, float scale, float *x, size_t k)
{
    struct rng r;
    rng_seed(&r, seed);
    for (size_t i = 0; i < k; i++) {
        double sum = -6;
        for (int j = 0; j < 12; j++)
            sum += rng_unit(&r);
        x[i] = (float)sum * scale;
    }
}

/* The squared error over the squares. */
static double relative(const float *x, const float *y, const float *w, size_t k)
{
    double error = 0, all = 0;
    for (size_t i = 0; i < k; i++) {
        double d = (double)x[i] - (double)y[i], weight = w ? (double)w[i] : 1;
        error += weight * d * d;
        all += weight * (double)x[i] * (double)x[i];
    }
    return error / all;
}

static void test_has(void **state)
{
    (void)state;
    for (uint32_t t = 0; t < 256; t++) {
        bool there = t == WTYPE_F32 || t == WTYPE_F16 || t == WTYPE_BF16;
        for (size_t i = 0; i < N_BLOCKS; i++)
            there |= t == blocks[i];
        assert_int_equal(quantize_has(t), there);
    }
}

/* Of normally distributed weights. The bound is what the plainest choice of scale gives (the
 * extreme at the end of the range), which a search has to beat; for K types llama.cpp's. */
static void test_error(void **state)
{
    static const struct {
        uint32_t type;
        double bound;
    } rows[] = {{WTYPE_Q8_0, 2.7e-5},  {WTYPE_Q4_0, 7.0e-3},  {WTYPE_Q4_1, 5.4e-3},
                {WTYPE_Q5_0, 1.75e-3}, {WTYPE_Q5_1, 1.3e-3},  {WTYPE_Q4_K, 5.05e-3},
                {WTYPE_Q5_K, 1.25e-3}, {WTYPE_Q6_K, 3.12e-4}, {WTYPE_F16, 6e-8},
                {WTYPE_BF16, 4e-6}};
    static float x[K], y[K];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (float scale = 1e-3f; scale < 1e3f; scale *= 1e2f) {
            normal_row(7 + i, scale, x, K);
            round_trip(rows[i].type, x, NULL, y, K);
            double error = relative(x, y, NULL, K);
            if (!(error < rows[i].bound))
                fail_msg("%s: %g of the squares, expected below %g", wtype_name(rows[i].type),
                         error, rows[i].bound);
        }
}

/* What came out of a type goes in without a change; K types have several ways to say a value and
 * may take another one. */
static void test_again(void **state)
{
    static float x[K], y[K], z[K];
    (void)state;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        normal_row(100 + i, 0.02f, x, K);
        round_trip(blocks[i], x, NULL, y, K);
        round_trip(blocks[i], y, NULL, z, K);
        double moved = relative(y, z, NULL, K);
        if (moved > (is_k(blocks[i]) ? 2e-5 : 0))
            fail_msg("%s: moved by %g of the squares", wtype_name(blocks[i]), moved);
    }
}

static void test_same_twice(void **state)
{
    static float x[K];
    static uint8_t a[ROW_MAX], b[ROW_MAX];
    (void)state;
    normal_row(3, 0.1f, x, K);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        const struct wtype_info *info = wtype_info(blocks[i]);
        const size_t half = K / 2 / info->block_elems * info->block_bytes;
        quantize_row(blocks[i], x, NULL, a, K);
        /* A row in parts is the row: blocks don't know of each other. */
        quantize_row(blocks[i], x, NULL, b, K / 2);
        quantize_row(blocks[i], x + K / 2, NULL, b + half, K / 2);
        assert_memory_equal(a, b, 2 * half);
    }
}

/* Where a few columns matter a hundred times as much as the others they come out closer, and the
 * weighted error is less than of a search that does not know. */
static void test_importance(void **state)
{
    static float x[K], w[K], plain[K], weighted[K];
    (void)state;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        double few_plain = 0, few_weighted = 0;
        normal_row(50 + i, 1, x, K);
        for (size_t j = 0; j < K; j++)
            w[j] = j % 8 == 3 ? 100 : 1;
        round_trip(blocks[i], x, NULL, plain, K);
        round_trip(blocks[i], x, w, weighted, K);
        for (size_t j = 3; j < K; j += 8) {
            few_plain += pow((double)x[j] - (double)plain[j], 2);
            few_weighted += pow((double)x[j] - (double)weighted[j], 2);
        }
        if (!(few_weighted < 0.9 * few_plain) ||
            !(relative(x, weighted, w, K) < relative(x, plain, w, K)))
            fail_msg("%s: importance without effect", wtype_name(blocks[i]));
        /* Only ratios count, and none at all means all alike. */
        static float scaled[K], same[K];
        for (size_t j = 0; j < K; j++)
            scaled[j] = w[j] * 0x1p60f;
        round_trip(blocks[i], x, scaled, same, K);
        assert_memory_equal(same, weighted, sizeof same);
        memset(scaled, 0, sizeof scaled);
        round_trip(blocks[i], x, scaled, same, K);
        assert_memory_equal(same, plain, sizeof same);
    }
}

static void test_constants(void **state)
{
    static const float values[] = {0,      1,       -1,       0.02f,    -0.02f, 3e-4f,
                                   -7e-3f, 1000.5f, -60000.f, 0x1p-14f, 65504.f};
    static float x[K], y[K];
    (void)state;
    for (size_t i = 0; i < N_BLOCKS; i++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            for (size_t j = 0; j < K; j++)
                x[j] = values[v];
            round_trip(blocks[i], x, NULL, y, K);
            for (size_t j = 0; j < K; j++)
                /* The scale is a binary16, which is that near; of K types it is divided by 63 or
                 * 128 once more and may be subnormal. */
                if (!(fabsf(y[j] - x[j]) <=
                      fabsf(x[j]) * (is_k(blocks[i]) ? 0x1p-8f : 0x1p-11f) + 0x1p-17f))
                    fail_msg("%s: %g became %g", wtype_name(blocks[i]), (double)x[j], (double)y[j]);
        }
}

/* Finite in, finite out, the sign kept and nothing larger than what came in. */
static void test_extremes(void **state)
{
    static const float values[] = {1e-45f, 1e-38f, 1e-30f, 1e-9f, 5e-8f,
                                   1e5f,   1e9f,   1e20f,  1e38f, 3.4e38f};
    static float x[K], y[K], w[K];
    (void)state;
    for (size_t i = 0; i < N_BLOCKS; i++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            for (int mixed = 0; mixed < 2; mixed++) {
                normal_row(900 + v, mixed ? 1.f : 0.f, x, K);
                for (size_t j = 0; j < K; j += mixed ? 37 : 1)
                    x[j] = j % 2 ? -values[v] : values[v];
                for (size_t j = 0; j < K; j++)
                    w[j] = j % 3 ? 3e38f : 0;
                round_trip(blocks[i], x, v % 2 ? w : NULL, y, K);
                for (size_t j = 0; j < K; j++) {
                    if (!isfinite(y[j]) || fabsf(y[j]) > 2 * fabsf(x[j]) + 16 * values[v] + 4)
                        fail_msg("%s: %g became %g", wtype_name(blocks[i]), (double)x[j],
                                 (double)y[j]);
                    if (!mixed && values[v] < 1e-9f)
                        assert_true(y[j] == 0);
                    if (!mixed && values[v] >= 1e5f)
                        assert_true(y[j] * x[j] > 0 || (y[j] == 0 && !is_k(blocks[i])));
                }
            }
}

/* ---- plain types ---- */

static uint32_t plain_bits(uint32_t type, float f)
{
    uint8_t row[4] = {0};
    quantize_row(type, &f, NULL, row, 1);
    return (uint32_t)row[0] | (uint32_t)row[1] << 8 | (uint32_t)row[2] << 16 |
           (uint32_t)row[3] << 24;
}

static void test_plain(void **state)
{
    static const struct {
        uint32_t type;
        float f;
        uint32_t bits;
    } rows[] = {
        {WTYPE_F16, 1, 0x3c00},
        {WTYPE_F16, -2, 0xc000},
        {WTYPE_F16, 65504, 0x7bff},
        {WTYPE_F16, 1 + 0x1p-11f, 0x3c00}, /* a tie: to even */
        {WTYPE_F16, 1 + 0x3p-11f, 0x3c02},
        {WTYPE_F16, 1 + 0x1.01p-11f, 0x3c01},
        {WTYPE_F16, 0x1p-14f, 0x0400},
        {WTYPE_F16, 0x1.ff8p-15f, 0x03ff}, /* the largest subnormal */
        {WTYPE_F16, 0x1.ffcp-15f, 0x0400}, /* half a step on: a tie, to the normal */
        {WTYPE_F16, 0x1p-24f, 0x0001},
        {WTYPE_F16, 0x1p-25f, 0x0000},
        {WTYPE_F16, 0x1.000002p-25f, 0x0001},
        {WTYPE_F16, 0x1.8p-24f, 0x0002},
        {WTYPE_F16, -1e-30f, 0x8000},
        {WTYPE_BF16, 1, 0x3f80},
        {WTYPE_BF16, 1 + 0x1p-8f, 0x3f80},
        {WTYPE_BF16, 1 + 0x3p-8f, 0x3f82},
        {WTYPE_BF16, -1 - 0x1.01p-8f, 0xbf81},
        {WTYPE_BF16, 0x1p-133f, 0x0001},
        {WTYPE_F32, 0.1f, 0x3dcccccd},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (plain_bits(rows[i].type, rows[i].f) != rows[i].bits)
            fail_msg("%s of %a: %#x, expected %#x", wtype_name(rows[i].type), (double)rows[i].f,
                     plain_bits(rows[i].type, rows[i].f), rows[i].bits);
}

/* Every finite number of a type comes back as itself. */
static void test_plain_all(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const uint8_t row[2] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
        float f;
        dequantize(WTYPE_F16, row, &f, 1);
        if (isfinite(f))
            assert_int_equal(plain_bits(WTYPE_F16, f), bits);
        dequantize(WTYPE_BF16, row, &f, 1);
        if (isfinite(f))
            assert_int_equal(plain_bits(WTYPE_BF16, f), bits);
    }
}

static void test_nothing(void **state)
{
    uint8_t row[1] = {CANARY};
    float x[1] = {1};
    (void)state;
    for (uint32_t t = 0; t < 64; t++)
        if (quantize_has(t))
            quantize_row(t, x, NULL, row, 0);
    assert_int_equal(row[0], CANARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has),        cmocka_unit_test(test_error),
        cmocka_unit_test(test_again),      cmocka_unit_test(test_same_twice),
        cmocka_unit_test(test_importance), cmocka_unit_test(test_constants),
        cmocka_unit_test(test_extremes),   cmocka_unit_test(test_plain),
        cmocka_unit_test(test_plain_all),  cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
