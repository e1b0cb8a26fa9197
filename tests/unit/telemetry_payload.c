/* SPDX-License-Identifier: MIT */
/* Telemetry payloads: written, read back, and hostile ones from a broker. */
#include "telemetry/telemetry.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct reading sample = {
    .ts = "1594512094.3859746",
    .co = 0.004955938648391245,
    .humidity = 51.0,
    .lpg = 0.00765082227055719,
    .smoke = 0.02041127012241292,
    .temp = 22.7,
    .motion = true,
};

static void test_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    telemetry_write(&out, &sample, "a\"\\\t<|im_end|>", 7);
    assert_string_equal(
        buf_cstr(&out),
        "{\"data\":{\"co\":0.004955938648391245,\"humidity\":51.0,\"light\":false,"
        "\"lpg\":0.00765082227055719,\"motion\":true,\"smoke\":0.02041127012241292,\"temp\":22.7},"
        "\"device_id\":\"a\\\"\\\\\\t<|im_end|>\",\"ts\":1594512094.3859746,\"seq\":7}");
    buf_release(&out);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct telemetry_message m;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 4096);
    telemetry_write(&out, &sample, "küche-1", 9007199254740993u);
    assert_int_equal(telemetry_parse(&m, buf_view(&out), &e), 0);
    assert_string_equal(m.device_id, "küche-1");
    assert_string_equal(m.reading.ts, sample.ts);
    assert_true(m.seq == 9007199254740993u);
    assert_true(m.reading.co == sample.co && m.reading.temp == sample.temp);
    assert_true(m.reading.motion && !m.reading.light);
    buf_release(&out);
}

static void test_bounded(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    telemetry_write(&out, &sample, "x", 1);
    assert_true(out.failed);
    buf_release(&out);
}

#define DATA                                                                                   \
    "\"data\":{\"co\":1,\"humidity\":2,\"light\":true,\"lpg\":3,\"motion\":false,\"smoke\":4," \
    "\"temp\":5.5}"

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message; /* message NULL: good */
    } cases[] = {
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1}", NULL},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1.5e9,\"seq\":1,\"battery\":3}", NULL},
        {"", "is empty"},
        {"[]", "is an array, expected an object"},
        {"null", "expected an object"},
        {"{" DATA ",\"ts\":1}", "'device_id' is missing"},
        {"{" DATA ",\"device_id\":7,\"ts\":1}", "'device_id' is"},
        {"{" DATA ",\"device_id\":\"a/b\",\"ts\":1}", "'/'"},
        {"{" DATA ",\"device_id\":\"\",\"ts\":1}", "is empty"},
        {"{" DATA ",\"device_id\":\"x\"}", "'ts' is missing, expected a number"},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":\"1\"}", "'ts' is a string, expected a number"},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":-1}", "'ts' is -1"},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1e12}", "'ts' is 1000000000000.0"},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1e400}", ""},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1,\"seq\":0}", "'seq'"},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1,\"seq\":1.5}", "'seq'"},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1,\"seq\":null}", "'seq'"},
        {"{\"device_id\":\"x\",\"ts\":1}", "'data' is missing"},
        {"{\"data\":[],\"device_id\":\"x\",\"ts\":1}", "'data' is an array"},
        {"{\"data\":{},\"device_id\":\"x\",\"ts\":1}", "'co' is missing"},
        {"{\"data\":{\"co\":1,\"humidity\":2,\"light\":1},\"device_id\":\"x\",\"ts\":1}",
         "'light' is"},
        {"{\"data\":{\"co\":NaN},\"device_id\":\"x\",\"ts\":1}", ""},
        {"{" DATA "," DATA ",\"device_id\":\"x\",\"ts\":1}", ""},
        {"{" DATA ",\"device_id\":\"x\",\"ts\":1} x", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct telemetry_message m = {.seq = 99};
        struct err e = {""};
        int rc = telemetry_parse(&m, span_str(cases[i].text), &e);
        if ((rc == 0) != (cases[i].message == NULL))
            fail_msg("'%s' gave %d (%s)", cases[i].text, rc, e.text);
        if (rc && (!strstr(e.text, cases[i].message) || m.seq != 99))
            fail_msg("'%s': '%s' lacks '%s'", cases[i].text, e.text, cases[i].message);
    }
}

static size_t from_hex(const char *hex, uint8_t *out, size_t max)
{
    size_t n = 0;
    unsigned byte;
    while (n < max && sscanf(hex + 2 * n, "%2x", &byte) == 1)
        out[n++] = (uint8_t)byte;
    return n;
}

static void test_cases_file(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct buf text;
    struct err e = {""};
    int lines = 0;
    buf_init(&text, 1 << 20);
    snprintf(path, sizeof path, "%s/tests/cases/mqtt/payloads.jsonl", getenv("WATTLE_SOURCE"));
    assert_int_equal(file_read(path, &text, &e), 0);
    struct span rest = buf_view(&text);
    while (rest.n > 0) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t n = end ? (size_t)(end - rest.p) : rest.n;
        struct telemetry_message m;
        struct json *doc = NULL;
        uint8_t payload[512];
        assert_int_equal(json_parse(&doc, span_sub(rest, 0, n), 1 << 16, "case", &e), 0);
        size_t size = from_hex((const char *)json_string(json_get(doc, "payload_hex")).p, payload,
                               sizeof payload);
        /* All of them are to be counted as bad, and said without a raw byte. */
        assert_int_equal(telemetry_parse(&m, span_of(payload, size), &e), ERR_FORMAT);
        for (const char *c = e.text; *c; c++)
            assert_true((unsigned char)*c >= 0x20);
        assert_true(utf8_valid(span_str(e.text)));
        json_close(&doc);
        lines++;
        rest = span_sub(rest, n + 1, rest.n);
    }
    assert_int_equal(lines, 4);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),    cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bounded),    cmocka_unit_test(test_parse),
        cmocka_unit_test(test_cases_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
