/* SPDX-License-Identifier: MIT */
/* Unigram against Hugging Face's tokenizers (tests/golden/sentencepiece/unigram.jsonl), and what
 * they do not show: refusals, long texts, settled parts. */
#include "text/unigram.h"
#include "text/library_number.h"

#include "codec/codec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* A vocabulary of the golden; doc holds its texts. */
struct vocabulary {
    struct json *doc;
    struct span *tokens;
    double *scores;
    size_t n;
    struct unigram *u;
};

static void vocabulary_close(struct vocabulary *v)
{
    unigram_close(&v->u);
    free(v->tokens);
    free(v->scores);
    json_close(&v->doc);
}

static void vocabulary_open(struct vocabulary *v, struct json *doc)
{
    struct err e = {""};
    const struct json *tokens = json_get(doc, "tokens"), *scores = json_get(doc, "scores");
    *v = (struct vocabulary){.doc = doc, .n = json_size(tokens)};
    v->tokens = calloc(v->n, sizeof *v->tokens);
    v->scores = calloc(v->n, sizeof *v->scores);
    for (size_t i = 0; i < v->n; i++) {
        v->tokens[i] = json_string(json_at(tokens, i));
        v->scores[i] = json_number(json_at(scores, i));
    }
    if (unigram_open(&v->u, v->tokens, v->scores, v->n, (int32_t)json_int(json_get(doc, "unk")),
                     json_bool(json_get(doc, "byte_fallback")), &e))
        fail_msg("%s", e.text);
}

static void check_case(const struct vocabulary *v, const struct json *one, size_t line)
{
    struct token_list out = {0};
    struct err e = {""};
    const struct json *ids = json_get(one, "ids");
    int rc = unigram_encode(v->u, json_string(json_get(one, "text")), &out, &e);
    if (!ids)
        assert_int_equal(rc, ERR_FORMAT);
    else if (rc || out.n != json_size(ids))
        fail_msg("line %zu: %zu ids, expected %zu: %s", line, out.n, json_size(ids), e.text);
    for (size_t i = 0; i < out.n && ids; i++)
        if (out.ids[i] != json_int(json_at(ids, i)))
            fail_msg("line %zu: id %zu is %d", line, i, out.ids[i]);
    token_list_release(&out);
}

static void test_golden(void **state)
{
    (void)state;
    char path[4096];
    struct buf file;
    struct err e = {""};
    struct vocabulary v = {0};
    size_t n_cases = 0, line = 1;
    snprintf(path, sizeof path, "%s/tests/golden/sentencepiece/unigram.jsonl",
             getenv("WATTLE_SOURCE"));
    buf_init(&file, 4 << 20);
    if (file_read(path, &file, &e))
        fail_msg("%s", e.text);
    for (size_t at = 0; at < file.n; line++) {
        const char *end = memchr(file.p + at, '\n', file.n - at);
        assert_non_null(end);
        struct json *doc = NULL;
        struct span text = span_of(file.p + at, (size_t)(end - file.p) - at);
        if (json_parse_nul(&doc, text, 1 << 20, "golden", &e))
            fail_msg("%s", e.text);
        at += text.n + 1;
        if (json_get(doc, "tokens")) {
            vocabulary_close(&v);
            vocabulary_open(&v, doc);
            continue;
        }
        check_case(&v, doc, line);
        json_close(&doc);
        n_cases++;
    }
    assert_true(n_cases > 800);
    vocabulary_close(&v);
    buf_release(&file);
}

/* A long text is the same as its parts where no token reaches over their borders; and one without
 * any border takes no longer. */
static void test_long(void **state)
{
    (void)state;
    const struct span tokens[] = {span_str("<unk>"), span_str("a"), span_str("aa"),
                                  span_str("aaaaaaaa"), span_str("b")};
    const double scores[] = {0, -2, -3, -5, -1};
    enum { N = 1 << 20 };
    struct unigram *u = NULL;
    struct token_list out = {0};
    char *text = malloc(N);
    assert_int_equal(unigram_open(&u, tokens, scores, 5, 0, false, NULL), 0);
    memset(text, 'a', N);
    assert_int_equal(unigram_encode(u, span_of(text, N), &out, NULL), 0);
    assert_int_equal(out.n, N / 8);
    for (size_t i = 0; i < out.n; i++)
        assert_int_equal(out.ids[i], 3);
    out.n = 0;
    for (size_t i = 0; i < N; i++)
        text[i] =
            i % 8192 < 8000 ? 'x' : 'b'; /* a run of unknown ones goes on over settled parts */
    assert_int_equal(unigram_encode(u, span_of(text, N), &out, NULL), 0);
    assert_int_equal(out.n, N / 8192 * (8192 - 8000 + 1));
    for (size_t i = 0; i < out.n; i++)
        assert_int_equal(out.ids[i], i % 193 == 0 ? 0 : 4);
    token_list_release(&out);
    unigram_close(&u);
    free(text);
}

static void test_refused(void **state)
{
    (void)state;
    const struct span tokens[] = {span_str("a"), {(const uint8_t *)"\xff", 1}, {NULL, 0}};
    double scores[] = {-1, -2, -3};
    struct unigram *u = NULL;
    struct token_list out = {0};
    struct err e = {""};
    assert_int_equal(unigram_open(&u, tokens, scores, 3, 3, false, &e), ERR_FORMAT);
    assert_int_equal(unigram_open(&u, tokens, scores, 3, -2, false, &e), ERR_FORMAT);
    assert_int_equal(unigram_open(&u, tokens, NULL, 0, 0, false, &e), ERR_FORMAT);
    scores[1] = NAN;
    assert_int_equal(unigram_open(&u, tokens, scores, 3, -1, false, &e), ERR_FORMAT);
    assert_string_equal(e.text, "vocabulary: token 1: score nan, expected a number");
    assert_null(u);
    scores[1] = -2;
    assert_int_equal(unigram_open(&u, tokens, scores, 3, -1, false, &e), 0);
    assert_int_equal(unigram_encode(u, span_str("aab"), &out, &e), ERR_FORMAT);
    assert_string_equal(e.text,
                        "text: U+0062 is in no token, and the vocabulary has no unknown token");
    assert_int_equal(unigram_encode(u, span_str("a\xff"), &out, &e), ERR_FORMAT);
    out.n = 0;
    assert_int_equal(unigram_encode(u, span_str(""), &out, &e), 0);
    assert_int_equal(out.n, 0);
    token_list_release(&out);
    unigram_close(&u);
    unigram_close(&u);
}

/* Right values: what tokenizers 0.23 writes for what it read. */
static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"0", 0.0},
        {"1", 1.0},
        {"-4.570101974331928", -0x1.247c8cfdc900ap+2},
        {"-12345678901234567890", -0x1.56a95319d63e1p+63},
        {"123456789012345678901234567890", 0x1.8ee90ff6c373ep+96},
        {"1e300", 0x1.7e43c8800759cp+996},
        {"-1.5E+2", -150.0},
        {"123e-320", 0x0.000000003cc7bp-1022},
        {"-0.00000000000000000000000000000000000001234567890123456789", -0x1.0cdd75ba076afp-126},
        {"12345678901234567.5e-3", 0x1.674e79c5fe523p+43},
        {"184467440737095516150", 0x1.4p+67},
        {"18446744073709551615.9", 0x1p+64},
        {"5e-324", 0x0.0000000000001p-1022},
        {"1e-400", 0.0},
        {"0e999", 0.0},
        {"-8.105603305586934", -0x1.03611a2efb0d5p+3},
        /* Others than the nearest. */
        {"-9.87654321987654321987654321", -0x1.3c0ca45ddccf2p+3},
        {"-2.5900849171547358", -0x1.4b87e70e856f6p+1},
        {"-1.8126486333322134", -0x1.d009bda74d0b4p+0},
        {"-9.056396761745207", -0x1.21ce0094e978ap+3},
        {"-3.7696230239038595", -0x1.e28301daf535bp+1},
        {"-0.38551839337380045", -0x1.8ac5556e30101p-2},
        {"-9.659191880249441", -0x1.35181991eeb91p+3},
    };
    static const char *const refused[] = {"",    "-", "x", "nan", "1e400", "1e99999999999999999999",
                                          "1.5x"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got = 1e99;
        if (!library_number(span_str(rows[i].text), &got) || got != rows[i].value)
            fail_msg("%s: %a, expected %a", rows[i].text, got, rows[i].value);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        double got;
        if (library_number(span_str(refused[i]), &got))
            fail_msg("%s: %a", refused[i], got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
