/* SPDX-License-Identifier: MIT */
/* Compiled normalization maps against Hugging Face's tokenizers
 * (tests/golden/sentencepiece/charsmap.jsonl), and blobs that lie. */
#include "text/charsmap.h"

#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void unhex(struct span hex, struct buf *out)
{
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        const char digits[] = "0123456789abcdef";
        const char *high = strchr(digits, hex.p[i]), *low = strchr(digits, hex.p[i + 1]);
        buf_char(out, (char)((high - digits) << 4 | (low - digits)));
    }
}

/* The next line of the golden, NULL at its end. */
static struct json *next_line(const struct buf *file, size_t *at)
{
    struct json *doc = NULL;
    struct err e = {""};
    if (*at >= file->n)
        return NULL;
    const char *end = memchr(file->p + *at, '\n', file->n - *at);
    assert_non_null(end);
    struct span text = span_of(file->p + *at, (size_t)(end - file->p) - *at);
    if (json_parse_nul(&doc, text, 1 << 20, "golden", &e))
        fail_msg("%s", e.text);
    *at += text.n + 1;
    return doc;
}

static void read_golden(struct buf *file)
{
    char path[4096];
    struct err e = {""};
    snprintf(path, sizeof path, "%s/tests/golden/sentencepiece/charsmap.jsonl",
             getenv("WATTLE_SOURCE"));
    buf_init(file, 4 << 20);
    if (file_read(path, file, &e))
        fail_msg("%s", e.text);
}

static void test_golden(void **state)
{
    (void)state;
    struct buf file, blob, out;
    struct err e = {""};
    struct charsmap *m = NULL;
    size_t at = 0, n_cases = 0, n_changed = 0;
    read_golden(&file);
    buf_init(&blob, 1 << 20);
    buf_init(&out, 1 << 20);
    struct json *doc = next_line(&file, &at);
    unhex(json_string(json_get(doc, "blob")), &blob);
    json_close(&doc);
    if (charsmap_open(&m, buf_view(&blob), &e))
        fail_msg("%s", e.text);
    for (; (doc = next_line(&file, &at)); n_cases++) {
        struct span in = json_string(json_get(doc, "in")), want = json_string(json_get(doc, "out"));
        buf_clear(&out);
        assert_int_equal(charsmap_apply(m, in, &out, &e), 0);
        if (!span_eq(buf_view(&out), want))
            fail_msg("'%.*s': '%.*s', expected '%.*s'", SPAN_FMT(in), SPAN_FMT(buf_view(&out)),
                     SPAN_FMT(want));
        n_changed += !span_eq(in, want);
        json_close(&doc);
    }
    assert_true(n_cases >= 300 && n_changed > 100);
    buf_clear(&out);
    assert_int_equal(charsmap_apply(m, span_str("a\xff"), &out, &e), ERR_FORMAT);
    charsmap_close(&m);
    /* Every cut of the blob is refused, or does no harm. */
    for (size_t n = 0; n < blob.n; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, blob.p, n);
        if (charsmap_open(&m, span_of(exact, n), &e) == 0) {
            buf_clear(&out);
            assert_int_equal(charsmap_apply(m, span_str("A\u030a\uFB01"), &out, &e), 0);
            charsmap_close(&m);
        }
        free(exact);
    }
    buf_release(&file);
    buf_release(&blob);
    buf_release(&out);
}

#define LE(n) (char)((n)&255), (char)((n) >> 8 & 255), (char)((n) >> 16 & 255), (char)((n) >> 24)

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        char bytes[24];
        size_t n;
        const char *error;
    } bad[] = {
        {{LE(0)}, 3, "a multiple of 4"},
        {{LE(0)}, 4, "a multiple of 4"},
        {{LE(8), LE(0)}, 8, "trie of 8 bytes, expected a multiple of 4 within 8 bytes"},
        {{LE(6), LE(0), LE(0)}, 12, "a multiple of 4"},
        {{LE(0xfffffffc), LE(0), LE(0)}, 12, "a multiple of 4"},
        {{LE(8), LE(0), LE(0x500 << 10 | 0x141), '\0'}, 13, "unit 1: entry at unit 1281"},
        {{LE(12), LE(0), LE(3 << 10 | 0x141), LE(0x80000001), 'x'},
         17,
         "unit 2: replacement at byte 1, beyond the 1 bytes"},
        {{LE(12), LE(0), LE(3 << 10 | 0x141), LE(0x80000001), '\xc3', '\xa9'}, 18, "inside"},
        {{LE(4), LE(0), '\xff'}, 9, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct charsmap *m = NULL;
        struct err e = {""};
        uint8_t *exact = malloc(bad[i].n);
        memcpy(exact, bad[i].bytes, bad[i].n);
        assert_int_equal(charsmap_open(&m, span_of(exact, bad[i].n), &e), ERR_FORMAT);
        assert_null(m);
        if (!strstr(e.text, bad[i].error))
            fail_msg("'%s' lacks '%s'", e.text, bad[i].error);
        free(exact);
    }
}

static void test_empty(void **state)
{
    (void)state;
    struct charsmap *m = NULL;
    struct buf out;
    struct err e = {""};
    buf_init(&out, 6);
    assert_int_equal(charsmap_open(&m, (struct span){NULL, 0}, &e), 0);
    assert_int_equal(charsmap_apply(m, span_str("\u00e9\u0301 a"), &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "\u00e9\u0301 a");
    assert_int_equal(charsmap_apply(m, span_str("b"), &out, &e), ERR_LIMIT);
    charsmap_close(&m);
    charsmap_close(&m);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
