/* SPDX-License-Identifier: MIT */
/* GGUF files: the cases from the field, files that are something else, and every wrong length that
 * we can think of. */
#include "gguf_maker.h"
#include "weights/weights.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <cmocka.h>

static void case_path(const char *name, char out[PATH_MAX])
{
    const char *root = getenv("WATTLE_SOURCE");
    assert_non_null(root);
    snprintf(out, PATH_MAX, "%s/tests/cases/gguf/%s", root, name);
}

static int open_bytes(struct gguf **g, const struct buf *b, struct err *e)
{
    struct temp t;
    assert_false(b->failed);
    temp_open(&t, buf_view(b));
    int code = gguf_open(g, t.path, e);
    temp_close(&t);
    return code;
}

static void assert_says(const struct err *e, const char *part)
{
    if (!strstr(e->text, part))
        fail_msg("'%s' does not say '%s'", e->text, part);
}

/* ---- cases from the field ---- */

static void test_cases_are_refused(void **state)
{
    static const struct {
        const char *file;
        const char *says[3];
    } cases[] = {
        {"v-gg1-dim-product-wraps.gguf",
         {"tensor 'token_embd.weight'", "4, 4611686018427387905", "overflow"}},
        {"v-gg2-string-1gib.gguf",
         {"key 'general.description'", "1073741823 bytes", "past the end"}},
        {"v-gg3-ndims-9.gguf", {"tensor 'token_embd.weight'", "9 dimensions", "expected 1 to 4"}},
        {"v-gg5-alignment-2g.gguf", {"key 'general.alignment'", "2147483648", "power of two"}},
        {"v-gg6-unknown-type.gguf",
         {"tensor 'token_embd.weight'", "tensor type 200 is unknown", "expected one of F32, F16"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[PATH_MAX];
        struct gguf *g = NULL;
        struct err e = {""};
        case_path(cases[i].file, path);
        assert_int_equal(gguf_open(&g, path, &e), ERR_FORMAT);
        assert_null(g);
        assert_says(&e, cases[i].file);
        for (size_t s = 0; s < 3; s++)
            assert_says(&e, cases[i].says[s]);
        assert_null(strchr(e.text, '\n'));
    }
}

static void test_minimal_is_read(void **state)
{
    char path[PATH_MAX];
    struct gguf *g = NULL;
    struct err e = {""};
    struct span text;
    (void)state;
    case_path("ok-minimal.gguf", path);
    assert_int_equal(gguf_open(&g, path, &e), 0);
    assert_int_equal(gguf_string(g, "general.architecture", &text, &e), 0);
    assert_true(span_is(text, "llama"));
    assert_int_equal(gguf_string(g, "general.name", &text, &e), 0);
    assert_true(span_is(text, "tiny"));
    assert_int_equal(gguf_tensor_count(g), 1);
    const struct tensor *t = gguf_tensor(g, "token_embd.weight");
    assert_ptr_equal(t, gguf_tensor_at(g, 0));
    assert_null(gguf_tensor_at(g, 1));
    assert_null(gguf_tensor(g, "output.weight"));
    assert_int_equal(t->type, WTYPE_F32);
    assert_int_equal(t->dims[0], 4);
    assert_int_equal(t->dims[1], 1);
    assert_int_equal(t->data.n, 16);
    assert_memory_equal(t->data.p, ((const float[]){1, 2, 3, 4}), 16);
    gguf_close(&g);
    assert_null(g);
    gguf_close(&g);
}

/* Every cut of a right file is refused, none crashes or is read past its end. */
static void test_every_cut_is_refused(void **state)
{
    char path[PATH_MAX];
    struct err e = {""};
    struct buf whole, cut;
    (void)state;
    case_path("ok-minimal.gguf", path);
    buf_init(&whole, 4096);
    buf_init(&cut, 4096);
    assert_int_equal(file_read(path, &whole, &e), 0);
    for (size_t n = 0; n < whole.n; n++) {
        struct gguf *g = NULL;
        buf_clear(&cut);
        buf_put(&cut, whole.p, n);
        e.text[0] = 0;
        assert_int_equal(open_bytes(&g, &cut, &e), ERR_FORMAT);
        assert_null(g);
        assert_says(&e, "cannot load '/proc/self/fd/");
    }
    buf_release(&cut);
    buf_release(&whole);
}

/* ---- files that are something else ---- */

static void test_other_files_are_named(void **state)
{
#define BYTES(s) s, sizeof(s) - 1
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } files[] = {
        {BYTES(""), "the file is empty"},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "Git LFS pointer"},
        {BYTES("<!DOCTYPE html><html>"), "HTML page"},
        {BYTES("\xef\xbb\xbf \r\n<HTML>"), "HTML page"},
        {BYTES("PK\x03\x04\x14\0\0\0"), "zip archive"},
        {BYTES("\x80\x02}q\x01."), "Python pickle"},
        {BYTES("\x80\x05\x95"), "Python pickle"},
        {BYTES("\x1f\x8b\x08"), "gzip"},
        {BYTES("{\"architectures\": []}"), "JSON"},
        {BYTES("\x02\0\0\0\0\0\0\0{}"), "safetensors"},
        {BYTES("tjgg\x03\0\0\0"), "old GGJT file"},
        {BYTES("FUGG\0\0\0\x03"), "wrong order"},
        {BYTES("GG"), "2 bytes: too short"},
        {BYTES("\x7f"
               "ELF\x02"),
         "7f 45 4c 46, expected GGUF"},
        {BYTES("GGUF\x01\0\0\0\0\0\0\0\0\0\0\0"), "version 1 is outdated"},
        {BYTES("GGUF\0\0\0\x03\0\0\0\0\0\0\0\0"), "big-endian"},
        {BYTES("GGUF\x04\0\0\0"), "version 4, expected 2 or 3"},
        {BYTES("GGUF\x03\0\0\0"), "cut off"},
    };
#undef BYTES
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct gguf *g = NULL;
        struct err e = {""};
        struct buf b;
        buf_init(&b, 4096);
        buf_put(&b, files[i].bytes, files[i].n);
        assert_true(open_bytes(&g, &b, &e) < 0);
        assert_says(&e, files[i].says);
        buf_release(&b);
    }
    struct gguf *g = NULL;
    struct err e = {""};
    assert_int_equal(gguf_open(&g, "/nonexistent/model.gguf", &e), ERR_NOTFOUND);
    assert_says(&e, "/nonexistent/model.gguf");
    assert_int_equal(gguf_open(&g, "/", &e), ERR_IO);
}

/* ---- wrong structure ---- */

static void wrong_count_of_entries(struct buf *b)
{
    make_header(b, 3, 0, 1ull << 60);
}

static void wrong_count_of_tensors(struct buf *b)
{
    make_header(b, 3, 1000, 0);
    make_data(b, 64);
}

static void wrong_key_length(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_int(b, UINT64_MAX, 8);
    make_data(b, 64);
}

static void wrong_key_text(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_entry_u32(b, "a\xff", 1);
}

static void wrong_value_type(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_key(b, "general.x", 13);
    make_int(b, 0, 8);
}

static void wrong_bool(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_key(b, "flag", GGUF_BOOL);
    make_int(b, 2, 1);
}

static void wrong_bool_in_array(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_array(b, "flags", GGUF_BOOL, 3);
    make_int(b, 0xff0001, 3);
}

static void wrong_key_twice(struct buf *b)
{
    make_header(b, 3, 0, 3);
    make_entry_u32(b, "a", 1);
    make_entry_u32(b, "b", 1);
    make_entry_u32(b, "a", 2);
}

static void wrong_array_length(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_array(b, "list", GGUF_F64, (1ull << 61) + 1);
    make_data(b, 64);
}

static void wrong_array_of_strings(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_array(b, "list", GGUF_STRING, 2);
    make_text(b, "one");
    make_int(b, 100, 8);
}

static void wrong_nesting(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_array(b, "list", GGUF_ARRAY, 1);
    for (int i = 0; i < 4; i++) {
        make_int(b, GGUF_ARRAY, 4);
        make_int(b, 1, 8);
    }
    make_data(b, 64);
}

static void wrong_zero_dim(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 4, 0, WTYPE_F32, 0);
    make_data(b, 64);
}

static void wrong_block(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 33, 1, WTYPE_Q4_0, 0);
    make_data(b, 64);
}

static void wrong_size(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 1ull << 31, 1ull << 32, WTYPE_F32, 0);
    make_data(b, 64);
}

static void wrong_offset(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 4, 1, WTYPE_F32, UINT64_MAX - 31);
    make_data(b, 64);
}

static void wrong_offset_alignment(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 4, 1, WTYPE_F32, 16);
    make_data(b, 64);
}

static void wrong_end(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 4, 4, WTYPE_F32, 32);
    make_data(b, 64);
}

static void wrong_overlap(struct buf *b)
{
    make_header(b, 3, 2, 0);
    make_tensor(b, "one", 16, 1, WTYPE_F32, 0);
    make_tensor(b, "two", 4, 1, WTYPE_F32, 32);
    make_data(b, 64);
}

static void wrong_name_twice(struct buf *b)
{
    make_header(b, 3, 2, 0);
    make_tensor(b, "one", 4, 1, WTYPE_F32, 0);
    make_tensor(b, "one", 4, 1, WTYPE_F32, 32);
    make_data(b, 64);
}

static void wrong_name_length(struct buf *b)
{
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    make_header(b, 3, 1, 0);
    make_tensor(b, name, 4, 1, WTYPE_F32, 0);
    make_data(b, 64);
}

static void wrong_type_known(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "t", 256, 1, 16, 0);
    make_data(b, 256);
}

static void wrong_alignment(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_entry_u32(b, "general.alignment", 48);
}

static void wrong_escape(struct buf *b)
{
    make_header(b, 3, 1, 0);
    make_tensor(b, "bad\x1b[2Jname\n", 4, 0, WTYPE_F32, 0);
    make_data(b, 64);
}

static void test_wrong_structure(void **state)
{
    static const struct {
        void (*make)(struct buf *b);
        const char *says;
    } cases[] = {
        {wrong_count_of_entries, "metadata entries: 1152921504606846976, expected at most 65536"},
        {wrong_count_of_tensors, "tensors: 1000, but the file has room for 2 at most"},
        {wrong_key_length, "key of metadata entry 0: a string of 18446744073709551615 bytes"},
        {wrong_key_text, "'a\\xff' is not text"},
        {wrong_value_type, "key 'general.x': value type 13, expected 0 to 12"},
        {wrong_bool, "key 'flag': bool 2, expected 0 or 1"},
        {wrong_bool_in_array, "key 'flags': bool 255, expected 0 or 1"},
        {wrong_key_twice, "key 'a': there twice"},
        {wrong_array_length, "key 'list': an array of 2305843009213693953 elements"},
        {wrong_array_of_strings, "key 'list': a string of 100 bytes reaches past"},
        {wrong_nesting, "key 'list': arrays nested deeper than 4"},
        {wrong_zero_dim, "tensor 't': dimension 1 is 0, expected at least 1"},
        {wrong_block, "tensor 't': rows of 33 elements, expected a multiple of 32 for Q4_0"},
        {wrong_size, "tensor 't': its size overflows"},
        {wrong_offset,
         "tensor 't': needs 16 bytes at offset 18446744073709551584, the file's data has 64 of "
         "18446744073709551600: it is cut off"},
        {wrong_offset_alignment, "tensor 't': offset 16, expected a multiple of 32"},
        {wrong_end,
         "tensor 't': needs 64 bytes at offset 32, the file's data has 64 of 96: it is cut off, 32 "
         "bytes are missing: download it again"},
        {wrong_overlap, "tensor 'two': overlaps tensor 'one'"},
        {wrong_name_twice, "tensor 'one': there twice"},
        {wrong_name_length, "name of tensor 0: 299 bytes, expected 1 to 256"},
        {wrong_type_known,
         "tensor 't': tensor type 16 (IQ2_XXS) is not supported, expected one of"},
        {wrong_alignment, "key 'general.alignment': 48, expected a power of two from 8 to 65536"},
        {wrong_escape, "tensor 'bad\\x1b[2Jname\\x0a': dimension 1 is 0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gguf *g = NULL;
        struct err e = {""};
        struct buf b;
        buf_init(&b, 4096);
        cases[i].make(&b);
        int code = open_bytes(&g, &b, &e);
        if (code == 0)
            fail_msg("opened, expected '%s'", cases[i].says);
        assert_null(g);
        assert_says(&e, cases[i].says);
        buf_release(&b);
    }
}

/* ---- memory ---- */

/* The files above want a few hundred bytes; the giant numbers in them were never believed. */
static void test_memory_stayed_small(void **state)
{
    struct rusage usage;
    (void)state;
    getrusage(RUSAGE_SELF, &usage);
#ifndef __SANITIZE_ADDRESS__
    assert_in_range(usage.ru_maxrss, 1, 64 << 10);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_are_refused),    cmocka_unit_test(test_minimal_is_read),
        cmocka_unit_test(test_every_cut_is_refused), cmocka_unit_test(test_other_files_are_named),
        cmocka_unit_test(test_wrong_structure),      cmocka_unit_test(test_memory_stayed_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
