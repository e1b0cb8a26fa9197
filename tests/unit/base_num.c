/* SPDX-License-Identifier: MIT */
/* base/num.h, base/utf8.h, base/err.h, base/buf.h, base/arena.h: tables of bytes and what must come
 * out. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <float.h>
#include <locale.h>

static void test_parse_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"42", true, 42},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"0x10", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t v = 77;
        assert_int_equal(num_parse_i64(span_str(rows[i].text), &v), rows[i].ok);
        assert_int_equal(v, rows[i].ok ? rows[i].value : 77);
    }
    uint64_t u;
    assert_true(num_parse_u64(span_str("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(num_parse_u64(span_str("18446744073709551616"), &u));
}

static void test_parse_reals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        double value;
    } rows[] = {
        {"21.75", true, 21.75}, {"-0.5", true, -0.5},
        {"1e3", true, 1000},    {"1.5945120943859746E9", true, 1594512094.3859746},
        {".5", true, 0.5},      {"5.", true, 5},
        {"nan", false, 0},      {"inf", false, 0},
        {"1e400", false, 0},    {"0x1p3", false, 0},
        {"1,5", false, 0},      {"", false, 0},
        {".", false, 0},        {"1e", false, 0},
        {"1 ", false, 0},       {"--1", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double v = -77;
        assert_int_equal(num_parse_f64(span_str(rows[i].text), &v), rows[i].ok);
        assert_true(v == (rows[i].ok ? rows[i].value : -77));
    }
}

static void check_format(double v, const char *expected)
{
    char out[NUM_F64_SIZE];
    size_t n = num_format_f64(v, out);
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, expected);
}

static void test_format_reals(void **state)
{
    (void)state;
    check_format(0, "0.0");
    check_format(-0.0, "0.0");
    check_format(21.75, "21.75");
    check_format(-21, "-21.0");
    check_format(0.1, "0.1");
    check_format(0.1 + 0.2, "0.30000000000000004");
    check_format(1594512094.3859746, "1594512094.3859746");
    check_format(1e-7, "0.0000001");
    check_format(1e-8, "1e-08");
    check_format(123456789012345680000.0, "123456789012345680000.0");
    check_format(1e22, "1e+22");
    check_format(5e-324, "4.94065645841247e-324"); /* subnormal: reads back, not the shortest */
    check_format(DBL_MAX, "1.7976931348623157e+308");
}

static void test_format_reads_back(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = rng_u64(&r);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (v != v || v > DBL_MAX || v < -DBL_MAX)
            continue;
        char out[NUM_F64_SIZE];
        num_format_f64(v, out);
        assert_true(num_parse_f64(span_str(out), &back));
        assert_true(back == v);
    }
}

/* A program that has set a locale with a decimal comma must still read and write points. */
static void test_locale(void **state)
{
    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
        print_message("no locale with a decimal comma is installed: skipped\n");
        skip();
    }
    test_parse_reals(NULL);
    test_format_reals(NULL);
    setlocale(LC_ALL, "C");
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool valid;
        size_t tail;
    } rows[] = {
        {"", true, 0},
        {"plain", true, 0},
        {"21 °C", true, 0},
        {"🦙", true, 0},
        {"\xc0\x80", false, 0},         /* overlong NUL */
        {"\xed\xa0\x80", false, 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", false, 0}, /* above U+10FFFF */
        {"\xff", false, 0},
        {"a\x80", false, 0},
        {"a\xc2", false, 1},
        {"a\xe2\x82", false, 2},
        {"a\xf0\x9f\xa6", false, 3},
        {"a\xed\xa0", false, 0}, /* can only become a surrogate */
        {"a\xe0\x80", false, 0}, /* can only become overlong */
        {"a\xf4\x90", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct span s = span_str(rows[i].bytes);
        assert_int_equal(utf8_valid(s), rows[i].valid);
        assert_int_equal(utf8_incomplete_tail(s), rows[i].tail);
    }
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        char out[4];
        uint32_t back = 0;
        size_t n = utf8_encode(cp, out);
        assert_int_equal(utf8_decode(span_of(out, n), &back), n);
        assert_int_equal(back, cp);
        if (n > 1)
            assert_int_equal(utf8_decode(span_of(out, n - 1), &back), 0);
    }
    assert_int_equal(utf8_length(span_str("21 °C 🦙")), 7);
}

static void test_err(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, ERR_FORMAT, "key '%s': bad", "a\nb\x1b[0m\xff°"), ERR_FORMAT);
    assert_string_equal(e.text, "key 'a\\x0ab\\x1b[0m\\xff°': bad");
    assert_int_equal(err_wrap(&e, ERR_FORMAT, "cannot load '%s'", "m.gguf"), ERR_FORMAT);
    assert_string_equal(e.text, "cannot load 'm.gguf': key 'a\\x0ab\\x1b[0m\\xff°': bad");
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    err_set(&e, ERR_IO, "%s", longer);
    assert_true(strlen(e.text) < sizeof e.text && strlen(e.text) > 480);
    assert_string_equal(e.text + strlen(e.text) - 3, "…");
    assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void test_buf(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_cstr(&b), "");
    buf_str(&b, "12345");
    buf_printf(&b, "%d", 67890);
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "1234567890");
    buf_char(&b, 'x');
    assert_true(b.failed);
    buf_truncate(&b, 3);
    buf_char(&b, 'x'); /* failed sticks until clear */
    assert_string_equal(buf_cstr(&b), "123");
    struct err e;
    assert_int_equal(buf_check(&b, "a thing", &e), ERR_LIMIT);
    buf_clear(&b);
    buf_printf(&b, "%s", "abc");
    char *s = buf_steal(&b);
    assert_string_equal(s, "abc");
    assert_int_equal(b.n, 0);
    free(s);
    buf_release(&b);
}

static void test_arena(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    unsigned char *p = arena_alloc(&a, 100), *big = arena_alloc(&a, 300000),
                  *q = arena_alloc(&a, 0);
    assert_non_null(p);
    assert_non_null(big);
    assert_non_null(q);
    assert_int_equal((uintptr_t)p % 16, 0);
    for (int i = 0; i < 300000; i++)
        assert_int_equal(big[i], 0);
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, 1 << 20)); /* the maximum holds for all together */
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    arena_release(&a);
}

/* Vectors of the FNV authors' test suite. */
static void test_span_hash(void **state)
{
    (void)state;
    assert_true(span_hash(span_str("")) == UINT64_C(0xcbf29ce484222325));
    assert_true(span_hash(span_str("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(span_hash(span_str("foobar")) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_integers),
        cmocka_unit_test(test_parse_reals),
        cmocka_unit_test(test_format_reals),
        cmocka_unit_test(test_format_reads_back),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_err),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_span_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
