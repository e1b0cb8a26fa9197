/* SPDX-License-Identifier: MIT */
/* A file's vocabulary as the tokenizer gets it: types, counts, defaults; published vocabularies
 * where they are at hand. */
#include "codec/codec.h"
#include "gguf_maker.h"
#include "model/model.h"
#include "model/parts.h"

#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int open_text(struct model_text **t, const struct buf *b, struct err *e)
{
    struct temp file;
    assert_false(b->failed);
    temp_open(&file, buf_view(b));
    int code = model_text_open(t, file.path, e);
    temp_close(&file);
    return code;
}

enum { N_TOKENS = 6 };

/* A vocabulary of SentencePiece's kind with n_more entries to follow. */
static void make_spm(struct buf *b, uint64_t n_more)
{
    static const char *const tokens[N_TOKENS] = {"<unk>", "<s>", "</s>", "\u2581", "a", "\u2581a"};
    static const float scores[N_TOKENS] = {0, 0, 0, -1, -2, -3};
    static const int32_t types[N_TOKENS] = {TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL,
                                            TOKEN_NORMAL,  TOKEN_NORMAL,  TOKEN_NORMAL};
    make_header(b, 3, 0, 4 + n_more);
    make_entry_text(b, "tokenizer.ggml.model", "llama");
    make_array(b, "tokenizer.ggml.tokens", GGUF_STRING, N_TOKENS);
    for (size_t i = 0; i < N_TOKENS; i++)
        make_text(b, tokens[i]);
    make_array(b, "tokenizer.ggml.scores", GGUF_F32, N_TOKENS);
    buf_put(b, scores, sizeof scores);
    make_array(b, "tokenizer.ggml.token_type", GGUF_I32, N_TOKENS);
    buf_put(b, types, sizeof types);
}

static void assert_ids(const struct tokenizer *t, const char *text, const int32_t *ids, size_t n)
{
    struct token_list list = {0};
    struct err e = {""};
    struct encode_options o = {.add_special = true};
    if (tokenizer_encode(t, span_str(text), &o, &list, &e))
        fail_msg("%s", e.text);
    assert_int_equal(list.n, n);
    assert_memory_equal(list.ids, ids, n * sizeof *ids);
    token_list_release(&list);
}

/* With no flags in the file, SentencePiece's own: BOS before, a blank in front of the text. */
static void test_defaults(void **state)
{
    struct buf b;
    struct err e = {""};
    struct model_text *t = NULL;
    (void)state;
    buf_init(&b, 4096);
    make_spm(&b, 0);
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    const struct tokenizer *k = model_text_tokenizer(t);
    assert_int_equal(tokenizer_size(k), N_TOKENS);
    assert_int_equal(tokenizer_bos(k), 1);
    assert_int_equal(tokenizer_eos(k), 2);
    assert_null(model_text_template(t));
    assert_ids(k, "a", (const int32_t[]){1, 5}, 2);
    model_text_close(&t);
    assert_null(t);
    model_text_close(&t);
    buf_clear(&b);
    make_spm(&b, 3);
    make_key(&b, "tokenizer.ggml.add_bos_token", GGUF_BOOL), make_int(&b, 0, 1);
    make_key(&b, "tokenizer.ggml.add_eos_token", GGUF_BOOL), make_int(&b, 1, 1);
    make_key(&b, "tokenizer.ggml.add_space_prefix", GGUF_BOOL), make_int(&b, 0, 1);
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    assert_ids(model_text_tokenizer(t), "a", (const int32_t[]){4, 2}, 2);
    model_text_close(&t);
    buf_release(&b);
}

/* A byte-level vocabulary without add_bos_token: its pre-tokenizer's name decides. */
static void test_bos_by_pre_tokenizer(void **state)
{
    static const struct {
        const char *pre;
        bool bos;
    } rows[] = {{"llama-bpe", true}, {"llama-v3", true},  {"falcon3", true},   {"pixtral", true},
                {"tekken", true},    {"falcon-h1", true}, {"lfm2", true},      {"smollm", false},
                {"qwen2", false},    {"gpt-2", false},    {"smaug-bpe", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        struct err e = {""};
        struct model_text *t = NULL;
        buf_init(&b, 4096);
        make_header(&b, 3, 0, 6);
        make_entry_text(&b, "tokenizer.ggml.model", "gpt2");
        make_entry_text(&b, "tokenizer.ggml.pre", rows[i].pre);
        make_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 3);
        make_text(&b, "<s>"), make_text(&b, "a"), make_text(&b, "b");
        make_array(&b, "tokenizer.ggml.token_type", GGUF_I32, 3);
        make_int(&b, TOKEN_CONTROL, 4), make_int(&b, TOKEN_NORMAL, 4);
        make_int(&b, TOKEN_NORMAL, 4);
        make_array(&b, "tokenizer.ggml.merges", GGUF_STRING, 0);
        make_entry_u32(&b, "tokenizer.ggml.bos_token_id", 0);
        if (open_text(&t, &b, &e))
            fail_msg("%s: %s", rows[i].pre, e.text);
        print_message("%s\n", rows[i].pre);
        assert_ids(model_text_tokenizer(t), "ab", (const int32_t[]){0, 1, 2} + !rows[i].bos,
                   rows[i].bos ? 3 : 2);
        model_text_close(&t);
        buf_release(&b);
    }
}

static void test_template(void **state)
{
    struct buf b;
    struct err e = {""};
    struct model_text *t = NULL;
    (void)state;
    buf_init(&b, 4096);
    make_spm(&b, 1);
    make_entry_text(&b, "tokenizer.chat_template", "{{ messages[0]['content'] }}");
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    assert_non_null(model_text_template(t));
    model_text_close(&t);
    buf_clear(&b);
    make_spm(&b, 1);
    make_entry_text(&b, "tokenizer.chat_template", "{% if %}");
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    assert_null(model_text_template(t));
    assert_non_null(strstr(model_text_template_error(t), "key 'tokenizer.chat_template': "));
    model_text_close(&t);
    buf_release(&b);
}

/* A named list: its default under the plain key, the others behind it. */
static void test_tool_template(void **state)
{
    struct buf b;
    struct err e = {""};
    struct model_text *t = NULL;
    (void)state;
    buf_init(&b, 4096);
    make_spm(&b, 1);
    make_entry_text(&b, "tokenizer.chat_template", "a");
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    assert_ptr_equal(model_text_tool_template(t), model_text_template(t));
    model_text_close(&t);
    buf_clear(&b);
    make_spm(&b, 2);
    make_entry_text(&b, "tokenizer.chat_template", "a");
    make_entry_text(&b, "tokenizer.chat_template.tool_use", "b");
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    assert_non_null(model_text_tool_template(t));
    assert_ptr_not_equal(model_text_tool_template(t), model_text_template(t));
    assert_null(model_text_template_error(t));
    model_text_close(&t);
    buf_release(&b);
}

static void test_ends_and_sampling(void **state)
{
    struct buf b;
    struct err e = {""};
    struct model_text *t = NULL;
    struct model_sampling s;
    (void)state;
    buf_init(&b, 4096);
    make_spm(&b, 0);
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    model_text_sampling(t, &s);
    assert_true(s.temperature < 0 && s.top_p < 0 && s.min_p < 0 && s.repetition_penalty < 0);
    assert_true(s.top_k < 0);
    assert_true(model_text_is_end(t, 2));
    for (int32_t id = -1; id < N_TOKENS + 1; id++)
        assert_true(model_text_is_end(t, id) == (id == 2));
    model_text_close(&t);
    buf_clear(&b);
    make_spm(&b, 7);
    make_entry_u32(&b, "tokenizer.ggml.eot_token_id", 4);
    make_entry_u32(&b, "tokenizer.ggml.eom_token_id", UINT32_MAX); /* as "none" */
    make_entry_f32(&b, "general.sampling.temp", 0.25F);
    make_entry_f32(&b, "general.sampling.top_p", 7); /* passed over: the model works without */
    make_entry_text(&b, "general.sampling.min_p", "x");
    make_entry_f32(&b, "general.sampling.penalty_repeat", 1.5F);
    make_entry_u32(&b, "general.sampling.top_k", 20);
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    for (int32_t id = -1; id < N_TOKENS + 1; id++)
        assert_true(model_text_is_end(t, id) == (id == 2 || id == 4));
    model_text_sampling(t, &s);
    assert_true(s.temperature == 0.25F && s.repetition_penalty == 1.5F && s.top_k == 20);
    assert_true(s.top_p < 0 && s.min_p < 0);
    model_text_close(&t);
    buf_release(&b);
}

static void test_no_vocabulary(void **state)
{
    struct buf b;
    struct err e = {""};
    struct model_text *t = NULL;
    (void)state;
    buf_init(&b, 4096);
    make_header(&b, 3, 0, 1);
    make_entry_text(&b, "tokenizer.ggml.model", "none");
    if (open_text(&t, &b, &e))
        fail_msg("%s", e.text);
    assert_null(model_text_tokenizer(t));
    model_text_close(&t);
    buf_clear(&b);
    make_header(&b, 3, 0, 0);
    assert_int_equal(open_text(&t, &b, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "key 'tokenizer.ggml.model': is missing"));
    buf_release(&b);
}

/* T5's kind: Unigram, with a map that normalizes, and numbers of its own by default. */
static void test_unigram(void **state)
{
    static const char *const tokens[] = {"<pad>", "</s>", "<unk>", "\u2581", "a"};
    static const float scores[] = {0, 0, 0, -1, -2};
    struct buf b;
    struct err e = {""};
    (void)state;
    for (uint32_t elem = GGUF_U8; elem <= GGUF_U16; elem++) {
        struct temp file;
        struct gguf *g = NULL;
        struct arena arena;
        struct vocab v;
        bool there = false;
        buf_init(&b, 4096);
        make_header(&b, 3, 0, 6);
        make_entry_text(&b, "tokenizer.ggml.model", "t5");
        make_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 5);
        for (size_t i = 0; i < 5; i++)
            make_text(&b, tokens[i]);
        make_array(&b, "tokenizer.ggml.scores", GGUF_F32, 5);
        buf_put(&b, scores, sizeof scores);
        make_array(&b, "tokenizer.ggml.precompiled_charsmap", elem, 3);
        make_int(&b, 0x80ff01, elem == GGUF_U16 ? 6 : 3);
        make_key(&b, "tokenizer.ggml.remove_extra_whitespaces", GGUF_BOOL), make_int(&b, 1, 1);
        make_key(&b, "tokenizer.ggml.add_space_prefix", GGUF_BOOL), make_int(&b, 1, 1);
        temp_open(&file, buf_view(&b));
        if (gguf_open(&g, file.path, &e))
            fail_msg("%s", e.text);
        arena_init(&arena, 1 << 16);
        int code = vocabulary_read(g, &arena, &v, &there, &e);
        if (elem == GGUF_U16) {
            assert_int_equal(code, ERR_FORMAT);
            assert_non_null(strstr(e.text, "tokenizer.ggml.precompiled_charsmap"));
        } else {
            assert_int_equal(code, 0);
            assert_true(there && v.kind == VOCAB_UNIGRAM && v.n == 5);
            assert_true(v.bos == -1 && v.eos == 1 && v.unk == 2 && !v.add_bos && v.add_eos);
            assert_true(v.add_space_prefix && v.remove_extra_whitespaces);
            assert_true(span_is(v.charsmap, "\x01\xff\x80"));
        }
        arena_release(&arena);
        gguf_close(&g);
        temp_close(&file);
        buf_release(&b);
    }
}

static void wrong_kind(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_entry_text(b, "tokenizer.ggml.model", "rwkv");
}

static void wrong_no_tokens(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_entry_text(b, "tokenizer.ggml.model", "gpt2");
}

static void wrong_no_merges(struct buf *b)
{
    make_header(b, 3, 0, 2);
    make_entry_text(b, "tokenizer.ggml.model", "gpt2");
    make_array(b, "tokenizer.ggml.tokens", GGUF_STRING, 1);
    make_text(b, "a");
}

static void wrong_tokens_type(struct buf *b)
{
    make_header(b, 3, 0, 2);
    make_entry_text(b, "tokenizer.ggml.model", "llama");
    make_array(b, "tokenizer.ggml.tokens", GGUF_U8, 1);
    make_int(b, 1, 1);
}

static void wrong_scores_count(struct buf *b)
{
    make_header(b, 3, 0, 3);
    make_entry_text(b, "tokenizer.ggml.model", "llama");
    make_array(b, "tokenizer.ggml.tokens", GGUF_STRING, 2);
    make_text(b, "a");
    make_text(b, "b");
    make_array(b, "tokenizer.ggml.scores", GGUF_F32, 1);
    make_int(b, 0, 4);
}

static void wrong_score(struct buf *b)
{
    make_header(b, 3, 0, 3);
    make_entry_text(b, "tokenizer.ggml.model", "llama");
    make_array(b, "tokenizer.ggml.tokens", GGUF_STRING, 1);
    make_text(b, "a");
    make_array(b, "tokenizer.ggml.scores", GGUF_F32, 1);
    make_int(b, 0x7fc00000, 4);
}

static void wrong_type_value(struct buf *b)
{
    make_spm(b, 0);
    b->p[b->n - 4] = 9;
}

static void wrong_bos(struct buf *b)
{
    make_spm(b, 1);
    make_entry_u32(b, "tokenizer.ggml.bos_token_id", N_TOKENS);
}

static void wrong_flag(struct buf *b)
{
    make_spm(b, 1);
    make_entry_u32(b, "tokenizer.ggml.add_bos_token", 1);
}

static void wrong_template_type(struct buf *b)
{
    make_spm(b, 1);
    make_entry_u32(b, "tokenizer.chat_template", 1);
}

static void test_wrong(void **state)
{
    static const struct {
        void (*make)(struct buf *b);
        const char *says;
    } cases[] = {
        {wrong_kind, "key 'tokenizer.ggml.model': 'rwkv' is not supported, expected gpt2, llama"},
        {wrong_no_tokens, "key 'tokenizer.ggml.tokens': is missing"},
        {wrong_no_merges, "key 'tokenizer.ggml.merges': is missing"},
        {wrong_tokens_type, "key 'tokenizer.ggml.tokens': an array of u8, expected an array of"},
        {wrong_scores_count, "key 'tokenizer.ggml.scores': 1 value, expected 2, one a token"},
        {wrong_score, "key 'tokenizer.ggml.scores': value 0 is not a number"},
        {wrong_type_value, "key 'tokenizer.ggml.token_type': value 5 is 9, expected 1 to 6"},
        {wrong_bos, "key 'tokenizer.ggml.bos_token_id': 6, expected 0 to 5"},
        {wrong_flag, "key 'tokenizer.ggml.add_bos_token': type u32, expected bool"},
        {wrong_template_type, "key 'tokenizer.chat_template': type u32, expected string"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model_text *t = NULL;
        struct err e = {""};
        struct buf b;
        buf_init(&b, 4096);
        cases[i].make(&b);
        if (open_text(&t, &b, &e) == 0)
            fail_msg("opened, expected '%s'", cases[i].says);
        if (!strstr(e.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
        buf_release(&b);
    }
}

/* Every published vocabulary opens: files that have nothing but that. */
static void test_published(void **state)
{
    char pattern[PATH_MAX];
    glob_t found = {0};
    const char *root = getenv("WATTLE_SOURCE");
    (void)state;
    assert_non_null(root);
    snprintf(pattern, sizeof pattern, "%s/../shared/goldens/vocab/*.gguf", root);
    if (glob(pattern, 0, NULL, &found) != 0) {
        print_message("no published vocabularies beside the source: skipped\n");
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct model_text *t = NULL;
        struct err e = {""};
        uint64_t begin = clock_mono_ns();
        if (model_text_open(&t, found.gl_pathv[i], &e))
            fail_msg("%s", e.text);
        print_message("%s: %zu tokens in %.1f ms\n", strrchr(found.gl_pathv[i], '/') + 1,
                      tokenizer_size(model_text_tokenizer(t)),
                      (double)(clock_mono_ns() - begin) * 1e-6);
        assert_true(tokenizer_size(model_text_tokenizer(t)) > 30000);
        model_text_close(&t);
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),          cmocka_unit_test(test_bos_by_pre_tokenizer),
        cmocka_unit_test(test_template),          cmocka_unit_test(test_tool_template),
        cmocka_unit_test(test_ends_and_sampling), cmocka_unit_test(test_no_vocabulary),
        cmocka_unit_test(test_unigram),           cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
