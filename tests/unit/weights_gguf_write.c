/* SPDX-License-Identifier: MIT */
/* The GGUF writer: what it wrote is read back, whole or not at all. */
#include "weights_maker.h"
#include "weights/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static size_t count_files(const struct temp_folder *f)
{
    size_t n = 0;
    DIR *d = opendir(f->path);
    if (!d)
        abort();
    for (struct dirent *it; (it = readdir(d));)
        n += strcmp(it->d_name, ".") != 0 && strcmp(it->d_name, "..") != 0;
    closedir(d);
    return n;
}

static struct gguf_writer *open_writer(const char *path)
{
    struct gguf_writer *w = NULL;
    struct err e = {""};
    if (gguf_writer_open(&w, path, &e))
        fail_msg("%s", e.text);
    return w;
}

static struct gguf *read_back(const char *path)
{
    struct gguf *g = NULL;
    struct err e = {""};
    if (gguf_open(&g, path, &e))
        fail_msg("%s", e.text);
    return g;
}

/* Every kind of value, and three tensors whose ends lie askew, in pieces of 7 bytes. */
static void write_all_kinds(const char *path)
{
    static const struct span words[] = {
        {(const uint8_t *)"a", 1}, {NULL, 0}, {(const uint8_t *)"\xff\0b", 3}};
    struct gguf_writer *w = open_writer(path);
    struct err e = {""};
    gguf_put_string(w, "general.architecture", span_str("llama"));
    gguf_put_u32(w, "u32", UINT32_MAX);
    gguf_put_i32(w, "i32", -7);
    gguf_put_u64(w, "u64", UINT64_MAX - 1);
    gguf_put_f32(w, "f32", 0.25f);
    gguf_put_bool(w, "bool", true);
    gguf_put_strings(w, "words", words, 3);
    gguf_put_array(w, "floats", GGUF_F32, (float[]){1, -2}, 2);
    gguf_put_array(w, "ints", GGUF_I32, (int32_t[]){-1, 2, 3}, 3);
    gguf_put_array(w, "none", GGUF_U8, NULL, 0);
    assert_int_equal(gguf_writer_tensor(w, "x", WTYPE_F32, 1, (uint64_t[]){3}, &e), 0);
    assert_int_equal(gguf_writer_tensor(w, "y", WTYPE_Q4_0, 2, (uint64_t[]){64, 3}, &e), 0);
    assert_int_equal(gguf_writer_tensor(w, "z", WTYPE_F16, 3, (uint64_t[]){2, 2, 5}, &e), 0);
    uint8_t bytes[12 + 108 + 40];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < sizeof bytes; i += 7)
        if (gguf_writer_data(w, span_sub(span_of(bytes, sizeof bytes), i, 7), &e))
            fail_msg("%s", e.text);
    uint64_t size = gguf_writer_bytes(w);
    if (gguf_writer_finish(w, &e))
        fail_msg("%s", e.text);
    gguf_writer_close(&w);
    assert_null(w);
    struct gguf *g = read_back(path);
    assert_int_equal(gguf_file_bytes(g), size);
    gguf_close(&g);
}

static void check_all_kinds(const struct gguf *g)
{
    struct err e = {""};
    uint64_t u = 0;
    double d = 0;
    bool yes = false;
    struct gguf_array a;
    struct span s;
    assert_int_equal(gguf_string(g, "general.architecture", &s, &e), 0);
    assert_true(span_is(s, "llama"));
    assert_int_equal(gguf_u64(g, "u32", 0, UINT64_MAX, &u, &e), 0);
    assert_int_equal(u, UINT32_MAX);
    assert_int_equal(gguf_u64(g, "i32", 0, 9, &u, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'i32': -7, expected 0 to 9");
    assert_int_equal(gguf_u64(g, "u64", 0, UINT64_MAX, &u, &e), 0);
    assert_true(u == UINT64_MAX - 1);
    assert_int_equal(gguf_f64(g, "f32", &d, &e), 0);
    assert_true(d == 0.25);
    assert_int_equal(gguf_bool(g, "bool", &yes, &e), 0);
    assert_true(yes);
    assert_int_equal(gguf_array(g, "words", GGUF_STRING, &a, &e), 0);
    assert_int_equal(a.n, 3);
    assert_true(span_is(a.strings[0], "a") && a.strings[1].n == 0);
    assert_true(span_eq(a.strings[2], span_of("\xff\0b", 3)));
    assert_int_equal(gguf_array(g, "floats", GGUF_F32, &a, &e), 0);
    assert_true(a.n == 2 && gguf_array_f32(&a, 1) == -2.0f);
    assert_int_equal(gguf_array(g, "ints", GGUF_I32, &a, &e), 0);
    assert_true(a.n == 3 && gguf_array_int(&a, 0) == -1 && gguf_array_int(&a, 2) == 3);
    assert_int_equal(gguf_array(g, "none", GGUF_U8, &a, &e), 0);
    assert_int_equal(a.n, 0);
}

static void test_read_back(void **state)
{
    struct temp_folder f;
    (void)state;
    folder_open(&f);
    write_all_kinds(folder_file(&f, "a.gguf"));
    assert_int_equal(count_files(&f), 1);
    struct gguf *g = read_back(folder_file(&f, "a.gguf"));
    check_all_kinds(g);
    assert_int_equal(gguf_tensor_count(g), 3);
    const struct tensor *x = gguf_tensor(g, "x"), *y = gguf_tensor(g, "y"),
                        *z = gguf_tensor(g, "z");
    assert_true(x && y && z && x == gguf_tensor_at(g, 0) && z == gguf_tensor_at(g, 2));
    assert_true(x->data.n == 12 && y->data.n == 108 && z->data.n == 40);
    assert_true(y->type == WTYPE_Q4_0 && y->dims[0] == 64 && y->dims[1] == 3 && z->n_dims == 3);
    assert_true(x->data.p[0] == 1 && y->data.p[0] == 13 && z->data.p[0] == 121 &&
                z->data.p[39] == 160);
    gguf_close(&g);
    folder_close(&f);
}

static bool keeps(void *ctx, const char *key)
{
    return strcmp(key, ctx) != 0;
}

static void test_entries_of_another(void **state)
{
    struct temp_folder f;
    struct err e = {""};
    struct buf b;
    (void)state;
    folder_open(&f);
    buf_init(&b, 4096);
    make_header(&b, 3, 0, 6);
    make_entry_text(&b, "general.name", "old");
    make_key(&b, "general.alignment", GGUF_U32), make_int(&b, 64, 4);
    make_key(&b, "split.count", GGUF_U16), make_int(&b, 1, 2);
    make_key(&b, "i8", GGUF_I8), make_int(&b, 0xff, 1);
    make_array(&b, "nested", GGUF_ARRAY, 1), make_int(&b, GGUF_U8, 4), make_int(&b, 2, 8),
        make_int(&b, 0, 2);
    make_entry_text(&b, "secret", "x");
    folder_put(&f, "source.gguf", buf_view(&b));
    struct gguf *source = read_back(folder_file(&f, "source.gguf"));
    struct gguf_writer *w = open_writer(folder_file(&f, "copy.gguf"));
    gguf_put_string(w, "general.name", span_str("new"));
    gguf_put_entries(w, source, keeps, "secret");
    assert_int_equal(gguf_writer_finish(w, &e), 0);
    gguf_writer_close(&w);
    gguf_close(&source);
    struct gguf *g = read_back(folder_file(&f, "copy.gguf"));
    struct span s;
    uint64_t u;
    assert_int_equal(gguf_string(g, "general.name", &s, &e), 0);
    assert_true(span_is(s, "new"));
    assert_int_equal(gguf_u64(g, "i8", 0, 1, &u, &e), ERR_FORMAT);
    assert_string_equal(e.text, "key 'i8': -1, expected 0 to 1");
    assert_true(gguf_has(g, "nested"));
    assert_false(gguf_has(g, "secret") || gguf_has(g, "general.alignment") ||
                 gguf_has(g, "split.count"));
    gguf_close(&g);
    buf_release(&b);
    folder_close(&f);
}

/* What is not finished leaves what was there, and no temporary file. */
static void test_given_up(void **state)
{
    struct temp_folder f;
    struct err e = {""};
    (void)state;
    folder_open(&f);
    folder_put(&f, "a.gguf", span_str("before"));
    struct gguf_writer *w = open_writer(folder_file(&f, "a.gguf"));
    assert_int_equal(count_files(&f), 2);
    assert_int_equal(gguf_writer_tensor(w, "x", WTYPE_F32, 1, (uint64_t[]){4}, &e), 0);
    assert_int_equal(gguf_writer_data(w, span_of("12345678", 8), &e), 0);
    assert_int_equal(gguf_writer_finish(w, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "data of tensor 0 of 1 are missing"));
    assert_int_equal(gguf_writer_data(w, span_of("123456789", 9), &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "more data than was described"));
    gguf_writer_close(&w);
    assert_int_equal(count_files(&f), 1);
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(file_read(folder_file(&f, "a.gguf"), &b, &e), 0);
    assert_string_equal(buf_cstr(&b), "before");
    buf_release(&b);
    folder_close(&f);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t type, n_dims;
        uint64_t dims[4];
        const char *expected;
    } cases[] = {
        {"", WTYPE_F32, 1, {1}, "a name of 1 to 256 bytes"},
        {"x", WTYPE_F32, 0, {1}, "1 to 4 dimensions"},
        {"x", WTYPE_F32, 5, {1, 1, 1, 1}, "1 to 4 dimensions"},
        {"x", WTYPE_F32, 2, {1, 0}, "a dimension is 0"},
        {"x", WTYPE_F32, 2, {UINT64_MAX, 2}, "past 2^64"},
        {"x", WTYPE_Q4_0, 1, {33}, "rows of 33 elements, expected a multiple of 32"},
        {"x", 9, 1, {32}, "tensor type 9 (Q8_1) is not supported"},
        {"x", WTYPE_F32, 1, {UINT64_C(1) << 62}, "overflow"},
    };
    struct temp_folder f;
    struct err e = {""};
    (void)state;
    folder_open(&f);
    struct gguf_writer *w = open_writer(folder_file(&f, "a.gguf"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(gguf_writer_tensor(w, cases[i].name, cases[i].type, cases[i].n_dims,
                                       cases[i].dims, &e) < 0);
        if (!strstr(e.text, cases[i].expected))
            fail_msg("%zu: '%s'", i, e.text);
    }
    assert_int_equal(gguf_writer_finish(w, &e), 0);
    gguf_writer_close(&w);
    struct gguf *g = read_back(folder_file(&f, "a.gguf"));
    assert_int_equal(gguf_tensor_count(g), 0);
    gguf_close(&g);
    assert_int_equal(gguf_writer_open(&w, "/nonexistent/a.gguf", &e), ERR_NOTFOUND);
    assert_int_equal(gguf_writer_open(&w, f.path, &e), ERR_IO);
    assert_null(w);
    folder_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_entries_of_another),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
