/* SPDX-License-Identifier: MIT */
/* metric_file_parse: files of the seed, of ours, and hostile ones. */
#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

static int parse(struct metric_summary *s, struct metric_values *v, const char *text, struct err *e)
{
    size_t n = strlen(text);
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    int r = metric_file_parse(s, v, span_of(exact, n), "f.json", e);
    free(exact);
    return r;
}

/* The example of the seed, with one of its records. */
static void test_seed_fields_only(void **state)
{
    (void)state;
    static const char text[] =
        "{\"summary\":{\"device_id\":\"00:0f:00:70:91:0a\",\"model_name\":\"m\","
        "\"total_inferences\":10,\"inference_time_ms\":{\"min\":1150.23,\"max\":1389.45,"
        "\"avg\":1234.56},\"memory_usage_mb\":{\"min\":42.5,\"max\":48.2,\"avg\":45.3},"
        "\"cpu_usage_percent\":{\"min\":72.1,\"max\":85.4,\"avg\":78.5},"
        "\"energy_consumption_mj\":{\"min\":17.2,\"max\":20.8,\"avg\":18.5,\"total\":185.0}}}";
    struct metric_summary s;
    struct metric_values v = {0};
    struct err e = {""};
    if (parse(&s, &v, text, &e) != 0)
        fail_msg("%s", e.text);
    assert_string_equal(s.device_id, "00:0f:00:70:91:0a");
    assert_string_equal(s.model_name, "m");
    assert_string_equal(s.path, "f.json");
    assert_int_equal(s.total_inferences, 10);
    assert_int_equal(s.errors, 0);
    assert_true(s.time_ms.avg == 1234.56 && s.time_ms.n == 10 && isnan(s.time_ms.p50));
    assert_true(s.energy_mj.total == 185 && s.memory_mb.max == 48.2);
    assert_true(isnan(s.tokens_per_second.avg) && s.tokens_per_second.n == 0);
    assert_true(isnan(s.completion_tokens) && isnan(s.joules_per_token));
    assert_string_equal(s.energy_source, "");
    assert_true(v.n == 0 && v.incomplete);
    metric_values_release(&v);
}

static void test_made_from_details(void **state)
{
    (void)state;
    static const char text[] =
        " {\"model_loading\":{\"x\":[1,{\"summary\":2}]},\"detailed_metrics\":["
        "{\"inference_time_ms\":100,\"memory_used_mb\":1,\"cpu_percent_avg\":50,"
        "\"energy_consumed_mj\":1000,\"completion_tokens\":5,\"energy_source\":\"rapl\"},"
        "{\"inference_time_ms\":300,\"memory_used_mb\":null,\"error\":\"x\","
        "\"energy_source\":\"estimate\"}],"
        "\"summary\":{\"device_id\":\"d\"}}";
    struct metric_summary s;
    struct metric_values v = {0};
    struct err e = {""};
    if (parse(&s, &v, text, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(s.total_inferences, 2);
    assert_int_equal(s.errors, 1);
    assert_true(s.time_ms.avg == 200 && s.time_ms.p50 == 200 && s.time_ms.n == 2);
    assert_true(s.memory_mb.avg == 1 && s.memory_mb.n == 1);
    assert_true(s.completion_tokens == 5 && isnan(s.prompt_tokens));
    assert_true(s.joules_per_token == 0.2);
    assert_string_equal(s.energy_source, "mixed");
    assert_true(v.n == 2 && v.v[1] == 300 && !v.incomplete);
    metric_values_release(&v);
}

static const struct {
    const char *text;
    int code;
    const char *error;
} bad[] = {
    {"", ERR_FORMAT, "'f.json': cut off at byte 0, expected an object"},
    {"[]", ERR_FORMAT, "expected an object"},
    {"{}", ERR_FORMAT, "'f.json': no \"summary\", expected a metrics file"},
    {"{\"summary\":1}", ERR_FORMAT, "'f.json': summary: an integer, expected an object"},
    {"{\"summary\":{}", ERR_FORMAT, "cut off"},
    {"{\"summary\":{},\"summary\":{}}", ERR_FORMAT, "\"summary\" stands twice"},
    {"{\"summary\":{\"device_id\":1}}", ERR_FORMAT, "summary: device_id: an integer, expected a"},
    {"{\"summary\":{\"total_inferences\":-1}}", ERR_RANGE, "total_inferences: -1, expected 0"},
    {"{\"summary\":{\"total_inferences\":1.5}}", ERR_FORMAT, "a number, expected an integer"},
    {"{\"summary\":{\"inference_time_ms\":[]}}", ERR_FORMAT,
     "summary: inference_time_ms: an array, expected an object"},
    {"{\"summary\":{\"inference_time_ms\":{\"avg\":\"1\"}}}", ERR_FORMAT,
     "summary: inference_time_ms: avg: a string, expected a number"},
    {"{\"summary\":{\"tokens\":7}}", ERR_FORMAT, "tokens: an integer, expected an object"},
    {"{\"summary\":{\"inference_time_ms\":{\"avg\":NaN}}}", ERR_FORMAT, "no JSON"},
    {"{\"summary\":{},\"detailed_metrics\":{}}", ERR_FORMAT,
     "detailed_metrics: byte 0 is '{', expected an array"},
    {"{\"summary\":{},\"detailed_metrics\":[{},3]}", ERR_FORMAT,
     "detailed_metrics[1]: an integer, expected an object"},
    {"{\"summary\":{},\"detailed_metrics\":[{\"inference_time_ms\":\"1\"}]}", ERR_FORMAT,
     "detailed_metrics[0]: inference_time_ms: a string, expected a number"},
    {"{\"summary\":{},\"detailed_metrics\":[{\"energy_source\":[]}]}", ERR_FORMAT,
     "energy_source: an array, expected a string"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct metric_summary s = {.total_inferences = 77};
        struct err e = {""};
        assert_int_equal(parse(&s, NULL, bad[i].text, &e), bad[i].code);
        assert_int_equal(s.total_inferences, 77); /* untouched */
        if (!strstr(e.text, bad[i].error))
            fail_msg("'%s' lacks '%s'", e.text, bad[i].error);
    }
}

static void test_large(void **state)
{
    (void)state;
    struct buf b;
    struct metric_summary s;
    struct err e = {""};
    buf_init(&b, 16 << 20);
    buf_str(&b, "{\"summary\":{},\"detailed_metrics\":[{}");
    for (int i = 0; i < METRIC_FILE_RECORDS_MAX; i++)
        buf_str(&b, ",{}");
    buf_str(&b, "]}");
    assert_int_equal(metric_file_parse(&s, NULL, buf_view(&b), "f", &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "more than 1000000 records"));
    buf_clear(&b);
    buf_str(&b, "{\"summary\":{},\"detailed_metrics\":[{\"a\":\"");
    for (int i = 0; i < 100000; i++)
        buf_char(&b, 'x');
    buf_str(&b, "\"}]}");
    assert_int_equal(metric_file_parse(&s, NULL, buf_view(&b), "f", &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "detailed_metrics[0]: 100"));
    buf_clear(&b);
    /* long texts are cut at a character */
    buf_str(&b, "{\"summary\":{\"device_id\":\"");
    for (int i = 0; i < 100; i++)
        buf_str(&b, "\xe2\x82\xac");
    buf_str(&b, "\"}}");
    assert_int_equal(metric_file_parse(&s, NULL, buf_view(&b), "f", &e), 0);
    assert_true(utf8_valid(span_str(s.device_id)));
    assert_int_equal(strlen(s.device_id), 129);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_fields_only),
        cmocka_unit_test(test_made_from_details),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
