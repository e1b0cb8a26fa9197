/* SPDX-License-Identifier: MIT */
/* GGUF metadata as the getters give it: types, ranges, what is absent. */
#include "gguf_maker.h"
#include "weights/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct gguf *open_getters(void)
{
    struct gguf *g = NULL;
    struct err e = {""};
    struct buf b;
    buf_init(&b, 4096);
    make_header(&b, 2, 0, 12); /* version 2 has the same layout */
    make_key(&b, "u8", GGUF_U8), make_int(&b, 200, 1);
    make_key(&b, "i8", GGUF_I8), make_int(&b, 0xff, 1);
    make_key(&b, "i64", GGUF_I64), make_int(&b, 1ull << 40, 8);
    make_key(&b, "u64", GGUF_U64), make_int(&b, UINT64_MAX, 8);
    make_entry_f32(&b, "f32", 1.5f);
    make_key(&b, "nan", GGUF_F64), make_int(&b, 0x7ff8ull << 48, 8);
    make_key(&b, "yes", GGUF_BOOL), make_int(&b, 1, 1);
    make_entry_text(&b, "text", "word");
    make_array(&b, "i16s", GGUF_I16, 2), make_int(&b, 0x7ffffffe, 4);
    make_array(&b, "f32s", GGUF_F32, 1), make_int(&b, 0x3f800000, 4);
    make_array(&b, "texts", GGUF_STRING, 2), make_text(&b, ""), make_text(&b, "b");
    make_array(&b, "nested", GGUF_ARRAY, 1), make_int(&b, GGUF_U8, 4), make_int(&b, 2, 8),
        make_int(&b, 0, 2);
    struct temp t;
    temp_open(&t, buf_view(&b));
    if (gguf_open(&g, t.path, &e))
        fail_msg("%s", e.text);
    temp_close(&t);
    buf_release(&b);
    return g;
}

static void test_scalars(void **state)
{
    struct gguf *g = open_getters();
    struct err e = {""};
    uint64_t u = 7;
    double d = 7;
    bool yes = false;
    struct span s = span_str("untouched");
    (void)state;
    assert_int_equal(gguf_u64(g, "u8", 0, 255, &u, &e), 0);
    assert_int_equal(u, 200);
    assert_int_equal(gguf_u64(g, "i64", 0, UINT64_MAX, &u, &e), 0);
    assert_true(u == 1ull << 40);
    assert_int_equal(gguf_u64(g, "u64", 0, UINT64_MAX, &u, &e), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(gguf_f64(g, "f32", &d, &e), 0);
    assert_true(d == 1.5);
    assert_int_equal(gguf_bool(g, "yes", &yes, &e), 0);
    assert_true(yes);
    assert_true(gguf_has(g, "nested"));
    assert_false(gguf_has(g, "neste"));
    /* Absent: nothing is touched. */
    assert_int_equal(gguf_u64(g, "none", 0, 1, &u, &e), ERR_NOTFOUND);
    assert_int_equal(gguf_string(g, "none", &s, &e), ERR_NOTFOUND);
    assert_true(span_is(s, "untouched"));
    assert_string_equal(e.text, "");
    assert_int_equal(gguf_u64(g, "u8", 1, 100, &u, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'u8': 200, expected 1 to 100");
    assert_int_equal(gguf_u64(g, "i8", 0, 100, &u, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'i8': -1, expected 0 to 100");
    assert_int_equal(gguf_u64(g, "text", 0, 100, &u, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'text': type string, expected an integer");
    assert_int_equal(gguf_f64(g, "nan", &d, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'nan': not a finite number");
    assert_int_equal(gguf_f64(g, "u8", &d, &e), ERR_FORMAT);
    assert_int_equal(gguf_bool(g, "u8", &yes, &e), ERR_FORMAT);
    assert_int_equal(gguf_string(g, "texts", &s, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'texts': an array of string, expected string");
    gguf_close(&g);
}

static void test_arrays(void **state)
{
    struct gguf *g = open_getters();
    struct err e = {""};
    struct gguf_array a = {.n = 7};
    (void)state;
    assert_int_equal(gguf_array(g, "none", GGUF_I16, &a, &e), ERR_NOTFOUND);
    assert_int_equal(a.n, 7);
    assert_int_equal(gguf_array(g, "i16s", GGUF_I16, &a, &e), 0);
    assert_int_equal(a.n, 2);
    assert_int_equal(gguf_array_int(&a, 0), -2);
    assert_int_equal(gguf_array_int(&a, 1), 0x7fff);
    assert_int_equal(gguf_array(g, "f32s", GGUF_F32, &a, &e), 0);
    assert_true(gguf_array_f32(&a, 0) == 1.0f);
    assert_int_equal(gguf_array(g, "texts", GGUF_STRING, &a, &e), 0);
    assert_int_equal(a.n, 2);
    assert_true(span_is(a.strings[0], ""));
    assert_true(span_is(a.strings[1], "b"));
    assert_int_equal(gguf_array(g, "f32s", GGUF_I32, &a, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'f32s': an array of f32, expected an array of i32");
    gguf_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
