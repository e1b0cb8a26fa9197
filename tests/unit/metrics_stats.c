/* SPDX-License-Identifier: MIT */
/* metric_stats_of against numbers worked out by hand and with NumPy; the same value by value, and
 * for more values than are kept. */
#include "metrics/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

static const struct {
    double v[8];
    size_t n;
    struct metric_stats s; /* min max avg p50 p95 p99 stddev total n */
} cases[] = {
    {{0}, 0, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {{7}, 1, {7, 7, 7, 7, 7, 7, 0, 7, 1}},
    {{3, 1}, 2, {1, 3, 2, 2, 2.9, 2.98, 1.4142135623730951, 4, 2}},
    {{5, 1, 4, 2, 3}, 5, {1, 5, 3, 3, 4.8, 4.96, 1.5811388300841898, 15, 5}},
    {{NAN, 4, INFINITY, 2, -INFINITY}, 5, {2, 4, 3, 3, 3.9, 3.98, 1.4142135623730951, 6, 2}},
    {{NAN, NAN}, 2, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {{-1, -1, -1, -1}, 4, {-1, -1, -1, -1, -1, -1, 0, -4, 4}},
};

static void expect_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12 * fmax(1, fabs(b))))
        fail_msg("%.17g, expected %.17g", a, b);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double v[8];
        struct metric_stats s;
        const struct metric_stats *x = &cases[i].s;
        memcpy(v, cases[i].v, sizeof v);
        metric_stats_of(&s, v, cases[i].n);
        expect_near(s.min, x->min);
        expect_near(s.max, x->max);
        expect_near(s.avg, x->avg);
        expect_near(s.p50, x->p50);
        expect_near(s.p95, x->p95);
        expect_near(s.p99, x->p99);
        expect_near(s.stddev, x->stddev);
        expect_near(s.total, x->total);
        assert_int_equal(s.n, x->n);
    }
}

static void test_series(void **state)
{
    (void)state;
    enum { DROPPED = 1000, N = METRIC_KEPT_MAX + DROPPED };
    struct series s = {0};
    struct metric_stats some, all;
    double *scratch = malloc(N * sizeof *scratch);
    assert_non_null(scratch);
    for (int i = 0; i < N; i++) {
        assert_true(series_reserve(&s));
        series_add(&s, i < DROPPED ? 1e6 + i : i % 1000);
        series_add(&s, (double)NAN);
        scratch[i] = i < DROPPED ? 1e6 + i : i % 1000;
    }
    metric_stats_of(&all, scratch, N);
    series_stats(&s, scratch, &some);
    assert_int_equal(some.n, N);
    expect_near(some.min, all.min);
    expect_near(some.max, all.max);
    expect_near(some.total / all.total, 1);
    expect_near(some.avg / all.avg, 1);
    if (fabs(some.stddev / all.stddev - 1) > 1e-9)
        fail_msg("%.17g, expected %.17g", some.stddev, all.stddev);
    expect_near(some.p50, 499.5); /* of the newest */
    expect_near(some.p99, 989.01);
    free(scratch);
    series_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_series)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
