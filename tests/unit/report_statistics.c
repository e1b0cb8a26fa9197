/* SPDX-License-Identifier: MIT */
/* statistics: against numpy and scipy (tests/golden/report/statistics.json), and values counted by
 * hand. */
#include "report/statistics.h"

#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

enum { VALUES_MAX = 4096 };

static void near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: %.9g, expected %.9g within %.2g", what, got, expected, tolerance);
}

static size_t values(const struct json *array, double *v)
{
    size_t n = json_size(array);
    assert_in_range(n, 1, VALUES_MAX);
    for (size_t i = 0; i < n; i++)
        v[i] = json_number(json_at(array, i));
    return n;
}

/* Two ends of an interval; width: of how much of it 4,000 resamples may miss scipy's 100,000. */
static void near_interval(const char *what, struct interval got, const struct json *expected,
                          double share)
{
    double low = json_number(json_at(expected, 0)), high = json_number(json_at(expected, 1));
    near(what, got.low, low, share * (high - low));
    near(what, got.high, high, share * (high - low));
}

static void test_scipy(void **state)
{
    (void)state;
    char path[1024];
    struct buf text;
    struct json *doc = NULL;
    struct err e = {""};
    const char *source = getenv("WATTLE_SOURCE");
    double x[VALUES_MAX], y[VALUES_MAX], scratch[2 * VALUES_MAX];
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/tests/golden/report/statistics.json", source);
    buf_init(&text, 1 << 20);
    if (file_read(path, &text, &e) < 0 || json_parse(&doc, buf_view(&text), 1 << 20, path, &e) < 0)
        fail_msg("%s", e.text);
    const struct json *cases = json_get(doc, "cases"), *normal = json_get(doc, "normal");
    assert_int_equal(json_size(cases), 5);
    for (size_t i = 0; i < json_size(cases); i++) {
        const struct json *c = json_at(cases, i);
        struct estimate of;
        struct difference d;
        size_t n_x = values(json_get(c, "x"), x), n_y = values(json_get(c, "y"), y);
        size_t n = n_x < n_y ? n_x : n_y;
        bool few = n_x < 10; /* scipy's own seeds differ by more there */
        estimate_of(&of, x, n_x, scratch);
        near("mean", of.mean, json_number(json_get(c, "mean")), 1e-9 * fabs(of.mean));
        near("median", of.median, json_number(json_get(c, "median")), 1e-9);
        near("p95", of.p95, json_number(json_get(c, "p95")), 1e-9 * fabs(of.p95));
        near("stddev", of.stddev, json_number(json_get(c, "stddev")), 1e-9 * of.stddev);
        assert_int_equal(of.block, 1);
        near_interval("mean's interval", of.mean_ci, json_get(c, "mean_ci95"), few ? 0.08 : 0.04);
        /* ranks from the normal instead of the exact binomial: wider by a rank at most */
        const struct json *median = json_get(c, "median_ci95");
        assert_true(of.median_ci.low <= json_number(json_at(median, 0)) + 1e-9);
        assert_true(of.median_ci.high >= json_number(json_at(median, 1)) - 1e-9);
        difference_unpaired(&d, x, n_x, y, n_y, scratch);
        near("difference", d.mean, json_number(json_get(c, "difference")), 1e-9 * of.mean);
        near_interval("difference's interval", d.ci, json_get(c, "difference_ci95"), 0.05);
        near("Cliff's delta", d.effect, json_number(json_get(c, "cliff_delta")), 1e-12);
        for (size_t k = 0; k < n; k++)
            x[k] -= y[k];
        difference_paired(&d, x, n, 100);
        near("paired", d.mean, json_number(json_get(c, "paired")), 1e-9 * of.mean);
        near_interval("pairs' interval", d.ci, json_get(c, "paired_ci95"), few ? 0.08 : 0.04);
        near("dz", d.effect, json_number(json_get(c, "dz")), 1e-9);
        near("percent", d.percent, d.mean, 1e-9 * of.mean);
    }
    for (size_t i = 0; i < json_size(normal); i++) {
        double z = json_number(json_get(json_at(normal, i), "z"));
        near("quantile", normal_quantile(json_number(json_get(json_at(normal, i), "p"))), z, 1e-9);
    }
    json_close(&doc);
    buf_release(&text);
}

static void test_by_hand(void **state)
{
    (void)state;
    double scratch[64], one[] = {7}, four[] = {1, 2, 3, 10}, same[] = {5, 5, 5, 5, 5, 5, 5};
    double x[] = {1, 2, 2}, y[] = {2, 3};
    struct estimate e;
    struct difference d;
    estimate_of(&e, NULL, 0, scratch);
    assert_true(e.n == 0 && isnan(e.mean) && isnan(e.mean_ci.low) && isnan(e.p95));
    estimate_of(&e, one, 1, scratch);
    assert_true(e.mean == 7 && e.median == 7 && e.p95 == 7 && isnan(e.stddev) &&
                isnan(e.mean_ci.low));
    estimate_of(&e, four, 4, scratch);
    near("type 7", e.p95, 3 + 0.85 * 7, 1e-12);             /* 0.95 * 3 = 2.85: between 3 and 10 */
    assert_true(e.median == 2.5 && isnan(e.median_ci.low)); /* 4 values can't make 95 % */
    estimate_of(&e, same, 7, scratch);
    assert_true(e.mean_ci.low == 5 && e.mean_ci.high == 5 && e.stddev == 0);
    /* 6 pairs: 1 below 2 and 3, 2 equal to 2 and below 3, twice: -4 of 6 */
    near("delta", cliff_delta(x, 3, y, 2), -4.0 / 6, 1e-12);
    difference_paired(&d, same, 7, 0);
    assert_true(d.told && isnan(d.effect) && isnan(d.percent) && d.needed == 0);
    difference_paired(&d, same, 5, 10); /* all on one side, but five */
    assert_false(d.told);
    assert_true(d.needed == 1);
    difference_paired(&d, four, 0, 10);
    assert_true(d.n == 0 && !d.told && isnan(d.mean));
}

/* A tie needs more: +-1 with a mean of 0.1 and a half width of about 0.2 at n 100. */
static void test_needed(void **state)
{
    (void)state;
    double v[100], scratch[200];
    struct difference d;
    struct estimate e;
    for (size_t i = 0; i < 100; i++)
        v[i] = 0.1 + (i % 2 ? 1 : -1);
    difference_paired(&d, v, 100, 1);
    assert_false(d.told);
    near("half width", 0.5 * (d.ci.high - d.ci.low), 0.196, 0.02);
    near("needed", d.needed, 100 * (3.84 - 1), 80);
    /* neighbours alike: blocks, and a wider interval than of independent values */
    for (size_t i = 0; i < 100; i++)
        v[i] = (double)(i / 10 % 2);
    estimate_of(&e, v, 100, scratch);
    assert_true(e.block > 1 && e.lag1 > 0.5);
    assert_true(e.mean_ci.high - e.mean_ci.low > 0.25); /* independent: 0.196 */
}

/* Past RESAMPLED_MAX the normal approximation joins without a step. */
static void test_many(void **state)
{
    (void)state;
    double *v = malloc(3000 * sizeof *v), *scratch = malloc(3000 * sizeof *v);
    struct estimate few, many;
    struct rng rng;
    assert_true(v && scratch);
    rng_seed(&rng, 3);
    for (size_t i = 0; i < 3000; i++)
        v[i] = rng_unit(&rng);
    estimate_of(&few, v, RESAMPLED_MAX, scratch);
    estimate_of(&many, v, RESAMPLED_MAX * 3 / 2, scratch);
    near("width", (many.mean_ci.high - many.mean_ci.low) * sqrt(1.5),
         few.mean_ci.high - few.mean_ci.low, 0.1 * (few.mean_ci.high - few.mean_ci.low));
    free(v);
    free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scipy),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
