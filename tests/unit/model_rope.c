/* SPDX-License-Identifier: MIT */
/* Frequencies of every kind of scaling, held against the formulas of the papers and of transformers
 * (modeling_rope_utils.py) evaluated in double precision; and the angles of a position. */
#include "model/rope.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { N_ROT = 16, PAIRS = N_ROT / 2 };

static float shorter[PAIRS] = {1.0f, 1.02f, 1.05f, 1.1f, 1.3f, 1.6f, 2.0f, 2.5f};
static float longer[PAIRS] = {1.08f, 1.5f, 2.6f, 4.0f, 7.0f, 12.0f, 20.0f, 32.0f};
static const float divisors[PAIRS] = {1, 1, 2, 4, 8, 8, 8, 8};

#define YARN(original, whole)                                                               \
    .scaling = ROPE_SCALING_YARN, .factor = 4, .original_ctx = (original), .beta_fast = 32, \
    .beta_slow = 1, .truncate = (whole)
#define LONGROPE                                                                                 \
    .scaling = ROPE_SCALING_LONGROPE, .factor = 16, .original_ctx = 32, .short_factor = shorter, \
    .long_factor = longer

static const struct {
    const char *name;
    struct rope_traits traits;
    int32_t length;
    const float *divisors;
    double inverse[PAIRS], magnitude;
} cases[] = {
    {"none",
     {.base = 10000, .factor = 1},
     500,
     NULL,
     {1, 0.316227766, 0.1, 0.0316227766, 0.01, 0.00316227766, 0.001, 0.000316227766},
     1},
    {"divisors",
     {.base = 10000, .factor = 1},
     500,
     divisors,
     {1, 0.316227766, 0.05, 0.00790569415, 0.00125, 0.000395284708, 0.000125, 3.95284708e-05},
     1},
    {"linear",
     {.base = 10000, .scaling = ROPE_SCALING_LINEAR, .factor = 4},
     500,
     NULL,
     {0.25, 0.0790569415, 0.025, 0.00790569415, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05},
     1},
    {"yarn, ramp from the first pair",
     {.base = 10000, YARN(64, true)},
     500,
     NULL,
     {1, 0.237170825, 0.05, 0.00790569415, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05},
     1.13862944},
    {"yarn",
     {.base = 10000, YARN(4096, true), .attention_factor = 1.25},
     500,
     NULL,
     {1, 0.316227766, 0.1, 0.025693506, 0.00625, 0.00138349648, 0.00025, 7.90569415e-05},
     1.25},
    {"yarn, ramp as it is",
     {.base = 10000, YARN(4096, false)},
     500,
     NULL,
     {1, 0.316227766, 0.1, 0.0286136088, 0.00655697152, 0.00128563203, 0.00025, 7.90569415e-05},
     1.13862944},
    {"llama3",
     {.base = 500000,
      .scaling = ROPE_SCALING_LLAMA3,
      .factor = 8,
      .original_ctx = 64,
      .low_freq_factor = 1,
      .high_freq_factor = 4},
     500,
     NULL,
     {1, 0.0794030092, 0.00470075387, 0.000911583092, 0.000176776695, 3.4281022e-05, 6.64786987e-06,
      1.28917317e-06},
     1},
    {"longrope, short",
     {.base = 10000, LONGROPE},
     32,
     NULL,
     {1, 0.310027222, 0.0952380952, 0.0287479787, 0.00769230769, 0.00197642354, 0.0005,
      0.000126491106},
     1.34164079},
    {"longrope, long",
     {.base = 10000, LONGROPE},
     33,
     NULL,
     {0.925925926, 0.210818511, 0.0384615385, 0.00790569415, 0.00142857143, 0.000263523138, 5e-05,
      9.88211769e-06},
     1.34164079},
    {"longrope, given magnitude",
     {.base = 10000, LONGROPE, .attention_factor = 1.1},
     33,
     NULL,
     {0.925925926, 0.210818511, 0.0384615385, 0.00790569415, 0.00142857143, 0.000263523138, 5e-05,
      9.88211769e-06},
     1.1},
    {"dynamic, as trained",
     {.base = 10000, .scaling = ROPE_SCALING_DYNAMIC, .factor = 2, .original_ctx = 64},
     64,
     NULL,
     {1, 0.316227766, 0.1, 0.0316227766, 0.01, 0.00316227766, 0.001, 0.000316227766},
     1},
    {"dynamic, one more",
     {.base = 10000, .scaling = ROPE_SCALING_DYNAMIC, .factor = 2, .original_ctx = 64},
     65,
     NULL,
     {1, 0.314840695, 0.0991246633, 0.0312084779, 0.00982569888, 0.00309352987, 0.000973969093,
      0.000306645106},
     1},
    {"dynamic, long",
     {.base = 10000, .scaling = ROPE_SCALING_DYNAMIC, .factor = 2, .original_ctx = 64},
     100,
     NULL,
     {1, 0.283945139, 0.0806248419, 0.0228930319, 0.00650036513, 0.00184574708, 0.000524090911,
      0.000148813066},
     1},
};

static void check_close(const char *name, double got, double wanted)
{
    if (!(fabs(got - wanted) <= 2e-6 * fabs(wanted)))
        fail_msg("%s: %.9g, expected %.9g", name, got, wanted);
}

static void test_frequencies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rope_traits r = cases[i].traits;
        float inverse[PAIRS + 1] = {[PAIRS] = 77};
        r.n_rot = N_ROT;
        float magnitude =
            rope_frequencies(&r, rope_regime(&r, cases[i].length), cases[i].divisors, inverse);
        check_close(cases[i].name, (double)magnitude, cases[i].magnitude);
        for (size_t p = 0; p < PAIRS; p++)
            check_close(cases[i].name, (double)inverse[p], cases[i].inverse[p]);
        assert_true(inverse[PAIRS] == 77);
    }
}

static void test_yarn_magnitude(void **state)
{
    static const struct {
        double factor, mscale, mscale_all_dim, magnitude;
    } yarns[] = {
        {4, 0, 0, 1.13862944},    {4, 0.7, 0, 1.13862944}, {40, 0.707, 1, 0.921042355},
        {40, 1, 0.5, 1.15572199}, {40, 1, 1, 1},           {1, 0, 0, 1},
        {0.5, 0.707, 0.3, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof yarns / sizeof *yarns; i++) {
        struct rope_traits r = {.n_rot = N_ROT, .base = 10000, YARN(64, true)};
        float inverse[PAIRS];
        r.factor = yarns[i].factor;
        r.mscale = yarns[i].mscale;
        r.mscale_all_dim = yarns[i].mscale_all_dim;
        check_close("yarn", (double)rope_frequencies(&r, 0, NULL, inverse), yarns[i].magnitude);
    }
}

static void test_regimes(void **state)
{
    struct rope_traits longrope = {.n_rot = N_ROT, .base = 10000, LONGROPE};
    struct rope_traits dynamic = {.n_rot = N_ROT,
                                  .base = 10000,
                                  .scaling = ROPE_SCALING_DYNAMIC,
                                  .factor = 2,
                                  .original_ctx = 64};
    struct rope_traits yarn = {.n_rot = N_ROT, .base = 10000, YARN(64, true)};
    struct rope_traits none = {.n_rot = 0, .scaling = ROPE_SCALING_LONGROPE};
    (void)state;
    assert_true(rope_depends_on_length(&longrope));
    assert_true(rope_depends_on_length(&dynamic));
    assert_false(rope_depends_on_length(&yarn));
    assert_false(rope_depends_on_length(&none));
    assert_int_equal(rope_regime(&longrope, 32), 0);
    assert_int_equal(rope_regime(&longrope, 33), 1);
    assert_int_equal(rope_regime(&longrope, 500), 1);
    assert_int_equal(rope_regime(&dynamic, 64), 0);
    assert_int_not_equal(rope_regime(&dynamic, 65), 0);
    assert_int_not_equal(rope_regime(&dynamic, 65), rope_regime(&dynamic, 66));
    assert_int_equal(rope_regime(&yarn, 1000), 0);
    assert_int_equal(rope_regime(&none, 1000), 0);
}

/* Two elements are rotated whatever the base: no pair but the first, whose wave never changes. */
static void test_one_pair(void **state)
{
    struct rope_traits r = {
        .n_rot = 2, .base = 10000, .scaling = ROPE_SCALING_DYNAMIC, .factor = 2, .original_ctx = 8};
    float inverse[2] = {0, 77};
    (void)state;
    assert_true(rope_frequencies(&r, rope_regime(&r, 100), NULL, inverse) == 1);
    assert_true(inverse[0] == 1 && inverse[1] == 77);
}

static void test_angles(void **state)
{
    const float inverse[2] = {0.5f, 0.001f};
    float cosines[2], sines[2];
    (void)state;
    rope_angles(inverse, 4, 1.5f, 7, cosines, sines);
    check_close("cos", (double)cosines[0], 1.5 * cos(3.5));
    check_close("cos", (double)cosines[1], 1.5 * cos(0.007));
    check_close("sin", (double)sines[0], 1.5 * sin(3.5));
    check_close("sin", (double)sines[1], 1.5 * sin(0.007));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frequencies), cmocka_unit_test(test_yarn_magnitude),
        cmocka_unit_test(test_regimes),     cmocka_unit_test(test_one_pair),
        cmocka_unit_test(test_angles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
