/* SPDX-License-Identifier: MIT */
/* samples: the single inferences of a metrics file, and stamps. */
#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

static void test_stamps(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double utc_s; /* NAN: refused; `date -u -d TEXT +%s` */
    } cases[] = {
        {"1970-01-01T00:00:00", 0},
        {"2025-10-07T10:30:15.125", 1759833015.125},
        {"2025-10-07T10:30:15.125+00:00", 1759833015.125},
        {"2025-10-07T12:30:15+02:00", 1759833015},
        {"2025-10-07T05:00:15-05:30", 1759833015},
        {"2025-10-07 10:30:15Z", 1759833015},
        {"2024-02-29T23:59:60Z", 1709251200},
        {"2000-03-01T00:00:00Z", 951868800},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"", NAN},
        {"2025-10-07", NAN},
        {"2025-13-07T10:30:15", NAN},
        {"2025-10-07T24:30:15", NAN},
        {"2025-10-07T10:30:15+", NAN},
        {"2025-10-07T10:30:15+0200", NAN},
        {"1969-10-07T10:30:15", NAN},
        {"2025-10-07T10:30:-5", NAN},
        {"2025/10/07T10:30:15", NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = metric_parse_time(span_str(cases[i].text));
        bool same = isnan(cases[i].utc_s) ? isnan(got) : fabs(got - cases[i].utc_s) < 1e-6;
        if (!same)
            fail_msg("%s: %.6f, expected %.6f", cases[i].text, got, cases[i].utc_s);
    }
}

static int parse(struct metric_samples *s, const char *text, struct err *e)
{
    metric_samples_init(s);
    return metric_samples_parse(s, span_str(text), "f.json", e);
}

static void test_fields(void **state)
{
    (void)state;
    struct metric_samples s;
    struct err e = {""};
    assert_int_equal(
        parse(&s,
              "{\"detailed_metrics\":[{\"timestamp\":\"1970-01-01T00:01:00\","
              "\"inference_time_ms\":12.5,\"energy_consumed_mj\":2500,\"threads\":4,"
              "\"energy_source\":\"rapl\",\"error\":null},{\"error\":\"x\"},{}],"
              "\"model_loading\":{\"load_time_seconds\":0.5,\"file_bytes\":1000,\"threads\":2,"
              "\"isa\":\"avx2\",\"path\":7}}",
              &e),
        0);
    assert_int_equal(s.n, 3);
    assert_true(s.v[0].utc_s == 60 && s.v[0].time_ms == 12.5 && s.v[0].energy_j == 2.5);
    assert_true(s.v[0].threads == 4 && isnan(s.v[0].tokens_per_second) && !s.v[0].failed);
    assert_string_equal(s.v[0].energy_source, "rapl");
    assert_true(s.v[1].failed && isnan(s.v[1].time_ms) && !s.v[2].failed);
    assert_true(s.load_seconds == 0.5 && s.model_bytes == 1000 && s.threads == 2);
    assert_string_equal(s.isa, "avx2");
    assert_string_equal(s.model_path, ""); /* of the wrong type: not known */
    metric_samples_release(&s);
}

static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "'f.json'"},
        {"[1]", "'f.json'"},
        {"{\"detailed_metrics\":{}}", "detailed_metrics"},
        {"{\"detailed_metrics\":[1]}", "detailed_metrics[0]: an integer, expected an object"},
        {"{\"detailed_metrics\":[{},{\"threads\":\"4\"}]}", "[1]: threads: a string"},
        {"{\"detailed_metrics\":[{\"timestamp\":4}]}", "timestamp"},
        {"{\"detailed_metrics\":[{\"inference_time_ms\":1e999}]}", "[0]"},
        {"{\"detailed_metrics\":[{}", "'f.json'"},
        {"{\"model_loading\":[}", "'f.json'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct metric_samples s;
        struct err e = {""};
        if (parse(&s, cases[i].text, &e) >= 0 || !strstr(e.text, cases[i].part))
            fail_msg("%s: '%s', expected '%s' in it", cases[i].text, e.text, cases[i].part);
        metric_samples_release(&s);
    }
    struct metric_samples s;
    struct err e;
    assert_int_equal(parse(&s, "{\"detailed_metrics\":null,\"model_loading\":null}", &e), 0);
    assert_true(s.n == 0 && isnan(s.load_seconds));
    metric_samples_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
