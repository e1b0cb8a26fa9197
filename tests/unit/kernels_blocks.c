/* SPDX-License-Identifier: MIT */
/* Element types: sizes and values of real blocks, as another implementation reads them
 * (tests/golden/gguf/blocks.json); and the choice of a kernel table. */
#include "codec/codec.h"
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

/* Every type that has blocks must be there, but for Q8_K, which no file has weights in. */
static void blocks_stand_for_published_values(void **state)
{
    (void)state;
    struct json *doc = load_blocks();
    const struct json *formats = json_get(doc, "formats");
    size_t n = 0;
    for (void *it = json_first(formats); it; it = json_next(formats, it))
        check_format(json_key(it), json_value(it));
    for (uint32_t type = 0; type < 256; type++)
        if (kernels_has_q8(type) && type != WTYPE_Q8_K) {
            if (!json_get(formats, wtype_info(type)->name))
                fail_msg("no blocks of %s", wtype_info(type)->name);
            n++;
        }
    assert_int_equal(n, 16);
    json_close(&doc);
}

/* Types that the file lacks, by values that can be told by hand. */
static void plain_types_and_q8_k(void **state)
{
    (void)state;
    static const double f64[] = {0, -1.5, 1e300, 0x1.0000001p0, -0x1.fffffffp-3};
    static const float of_f64[] = {0, -1.5f, INFINITY, 1, -0.25f};
    static const float f32[] = {1.25f, -3e38f, 1e-45f};
    static const uint16_t f16[] = {0x3c00, 0xc001, 0x0001, 0x7bff, 0x8000};
    static const float of_f16[] = {1, -0x1.004p1f, 0x1p-24f, 65504, -0.0f};
    static const int8_t i8[] = {-128, -1, 0, 1, 127, 5, 6, 7, 8, 9};
    static const float of_i8[] = {-128, -1, 0, 1, 127, 5, 6, 7, 8, 9};
    uint8_t q8_k[292] = {0};
    const float d = 0.1f;
    float y[256];

    memcpy(q8_k, &d, sizeof d);
    for (int i = 0; i < 256; i++)
        q8_k[4 + i] = (uint8_t)(i - 128);
    for (const struct kernels *const *t = kernels_all(); *t; t++) {
        (*t)->dequant(WTYPE_F64, f64, y, 5);
        assert_memory_equal(y, of_f64, sizeof of_f64);
        (*t)->dequant(WTYPE_F32, f32, y, 3);
        assert_memory_equal(y, f32, sizeof f32);
        (*t)->dequant(WTYPE_F16, f16, y, 5);
        assert_memory_equal(y, of_f16, sizeof of_f16);
        (*t)->dequant(WTYPE_I8, i8, y, 10);
        assert_memory_equal(y, of_i8, sizeof of_i8);
        (*t)->dequant(WTYPE_Q8_K, q8_k, y, 256);
        for (int i = 0; i < 256; i++)
            if (y[i] != d * (float)(i - 128))
                fail_msg("%s Q8_K: value %d is %.9g", (*t)->isa, i, (double)y[i]);
    }
}

static void types_that_are_not_ours(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        const char *name;
    } foreign[] = {{4, NULL},       {5, NULL},     {9, "Q8_1"},   {16, "IQ2_XXS"},   {17, "IQ2_XS"},
                   {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"},     {25, "I16"},
                   {26, "I32"},     {27, "I64"},   {29, "IQ1_M"}, {31, NULL},        {36, NULL},
                   {41, "Q1_0"},    {42, NULL},    {1000, NULL},  {UINT32_MAX, NULL}};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const char *name = wtype_name(foreign[i].type);
        assert_null(wtype_info(foreign[i].type));
        assert_false(kernels_has_q8(foreign[i].type));
        if (foreign[i].name)
            assert_string_equal(name, foreign[i].name);
        else
            assert_null(name);
    }
    static const uint32_t plain[] = {WTYPE_F32, WTYPE_F16, WTYPE_BF16, WTYPE_F64, WTYPE_I8};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_false(kernels_has_q8(plain[i]));
    assert_true(kernels_has_q8(WTYPE_Q8_0));
    assert_true(kernels_has_q8(WTYPE_Q6_K));
    assert_string_equal(wtype_name(WTYPE_Q6_K), "Q6_K");
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
        cmocka_unit_test(plain_types_and_q8_k),
        cmocka_unit_test(types_that_are_not_ours),
        cmocka_unit_test(the_best_table_below_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
