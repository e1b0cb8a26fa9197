/* SPDX-License-Identifier: MIT */
/* SentencePiece models as tokenizer.json, against what transformers makes of them
 * (tests/golden/sentencepiece), and files that lie. */
#include "text/sentencepiece_parts.h"

#include "codec/codec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void read_golden(const char *name, const char *ending, struct buf *out)
{
    char path[4096];
    struct err e = {""};
    snprintf(path, sizeof path, "%s/tests/golden/sentencepiece/%s.%s", getenv("WATTLE_SOURCE"),
             name, ending);
    buf_init(out, 8 << 20);
    if (file_read(path, out, &e))
        fail_msg("%s", e.text);
}

/* Numbers may differ in their last digit: the reference reads its own JSON with less care. */
static bool same(const struct json *a, const struct json *b)
{
    if (json_type_of(a) != json_type_of(b)) {
        return json_is_number(a) && json_is_number(b) && json_number(a) == json_number(b);
    }
    switch (json_type_of(a)) {
    case JSON_STRING:
        return span_eq(json_string(a), json_string(b));
    case JSON_BOOL:
        return json_bool(a) == json_bool(b);
    case JSON_INT:
        return json_int(a) == json_int(b);
    case JSON_REAL:
        return fabs(json_number(a) - json_number(b)) <= 1e-15 * fabs(json_number(b));
    default:
        return json_size(a) == json_size(b);
    }
}

/* Where ours differs from theirs; members that theirs lacks are not looked at. */
static void compare(const char *name, const char *path, const struct json *ours,
                    const struct json *theirs)
{
    char below[256];
    if (!same(ours, theirs) &&
        !(json_type_of(ours) == JSON_OBJECT && json_type_of(theirs) == JSON_OBJECT))
        fail_msg("%s: %s differs", name, path);
    for (size_t i = 0; json_type_of(theirs) == JSON_ARRAY && i < json_size(theirs); i++) {
        snprintf(below, sizeof below, "%.200s/%zu", path, i);
        compare(name, below, json_at(ours, i), json_at(theirs, i));
    }
    if (json_type_of(theirs) != JSON_OBJECT)
        return;
    for (void *it = json_first(theirs); it; it = json_next(theirs, it)) {
        snprintf(below, sizeof below, "%.200s/%s", path, json_key(it));
        if (!json_get(ours, json_key(it)))
            fail_msg("%s: %s is missing", name, below);
        compare(name, below, json_get(ours, json_key(it)), json_value(it));
    }
}

static void check_model(const char *name)
{
    struct buf model, golden, config, out;
    struct json *doc = NULL, *ours = NULL;
    struct err e = {""};
    read_golden(name, "model", &model);
    read_golden(name, "jsonl", &golden);
    const char *end = memchr(golden.p, '\n', golden.n);
    assert_non_null(end);
    if (json_parse_nul(&doc, span_of(golden.p, (size_t)(end - golden.p)), 1 << 20, name, &e))
        fail_msg("%s", e.text);
    buf_init(&config, 1 << 20);
    buf_init(&out, 8 << 20);
    struct json_writer w;
    json_write_init(&w, &config, 0);
    json_write_value(&w, json_get(doc, "tokenizer_config"));
    struct tokenizer_files f = {.sentencepiece = buf_view(&model),
                                .tokenizer_config = buf_view(&config)};
    if (sentencepiece_json(&f, json_string(json_get(doc, "model_type")), &out, NULL, &e))
        fail_msg("%s: %s", name, e.text);
    if (json_parse_nul(&ours, buf_view(&out), 8 << 20, name, &e))
        fail_msg("%s", e.text);
    compare(name, "", ours, json_get(doc, "tokenizer"));
    assert_int_equal(json_size(json_get(json_get(ours, "model"), "vocab")),
                     json_size(json_get(json_get(json_get(doc, "tokenizer"), "model"), "vocab")));
    json_close(&ours);
    json_close(&doc);
    buf_release(&model);
    buf_release(&golden);
    buf_release(&config);
    buf_release(&out);
}

static const char *const names[] = {"unigram-plain", "unigram-bytes", "unigram-rules", "bpe",
                                    "bpe-user",      "llama",         "llama-legacy",  "gemma"};

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_model(names[i]);
}

static void check_ids(const char *name, size_t line, const struct tokenizer *t,
                      const struct json *one, bool special)
{
    struct token_list out = {0};
    struct err e = {""};
    struct encode_options o = {.add_special = special, .parse_special = true};
    const struct json *ids = json_get(one, special ? "special" : "plain");
    struct span text = json_string(json_get(one, "text"));
    if (tokenizer_encode(t, text, &o, &out, &e))
        fail_msg("%s: line %zu: %s", name, line, e.text);
    bool equal = out.n == json_size(ids);
    for (size_t i = 0; equal && i < out.n; i++)
        equal = out.ids[i] == json_int(json_at(ids, i));
    if (!equal)
        fail_msg("%s: line %zu: '%.*s': other ids", name, line, SPAN_FMT(text));
    token_list_release(&out);
}

/* From the files to ids. */
static void test_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf model, golden, config;
        struct tokenizer *t = NULL;
        struct err e = {""};
        read_golden(names[i], "model", &model);
        read_golden(names[i], "jsonl", &golden);
        buf_init(&config, 1 << 20);
        size_t line = 1;
        for (size_t at = 0; at < golden.n; line++) {
            struct json *doc = NULL;
            const char *end = memchr(golden.p + at, '\n', golden.n - at);
            assert_non_null(end);
            struct span text = span_of(golden.p + at, (size_t)(end - golden.p) - at);
            at += text.n + 1;
            if (json_parse_nul(&doc, text, 1 << 20, names[i], &e))
                fail_msg("%s", e.text);
            if (line == 1) {
                struct json_writer w;
                json_write_init(&w, &config, 0);
                json_write_value(&w, json_get(doc, "tokenizer_config"));
                struct tokenizer_files f = {.sentencepiece = buf_view(&model),
                                            .tokenizer_config = buf_view(&config),
                                            .model_type = json_string(json_get(doc, "model_type"))};
                if (tokenizer_open_files(&t, &f, &e))
                    fail_msg("%s: %s", names[i], e.text);
                assert_int_not_equal(tokenizer_bos(t), -1);
                assert_true(tokenizer_is_end(t, tokenizer_eos(t)));
            } else {
                check_ids(names[i], line, t, doc, false);
                check_ids(names[i], line, t, doc, true);
            }
            json_close(&doc);
        }
        assert_true(line > 100);
        tokenizer_close(&t);
        buf_release(&model);
        buf_release(&golden);
        buf_release(&config);
    }
}

/* GGUF's form of a model gives the same as the model. */
static void test_vocab(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) { /* the Unigram ones */
        struct buf file, ours, theirs;
        struct sp_model m;
        struct err e = {""};
        int32_t types[1000];
        read_golden(names[i], "model", &file);
        buf_init(&ours, 1 << 20);
        buf_init(&theirs, 1 << 20);
        struct tokenizer_files f = {.sentencepiece = buf_view(&file)};
        struct sp_special special;
        assert_int_equal(sentencepiece_json(&f, (struct span){NULL, 0}, &theirs, &special, &e), 0);
        assert_int_equal(sp_model_read(&m, buf_view(&file), &e), 0);
        assert_true(m.n <= 1000);
        for (size_t k = 0; k < m.n; k++)
            types[k] = m.types[k];
        struct vocab v = {.kind = VOCAB_UNIGRAM,
                          .n = m.n,
                          .tokens = m.texts,
                          .scores = m.scores,
                          .types = types,
                          .bos = m.bos_id,
                          .eos = m.eos_id,
                          .unk = m.unk_id,
                          .add_space_prefix = m.add_dummy_prefix,
                          .remove_extra_whitespaces = m.remove_extra_whitespaces,
                          .charsmap = m.charsmap};
        if (sentencepiece_json_of_vocab(&v, &ours, &e))
            fail_msg("%s", e.text);
        assert_string_equal(buf_cstr(&ours), buf_cstr(&theirs));
        assert_int_equal(special.bos, m.bos_id);
        assert_int_equal(special.eos, m.eos_id);
        assert_int_equal(special.unk, m.unk_id);
        struct tokenizer *t = NULL;
        struct token_list ids = {0};
        if (tokenizer_open(&t, &v, &e))
            fail_msg("%s", e.text);
        struct encode_options o = {.parse_special = true};
        assert_int_equal(tokenizer_encode(t, span_str("the</s>"), &o, &ids, &e), 0);
        assert_true(ids.n > 1 && ids.ids[ids.n - 1] == m.eos_id);
        assert_int_equal(tokenizer_eos(t), m.eos_id);
        token_list_release(&ids);
        tokenizer_close(&t);
        v.unk = -1;
        assert_int_equal(sentencepiece_json_of_vocab(&v, &ours, &e), ERR_FORMAT);
        v.scores = NULL;
        assert_int_equal(sentencepiece_json_of_vocab(&v, &ours, &e), ERR_FORMAT);
        assert_string_equal(buf_cstr(&ours), buf_cstr(&theirs));
        assert_int_equal(special.bos, m.bos_id);
        assert_int_equal(special.eos, m.eos_id);
        assert_int_equal(special.unk, m.unk_id);
        sp_model_release(&m);
        buf_release(&file);
        buf_release(&ours);
        buf_release(&theirs);
    }
}

/* A ModelProto by hand: {1: {1: "<unk>", 3: 2}}, {1: {1: "a", 2: -1.0}}, then more. */
#define UNK "\x0a\x09\x0a\x05<unk>\x18\x02"
#define A   "\x0a\x08\x0a\x01\x61\x15\x00\x00\x80\xbf"

static const struct {
    const char *bytes;
    size_t n;
    const char *config, *error; /* NULL: none */
} files[] = {
#define FILE_OF(bytes, config, error)          \
    {                                          \
        bytes, sizeof bytes - 1, config, error \
    }
    FILE_OF(UNK A, "", NULL),
    FILE_OF(UNK A "\x12\x02\x18\x02", "{}", NULL), /* trainer_spec: BPE */
    FILE_OF(UNK A "\x12\x0b\x18\x02\xc8\x02\xff\xff\xff\xff\x0f\x18\x02", "", NULL), /* bos_id -1 */
    FILE_OF("", "", "tokenizer.model: no pieces"),
    FILE_OF("{\"version\": 1}", "", "tokenizer.model: model: byte"),
    FILE_OF("<!DOCTYPE html>", "", "tokenizer.model: "),
    FILE_OF("\x0a", "", "model: byte 1 of 1: malformed"),
    FILE_OF("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "", "malformed"),
    FILE_OF("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "", "malformed"),
    FILE_OF("\x0a\x05\x0a\x09"
            "a",
            "", "malformed"),
    FILE_OF("\x0b\x0c", "", "malformed"), /* a group */
    FILE_OF("\x00\x00", "", "malformed"), /* field 0 */
    FILE_OF("\x0a\x00", "", "piece 0: '', expected text"),
    FILE_OF(UNK "\x0a\x03\x0a\x01\xff", "", "piece 1: '\\xff', expected text"),
    FILE_OF(UNK "\x0a\x05\x0a\x01\x61\x18\x07", "", "piece 1: type 7, expected 1 to 6"),
    FILE_OF(UNK "\x0a\x08\x0a\x01\x61\x15\x00\x00\xc0\x7f", "", "piece 1: score nan"),
    FILE_OF(UNK A A, "", "piece 2: 'a' is piece 1 already"),
    FILE_OF(UNK A "\x12\x02\x18\x04", "", "model_type 4, expected 1 (Unigram) or 2 (BPE)"),
    FILE_OF(UNK A "\x12\x03\xc0\x02\x02", "", "unk_id 2, expected one of 2 pieces"),
    FILE_OF(UNK A, "[]", "tokenizer_config.json: an array, expected an object"),
    FILE_OF(UNK A, "{", "tokenizer_config.json: line 1"),
    FILE_OF(UNK A, "{\"bos_token\": 1}", "tokenizer_config.json: bos_token: an integer"),
    FILE_OF(UNK A, "{\"added_tokens_decoder\": {\"x\": {}}}", "key 'x', expected an id"),
    FILE_OF(UNK A, "{\"added_tokens_decoder\": {\"1\": \"a\"}}", "expected an object with content"),
    FILE_OF(UNK A, "{\"extra_special_tokens\": [1]}", "element 0: an integer, expected a token"),
};

static void test_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct err e = {""};
        struct buf out;
        struct json *doc = NULL;
        uint8_t *exact = malloc(files[i].n ? files[i].n : 1);
        memcpy(exact, files[i].bytes, files[i].n);
        struct tokenizer_files f = {.sentencepiece = span_of(exact, files[i].n),
                                    .tokenizer_config = span_str(files[i].config)};
        buf_init(&out, 1 << 16);
        int rc = sentencepiece_json(&f, (struct span){NULL, 0}, &out, NULL, &e);
        if (!files[i].error && rc)
            fail_msg("file %zu: %s", i, e.text);
        if (!rc && json_parse(&doc, buf_view(&out), 1 << 16, "out", &e))
            fail_msg("file %zu: %s", i, e.text);
        if (files[i].error && (rc >= 0 || out.n > 0 || !strstr(e.text, files[i].error)))
            fail_msg("file %zu: '%s' lacks '%s'", i, e.text, files[i].error);
        json_close(&doc);
        buf_release(&out);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_vocab),
        cmocka_unit_test(test_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
