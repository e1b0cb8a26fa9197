/* SPDX-License-Identifier: MIT */
/* Small vocabularies against Hugging Face's tokenizers: ids, texts, and pieces of a stream. */
#include "text/tokenizer.h"

#include "codec/codec.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* A vocabulary out of the first line of a golden. */
struct golden {
    struct buf file;
    struct json *doc;
    struct arena arena;
    struct vocab v;
    struct tokenizer *t;
    size_t at; /* of the next line in file */
};

static struct json *next_line(struct golden *g)
{
    struct err e = {""};
    struct json *doc = NULL;
    if (g->at >= g->file.n)
        return NULL;
    const char *from = g->file.p + g->at;
    const char *end = memchr(from, '\n', g->file.n - g->at);
    size_t n = end ? (size_t)(end - from) : g->file.n - g->at;
    g->at += n + 1;
    if (json_parse(&doc, span_of(from, n), 4 << 20, "golden", &e))
        fail_msg("%s", e.text);
    return doc;
}

static struct span *spans(struct golden *g, const char *key, size_t *n)
{
    const struct json *list = json_get(g->doc, key);
    *n = json_size(list);
    struct span *out = arena_array(&g->arena, *n, sizeof(*out));
    assert_non_null(out);
    for (size_t i = 0; i < *n; i++)
        out[i] = json_string(json_at(list, i));
    return out;
}

static void read_numbers(struct golden *g, size_t n)
{
    int32_t *types = arena_array(&g->arena, n, sizeof(*types));
    float *scores = arena_array(&g->arena, n, sizeof(*scores));
    assert_non_null(types);
    assert_non_null(scores);
    for (size_t i = 0; i < n; i++) {
        types[i] = (int32_t)json_int(json_at(json_get(g->doc, "types"), i));
        scores[i] = (float)json_number(json_at(json_get(g->doc, "scores"), i));
    }
    g->v.types = types;
    g->v.scores = json_get(g->doc, "scores") ? scores : NULL;
}

static int32_t read_id(const struct golden *g, const char *key)
{
    return (int32_t)json_int(json_get(g->doc, key));
}

static void open_golden(struct golden *g, const char *name)
{
    char path[4096];
    struct err e = {""};
    *g = (struct golden){0};
    snprintf(path, sizeof(path), "%s/tests/golden/tokenizers/%s.jsonl", getenv("WATTLE_SOURCE"),
             name);
    buf_init(&g->file, 4 << 20);
    if (file_read(path, &g->file, &e))
        fail_msg("%s", e.text);
    arena_init(&g->arena, 16 << 20);
    g->doc = next_line(g);
    g->v.kind = span_is(json_string(json_get(g->doc, "kind")), "llama") ? VOCAB_SPM : VOCAB_BPE;
    struct span pre = json_string(json_get(g->doc, "pre"));
    g->v.pre = pre.n ? arena_strndup(&g->arena, pre.p, pre.n) : NULL;
    g->v.tokens = spans(g, "tokens", &g->v.n);
    g->v.merges = spans(g, "merges", &g->v.n_merges);
    read_numbers(g, g->v.n);
    g->v.bos = read_id(g, "bos");
    g->v.eos = read_id(g, "eos");
    g->v.unk = read_id(g, "unk");
    g->v.add_bos = json_bool(json_get(g->doc, "add_bos"));
    g->v.add_space_prefix = json_bool(json_get(g->doc, "add_space_prefix"));
    if (tokenizer_open(&g->t, &g->v, &e))
        fail_msg("%s", e.text);
}

static void close_golden(struct golden *g)
{
    tokenizer_close(&g->t);
    json_close(&g->doc);
    arena_release(&g->arena);
    buf_release(&g->file);
}

static void read_ids(const struct json *list, struct token_list *out)
{
    for (size_t i = 0; i < json_size(list); i++)
        assert_int_equal(token_list_push(out, (int32_t)json_int(json_at(list, i)), NULL), 0);
}

static void check_encode(const struct golden *g, const struct json *line, const char *key,
                         const struct encode_options *o)
{
    struct span text = json_string(json_get(line, "text"));
    struct token_list got = {0};
    struct token_list want = {0};
    struct err e = {""};
    read_ids(json_get(line, key), &want);
    if (tokenizer_encode(g->t, text, o, &got, &e))
        fail_msg("%s", e.text);
    bool same = got.n == want.n;
    for (size_t i = 0; same && i < got.n; i++)
        same = got.ids[i] == want.ids[i];
    if (!same)
        fail_msg("%s: other ids for '%.*s'", key, SPAN_FMT(text));
    token_list_release(&got);
    token_list_release(&want);
}

/* The pieces of a stream, each valid UTF-8, add up to the text. */
static void check_stream(const struct golden *g, const struct token_list *ids, bool skip,
                         struct span want)
{
    struct detokenizer d;
    struct buf all;
    struct err e = {""};
    buf_init(&all, 1 << 20);
    detokenizer_init(&d, g->t, skip);
    for (size_t i = 0; i <= ids->n; i++) {
        size_t began = all.n;
        if (i == ids->n)
            detokenizer_finish(&d, &all);
        else if (detokenizer_push(&d, ids->ids[i], &all, &e))
            fail_msg("%s", e.text);
        assert_true(utf8_valid(span_sub(buf_view(&all), began, all.n - began)));
    }
    if (!span_eq(buf_view(&all), want))
        fail_msg("pieces '%.*s', expected '%.*s'", SPAN_FMT(buf_view(&all)), SPAN_FMT(want));
    detokenizer_release(&d);
    buf_release(&all);
}

static void check_decode(const struct golden *g, const struct json *line, const char *ids_key)
{
    struct token_list ids = {0};
    struct err e = {""};
    read_ids(json_get(line, ids_key), &ids);
    for (int skip = 0; skip < 2; skip++) {
        struct span want = json_string(json_get(line, skip ? "skip" : "keep"));
        struct buf got;
        buf_init(&got, 1 << 20);
        if (tokenizer_decode(g->t, ids.ids, ids.n, skip, &got, &e))
            fail_msg("%s", e.text);
        if (!span_eq(buf_view(&got), want))
            fail_msg("text '%.*s', expected '%.*s'", SPAN_FMT(buf_view(&got)), SPAN_FMT(want));
        check_stream(g, &ids, skip, want);
        buf_release(&got);
    }
    token_list_release(&ids);
}

static void test_golden(void **state)
{
    static const struct encode_options plain = {.parse_special = true};
    static const struct encode_options special = {.parse_special = true, .add_special = true};
    static const struct encode_options literal = {0};
    struct golden g;
    size_t n = 0;
    open_golden(&g, *state);
    for (struct json *line; (line = next_line(&g)); n++) {
        if (json_get(line, "text")) {
            check_encode(&g, line, "plain", &plain);
            check_encode(&g, line, "special", &special);
            check_encode(&g, line, "literal", &literal);
            check_decode(&g, line, "special");
        } else {
            check_decode(&g, line, "ids");
        }
        json_close(&line);
    }
    assert_true(n > 200);
    close_golden(&g);
}

/* However a text is cut by breaks, only added tokens care: with none in it the ids are the same. */
static void test_breaks_do_not_cut_words(void **state)
{
    struct golden g;
    struct err e = {""};
    struct span text = span_str("temperature 22.7 und Feuchte \xc3\xa4hnlich 51 %");
    size_t breaks[64];
    struct encode_options cut = {.parse_special = true, .breaks = breaks};
    struct encode_options whole = {.parse_special = true};
    struct token_list a = {0};
    struct token_list b = {0};
    (void)state;
    open_golden(&g, "smollm2-digits");
    for (size_t i = 0; i <= text.n; i++)
        breaks[cut.n_breaks++] = i;
    if (tokenizer_encode(g.t, text, &cut, &a, &e) || tokenizer_encode(g.t, text, &whole, &b, &e))
        fail_msg("%s", e.text);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.ids, b.ids, a.n * sizeof(*a.ids));
    token_list_release(&a);
    token_list_release(&b);
    close_golden(&g);
}

/* A thread's share: the same text again and again, which must give the same ids each time. */
struct share {
    const struct tokenizer *t;
    struct span text;
    const struct token_list *want;
    int wrong;
};

static void *encode_again(void *context)
{
    struct share *s = context;
    static const struct encode_options plain = {.parse_special = true};
    for (int i = 0; i < 20; i++) {
        struct token_list got = {0};
        if (tokenizer_encode(s->t, s->text, &plain, &got, NULL) || got.n != s->want->n ||
            memcmp(got.ids, s->want->ids, got.n * sizeof(*got.ids)) != 0)
            s->wrong++;
        token_list_release(&got);
    }
    return NULL;
}

static void test_threads(void **state)
{
    enum { N = 4 };
    static const struct encode_options plain = {.parse_special = true};
    struct golden g;
    struct token_list want = {0};
    struct share shares[N];
    pthread_t threads[N];
    open_golden(&g, *state);
    if (tokenizer_encode(g.t, buf_view(&g.file), &plain, &want, NULL))
        fail();
    assert_true(want.n > 1000);
    for (int i = 0; i < N; i++) {
        shares[i] = (struct share){g.t, buf_view(&g.file), &want, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_again, &shares[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(shares[i].wrong, 0);
    }
    token_list_release(&want);
    close_golden(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_golden, "smollm2-digits"),
        cmocka_unit_test_prestate(test_golden, "gpt2-bytelevel"),
        cmocka_unit_test_prestate(test_golden, "llama2-spm"),
        cmocka_unit_test_prestate(test_golden, "phi3-spm-rstrip"),
        cmocka_unit_test_prestate(test_golden, "gemma-spm"),
        cmocka_unit_test(test_breaks_do_not_cut_words),
        cmocka_unit_test_prestate(test_threads, "smollm2-digits"),
        cmocka_unit_test_prestate(test_threads, "phi3-spm-rstrip"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
