/* SPDX-License-Identifier: MIT */
/* Element types: sizes and values of real blocks, as another implementation reads them
 * (tests/golden/gguf/blocks.json); and the choice of a kernel table. */
#include "codec/codec.h"
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum {
    BYTES_MAX = 1024,
    VALUES_MAX = 1024,
};

static struct json *load_blocks(void)
{
    const char *source = getenv("WATTLE_SOURCE");
    struct err e;
    struct buf path, text;
    struct json *doc = NULL;

    buf_init(&path, 4096);
    buf_init(&text, 1 << 20);
    buf_printf(&path, "%s/tests/golden/gguf/blocks.json", source ? source : ".");
    if (file_read(buf_cstr(&path), &text, &e) ||
        json_parse(&doc, span_of(text.p, text.n), 1 << 20, "blocks.json", &e))
        fail_msg("%s", e.text);
    buf_release(&path);
    buf_release(&text);
    return doc;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static size_t read_hex(struct span hex, uint8_t *out)
{
    assert_true(hex.n / 2 <= BYTES_MAX);
    for (size_t i = 0; i + 1 < hex.n; i += 2)
        out[i / 2] = (uint8_t)(hex_digit((char)hex.p[i]) << 4 | hex_digit((char)hex.p[i + 1]));
    return hex.n / 2;
}

/* One format: its row in wtype_info, and every table's dequant of its blocks. */
static void check_format(const char *name, const struct json *format)
{
    const uint32_t type = (uint32_t)json_int(json_get(format, "ggml_type"));
    const struct wtype_info *info = wtype_info(type);
    const struct json *values = json_get(format, "values");
    const size_t n = json_size(values);
    uint8_t bytes[BYTES_MAX];

    assert_non_null(info);
    assert_string_equal(info->name, name);
    assert_int_equal(info->block_elems, json_int(json_get(format, "values_per_block")));
    assert_int_equal(info->block_bytes, json_int(json_get(format, "bytes_per_block")));
    size_t n_bytes = read_hex(json_string(json_get(format, "hex")), bytes);
    assert_true(n > 0 && n <= VALUES_MAX);
    assert_int_equal(n_bytes / info->block_bytes * info->block_elems, n);

    for (const struct kernels *const *t = kernels_all(); *t; t++) {
        float got[VALUES_MAX];
        (*t)->dequant(type, bytes, got, n);
        for (size_t i = 0; i < n; i++) {
            double want = json_number(json_at(values, i));
            if (!(fabs((double)got[i] - want) <= 1e-6 * fabs(want)))
                fail_msg("%s %s: value %zu is %.9g, expected %.9g", (*t)->isa, name, i,
                         (double)got[i], want);
        }
    }
}

static void blocks_stand_for_published_values(void **state)
{
    (void)state;
    struct json *doc = load_blocks();
    const struct json *formats = json_get(doc, "formats");
    size_t n = 0;
    for (void *it = json_first(formats); it; it = json_next(formats, it), n++)
        check_format(json_key(it), json_value(it));
    assert_true(n >= 8);
    json_close(&doc);
}

static void types_that_are_not_ours(void **state)
{
    (void)state;
    static const uint32_t foreign[] = {4, 5, 9, 10, 11, 15, 24, 29, 31, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        assert_null(wtype_info(foreign[i]));
        assert_false(kernels_has_q8(foreign[i]));
    }
    assert_false(kernels_has_q8(WTYPE_F32));
    assert_false(kernels_has_q8(WTYPE_F16));
    assert_false(kernels_has_q8(WTYPE_BF16));
    assert_true(kernels_has_q8(WTYPE_Q8_0));
    assert_true(kernels_has_q8(WTYPE_Q6_K));
}

static void the_best_table_below_the_cap(void **state)
{
    (void)state;
    const struct kernels *const *all = kernels_all();
    size_t n = 0;
    while (all[n]) {
        assert_ptr_equal(kernels_get(all[n]->isa), all[n]);
        n++;
    }
    assert_true(n >= 1);
    assert_string_equal(all[0]->isa, "c");
    assert_ptr_equal(kernels_get(NULL), all[n - 1]);
    assert_ptr_equal(kernels_get(""), all[n - 1]);
    assert_null(kernels_get("avx"));
    assert_null(kernels_get("C"));
    assert_null(kernels_get("avx2 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_stand_for_published_values),
        cmocka_unit_test(types_that_are_not_ours),
        cmocka_unit_test(the_best_table_below_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
