/* SPDX-License-Identifier: MIT */
/* Tokenizers built as those of published families are, against Hugging Face's tokenizers: ids of
 * texts full of added tokens with all kinds of flags, texts of random ids, whole and in pieces, and
 * long dull texts. */
#include "text/tokenizer.h"

#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { FILE_MAX = 8 << 20, STREAMS = 200, STREAM_IDS = 32 };

struct family {
    struct tokenizer *t;
    char name[64];
};

static void open_family(struct family *f, const struct json *line)
{
    struct buf json;
    struct json_writer w;
    struct err e = {""};
    struct span name = json_string(json_get(line, "name"));
    snprintf(f->name, sizeof f->name, "%.*s", SPAN_FMT(name));
    tokenizer_close(&f->t);
    buf_init(&json, FILE_MAX);
    json_write_init(&w, &json, 0);
    json_write_value(&w, json_get(line, "tokenizer"));
    struct tokenizer_files files = {.tokenizer_json = buf_view(&json)};
    if (tokenizer_open_files(&f->t, &files, &e))
        fail_msg("%s: %s", f->name, e.text);
    buf_release(&json);
}

static void check_ids(const struct family *f, const struct json *line, const char *key,
                      struct encode_options o)
{
    struct token_list out = {0};
    struct err e = {""};
    struct span text = json_string(json_get(line, "text"));
    const struct json *expected = json_get(line, key);
    if (tokenizer_encode(f->t, text, &o, &out, &e))
        fail_msg("%s: %s", f->name, e.text);
    bool same = out.n == json_size(expected);
    for (size_t i = 0; i < out.n && same; i++)
        same = out.ids[i] == json_int(json_at(expected, i));
    if (!same)
        fail_msg("%s: '%.*s': other ids than '%s'", f->name, SPAN_FMT(text), key);
    if (!o.add_special && tokenizer_least(f->t, text) > out.n)
        fail_msg("%s: '%.*s': counted as more tokens", f->name, SPAN_FMT(text));
    token_list_release(&out);
}

/* Appends the text of ids as a stream gives it, each piece of which is whole characters. */
static void stream(const struct family *f, const int32_t *ids, size_t n, bool skip, struct buf *out)
{
    struct detokenizer d;
    struct err e = {""};
    detokenizer_init(&d, f->t, skip);
    for (size_t i = 0; i <= n; i++) {
        size_t before = out->n;
        if (i == n)
            detokenizer_finish(&d, out);
        else if (detokenizer_push(&d, ids[i], out, &e))
            fail_msg("%s: %s", f->name, e.text);
        if (!utf8_valid(span_sub(buf_view(out), before, SIZE_MAX)))
            fail_msg("%s: piece %zu is cut", f->name, i);
    }
    detokenizer_release(&d);
}

static void check_text(const struct family *f, const int32_t *ids, size_t n, bool skip,
                       const struct json *expected)
{
    struct buf whole, pieces;
    struct err e = {""};
    buf_init(&whole, FILE_MAX);
    buf_init(&pieces, FILE_MAX);
    if (tokenizer_decode(f->t, ids, n, skip, &whole, &e))
        fail_msg("%s: %s", f->name, e.text);
    stream(f, ids, n, skip, &pieces);
    if (!span_eq(buf_view(&whole), buf_view(&pieces)))
        fail_msg("%s: '%.*s' comes in pieces as '%.*s'", f->name, SPAN_FMT(buf_view(&whole)),
                 SPAN_FMT(buf_view(&pieces)));
    if (expected && !span_eq(buf_view(&whole), json_string(expected)))
        fail_msg("%s: '%.*s', expected '%.*s'", f->name, SPAN_FMT(buf_view(&whole)),
                 SPAN_FMT(json_string(expected)));
    buf_release(&whole);
    buf_release(&pieces);
}

static void check_line(const struct family *f, const struct json *line)
{
    int32_t ids[STREAM_IDS];
    const struct json *list = json_get(line, "ids");
    size_t n = json_size(list);
    assert_true(n <= STREAM_IDS);
    check_ids(f, line, "plain", (struct encode_options){.parse_special = true});
    check_ids(f, line, "special",
              (struct encode_options){.parse_special = true, .add_special = true});
    check_ids(f, line, json_get(line, "literal") ? "literal" : "plain",
              (struct encode_options){.parse_special = false});
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_int(json_at(list, i));
    check_text(f, ids, n, true, json_get(line, "skip"));
    check_text(f, ids, n, false, json_get(line, "keep"));
}

static void check_streams(const struct family *f)
{
    uint32_t random = 1;
    for (size_t k = 0; k < STREAMS; k++) {
        int32_t ids[STREAM_IDS];
        size_t n = k % (STREAM_IDS + 1);
        for (size_t i = 0; i < n; i++) {
            random = random * 1664525 + 1013904223; /* Numerical Recipes' generator */
            ids[i] = (int32_t)((random >> 8) % tokenizer_size(f->t));
        }
        check_text(f, ids, n, k % 2 == 0, NULL);
    }
}

/* Processor time of a text of one unit again and again, in nanoseconds; the best of two. */
static uint64_t time_of(const struct family *f, const char *unit, size_t bytes)
{
    uint64_t best = UINT64_MAX;
    struct buf text;
    struct err e = {""};
    buf_init(&text, bytes + 16);
    while (text.n < bytes)
        buf_str(&text, unit);
    for (int i = 0; i < 2; i++) {
        struct token_list out = {0};
        struct encode_options o = {.parse_special = true};
        uint64_t began = clock_cpu_ns();
        if (tokenizer_encode(f->t, buf_view(&text), &o, &out, &e))
            fail_msg("%s: '%s': %s", f->name, unit, e.text);
        uint64_t took = clock_cpu_ns() - began;
        best = took < best ? took : best;
        token_list_release(&out);
    }
    buf_release(&text);
    return best;
}

/* 16 times the text takes some 16 times as long; by the square it would be 256. */
static void check_linear(const struct family *f)
{
    static const char *const units[] = {"a", " ", "\n", "0", ".", "<", "\xe4\xb8\xad"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        uint64_t small = time_of(f, units[i], 8 << 10);
        uint64_t large = time_of(f, units[i], 128 << 10);
        if (large > 80 * (small + 500000))
            fail_msg("%s: '%s': %llu ns for 8 KiB, %llu ns for 128 KiB", f->name, units[i],
                     (unsigned long long)small, (unsigned long long)large);
    }
}

static void test_families(void **state)
{
    (void)state;
    char path[4096];
    struct buf file;
    struct err e = {""};
    struct family f = {.t = NULL};
    size_t families = 0, texts = 0;
    snprintf(path, sizeof path, "%s/tests/golden/tokenizers/families.jsonl",
             getenv("WATTLE_SOURCE"));
    buf_init(&file, FILE_MAX);
    if (file_read(path, &file, &e))
        fail_msg("%s", e.text);
    for (size_t at = 0; at < file.n;) {
        struct json *line = NULL;
        const char *end = memchr(file.p + at, '\n', file.n - at);
        assert_non_null(end);
        size_t n = (size_t)(end - file.p) - at;
        if (json_parse_nul(&line, span_of(file.p + at, n), FILE_MAX, "families.jsonl", &e))
            fail_msg("%s", e.text);
        at += n + 1;
        if (json_get(line, "tokenizer")) {
            open_family(&f, line);
            check_streams(&f);
            check_linear(&f);
            families++;
        } else {
            check_line(&f, line);
            texts++;
        }
        json_close(&line);
    }
    assert_true(families >= 38 && texts == families * 24);
    tokenizer_close(&f.t);
    buf_release(&file);
}

/* ---- files that cost more than they should ---- */

static int open_files(const struct tokenizer_files *files, struct err *e, uint64_t *took)
{
    struct tokenizer *t = NULL;
    uint64_t began = clock_cpu_ns();
    int rc = tokenizer_open_files(&t, files, e);
    *took = clock_cpu_ns() - began;
    tokenizer_close(&t);
    return rc;
}

/* Twice as many tokens that are named twice in the configuration take twice as long. */
static void test_many_named_tokens(void **state)
{
    (void)state;
    static const char json[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
    uint64_t took[2];
    for (size_t k = 0; k < 2; k++) {
        struct buf config;
        struct err e = {""};
        size_t n = k ? 16000 : 2000;
        buf_init(&config, FILE_MAX);
        buf_str(&config, "{\"added_tokens_decoder\":{");
        for (size_t i = 0; i < n; i++)
            buf_printf(&config, "%s\"%zu\":{\"content\":\"y%zu\"}", i ? "," : "", i + 1, i);
        buf_str(&config, "},\"additional_special_tokens\":[");
        for (size_t i = 0; i < n; i++)
            buf_printf(&config, "%s\"y%zu\"", i ? "," : "", i);
        buf_str(&config, "]}");
        struct tokenizer_files files = {.tokenizer_json = span_str(json),
                                        .tokenizer_config = buf_view(&config)};
        if (open_files(&files, &e, &took[k]))
            fail_msg("%s", e.text);
        buf_release(&config);
    }
    if (took[1] > 24 * (took[0] + 1000000)) /* by the square: 64 */
        fail_msg("%llu ns for 2,000, %llu ns for 16,000", (unsigned long long)took[0],
                 (unsigned long long)took[1]);
}

/* A text that 30 replacements make ever longer is refused long before it fills the memory. */
static void test_growth(void **state)
{
    (void)state;
    struct buf json;
    struct err e = {""};
    uint64_t took;
    buf_init(&json, FILE_MAX);
    buf_str(&json, "{\"added_tokens\":[{\"id\":1,\"content\":\"aa\",\"normalized\":true,"
                   "\"special\":false,\"lstrip\":false,\"rstrip\":false,\"single_word\":false}],"
                   "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    for (size_t i = 0; i < 30; i++)
        buf_printf(&json,
                   "%s{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},"
                   "\"content\":\"aaaaaaaaaa\"}",
                   i ? "," : "");
    buf_str(&json, "]},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}");
    struct tokenizer_files files = {.tokenizer_json = buf_view(&json)};
    assert_int_equal(open_files(&files, &e, &took), ERR_LIMIT);
    assert_non_null(strstr(e.text, "normalized text: more than 1048704 bytes"));
    buf_release(&json);
}

/* BLOOM's set in a set: one word of a megabyte. */
static void test_long_word(void **state)
{
    (void)state;
    static const char json[] =
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\" ?[^(\\\\s|[.,!?])]+\"},"
        "\"behavior\":\"Isolated\",\"invert\":false},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\".\":1,\" \":2},\"merges\":[]}}";
    struct tokenizer_files files = {.tokenizer_json = span_str(json)};
    struct family f = {.t = NULL};
    struct err e = {""};
    struct token_list out = {0};
    struct encode_options o = {0};
    if (tokenizer_open_files(&f.t, &files, &e))
        fail_msg("%s", e.text);
    (void)time_of(&f, "a", 1 << 20);
    assert_int_equal(tokenizer_encode(f.t, span_str(" aa.a"), &o, &out, &e), 0);
    assert_int_equal(out.n, 5);
    token_list_release(&out);
    tokenizer_close(&f.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families), cmocka_unit_test(test_many_named_tokens),
        cmocka_unit_test(test_growth), cmocka_unit_test(test_long_word)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
