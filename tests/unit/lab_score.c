/* SPDX-License-Identifier: MIT */
/* Losses, divergences and quantiles against values that can be worked out by hand. */
#include "lab/score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { N = 4 };

static void assert_near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-12 * (1 + fabs(expected))))
        fail_msg("%.17g, expected %.17g", got, expected);
}

/* log(k / total) as a logit, moved by a constant that must not matter. */
static void logits_of(float out[N], const int weights[N], float moved)
{
    for (int i = 0; i < N; i++)
        out[i] = (float)log(weights[i]) + moved;
}

static void test_loss(void **state)
{
    (void)state;
    const float even[N] = {7, 7, 7, 7};
    struct score s;
    assert_true(score_position(even, NULL, N, 3, &s));
    assert_near(s.loss, log(4));
    const float steep[N] = {1000, 0, -1000, 0}; /* exp(1000) is no double */
    assert_true(score_position(steep, NULL, N, 0, &s));
    assert_near(s.loss, 0);
    assert_true(score_position(steep, NULL, N, 2, &s));
    assert_near(s.loss, 2000);
}

static void test_divergence(void **state)
{
    (void)state;
    float model[N], reference[N];
    struct score s;
    logits_of(model, (const int[N]){1, 1, 1, 1}, 0);
    logits_of(reference, (const int[N]){2, 4, 1, 1}, 3);
    assert_true(score_position(model, reference, N, 1, &s));
    double kl = 0.25 * log(0.25 / 0.25) + 0.5 * log(0.5 / 0.25) + 2 * 0.125 * log(0.125 / 0.25);
    assert_true(fabs(s.divergence - kl) < 1e-6); /* the logits are floats */
    assert_true(fabs(s.reference_loss - log(2)) < 1e-6);
    assert_near(s.loss, log(4));
    assert_false(s.agree); /* of equals the lowest is the likeliest */
    /* The other way round it is another number. */
    assert_true(score_position(reference, model, N, 1, &s));
    assert_true(fabs(s.divergence - 0.25 * (log(1) - log(2) + 2 * log(2))) < 1e-6);
    assert_true(score_position(reference, reference, N, 0, &s));
    assert_true(s.divergence == 0 && s.agree);
}

static void test_impossible_tokens(void **state)
{
    (void)state;
    const float some[N] = {0, 0, -INFINITY, 0}, all[N] = {0, 0, 0, 0};
    struct score s;
    assert_true(score_position(all, some, N, 0, &s));
    assert_near(s.divergence, log(4.0 / 3));
    assert_true(score_position(some, all, N, 0, &s));
    assert_true(isinf(s.divergence));
    const float broken[][N] = {
        {0, NAN, 0, 0}, {0, INFINITY, 0, 0}, {-INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_false(score_position(broken[i], NULL, N, 0, &s));
        assert_false(score_position(all, broken[i], N, 0, &s));
    }
}

static void test_quantiles(void **state)
{
    (void)state;
    double values[] = {5, 1, 3, 2, 4};
    assert_near(score_quantile(values, 5, 0), 1);
    assert_near(score_quantile(values, 5, 0.5), 3);
    assert_near(score_quantile(values, 5, 0.95), 4.8);
    assert_near(score_quantile(values, 5, 1), 5);
    double one[] = {7};
    assert_near(score_quantile(one, 1, 0.5), 7);
    assert_near(score_quantile(one, 1, 1), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_impossible_tokens),
        cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
