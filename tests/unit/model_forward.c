/* SPDX-License-Identifier: MIT */
/* What a forward pass promises beside its numbers: the same bits however tokens are cut into calls
 * and whatever the number of threads, a cancelled call that leaves nothing, limits by name. */
#include "model/model.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { TOKENS = 41, CONTEXT = 64 };

struct session {
    struct model *model;
    struct pool *pool;
    struct forward *forward;
    struct kv *kv;
    int32_t n_vocab;
};

static void open_session(struct session *s, const char *name, enum model_math math, int threads,
                         int32_t batch)
{
    char path[PATH_MAX];
    struct err e = {""};
    struct model_info info;
    const char *root = getenv("WATTLE_SOURCE");
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/tests/golden/gguf/%s", root, name);
    struct model_options o = {.path = path, .math = math};
    if (model_open(&s->model, &o, &e) || pool_open(&s->pool, threads, &e) ||
        model_pack(s->model, &(struct model_pack_options){.pool = s->pool}, &e) ||
        forward_open(&s->forward, s->model, s->pool, batch, &e) ||
        kv_open(&s->kv, s->model, CONTEXT, &e))
        fail_msg("%s", e.text);
    model_info(s->model, &info);
    s->n_vocab = info.n_vocab;
}

static void close_session(struct session *s)
{
    kv_close(&s->kv);
    forward_close(&s->forward);
    pool_close(&s->pool);
    model_close(&s->model);
}

static void make_ids(int32_t ids[TOKENS], int32_t n_vocab)
{
    for (int32_t i = 0; i < TOKENS; i++)
        ids[i] = (i * 37 + 5) % n_vocab;
}

/* Logits of all TOKENS tokens, fed in calls of at most step; every_row false: only the last one's
 * are asked for, so that all others take the short way through the last layer. */
static float *run(const char *name, enum model_math math, int threads, int32_t step, bool every_row)
{
    struct session s = {0};
    struct err e = {""};
    int32_t ids[TOKENS];
    open_session(&s, name, math, threads, step);
    make_ids(ids, s.n_vocab);
    float *logits = calloc((size_t)s.n_vocab * TOKENS, sizeof *logits);
    assert_non_null(logits);
    for (int32_t i = 0; i < TOKENS; i += step) {
        int32_t n = TOKENS - i < step ? TOKENS - i : step;
        int32_t n_logits = every_row ? n : i + n == TOKENS;
        if (model_forward(s.model, s.forward, s.kv, ids + i, n, n_logits,
                          logits + (size_t)(i + n - n_logits) * (size_t)s.n_vocab, NULL, NULL, NULL,
                          &e))
            fail_msg("%s", e.text);
        assert_int_equal(kv_length(s.kv), i + n);
    }
    close_session(&s);
    return logits;
}

static void test_same_bits(void **state)
{
    static const struct {
        const char *name;
        enum model_math math;
        size_t n_vocab;
    } models[] = {
        {"llama-gqa-tied-q8_0.gguf", MODEL_MATH_FAST, 256},
        {"llama-gqa-tied-q8_0.gguf", MODEL_MATH_EXACT, 256},
        {"llama-mha-q4_0.gguf", MODEL_MATH_FAST, 224},
        {"llama3-rope-f16.gguf", MODEL_MATH_FAST, 256},
    };
    static const struct {
        int threads;
        int32_t step;
    } ways[] = {{1, 1}, {1, 3}, {1, 7}, {2, TOKENS}, {2, 1}, {5, 7}, {5, TOKENS}};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        size_t row = models[i].n_vocab * sizeof(float);
        float *wanted = run(models[i].name, models[i].math, 1, TOKENS, true);
        assert_memory_not_equal(wanted, (char *)wanted + row, row);
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            float *got = run(models[i].name, models[i].math, ways[w].threads, ways[w].step, true);
            assert_memory_equal(got, wanted, row * TOKENS);
            free(got);
            got = run(models[i].name, models[i].math, ways[w].threads, ways[w].step, false);
            assert_memory_equal((char *)got + row * (TOKENS - 1),
                                (char *)wanted + row * (TOKENS - 1), row);
            free(got);
        }
        free(wanted);
    }
}

static bool say_no_later(void *ctx)
{
    int *left = ctx;
    return (*left)-- > 0;
}

/* Stopped after any number of layers, the next call gives what it would have given. */
static void test_cancel(void **state)
{
    struct session s = {0};
    struct err e = {""};
    int32_t ids[TOKENS];
    (void)state;
    open_session(&s, "llama-gqa-tied-q8_0.gguf", MODEL_MATH_FAST, 2, TOKENS);
    make_ids(ids, s.n_vocab);
    size_t row = (size_t)s.n_vocab * sizeof(float);
    float *wanted = malloc(row), *got = malloc(row);
    assert_non_null(wanted);
    assert_non_null(got);
    assert_int_equal(model_forward(s.model, s.forward, s.kv, ids, 5, 0, NULL, NULL, NULL, NULL, &e),
                     0);
    assert_int_equal(
        model_forward(s.model, s.forward, s.kv, ids + 5, 9, 1, wanted, NULL, NULL, NULL, &e), 0);
    for (int layers = 0; layers < 2; layers++) {
        struct forward_work work = {0};
        int left = layers;
        kv_truncate(s.kv, 5);
        assert_int_equal(model_forward(s.model, s.forward, s.kv, ids + 20, 9, 1, got, say_no_later,
                                       &left, &work, &e),
                         ERR_CANCELLED);
        assert_int_equal(kv_length(s.kv), 5);
        assert_int_equal(work.multiply_adds, 0);
        left = 100;
        assert_int_equal(model_forward(s.model, s.forward, s.kv, ids + 5, 9, 1, got, say_no_later,
                                       &left, &work, &e),
                         0);
        assert_memory_equal(got, wanted, row);
    }
    free(got);
    free(wanted);
    close_session(&s);
}

/* Bytes and multiply-adds of the small F32 model, counted by hand. */
static void test_work(void **state)
{
    enum { EMBD = 64, FF = 128, KV = 16, VOCAB = 256, LAYERS = 2 };
    const uint64_t layer = EMBD * (EMBD + KV + KV) + EMBD * EMBD + 3 * EMBD * FF;
    struct session s = {0};
    struct err e = {""};
    struct forward_work work = {0};
    const int32_t ids[3] = {1, 2, 3};
    float logits[VOCAB];
    (void)state;
    open_session(&s, "llama-gqa-tied-f32.gguf", MODEL_MATH_FAST, 1, 4);
    assert_int_equal(
        model_forward(s.model, s.forward, s.kv, ids, 2, 0, NULL, NULL, NULL, &work, &e), 0);
    assert_int_equal(work.multiply_adds, LAYERS * (2 * layer + 2 * EMBD * (1 + 2)));
    assert_int_equal(work.bytes_read, 4 * (LAYERS * layer + 2 * EMBD + 2 * LAYERS * KV * (1 + 2)));
    work = (struct forward_work){0};
    assert_int_equal(
        model_forward(s.model, s.forward, s.kv, ids + 2, 1, 1, logits, NULL, NULL, &work, &e), 0);
    assert_int_equal(work.multiply_adds, LAYERS * (layer + 2 * EMBD * 3) + EMBD * VOCAB);
    assert_int_equal(work.bytes_read,
                     4 * (LAYERS * layer + EMBD + 2 * LAYERS * KV * 3 + EMBD * VOCAB));
    close_session(&s);
}

static void test_limits(void **state)
{
    struct session s = {0};
    struct err e = {""};
    struct kv *kv = NULL;
    struct forward *f = NULL;
    int32_t ids[TOKENS], wrong[] = {3, 256}, negative[] = {-1};
    float logits[256];
    (void)state;
    open_session(&s, "llama-gqa-tied-f32.gguf", MODEL_MATH_FAST, 1, TOKENS);
    make_ids(ids, s.n_vocab);
    const struct {
        const int32_t *ids;
        int32_t n, n_logits;
        int code;
        const char *text;
    } calls[] = {
        {wrong, 2, 0, ERR_RANGE, "token id 256: expected 0 to 255"},
        {negative, 1, 0, ERR_RANGE, "token id -1: expected 0 to 255"},
        {ids, 0, 0, ERR_RANGE, "0 tokens in one call: expected 1 to 41"},
        {ids, TOKENS + 1, 0, ERR_RANGE, "42 tokens in one call: expected 1 to 41"},
        {ids, 1, 2, ERR_RANGE, "logits of 2 tokens: expected 0 to 1"},
        {ids, TOKENS, 0, 0, ""},
        {ids, TOKENS, 0, ERR_LIMIT, "41 tokens after 41: the context holds 64"},
        {ids, CONTEXT - TOKENS, 1, 0, ""},
        {ids, 1, 1, ERR_LIMIT, "1 tokens after 64: the context holds 64"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        e.text[0] = 0;
        assert_int_equal(model_forward(s.model, s.forward, s.kv, calls[i].ids, calls[i].n,
                                       calls[i].n_logits, logits, NULL, NULL, NULL, &e),
                         calls[i].code);
        assert_string_equal(e.text, calls[i].text);
    }
    assert_int_equal(kv_capacity(s.kv), CONTEXT);
    kv_truncate(s.kv, CONTEXT + 1);
    assert_int_equal(kv_length(s.kv), CONTEXT);
    assert_int_equal(kv_open(&kv, s.model, 257, &e), ERR_RANGE);
    assert_string_equal(e.text, "context 257: expected 1 to 256, the model's longest");
    assert_int_equal(kv_open(&kv, s.model, 0, &e), ERR_RANGE);
    assert_int_equal(forward_open(&f, s.model, s.pool, 0, &e), ERR_RANGE);
    assert_null(kv);
    assert_null(f);
    close_session(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
