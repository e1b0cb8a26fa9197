/* SPDX-License-Identifier: MIT */
/* Every trait's forward pass gives the same bits however tokens are cut into calls, whatever the
 * number of threads, and after a rotation that depends on the length has changed up or down. */
#include "model_shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { TOKENS = 41, ROW = SHAPE_VOCAB };

struct session {
    struct model *model;
    struct pool *pool;
    struct forward *forward;
    struct kv *kv;
};

static void open_session(struct session *s, struct model *m, int threads, int32_t batch)
{
    struct err e = {""};
    *s = (struct session){.model = m};
    if (pool_open(&s->pool, threads, &e) || forward_open(&s->forward, m, s->pool, batch, &e) ||
        kv_open(&s->kv, m, SHAPE_CTX, &e))
        fail_msg("%s", e.text);
}

static void close_session(struct session *s)
{
    kv_close(&s->kv);
    forward_close(&s->forward);
    pool_close(&s->pool);
}

static int32_t id_at(int32_t i)
{
    return (i * 37 + 5) % SHAPE_VOCAB;
}

/* Appends the tokens of positions up to end, at most step a call, into logits [position][ROW]: all
 * of them, or the last one's alone. */
static void feed(struct session *s, int32_t end, int32_t step, bool every_row, float *logits)
{
    struct err e = {""};
    while (kv_length(s->kv) < end) {
        int32_t ids[TOKENS], begin = kv_length(s->kv);
        int32_t n = end - begin < step ? end - begin : step;
        int32_t n_logits = every_row ? n : begin + n == end;
        for (int32_t i = 0; i < n; i++)
            ids[i] = id_at(begin + i);
        if (model_forward(s->model, s->forward, s->kv, ids, n, n_logits,
                          logits + (size_t)(begin + n - n_logits) * ROW, NULL, NULL, NULL, &e))
            fail_msg("%s", e.text);
    }
}

static void run(struct model *m, int threads, int32_t step, bool every_row, float *logits)
{
    struct session s;
    memset(logits, 0, sizeof(float[TOKENS][ROW]));
    open_session(&s, m, threads, step);
    kv_expect(s.kv, TOKENS);
    feed(&s, TOKENS, step, every_row, logits);
    close_session(&s);
}

static void check_same(const char *what, const float *got, const float *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &wanted[i], sizeof *got) != 0)
            fail_msg("%s: logit %zu of row %zu is %.9g, expected %.9g", what, i % ROW, i / ROW,
                     (double)got[i], (double)wanted[i]);
}

static void test_cuts_and_threads(void **state)
{
    static const struct {
        int threads;
        int32_t step;
    } ways[] = {{1, 1}, {1, 3}, {1, 7}, {2, TOKENS}, {2, 1}, {5, 7}, {5, TOKENS}};
    static float wanted[TOKENS * ROW], got[TOKENS * ROW];
    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct model m = {0};
        shape_make(&m, &shapes[i]);
        run(&m, 1, TOKENS, true, wanted);
        assert_memory_not_equal(wanted, wanted + ROW, sizeof(float[ROW]));
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            run(&m, ways[w].threads, ways[w].step, true, got);
            check_same(shapes[i].name, got, wanted, TOKENS * ROW);
            run(&m, ways[w].threads, ways[w].step, false, got);
            check_same(shapes[i].name, got + (TOKENS - 1) * ROW, wanted + (TOKENS - 1) * ROW, ROW);
        }
        model_unmake(&m);
    }
}

/* What one pass over n tokens says of the last of them. */
static void one_pass(struct model *m, int32_t n, float *row)
{
    static float logits[TOKENS * ROW];
    struct session s;
    open_session(&s, m, 1, TOKENS);
    feed(&s, n, TOKENS, false, logits);
    memcpy(row, logits + (size_t)(n - 1) * ROW, sizeof(float[ROW]));
    close_session(&s);
}

/* Token by token over the border and back: each call is the end of its own sequence. */
static void test_rotation_follows_the_length(void **state)
{
    static const char *const names[] = {"longrope", "dynamic"};
    static float logits[TOKENS * ROW];
    float wanted[ROW];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct model m = {0};
        struct session s;
        shape_make(&m, shape_named(names[i]));
        open_session(&s, &m, 2, 4);
        for (int32_t n = SHAPE_ORIGINAL_CTX - 3; n < SHAPE_ORIGINAL_CTX + 4; n++) {
            feed(&s, n, 4, false, logits);
            one_pass(&m, n, wanted);
            check_same(names[i], logits + (n - 1) * ROW, wanted, ROW);
        }
        for (int32_t n = SHAPE_ORIGINAL_CTX + 3; n > SHAPE_ORIGINAL_CTX - 3; n--) {
            kv_truncate(s.kv, n - 1);
            feed(&s, n, 4, false, logits);
            one_pass(&m, n, wanted);
            check_same(names[i], logits + (n - 1) * ROW, wanted, ROW);
        }
        close_session(&s);
        model_unmake(&m);
    }
}

/* Where a sequence is expected to end changes what its beginning is; back and forth. */
static void test_expected_length(void **state)
{
    enum { N = 20 };
    static float logits[TOKENS * ROW];
    float shorter[ROW], longer[ROW];
    struct model m = {0};
    struct session s;
    (void)state;
    shape_make(&m, shape_named("longrope"));
    one_pass(&m, N, shorter);
    open_session(&s, &m, 1, 7);
    kv_expect(s.kv, SHAPE_ORIGINAL_CTX + 1);
    feed(&s, N, 7, false, logits);
    memcpy(longer, logits + (N - 1) * ROW, sizeof longer);
    assert_memory_not_equal(longer, shorter, sizeof longer);
    for (int i = 0; i < 2; i++) {
        kv_expect(s.kv, SHAPE_ORIGINAL_CTX);
        kv_truncate(s.kv, N - 1);
        feed(&s, N, 7, false, logits);
        check_same("as short", logits + (N - 1) * ROW, shorter, ROW);
        kv_expect(s.kv, SHAPE_CTX);
        kv_truncate(s.kv, N - 1);
        feed(&s, N, 7, false, logits);
        check_same("as long", logits + (N - 1) * ROW, longer, ROW);
    }
    close_session(&s);
    model_unmake(&m);
}

static bool say_no_later(void *ctx)
{
    int *left = ctx;
    return (*left)-- > 0;
}

/* Stopped anywhere, also while the past is computed anew: the next call is as if it had not been.
 */
static void test_cancelled_anew(void **state)
{
    enum { N = SHAPE_ORIGINAL_CTX };
    static float logits[TOKENS * ROW];
    float wanted[ROW];
    struct model m = {0};
    struct session s;
    struct err e = {""};
    int32_t id = id_at(N), stops = 0;
    (void)state;
    shape_make(&m, shape_named("longrope"));
    one_pass(&m, N + 1, wanted);
    open_session(&s, &m, 1, 10);
    feed(&s, N, 10, false, logits);
    for (int stop = 0;; stop++, stops++) {
        struct forward_work work = {0};
        int left = stop;
        int code =
            model_forward(&m, s.forward, s.kv, &id, 1, 1, logits, say_no_later, &left, &work, &e);
        if (code == 0)
            break;
        assert_int_equal(code, ERR_CANCELLED);
        assert_int_equal(kv_length(s.kv), N);
        assert_int_equal(work.bytes_read, 0);
    }
    /* Three layers of three pieces of the past; then the past is done, and one stop was the
     * token's. */
    assert_int_equal(stops, 10);
    check_same("after the stops", logits, wanted, ROW);
    one_pass(&m, N, wanted);
    for (int stop = 0; stop <= 8; stop += 4) { /* part of the past is long, then all is short */
        int left = stop;
        kv_truncate(s.kv, N);
        kv_expect(s.kv, N + 1);
        assert_int_equal(
            model_forward(&m, s.forward, s.kv, &id, 1, 1, logits, say_no_later, &left, NULL, &e),
            ERR_CANCELLED);
        kv_expect(s.kv, 0);
        kv_truncate(s.kv, N - 1);
        feed(&s, N, 10, false, logits);
        check_same("short again", logits + (N - 1) * ROW, wanted, ROW);
    }
    close_session(&s);
    model_unmake(&m);
}

/* Weights, bytes and positions of a model with experts and a window, counted by hand. */
static void test_work(void **state)
{
    enum { EMBD = 64, FF = 32, USED = 2, KV = 32, LAYERS = 3, WINDOW = 3, N = 5 };
    struct traits t;
    struct model m = {0};
    struct session s;
    struct err e = {""};
    struct forward_work one = {0}, many = {0};
    int32_t ids[N] = {1, 1, 1, 1, 1};
    float logits[ROW];
    (void)state;
    shape_llama(&t);
    shape_mixtral(&t);
    t.window = WINDOW;
    t.layers[0] = LAYER_SLIDING;
    model_make(&m, &t, false, WTYPE_F32);
    m.layers_weights = 1000000; /* the loader's to count */
    m.layers_bytes = 3000000;
    open_session(&s, &m, 1, N);
    assert_int_equal(model_forward(&m, s.forward, s.kv, ids, 1, 1, logits, NULL, NULL, &one, &e),
                     0);
    uint64_t head = EMBD * ROW;
    assert_int_equal(one.multiply_adds, 1000000 + head + 2 * EMBD * LAYERS);
    assert_int_equal(one.bytes_read, 3000000 + 4 * (head + EMBD + 2 * KV * LAYERS));
    kv_truncate(s.kv, 0);
    /* Equal tokens at any position: their first layer's experts are the same. */
    assert_int_equal(model_forward(&m, s.forward, s.kv, ids, N, 1, logits, NULL, NULL, &many, &e),
                     0);
    uint64_t seen = (1 + 2 + 3 + 3 + 3) + 2 * (1 + 2 + 3 + 4 + 5);
    assert_int_equal(many.multiply_adds, N * 1000000 + head + 2 * EMBD * seen);
    uint64_t known = 3000000 + 4 * (head + N * EMBD + 2 * KV * seen);
    uint64_t expert = 4 * 3 * EMBD * FF;
    assert_true(many.bytes_read >= known);
    assert_int_equal((many.bytes_read - known) % expert, 0);
    /* Six experts a layer, two of them read by any token; the last layer's block has one token. */
    assert_true(many.bytes_read - known <= expert * 2 * (6 - USED));
    many = (struct forward_work){0};
    assert_int_equal(model_forward(&m, s.forward, s.kv, ids, 2, 0, logits, NULL, NULL, &many, &e),
                     0);
    assert_int_equal(many.multiply_adds, 2 * 1000000 + 2 * EMBD * ((3 + 3) + 2 * (6 + 7)));
    kv_truncate(s.kv, 1);
    many = (struct forward_work){0};
    assert_int_equal(model_forward(&m, s.forward, s.kv, ids, 3, 0, logits, NULL, NULL, &many, &e),
                     0);
    assert_int_equal(many.multiply_adds, 3 * 1000000 + 2 * EMBD * ((2 + 3 + 3) + 2 * (2 + 3 + 4)));
    close_session(&s);
    model_unmake(&m);
}

/* A router that says nothing usable picks some experts all the same. */
static void test_router_of_nan(void **state)
{
    static float logits[TOKENS * ROW];
    struct model m = {0};
    struct session s;
    (void)state;
    shape_make(&m, shape_named("qwen_moe"));
    float *router = (float *)(void *)m.layers[0].router.data;
    for (size_t i = 0; i < 4 * 64; i++) /* all of four experts' rows; infinities for the rest */
        router[i] = NAN;
    for (size_t i = 4 * 64; i < 6 * 64; i++)
        router[i] = i % 2 ? INFINITY : -INFINITY;
    open_session(&s, &m, 2, TOKENS);
    feed(&s, TOKENS - 1, TOKENS, true, logits);
    feed(&s, TOKENS, 1, true, logits);
    close_session(&s);
    model_unmake(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_and_threads),
        cmocka_unit_test(test_rotation_follows_the_length),
        cmocka_unit_test(test_expected_length),
        cmocka_unit_test(test_cancelled_anew),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_router_of_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
