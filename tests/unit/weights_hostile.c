/* SPDX-License-Identifier: MIT */
/* What safetensors files and indices cost: a file larger than memory, and the worst that a header
 * or an index can hold. */
#include "weights_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static size_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss << 10;
}

static void put_repeated(struct temp_folder *f, const char *start, const char *again, size_t n,
                         const char *end)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    for (size_t i = 0; i < 8; i++)
        buf_char(&b, 0);
    buf_str(&b, start);
    for (size_t i = 0; i < n; i++)
        buf_str(&b, again);
    buf_str(&b, end);
    for (size_t i = 0; i < 8; i++)
        b.p[i] = (char)((b.n - 8) >> 8 * i);
    assert_false(b.failed);
    folder_put(f, "m.safetensors", buf_view(&b));
    buf_release(&b);
}

/* A header as large as we take, of the worst that it can hold, costs little more than itself. */
static void test_hostile_headers(void **state)
{
    static const struct {
        const char *start, *again;
        size_t n;
        const char *end, *says;
    } cases[] = {
        {"{\"a\":", "[", 16000000, "", "header: cut off at byte 16000005"},
        {"{\"a\":{\"x\":", "[", 8000000, "", "header: cut off at byte"},
        {"{\"a", "\\\"", 8000000, "", "header: cut off at byte"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4],\"shape\":[1", ",1", 8000000, "]}}",
         "tensor 'a': shape: more than 64 dimensions"},
        {"{\"a\":0", ",\"a\":0", 2700000, "}", "header: more than 262144 tensors"},
        {"{\"__metadata__\":{\"a\":\"\"", ",\"a\":\"\"", 2000000, "},\"a\":0}",
         "tensor 'a': its entry: byte 0 is '0'"},
        {"{\"", "\xff", 16000000, "\":0}", "header: a tensor's name"},
    };
    struct temp_folder f;
    (void)state;
    folder_open(&f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weights *w = NULL;
        struct err e = {""};
        put_repeated(&f, cases[i].start, cases[i].again, cases[i].n, cases[i].end);
        assert_true(weights_open(&w, f.file, &e) < 0);
        if (!strstr(e.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
    }
    folder_close(&f);
}

/* The same of an index: 2^18 tensors, and files that are not there. */
static void test_hostile_indices(void **state)
{
    enum { TENSORS = 200000 };
    struct temp_folder f;
    struct weights *w = NULL;
    struct err e = {""};
    struct buf b;
    (void)state;
    folder_open(&f);
    buf_init(&b, 32 << 20);
    for (int files = 999; files <= 1001; files++) {
        buf_clear(&b);
        for (int i = 0; i < TENSORS; i++)
            buf_printf(&b, "%s\"model.layers.%d.w\":\"model-%d.safetensors\"",
                       i ? "," : "{\"weight_map\":{", i, i % files);
        buf_str(&b, "}}");
        assert_false(b.failed);
        folder_put(&f, "model.safetensors.index.json", buf_view(&b));
        assert_true(weights_open(&w, f.path, &e) < 0);
        const char *says = files > 1000 ? "weight_map: 1001 files, expected at most 1000"
                                        : "'model-0.safetensors' is missing, ";
        if (!strstr(e.text, says))
            fail_msg("'%s' does not say '%s'", e.text, says);
    }
    buf_clear(&b);
    buf_str(&b, "{\"weight_map\":{\"a\":\"m\"");
    for (int i = 0; i < 2000000; i++)
        buf_str(&b, ",\"a\":\"m\"");
    buf_str(&b, "}}");
    folder_put(&f, "model.safetensors.index.json", buf_view(&b));
    assert_int_equal(weights_open(&w, f.path, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "weight_map: more than 262144 tensors"));
    buf_clear(&b);
    buf_str(&b, "{\"metadata\":");
    for (int i = 0; i < 16000000; i++)
        buf_char(&b, '[');
    folder_put(&f, "model.safetensors.index.json", buf_view(&b));
    assert_int_equal(weights_open(&w, f.path, &e), ERR_FORMAT);
    buf_release(&b);
    folder_close(&f);
#ifndef __SANITIZE_ADDRESS__
    assert_true(peak_bytes() < (size_t)100 << 20); /* the test's own buffer of up to 32 MB, too */
#endif
}

/* Bytes that this process has of its own: neither a file's nor shared. */
static size_t private_bytes(void)
{
    struct buf b;
    struct err e;
    uint64_t kib = 0;
    buf_init(&b, 1 << 16);
    assert_int_equal(file_read("/proc/self/status", &b, &e), 0);
    const char *at = strstr(buf_cstr(&b), "RssAnon:");
    assert_non_null(at);
    at += strcspn(at, "0123456789");
    assert_true(num_parse_u64(span_of(at, strspn(at, "0123456789")), &kib));
    buf_release(&b);
    return (size_t)kib << 10;
}

/* 5 GB of tensors, none of which is read: a file with a hole for its data. */
static void test_large_file_is_mapped(void **state)
{
    enum { N = 500 };
    const uint64_t each = 10 << 20;
    struct temp_folder f;
    struct weights *w = NULL;
    struct err e = {""};
    struct buf b;
    (void)state;
    if (getenv("WATTLE_EMULATED")) {
        print_message("skipped: an emulator's tables of a mapping are memory of its own\n");
        skip();
    }
    folder_open(&f);
    buf_init(&b, 1 << 20);
    for (uint64_t i = 0; i < N; i++)
        buf_printf(&b,
                   "%s\"model.layers.%llu.w\":{\"dtype\":\"BF16\",\"shape\":[5,1048576],"
                   "\"data_offsets\":[%llu,%llu]}",
                   i ? "," : "{", (unsigned long long)i, (unsigned long long)(i * each),
                   (unsigned long long)((i + 1) * each));
    buf_char(&b, '}');
    folder_put_safetensors(&f, "model.safetensors", buf_cstr(&b), 0);
    if (truncate(f.file, (off_t)(8 + b.n + N * each)) != 0)
        skip();
    size_t before = private_bytes(), peak = peak_bytes();
    if (weights_open(&w, f.path, &e))
        fail_msg("%s", e.text);
    assert_true(private_bytes() < before + (20 << 20));
    assert_true(peak_bytes() < peak + (20 << 20));
    assert_int_equal(weights_file_bytes(w), 8 + b.n + N * each);
    const struct tensor *t = weights_tensor(w, "model.layers.499.w");
    assert_int_equal(t->data.n, each);
    assert_int_equal(t->data.p[each - 1], 0);
    weights_close(&w);
    buf_release(&b);
    folder_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_file_is_mapped), /* first: the others raise the peak */
        cmocka_unit_test(test_hostile_headers),
        cmocka_unit_test(test_hostile_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
