/* SPDX-License-Identifier: MIT */
/* tokenizer.json against Hugging Face's tokenizers (tests/golden/tokenizers) and cases from the
 * field (tests/cases/tokenizer); files that lie; texts that are long and dull. */
#include "text/tokenizer.h"

#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void read_file(const char *folder, const char *name, const char *file, struct buf *out)
{
    char path[1024];
    struct err e = {""};
    snprintf(path, sizeof(path), "%s/tests/%s/%s/%s", getenv("WATTLE_SOURCE"), folder, name, file);
    buf_init(out, 16 << 20);
    if (file_read(path, out, &e))
        fail_msg("%s", e.text);
}

static struct tokenizer *open_folder(const char *folder, const char *name)
{
    struct buf json;
    struct buf config;
    struct tokenizer *t = NULL;
    struct err e = {""};
    read_file(folder, name, "tokenizer.json", &json);
    read_file(folder, name, "tokenizer_config.json", &config);
    struct tokenizer_files f = {.tokenizer_json = buf_view(&json),
                                .tokenizer_config = buf_view(&config)};
    if (tokenizer_open_files(&t, &f, &e))
        fail_msg("%s: %s", name, e.text);
    buf_release(&json);
    buf_release(&config);
    return t;
}

static struct tokenizer *open_text(const char *json, struct err *e)
{
    struct tokenizer *t = NULL;
    struct tokenizer_files f = {.tokenizer_json = span_str(json)};
    int rc = tokenizer_open_files(&t, &f, e);
    if (rc)
        assert_null(t);
    return t;
}

/* ---- goldens ---- */

static void check_ids(const struct tokenizer *t, struct span text, struct encode_options o,
                      const struct json *expected, const char *where)
{
    struct token_list out = {0};
    struct err e = {""};
    if (tokenizer_encode(t, text, &o, &out, &e))
        fail_msg("%s: %s", where, e.text);
    bool same = out.n == json_size(expected);
    for (size_t i = 0; i < out.n && same; i++)
        same = out.ids[i] == json_int(json_at(expected, i));
    if (!same)
        fail_msg("%s: other ids", where);
    if (!o.add_special && tokenizer_least(t, text) > out.n)
        fail_msg("%s: at least %zu tokens, but it has %zu", where, tokenizer_least(t, text), out.n);
    token_list_release(&out);
}

/* Whole, and as a stream whose pieces are whole characters. */
static void check_text(const struct tokenizer *t, const struct json *ids, bool skip,
                       struct span expected, const char *where)
{
    struct buf whole;
    struct buf pieces;
    struct detokenizer d;
    struct err e = {""};
    int32_t list[4096];
    size_t n = json_size(ids);
    assert_true(n <= 4096);
    buf_init(&whole, 1 << 20);
    buf_init(&pieces, 1 << 20);
    detokenizer_init(&d, t, skip);
    for (size_t i = 0; i < n; i++) {
        list[i] = (int32_t)json_int(json_at(ids, i));
        assert_int_equal(detokenizer_push(&d, list[i], &pieces, &e), 0);
        if (!utf8_valid(buf_view(&pieces)))
            fail_msg("%s: a piece ends inside of a character", where);
    }
    detokenizer_finish(&d, &pieces);
    if (tokenizer_decode(t, list, n, skip, &whole, &e))
        fail_msg("%s: %s", where, e.text);
    if (!span_eq(buf_view(&whole), expected))
        fail_msg("%s: '%s', expected '%.*s'", where, buf_cstr(&whole), SPAN_FMT(expected));
    assert_true(span_eq(buf_view(&pieces), expected));
    detokenizer_release(&d);
    buf_release(&whole);
    buf_release(&pieces);
}

static void check_golden(const char *name)
{
    struct tokenizer *t = open_folder("golden/tokenizers", name);
    struct buf file;
    struct json *doc = NULL;
    struct err e = {""};
    char where[256];
    read_file("golden/tokenizers", name, "cases.json", &file);
    if (json_parse_nul(&doc, buf_view(&file), 16 << 20, name, &e))
        fail_msg("%s", e.text);
    const struct json *list = json_get(doc, "encode");
    for (size_t i = 0; i < json_size(list); i++) {
        const struct json *c = json_at(list, i);
        const struct json *ids = json_get(c, "ids");
        const struct json *literal = json_get(ids, "literal");
        const struct json *decoded = json_get(c, "decoded");
        struct span text = json_string(json_get(c, "text"));
        snprintf(where, sizeof(where), "%s: %.*s", name,
                 SPAN_FMT(json_string(json_get(c, "case"))));
        check_ids(t, text, (struct encode_options){.parse_special = true}, json_get(ids, "plain"),
                  where);
        check_ids(t, text, (struct encode_options){.add_special = true, .parse_special = true},
                  json_get(ids, "special"), where);
        check_ids(t, text, (struct encode_options){.parse_special = false},
                  literal ? literal : json_get(ids, "plain"), where);
        check_text(t, json_get(ids, "special"), true, json_string(json_get(decoded, "skip")),
                   where);
        check_text(t, json_get(ids, "special"), false, json_string(json_get(decoded, "keep")),
                   where);
    }
    assert_true(json_size(list) > 200);
    list = json_get(doc, "decode");
    for (size_t i = 0; i < json_size(list); i++) {
        const struct json *c = json_at(list, i);
        snprintf(where, sizeof(where), "%s: decode %zu", name, i);
        check_text(t, json_get(c, "ids"), true, json_string(json_get(c, "skip")), where);
        check_text(t, json_get(c, "ids"), false, json_string(json_get(c, "keep")), where);
    }
    json_close(&doc);
    buf_release(&file);
    tokenizer_close(&t);
}

static const char *const goldens[] = {"gemma-spm",        "gpt2-bytelevel", "llama2-spm",
                                      "llama3-split-nfc", "metaspace-spm",  "phi3-spm-rstrip",
                                      "smollm2-digits",   "unigram"};

static void test_goldens(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goldens) / sizeof(*goldens); i++)
        check_golden(goldens[i]);
}

/* ---- cases from the field ---- */

static struct json *line_of(struct buf *file, size_t *at)
{
    struct json *doc = NULL;
    struct err e = {""};
    if (*at >= file->n)
        return NULL;
    const char *end = memchr(file->p + *at, '\n', file->n - *at);
    size_t n = end ? (size_t)(end - file->p) - *at : file->n - *at;
    if (json_parse(&doc, span_of(file->p + *at, n), 1 << 20, "case", &e))
        fail_msg("%s", e.text);
    *at += n + 1;
    return doc;
}

static void test_cases(void **state)
{
    static const char *const names[] = {"v-tk1-retokenize",      "v-tk2-word-after-added",
                                        "v-tk3-rstrip",          "v-tk4-byte-fallback",
                                        "v-tk5-merges-as-pairs", "v-tk6-nfc",
                                        "v-tk7-double-bos"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct tokenizer *t = open_folder("cases/tokenizer", names[i]);
        struct buf in;
        struct buf out;
        size_t at = 0;
        size_t at_out = 0;
        struct json *c;
        read_file("cases/tokenizer", names[i], "tokenize.in.jsonl", &in);
        read_file("cases/tokenizer", names[i], "tokenize.out.jsonl", &out);
        while ((c = line_of(&in, &at))) {
            struct json *expected = line_of(&out, &at_out);
            assert_true(
                span_eq(json_string(json_get(c, "case")), json_string(json_get(expected, "case"))));
            check_ids(
                t, json_string(json_get(c, "text")),
                (struct encode_options){.add_special = json_bool(json_get(c, "add_special")),
                                        .parse_special = json_bool(json_get(c, "parse_special"))},
                json_get(expected, "ids"), names[i]);
            json_close(&c);
            json_close(&expected);
        }
        buf_release(&in);
        buf_release(&out);
        tokenizer_close(&t);
    }
}

/* ---- refusals ---- */

#define MODEL \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"

static void test_refused(void **state)
{
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"", "no tokenizer.json"},
        {"[]", "tokenizer.json: file"},
        {"{}", "tokenizer.json: model: missing"},
        {"{" MODEL, "cut off"},
        {"{" MODEL "," MODEL "}", "\"model\" is there twice"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", "expected BPE or Unigram"},
        {"{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", "vocab: missing"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "vocab: empty"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}",
         "'a' is token 0 and 1"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}",
         "id 0 is 'a' already"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "expected an id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4000000000},\"merges\":[]}}",
         "expected an id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.5},\"merges\":[]}}", "expected an id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\xff\":1},\"merges\":[]}}", "vocab"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a c\"]}}",
         "merge 0: 'a' and 'c': its right part is no token"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}",
         "its result is no token"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"aa\"]}}",
         "expected two tokens"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}",
         "expected two tokens"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}",
         "dropout"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"x\"]],\"unk_id\":0}}",
         "expected a text and a score"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":7}}", "unk_id"},
        {"{\"normalizer\":{\"type\":\"Magic\"}," MODEL "}",
         "'Magic' is not supported, expected one of"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}"
         "," MODEL "}",
         "normalizer: Replace: pattern: expression '('"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}"
         "," MODEL "}",
         "pattern: empty"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"}," MODEL "}",
         "not base64"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"x\"}"
         "," MODEL "}",
         "behavior: 'x'"},
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}," MODEL "}",
         "expected one character"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
         "\"id\":"
         "\"<s>\"}}]}," MODEL "}",
         "post_processor: TemplateProcessing"},
        {"{\"decoder\":{\"type\":\"CTC\"}," MODEL "}", "decoder: 'CTC' is not supported"},
        {"{\"added_tokens\":[{\"content\":7}]," MODEL "}", "added_tokens: token 0: content"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct err e = {""};
        if (open_text(rows[i].json, &e))
            fail_msg("%s: accepted", rows[i].json);
        if (!strstr(e.text, rows[i].says))
            fail_msg("%s: '%s', expected '%s'", rows[i].json, e.text, rows[i].says);
    }
}

static void test_deep(void **state)
{
    struct buf json;
    struct err e = {""};
    (void)state;
    buf_init(&json, 1 << 20);
    buf_str(&json, "{\"normalizer\":");
    for (int i = 0; i < 10000; i++)
        buf_str(&json, "{\"type\":\"Sequence\",\"normalizers\":[");
    buf_str(&json, "]}," MODEL "}");
    assert_null(open_text(buf_cstr(&json), &e));
    assert_non_null(strstr(e.text, "tokenizer.json"));
    buf_release(&json);
}

/* ---- expressions ---- */

/* The words of a text as ids of one-letter tokens: what is cut merges nowhere. */
static void check_split(const char *regex, const char *text, const char *ids)
{
    struct buf json;
    struct buf got;
    struct token_list out = {0};
    struct err e = {""};
    buf_init(&json, 1 << 16);
    buf_init(&got, 1 << 16);
    buf_str(&json, "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{"
                   "\"Regex\":");
    json_quote(&json, span_str(regex));
    buf_str(&json, "}},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"aa\":2,\"ab\":3,"
                   "\"ba\":4,\"bb\":5},\"merges\":[\"a a\",\"a b\",\"b a\",\"b b\"]}}");
    struct tokenizer *t = open_text(buf_cstr(&json), &e);
    if (!t)
        fail_msg("%s: %s", regex, e.text);
    if (tokenizer_encode(t, span_str(text), &(struct encode_options){.parse_special = true}, &out,
                         &e))
        fail_msg("%s: %s", regex, e.text);
    for (size_t i = 0; i < out.n; i++)
        buf_printf(&got, "%d", out.ids[i]);
    if (strcmp(buf_cstr(&got), ids) != 0)
        fail_msg("%s: '%s', expected '%s'", regex, buf_cstr(&got), ids);
    token_list_release(&out);
    tokenizer_close(&t);
    buf_release(&json);
    buf_release(&got);
}

static void test_expressions(void **state)
{
    (void)state;
    check_split("zzz", "aabb", "25");
    check_split("a", "aabb", "005");
    check_split("[a-b&&[^b]]", "aabb", "005");
    check_split("[^a[b]]", "aabb", "25");
    check_split("[^(b|[.])]", "aabb", "005");
    check_split("a{1}+", "aabb", "25");   /* (a{1})+: nothing possessive */
    check_split("a{,1}b", "aabb", "031"); /* up to one a */
    check_split("(?<=a)(?=b)", "ab", "01");
    check_split("\\p{^L}|\\h", "ab", "01");
    check_split("[[:^alpha:]b]", "ab", "01");
}

/* A hostile expression ends in an error, soon. */
static void test_hostile_expression(void **state)
{
    static const char json[] =
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{"
        "\"Regex\":\"(a|aa|a?a)+$b\"}}," MODEL "}";
    struct err e = {""};
    struct token_list out = {0};
    char text[400];
    (void)state;
    struct tokenizer *t = open_text(json, &e);
    assert_non_null(t);
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = 'c';
    int rc = tokenizer_encode(t, span_of(text, sizeof(text)),
                              &(struct encode_options){.parse_special = true}, &out, &e);
    assert_true(rc == 0 || rc == ERR_LIMIT);
    token_list_release(&out);
    tokenizer_close(&t);
}

/* ---- time ---- */

static uint64_t time_of(const struct tokenizer *t, const char *unit, size_t n)
{
    struct buf text;
    struct token_list out = {0};
    struct err e = {""};
    buf_init(&text, 16 << 20);
    while (text.n < n)
        buf_str(&text, unit);
    uint64_t began = clock_cpu_ns();
    if (tokenizer_encode(t, buf_view(&text), &(struct encode_options){.parse_special = true}, &out,
                         &e))
        fail_msg("%s", e.text);
    uint64_t took = clock_cpu_ns() - began;
    token_list_release(&out);
    buf_release(&text);
    return took;
}

/* 16 times the text may take 16 times as long and some more, not 256 times. */
static void test_linear(void **state)
{
    static const char *const units[] = {
        "a", " ", "ab", "\n", "\xcc\x81", "\xe4\xb8\xad", "0", "\xe2\x96\x81", " a", "<", "</s>"};
    (void)state;
    for (size_t i = 0; i < sizeof(goldens) / sizeof(*goldens); i++) {
        struct tokenizer *t = open_folder("golden/tokenizers", goldens[i]);
        for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++) {
            uint64_t small = time_of(t, units[k], 16 << 10);
            uint64_t large = time_of(t, units[k], 256 << 10);
            if (large > 100 * (small + 1000000))
                fail_msg("%s: '%s': %llu ns for 16 KiB, %llu ns for 256 KiB", goldens[i], units[k],
                         (unsigned long long)small, (unsigned long long)large);
        }
        tokenizer_close(&t);
    }
}

/* ---- vocab.json and merges.txt ---- */

static void test_vocab_and_merges(void **state)
{
    static const char vocab[] =
        "{\"a\":0,\"b\":1,\"\\u0120\":2,\"ab\":3,\"\\u0120ab\":4,\"<|endoftext|>\":5}";
    static const char merges[] = "#version: 0.2\na b\n\xc4\xa0 ab\r\n\n";
    static const int32_t expected[] = {5, 3, 4, 0, 5};
    struct tokenizer *t = NULL;
    struct token_list out = {0};
    struct err e = {""};
    struct tokenizer_files f = {.vocab_json = span_str(vocab),
                                .merges_txt = span_str(merges),
                                .tokenizer_config = span_str("{\"add_bos_token\":true}")};
    (void)state;
    if (tokenizer_open_files(&t, &f, &e))
        fail_msg("%s", e.text);
    assert_int_equal(tokenizer_bos(t), 5);
    assert_true(tokenizer_is_end(t, 5));
    assert_int_equal(tokenizer_encode(t, span_str("ab aba<|endoftext|>"),
                                      &(struct encode_options){true, true, NULL, 0}, &out, &e),
                     0);
    assert_int_equal(out.n, 5);
    assert_memory_equal(out.ids, expected, sizeof(expected));
    token_list_release(&out);
    tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),     cmocka_unit_test(test_cases),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_deep),
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_hostile_expression),
        cmocka_unit_test(test_linear),      cmocka_unit_test(test_vocab_and_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
