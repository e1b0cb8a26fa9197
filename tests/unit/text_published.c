/* SPDX-License-Identifier: MIT */
/* Published vocabularies against Hugging Face's ids, where they are at hand; the real model's. */
#include "codec/codec.h"
#include "model/model.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const struct encode_options plain = {.parse_special = true};

static void read_file(const char *path, struct buf *out)
{
    struct err e = {""};
    buf_init(out, 64 << 20);
    if (file_read(path, out, &e))
        fail_msg("%s", e.text);
}

/* The next part of `rest` before a separator. */
static struct span cut(struct span *rest, const char *separator)
{
    size_t n = strlen(separator);
    const uint8_t *at = rest->n ? memmem(rest->p, rest->n, separator, n) : NULL;
    struct span part = span_sub(*rest, 0, at ? (size_t)(at - rest->p) : rest->n);
    *rest = at ? span_sub(*rest, part.n + n, rest->n) : span_of(NULL, 0);
    return part;
}

static void check_ids(const char *path, struct span text, const struct token_list *got,
                      struct span line)
{
    for (size_t i = 0; i < got->n; i++) {
        int64_t want = -1;
        while (line.n && line.p[0] == ' ')
            line = span_sub(line, 1, line.n);
        if (!num_parse_i64(cut(&line, " "), &want) || want != got->ids[i])
            fail_msg("%s: id %zu of '%.*s' is %d, expected %lld", path, i, SPAN_FMT(text),
                     got->ids[i], (long long)want);
    }
    while (line.n && line.p[0] == ' ')
        line = span_sub(line, 1, line.n);
    if (line.n)
        fail_msg("%s: '%.*s' gives %zu ids, expected more", path, SPAN_FMT(text), got->n);
}

/* Decoding gives the text back, or the text with a blank that the encoder put in front of it. */
static void check_back(const struct tokenizer *t, struct span text, const struct token_list *ids)
{
    struct buf back;
    struct err e = {""};
    buf_init(&back, 64 << 20);
    if (tokenizer_decode(t, ids->ids, ids->n, true, &back, &e))
        fail_msg("%s", e.text);
    if (!span_eq(buf_view(&back), text))
        fail_msg("'%.*s' comes back as '%.*s'", SPAN_FMT(text), SPAN_FMT(buf_view(&back)));
    buf_release(&back);
}

/* The number of texts, the last of which may be empty. */
static size_t check_vocabulary(const char *path)
{
    char name[4096];
    static const char separator[] = "\n__ggml_vocab_test__\n";
    struct buf texts;
    struct buf ids;
    struct err e = {""};
    struct model_text *m = NULL;
    size_t n = 0;
    if (model_text_open(&m, path, &e))
        fail_msg("%s: %s", path, e.text);
    const struct tokenizer *t = model_text_tokenizer(m);
    snprintf(name, sizeof(name), "%s.inp", path);
    read_file(name, &texts);
    snprintf(name, sizeof(name), "%s.out", path);
    read_file(name, &ids);
    struct span text_rest = buf_view(&texts);
    struct span ids_rest = buf_view(&ids);
    for (bool more = true; more; n++) {
        struct token_list got = {0};
        more = text_rest.n > 0 &&
               memmem(text_rest.p, text_rest.n, separator, sizeof(separator) - 1) != NULL;
        struct span text = cut(&text_rest, separator);
        if (tokenizer_encode(t, text, &plain, &got, &e))
            fail_msg("%s: %s", path, e.text);
        check_ids(path, text, &got, cut(&ids_rest, "\n"));
        assert_true(tokenizer_least(t, text) <= got.n);
        check_back(t, text, &got);
        token_list_release(&got);
    }
    buf_release(&texts);
    buf_release(&ids);
    model_text_close(&m);
    return n;
}

static void test_published(void **state)
{
    char pattern[4096];
    glob_t found;
    (void)state;
    snprintf(pattern, sizeof(pattern), "%s/../shared/goldens/vocab/*.gguf",
             getenv("WATTLE_SOURCE"));
    if (glob(pattern, 0, NULL, &found) != 0) {
        print_message("skipped: no vocabularies at %s\n", pattern);
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n = check_vocabulary(found.gl_pathv[i]);
        print_message("%s: %zu texts\n", found.gl_pathv[i], n);
        assert_int_equal(n, 47);
    }
    globfree(&found);
}

/* The model's vocabulary, or a skip. */
static struct model_text *open_real(void)
{
    char path[4096];
    struct err e = {""};
    struct model_text *m = NULL;
    const char *named = getenv("WATTLE_MODEL");
    snprintf(path, sizeof(path), "%s/models/SmolLM2-135M-Instruct.Q4_1.gguf",
             getenv("WATTLE_SOURCE"));
    if (access(named ? named : path, R_OK) != 0) {
        print_message("skipped: no model at %s\n", named ? named : path);
        skip();
    }
    if (model_text_open(&m, named ? named : path, &e))
        fail_msg("%s", e.text);
    return m;
}

static void test_real(void **state)
{
    char path[4096];
    struct buf file;
    struct err e = {""};
    struct model_text *m = open_real();
    const struct tokenizer *t = model_text_tokenizer(m);
    size_t n = 0;
    (void)state;
    snprintf(path, sizeof(path), "%s/tests/golden/tokenizers/smollm2-135m-instruct.jsonl",
             getenv("WATTLE_SOURCE"));
    read_file(path, &file);
    for (struct span rest = buf_view(&file); rest.n; n++) {
        struct json *line = NULL;
        struct token_list got = {0};
        if (json_parse(&line, cut(&rest, "\n"), 1 << 20, "golden", &e))
            fail_msg("%s", e.text);
        struct span text = json_string(json_get(line, "text"));
        const struct json *want = json_get(line, "ids");
        if (tokenizer_encode(t, text, &plain, &got, &e))
            fail_msg("%s", e.text);
        if (got.n != json_size(want))
            fail_msg("'%.*s' gives %zu ids, expected %zu", SPAN_FMT(text), got.n, json_size(want));
        for (size_t i = 0; i < got.n; i++)
            if (got.ids[i] != json_int(json_at(want, i)))
                fail_msg("'%.*s': id %zu is %d", SPAN_FMT(text), i, got.ids[i]);
        token_list_release(&got);
        json_close(&line);
    }
    assert_true(n >= 60);
    buf_release(&file);
    model_text_close(&m);
}

/* All of the telemetry at once: number and hash (FNV-1a over little-endian ids) of what Hugging
 * Face's tokenizers give for the file. */
static void test_telemetry(void **state)
{
    char path[4096];
    struct buf csv;
    struct token_list ids = {0};
    struct err e = {""};
    struct model_text *m = open_real();
    const struct tokenizer *t = model_text_tokenizer(m);
    (void)state;
    snprintf(path, sizeof(path), "%s/data/telemetry-24h.csv", getenv("WATTLE_SOURCE"));
    read_file(path, &csv);
    assert_int_equal(csv.n, 7602952);
    if (tokenizer_encode(t, buf_view(&csv), &plain, &ids, &e))
        fail_msg("%s", e.text);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < ids.n; i++)
        for (int k = 0; k < 32; k += 8)
            h = (h ^ ((uint32_t)ids.ids[i] >> k & 255)) * 0x100000001b3u;
    assert_int_equal(ids.n, 6410279);
    assert_true(h == 0x1232d6ed14d1dbfe);
    check_back(t, buf_view(&csv), &ids);
    token_list_release(&ids);
    buf_release(&csv);
    model_text_close(&m);
}

/* Texts that a quadratic tokenizer would not get through before the test's time is up. */
static void test_long(void **state)
{
    static const struct {
        const char *unit;
        size_t n;
    } rows[] = {
        {"a", 1000000},         {" ", 100000},          {" ", 1000001},
        {"\n", 1000000},        {"!", 1000000},         {"\xe4\xb8\x96", 300000},
        {"<|im_start|", 90000}, {"<|im_end|>", 100000}, {" \n", 500000},
        {"'s", 500000},
    };
    struct model_text *m = open_real();
    const struct tokenizer *t = model_text_tokenizer(m);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf text;
        struct token_list ids = {0};
        struct err e = {""};
        static const struct encode_options literal = {0};
        buf_init(&text, 16 << 20);
        for (size_t k = 0; k < rows[i].n; k++)
            buf_str(&text, rows[i].unit);
        uint64_t began = clock_mono_ns();
        if (tokenizer_encode(t, buf_view(&text), &literal, &ids, &e))
            fail_msg("%s", e.text);
        print_message("%zu times '%s': %zu ids, %.0f ms\n", rows[i].n, rows[i].unit, ids.n,
                      (double)(clock_mono_ns() - began) / 1e6);
        check_back(t, buf_view(&text), &ids);
        token_list_release(&ids);
        buf_release(&text);
    }
    model_text_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_telemetry),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
