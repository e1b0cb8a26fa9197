/* SPDX-License-Identifier: MIT */
/* Records and summaries: the exact fields, their order, their rounding. */
#include "metrics_sample.h"

static void test_record(void **state)
{
    (void)state;
    struct metric_record r = sample();
    struct buf b;
    struct json_writer w;
    buf_init(&b, 10000);
    json_write_init(&w, &b, 0);
    metric_record_write(&w, &r);
    assert_string_equal(
        buf_cstr(&b),
        "{\"timestamp\":\"2025-10-07T10:30:15.123456+00:00\",\"device_id\":\"00:0f:00:70:91:0a\","
        "\"model_name\":\"microsoft/Phi-3.5-mini-instruct\",\"inference_time_seconds\":1.2345,"
        "\"inference_time_ms\":1234.5,\"memory_used_mb\":45.67,\"memory_total_mb\":512.34,"
        "\"cpu_percent_avg\":78.5,\"cpu_percent_samples\":24,\"energy_consumed_mj\":18.75,"
        "\"energy_consumed_j\":0.0187,\"compute_device\":\"cpu\",\"prompt_length\":256,"
        "\"response_length\":128,\"prompt_tokens\":90,\"cached_tokens\":60,"
        "\"completion_tokens\":30,\"time_to_first_token_ms\":200.13,\"prefill_ms\":190,"
        "\"decode_ms\":1000,\"queue_ms\":0.5,\"tokens_per_second\":30,\"energy_source\":\"rapl\","
        "\"joules_per_token\":0.000625,\"quantization\":\"Q4_1\",\"threads\":2,\"batch_size\":1,"
        "\"finish_reason\":\"stop\",\"error\":null,\"memory_private_mb\":112.5,"
        "\"memory_shared_mb\":399.84,\"throttled_ms\":0,\"frequency_mhz\":null,"
        "\"temperature_c\":null}");
    buf_release(&b);
}

static void test_summary(void **state)
{
    (void)state;
    struct metric_log *l = open_log("summary", "s");
    for (int i = 1; i <= 5; i++) {
        struct metric_record r = sample();
        r.inference_time_s = (double)i;
        r.memory_used_mb = i == 3 ? (double)NAN : i; /* one that is not known is left out */
        r.energy_mj = 1000.0 * i;
        add(l, &r);
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, 10000);
    json_write_init(&w, &b, 0);
    metric_log_summary(l, &w);
    const char *expected =
        "{\"device_id\":\"s\",\"model_name\":\"microsoft/Phi-3.5-mini-instruct\","
        "\"total_inferences\":5,"
        "\"inference_time_ms\":{\"min\":1000,\"max\":5000,\"avg\":3000,\"p50\":3000,\"p95\":4800,"
        "\"p99\":4960,\"stddev\":1581.14},"
        "\"memory_usage_mb\":{\"min\":1,\"max\":5,\"avg\":3,\"p50\":3,\"p95\":4.85,\"p99\":4.97,"
        "\"stddev\":1.83},"
        "\"cpu_usage_percent\":{\"min\":78.5,\"max\":78.5,\"avg\":78.5,\"p50\":78.5,\"p95\":78.5,"
        "\"p99\":78.5,\"stddev\":0},"
        "\"energy_consumption_mj\":{\"min\":1000,\"max\":5000,\"avg\":3000,\"total\":15000,"
        "\"p50\":3000,\"p95\":4800,\"p99\":4960,\"stddev\":1581.14},"
        "\"errors\":0,\"tokens\":{\"prompt\":450,\"cached\":300,\"completion\":150},"
        "\"tokens_per_second\":{\"min\":30,\"max\":30,\"avg\":30,\"p50\":30,\"p95\":30,\"p99\":30,"
        "\"stddev\":0},"
        "\"time_to_first_token_ms\":{\"min\":200.13,\"max\":200.13,\"avg\":200.13,\"p50\":200.13,"
        "\"p95\":200.13,\"p99\":200.13,\"stddev\":0},"
        "\"joules_per_token\":0.1,\"energy_source\":\"rapl\",\"compute_device\":\"cpu\","
        "\"quantization\":\"Q4_1\",\"first_timestamp\":\"2025-10-07T10:30:15.123456+00:00\","
        "\"last_timestamp\":\"2025-10-07T10:30:15.123456+00:00\"}";
    assert_string_equal(buf_cstr(&b), expected);
    buf_release(&b);
    metric_log_close(&l);
}

/* Case v-js1: a zero duration. And numbers that nobody should give us. */
static void test_no_nan(void **state)
{
    (void)state;
    struct metric_log *l = open_log("zero", "z");
    struct metric_record r = {.device_id = "z", .completion_tokens = 3};
    r.tokens_per_second = NAN;
    add(l, &r);
    r.tokens_per_second = 3 / r.inference_time_s; /* Infinity */
    r.energy_mj = -INFINITY;
    r.device_id = "bad \xff\"\n";
    add(l, &r);
    save(l);
    struct json *doc = load(metric_log_path(l));
    const struct json *details = json_get(doc, "detailed_metrics");
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(json_get(json_at(details, i), "tokens_per_second"));
        assert_int_equal(json_type_of(json_get(json_at(details, i), "tokens_per_second")),
                         JSON_NULL);
    }
    assert_int_equal(json_type_of(json_get(json_get(doc, "summary"), "tokens_per_second")),
                     JSON_NULL);
    assert_true(
        json_is_number(json_get(json_get(json_get(doc, "summary"), "inference_time_ms"), "avg")));
    json_close(&doc);
    metric_log_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_no_nan),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
