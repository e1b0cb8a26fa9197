/* SPDX-License-Identifier: MIT */
/* codec/json.h and json_walk.h: what is read, what is refused and how the refusal is worded. */
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int parse(struct json **out, const char *bytes, size_t n, struct err *e)
{
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, bytes, n);
    int r = json_parse(out, span_of(exact, n), 1 << 20, "'f'", e);
    free(exact);
    return r;
}

static const struct {
    const char *bytes;
    size_t n;
    const char *error; /* in the message */
} bad[] = {
#define BAD(bytes, error)              \
    {                                  \
        bytes, sizeof bytes - 1, error \
    }
    BAD("", "'f': empty"),
    BAD(" ", "line 1"),
    BAD("nan", "nan"),
    BAD("[NaN]", "line 1, column"),
    BAD("[Infinity]", "no JSON"),
    BAD("[-]", "no JSON"),
    BAD("[1,]", "no JSON"),
    BAD("[1 2]", "no JSON"),
    BAD("{\"a\":1,}", "no JSON"),
    BAD("{a:1}", "no JSON"),
    BAD("[01]", "no JSON"),
    BAD("[0x10]", "no JSON"),
    BAD("[1] x", "end of file expected"),
    BAD("[1][2]", "end of file expected"),
    BAD("{\"a\":1,\n \"a\":2}", "'f': line 2, column 4: key \"a\" stands twice"),
    BAD("{\"x\":{\"long key \\\" \\\\\":1,\"long key \\\" \\\\\":1}}",
        "key \"long key \\\" \\\\\" stands twice"),
    BAD("[\"\\u0000\"]", "\\u0000 in a string"),
    BAD("{\"\\u0000\":1}", "\\u0000 in a string"),
    BAD("[\"a\0b\"]", "no JSON"),
    BAD("[\"\xff\"]", "0xff"),
    BAD("[\"\xed\xa0\x80\"]", "no JSON"),
    BAD("[\"\\ud800\"]", "no JSON"),
    BAD("[\"\n\"]", "no JSON"),
    BAD("[9223372036854775808]", "a number beyond 64 bits"),
    BAD("[-9223372036854775809]", "a number beyond 64 bits"),
    BAD("[1e999]", "a number beyond 64 bits"),
    BAD("[1", "line 1"),
    BAD("\"a", "line 1"),
    BAD("// c\n1", "no JSON"),
    BAD("no", "line 1, column 2: no JSON: invalid token near 'no'"),
    BAD("[1,]", "line 1, column 4: no JSON: unexpected token near ']'"),
    BAD("[1}", "line 1, column 3: no JSON: ']' expected near '}'"),
    BAD("{\"a\" 1}", "column 6: no JSON: ':' expected near '1'"),
    BAD("{\"a\":1", "column 6: no JSON: '}' expected near end of file"),
    BAD("{\"a\":}", "no JSON: unexpected token near '}'"),
    BAD("[\"\\x\"]", "no JSON: invalid escape"),
    BAD("[\"\\", "premature end of input"),
    BAD("[\"a\\\xc3\"]", "unable to decode byte 0xc3"),
    BAD("[1.]", "no JSON: invalid token near '1.'"),
    BAD("[.5]", "no JSON: invalid token near '.'"),
    BAD("[1e]", "no JSON: invalid token near '1e'"),
    BAD("[1e+]", "no JSON: invalid token near '1e+'"),
    BAD("[+1]", "no JSON: invalid token near '+'"),
    BAD("[\"\xc3\xa9\", \xc3\xa9]", "line 1, column 7: no JSON: invalid token near '\xc3\xa9'"),
    BAD("[truely]", "no JSON: invalid token near 'truely'"),
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct json *doc = NULL;
        struct err e = {""};
        assert_int_equal(parse(&doc, bad[i].bytes, bad[i].n, &e), ERR_FORMAT);
        assert_null(doc);
        if (!strstr(e.text, bad[i].error))
            fail_msg("'%s' lacks '%s'", e.text, bad[i].error);
        assert_null(strchr(e.text, '\n'));
    }
}

static void test_depth(void **state)
{
    (void)state;
    struct buf b;
    struct json *doc = NULL;
    struct err e;
    buf_init(&b, 4 << 20);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_char(&b, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_char(&b, ']');
    assert_int_equal(parse(&doc, b.p, b.n, &e), 0);
    json_close(&doc);
    buf_clear(&b);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_str(&b, i % 2 ? "{\"a\":" : "[");
    buf_str(&b, "[");
    assert_int_equal(parse(&doc, b.p, b.n, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "nested deeper than 64 levels"));
    buf_clear(&b);
    for (int i = 0; i < 1000000; i++) /* would end the stack of a parser that recurses */
        buf_str(&b, "[");
    assert_int_equal(json_parse(&doc, buf_view(&b), SIZE_MAX, "deep", &e), ERR_FORMAT);
    buf_clear(&b); /* brackets in strings are no nesting */
    buf_str(&b, "[\"");
    for (int i = 0; i < 100; i++)
        buf_str(&b, "[{\\\"");
    buf_str(&b, "\"]");
    assert_int_equal(parse(&doc, b.p, b.n, &e), 0);
    json_close(&doc);
    buf_release(&b);
}

static void test_sizes(void **state)
{
    (void)state;
    struct json *doc = NULL;
    struct err e;
    assert_int_equal(json_parse(&doc, span_str("[1,2]"), 4, "'g'", &e), ERR_LIMIT);
    assert_string_equal(e.text, "'g': 5 bytes of JSON, expected at most 4");
    struct buf b;
    buf_init(&b, 16 << 20);
    for (int i = 0; i < JSON_VALUES_MAX + 1; i++)
        buf_str(&b, i ? ",1" : "[1");
    buf_char(&b, ']');
    assert_int_equal(json_parse(&doc, buf_view(&b), SIZE_MAX, "'g'", &e), ERR_LIMIT);
    assert_null(doc);
    /* Objects take the memory of many values, however short they are written. */
    buf_clear(&b);
    for (int i = 0; i < JSON_NUL_VALUES_MAX / 8; i++)
        buf_str(&b, i ? ",{}" : "[{}");
    buf_char(&b, ']');
    assert_int_equal(json_parse_nul(&doc, buf_view(&b), SIZE_MAX, "'g'", &e), ERR_LIMIT);
    assert_string_equal(e.text, "'g': more than 1000000 values");
    assert_int_equal(json_parse(&doc, buf_view(&b), SIZE_MAX, "'g'", &e), 0);
    json_close(&doc);
    buf_release(&b);
}

static void test_values(void **state)
{
    (void)state;
    struct json *doc = NULL;
    struct err e;
    const char *text =
        " {\"z\":1,\"a\":[true,null,-9223372036854775808,1e5,\"\xc3\xa9\\n\"],\"m\":{}} ";
    assert_int_equal(parse(&doc, text, strlen(text), &e), 0);
    assert_int_equal(json_type_of(doc), JSON_OBJECT);
    assert_int_equal(json_size(doc), 3);
    const char *const order[] = {"z", "a", "m"};
    size_t n = 0;
    for (void *it = json_first(doc); it; it = json_next(doc, it)) {
        assert_string_equal(json_key(it), order[n++]);
        assert_non_null(json_value(it));
    }
    assert_int_equal(n, 3);
    const struct json *a = json_get(doc, "a");
    assert_int_equal(json_size(a), 5);
    assert_true(json_bool(json_at(a, 0)));
    assert_int_equal(json_type_of(json_at(a, 1)), JSON_NULL);
    assert_true(json_int(json_at(a, 2)) == INT64_MIN);
    assert_int_equal(json_type_of(json_at(a, 3)), JSON_REAL);
    assert_true(json_number(json_at(a, 3)) == 1e5);
    assert_int_equal(json_int(json_at(a, 3)), 0);
    assert_true(span_is(json_string(json_at(a, 4)), "\xc3\xa9\n"));
    assert_int_equal(json_string(json_at(a, 4)).p[3], 0);
    /* what is not there or of another type is quiet */
    assert_null(json_at(a, 5));
    assert_null(json_at(doc, 0));
    assert_null(json_get(a, "z"));
    assert_null(json_get(NULL, "z"));
    assert_null(json_first(a));
    assert_null(json_first(NULL));
    assert_int_equal(json_type_of(NULL), JSON_NULL);
    assert_int_equal(json_size(NULL), 0);
    assert_false(json_bool(a));
    assert_true(json_number(a) == 0);
    assert_int_equal(json_string(a).n, 0);
    assert_string_equal(json_type_name(JSON_OBJECT), "an object");
    json_close(&doc);
    assert_null(doc);
    json_close(&doc);
}

static void test_scalars(void **state)
{
    (void)state;
    const char *const texts[] = {"1", "\"x\"", "null", "true", "\t1.5\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json *doc = NULL;
        struct err e;
        assert_int_equal(parse(&doc, texts[i], strlen(texts[i]), &e), 0);
        json_close(&doc);
    }
}

/* Numbers to their last bit, strings of every length around the sizes of buffers. */
static void test_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } numbers[] = {{"0", 0},
                   {"0.30000000000000004", 0.30000000000000004},
                   {"-1.7976931348623157e308", -1.7976931348623157e308},
                   {"4.9E-324", 4.9e-324},
                   {"1e-400", 0},
                   {"123456789012345678", 123456789012345678.0},
                   {"1.00000000000000000000000000000000000000000000000000000001e+2", 100}};
    struct json *doc = NULL;
    struct err e = {""};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(parse(&doc, numbers[i].text, strlen(numbers[i].text), &e), 0);
        assert_true(json_number(doc) == numbers[i].value);
        json_close(&doc);
    }
    for (size_t n = 0; n < 200; n++) {
        struct buf b;
        buf_init(&b, 4096);
        buf_str(&b, "{\"");
        for (size_t i = 0; i < n; i++)
            buf_char(&b, 'k');
        buf_str(&b, "\":\"");
        for (size_t i = 0; i < n; i++)
            buf_str(&b, i % 7 == 3 ? "\\u20ac" : "v");
        buf_str(&b, "\"}");
        assert_int_equal(parse(&doc, b.p, b.n, &e), 0);
        void *it = json_first(doc);
        assert_int_equal(strlen(json_key(it)), n);
        struct span s = json_string(json_value(it));
        assert_int_equal(s.n, n + 2 * ((n + 3) / 7));
        for (size_t i = 0, k = 0; i < s.n; k++) {
            assert_memory_equal(s.p + i, k % 7 == 3 ? "\xe2\x82\xac" : "v", k % 7 == 3 ? 3 : 1);
            i += k % 7 == 3 ? 3 : 1;
        }
        json_close(&doc);
        buf_release(&b);
    }
}

static void test_locale(void **state)
{
    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        skip();
    struct json *doc = NULL;
    struct err e;
    int r = parse(&doc, "[21.75]", 7, &e);
    setlocale(LC_ALL, "C");
    assert_int_equal(r, 0);
    assert_true(json_number(json_at(doc, 0)) == 21.75);
    json_close(&doc);
}

/* ---- json_walk ---- */

static const struct {
    const char *text, *out; /* "key=value;", and "!" where it fails */
} walks[] = {
    {"{}", ""},
    {" { \"a\" : 1 , \"b\":[1,{\"c\":\"]}\\\"\"}] } ", "\"a\"=1;\"b\"=[1,{\"c\":\"]}\\\"\"}];"},
    {"[]", ""},
    {"[1, [2,3] ,\"x\"]\n", "=1;=[2,3];=\"x\";"},
    {"[1,2", "=1;=2;!"},
    {"[1,]", "=1;!"},
    {"[,1]", "!"},
    {"[1 2]", "=1;!"},
    {"[1]x", "=1;!"},
    {"[1}", "=1;!"},
    {"[[1,2]", "=[1,2];!"},
    {"[[1", "!"},
    {"[\"a", "!"},
    {"[\"a\\", "!"},
    {"{\"a\"}", "!"},
    {"{\"a\":}", "!"},
    {"{a:1}", "!"},
    {"{\"a\":1,}", "\"a\"=1;!"},
};

static void test_walk(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        size_t n = strlen(walks[i].text);
        char *exact = malloc(n);
        memcpy(exact, walks[i].text, n);
        enum json_type type =
            strchr(walks[i].text, '{') && !strchr("[", walks[i].text[0]) ? JSON_OBJECT : JSON_ARRAY;
        struct json_walk w;
        struct span key, value;
        struct err e;
        struct buf out;
        int r;
        buf_init(&out, 1000);
        assert_int_equal(json_walk_init(&w, span_of(exact, n), type, "'f'", &e), 0);
        while ((r = json_walk_next(&w, &key, &value, &e)) == 1) {
            buf_span(&out, key);
            buf_char(&out, '=');
            buf_span(&out, value);
            buf_char(&out, ';');
        }
        if (r < 0) {
            assert_int_equal(r, ERR_FORMAT);
            assert_non_null(strstr(e.text, "'f': "));
            buf_char(&out, '!');
        }
        assert_string_equal(buf_cstr(&out), walks[i].out);
        buf_release(&out);
        free(exact);
    }
    struct json_walk w;
    struct err e;
    assert_int_equal(json_walk_init(&w, span_str("[1]"), JSON_OBJECT, "'f'", &e), ERR_FORMAT);
    assert_string_equal(e.text, "'f': byte 0 is '[', expected an object");
    assert_int_equal(json_walk_init(&w, span_str(" "), JSON_ARRAY, "'f'", &e), ERR_FORMAT);
}

/* What Python writes for "no limit", and what only looks like it. */
static void test_wide_integers(void **state)
{
    (void)state;
    struct json *doc = NULL;
    struct err e = {""};
    const char *text =
        "{\"model_max_length\": 1000000000000000019884624838656, \"a\": [-9223372036854775809,\n"
        "-9223372036854775808, 12.34567890123456789012345, 1e-30, 7], "
        "\"\\\"1000000000000000019884624838656\": \"\\\\ 99999999999999999999\"}";
    assert_int_equal(json_parse_nul(&doc, span_str(text), 400, "'f'", &e), 0);
    const struct json *v = json_get(doc, "model_max_length"), *a = json_get(doc, "a");
    assert_int_equal(json_type_of(v), JSON_REAL);
    assert_true(json_number(v) == 1e30);
    assert_true(json_number(json_at(a, 0)) == -9223372036854775808.0);
    assert_int_equal(json_type_of(json_at(a, 0)), JSON_REAL);
    assert_true(json_int(json_at(a, 1)) == INT64_MIN);
    assert_true(json_number(json_at(a, 2)) == 12.34567890123456789012345);
    assert_true(json_int(json_at(a, 4)) == 7);
    v = json_get(doc, "\"1000000000000000019884624838656");
    assert_true(span_is(json_string(v), "\\ 99999999999999999999"));
    json_close(&doc);
    assert_int_equal(
        json_parse_nul(&doc, span_str("[99999999999999999999, 1e999]"), 400, "'f'", &e),
        ERR_FORMAT);
    assert_non_null(strstr(e.text, "a number beyond 64 bits"));
    assert_int_equal(json_parse_nul(&doc, span_str("[99999999999999999999-]"), 400, "'f'", &e),
                     ERR_FORMAT);
    assert_null(doc);
}

static void test_nul(void **state)
{
    (void)state;
    struct json *doc = NULL;
    struct err e;
    struct span text = span_str("[\"a\\u0000b\"]");
    assert_int_equal(json_parse_nul(&doc, text, 100, "'f'", &e), 0);
    assert_true(span_eq(json_string(json_at(doc, 0)), span_of("a\0b", 3)));
    json_close(&doc);
    assert_int_equal(json_parse(&doc, text, 100, "'f'", &e), ERR_FORMAT);
    assert_int_equal(json_parse_nul(&doc, span_str("{\"\\u0000\":1}"), 100, "'f'", &e), ERR_FORMAT);
    assert_int_equal(json_parse_nul(&doc, span_str("{\"a\":1,\"a\":1}"), 100, "'f'", &e),
                     ERR_FORMAT);
}

static const struct {
    struct span quoted, bytes;
    const char *error;
} strings[] = {
#define STRING(quoted, bytes)                                                                     \
    {                                                                                             \
        {(const uint8_t *)quoted, sizeof quoted - 1}, {(const uint8_t *)bytes, sizeof bytes - 1}, \
            NULL                                                                                  \
    }
#define NO_STRING(quoted, error)                                       \
    {                                                                  \
        {(const uint8_t *)quoted, sizeof quoted - 1}, {NULL, 0}, error \
    }
    STRING("\"\"", ""),
    STRING("\"a\\u0000b\"", "a\0b"),
    STRING("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"),
    STRING("\"x\\u00e9\\u20AC\\ud83d\\uDE00y\"", "x\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80y"),
    STRING("\"\xe2\x96\x81the\x7f\"", "\xe2\x96\x81the\x7f"),
    NO_STRING("", "a string in quotes"),
    NO_STRING("\"", "a string in quotes"),
    NO_STRING("abc", "a string in quotes"),
    NO_STRING("\"abc", "a string in quotes"),
    NO_STRING("\"ab\\\"", "byte 3, expected a known escape"),
    NO_STRING("\"a\"b\"", "byte 2, expected a character"),
    NO_STRING("\"\\x41\"", "known escape"),
    NO_STRING("\"\\u12\"", "known escape"),
    NO_STRING("\"\\u12g4\"", "known escape"),
    NO_STRING("\"\\ud800\"", "known escape"),
    NO_STRING("\"\\ud800\\u0041\"", "known escape"),
    NO_STRING("\"\\ud800\\n12345\"", "known escape"),
    NO_STRING("\"\\udc00\\ud800\"", "known escape"),
    NO_STRING("\"\n\"", "a character of UTF-8"),
    NO_STRING("\"a\0b\"", "a character of UTF-8"),
    NO_STRING("\"\xff\"", "a character of UTF-8"),
    NO_STRING("\"\xe2\x96\"", "a character of UTF-8"),
    NO_STRING("\"\xed\xa0\x80\"", "a character of UTF-8"),
};

static void test_unescape(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        size_t n = strings[i].quoted.n;
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, strings[i].quoted.p, n);
        struct buf out;
        struct err e = {""};
        buf_init(&out, 100);
        buf_str(&out, "old");
        int r = json_unescape(span_of(exact, n), &out, "'f'", &e);
        assert_int_equal(r, strings[i].error ? ERR_FORMAT : 0);
        assert_memory_equal(out.p, "old", 3);
        assert_true(span_eq(span_sub(buf_view(&out), 3, 100), strings[i].bytes));
        if (strings[i].error && !strstr(e.text, strings[i].error))
            fail_msg("'%s' lacks '%s'", e.text, strings[i].error);
        buf_release(&out);
        free(exact);
    }
    struct buf small;
    struct err e;
    buf_init(&small, 3);
    assert_int_equal(json_unescape(span_str("\"abcd\""), &small, "'f'", &e), ERR_LIMIT);
    buf_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_sizes),    cmocka_unit_test(test_values),
        cmocka_unit_test(test_scalars),  cmocka_unit_test(test_exact),
        cmocka_unit_test(test_locale),   cmocka_unit_test(test_walk),
        cmocka_unit_test(test_nul),      cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_unescape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
