/* SPDX-License-Identifier: MIT */
/* codec/json_write.h: the exact bytes. */
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void write_sample(struct json_writer *w)
{
    json_write_object(w);
    json_write_key(w, "a");
    json_write_int(w, INT64_MIN);
    json_write_key(w, "b");
    json_write_array(w);
    json_write_u64(w, UINT64_MAX);
    json_write_bool(w, true);
    json_write_null(w);
    json_write_array(w);
    json_write_array_end(w);
    json_write_array_end(w);
    json_write_key(w, "c");
    json_write_object(w);
    json_write_object_end(w);
    json_write_key(w, "d\"");
    json_write_str(w, NULL);
    json_write_key(w, "e");
    json_write_raw(w, span_str("{\"x\":1}"));
    json_write_object_end(w);
}

static void test_layout(void **state)
{
    (void)state;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1000);
    json_write_init(&w, &b, 0);
    write_sample(&w);
    assert_string_equal(buf_cstr(&b),
                        "{\"a\":-9223372036854775808,\"b\":[18446744073709551615,true,null,[]],"
                        "\"c\":{},\"d\\\"\":null,\"e\":{\"x\":1}}");
    buf_clear(&b);
    json_write_init(&w, &b, 1);
    write_sample(&w);
    assert_string_equal(buf_cstr(&b),
                        "{\n \"a\": -9223372036854775808,\n \"b\": [\n  18446744073709551615,\n"
                        "  true,\n  null,\n  []\n ],\n \"c\": {},\n \"d\\\"\": null,\n"
                        " \"e\": {\"x\":1}\n}");
    buf_release(&b);
}

static const struct {
    double v;
    int decimals; /* -1: json_write_f64 */
    const char *text;
} numbers[] = {
    {1.23456, 4, "1.2346"}, {1.0, 4, "1"},        {100.0, 0, "100"},
    {0.1 + 0.2, 2, "0.3"},  {-0.00001, 4, "0"},   {-0.0, 2, "0"},
    {-1.5, 1, "-1.5"},      {999.999, 2, "1000"}, {1e20, 2, "100000000000000000000.0"},
    {1234.5, 2, "1234.5"},  {NAN, 2, "null"},     {INFINITY, 2, "null"},
    {-INFINITY, 2, "null"}, {NAN, -1, "null"},    {INFINITY, -1, "null"},
    {0.1, -1, "0.1"},       {1e-9, 4, "0"},
};

static void test_numbers(void **state)
{
    const char *locale = *state;
    struct buf b;
    buf_init(&b, 1000);
    if (locale && !setlocale(LC_ALL, locale))
        skip();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct json_writer w;
        buf_clear(&b);
        json_write_init(&w, &b, 0);
        if (numbers[i].decimals < 0)
            json_write_f64(&w, numbers[i].v);
        else
            json_write_fixed(&w, numbers[i].v, numbers[i].decimals);
        assert_string_equal(buf_cstr(&b), numbers[i].text);
    }
    setlocale(LC_ALL, "C");
    buf_release(&b);
}

/* Whatever double it is, the text is JSON and reads back. */
static void test_numbers_read_back(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 4);
    struct buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64(&r);
        double v;
        memcpy(&v, &bits, sizeof v);
        struct json_writer w;
        buf_clear(&b);
        json_write_init(&w, &b, 0);
        json_write_array(&w);
        json_write_f64(&w, v);
        json_write_fixed(&w, v, (int)rng_below(&r, 16));
        json_write_array_end(&w);
        struct json *doc = NULL;
        struct err e = {""};
        if (json_parse(&doc, buf_view(&b), 1000, "number", &e) != 0)
            fail_msg("%s: %s", buf_cstr(&b), e.text);
        if (isfinite(v))
            assert_true(json_number(json_at(doc, 0)) == v);
        json_close(&doc);
    }
    buf_release(&b);
}

static const struct {
    const char *bytes;
    size_t n;
    const char *text;
} strings[] = {
#define STRING(bytes, text)           \
    {                                 \
        bytes, sizeof bytes - 1, text \
    }
    STRING("", "\"\""),
    STRING("plain", "\"plain\""),
    STRING("\"\\/", "\"\\\"\\\\/\""),
    STRING("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
    STRING("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\x7f\""),
    STRING("k\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\"k\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\""),
    STRING("a\xff"
           "b",
           "\"a\xef\xbf\xbd"
           "b\""),
    STRING("\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
    STRING("edge \"one\"\\\t01\x02", "\"edge \\\"one\\\"\\\\\\t01\\u0002\""),
};

static void test_strings(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        buf_clear(&b);
        json_quote(&b, span_of(strings[i].bytes, strings[i].n));
        assert_string_equal(buf_cstr(&b), strings[i].text);
    }
    buf_release(&b);
}

/* A value as deep as the parser lets in, below as many levels of our own. */
static void test_value_again(void **state)
{
    (void)state;
    struct buf in, out;
    struct json *doc = NULL;
    struct err e;
    buf_init(&in, 10000);
    buf_init(&out, 10000);
    buf_str(&in, "[null,true,1,1.5,\"x\\n\",{\"b\":1,\"a\":[]}");
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        buf_str(&in, i == 1 ? ",[" : "[");
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_char(&in, ']');
    assert_int_equal(json_parse(&doc, buf_view(&in), 10000, "x", &e), 0);
    struct json_writer w;
    json_write_init(&w, &out, 0);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_write_array(&w);
    json_write_value(&w, doc);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_write_array_end(&w);
    struct span inner = span_of(out.p + JSON_DEPTH_MAX, out.n - 2 * JSON_DEPTH_MAX);
    assert_true(span_eq(inner, buf_view(&in)));
    json_close(&doc);
    buf_release(&in);
    buf_release(&out);
}

static void test_members(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    struct json *doc = NULL;
    struct err e;
    assert_int_equal(json_parse(&doc, span_str("[1]"), 100, "value", &e), 0);
    buf_init(&out, 4096);
    json_write_init(&w, &out, 0);
    json_write_object(&w);
    json_put_object(&w, "o");
    json_put_int(&w, "i", -3);
    json_write_object_end(&w);
    json_put_array(&w, "a");
    json_write_array_end(&w);
    json_put_span(&w, "p", span_of("xyz", 2));
    json_put_str(&w, "s", "");
    json_put_str(&w, "S", NULL);
    json_put_text(&w, "t", "");
    json_put_text(&w, "T", "text");
    json_put_text(&w, "N", NULL);
    json_put_u64(&w, "u", UINT64_MAX);
    json_put_f64(&w, "f", 0.1);
    json_put_fixed(&w, "d", 2.0 / 3, 3);
    json_put_bool(&w, "b", true);
    json_put_null(&w, "n");
    json_put_value(&w, "v", doc);
    json_put_raw(&w, "r", span_str("{}"));
    json_write_object_end(&w);
    assert_string_equal(buf_cstr(&out),
                        "{\"o\":{\"i\":-3},\"a\":[],\"p\":\"xy\",\"s\":\"\",\"S\":null,\"t\":null,"
                        "\"T\":\"text\",\"N\":null,\"u\":18446744073709551615,\"f\":0.1,"
                        "\"d\":0.667,\"b\":true,\"n\":null,\"v\":[1],\"r\":{}}");
    json_close(&doc);
    buf_release(&out);
}

/* A full buffer is noticed at the end, and nothing is written past it. */
static void test_full(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    struct json_writer w;
    for (size_t max = 0; max < 100; max++) {
        buf_init(&b, max);
        json_write_init(&w, &b, 2);
        write_sample(&w);
        assert_int_equal(buf_check(&b, "sample", &e), ERR_LIMIT);
        buf_release(&b);
    }
}

int main(void)
{
    static char german[] = "de_DE.UTF-8";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_numbers),
        {"test_numbers_in_german", test_numbers, NULL, NULL, german},
        cmocka_unit_test(test_numbers_read_back),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_value_again),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
