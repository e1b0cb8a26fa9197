/* SPDX-License-Identifier: MIT */
/* Logits, greedy ids and log-probabilities of every model in tests/golden/gguf and
 * tests/golden/models against what its authors' reference computed, on the dequantized weights
 * where they are quantized. A new golden needs no change here. */
#include "codec/codec.h"
#include "model/model.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BATCH = 64, CONTEXT = 256, THREADS = 2 };

struct session {
    struct model *model;
    struct pool *pool;
    struct forward *forward;
    struct kv *kv;
    struct model_info info;
    float *logits; /* [BATCH][n_vocab] */
};

struct golden {
    struct buf text;
    struct json *doc;
    double max_abs_logit;
};

static void path_of(const char *name, char out[PATH_MAX])
{
    const char *root = getenv("WATTLE_SOURCE");
    assert_non_null(root);
    snprintf(out, PATH_MAX, "%s/tests/golden/%s", root, name);
}

static void open_session(struct session *s, const char *name, enum model_math math)
{
    char path[PATH_MAX];
    struct err e = {""};
    path_of(name, path);
    struct model_options o = {.path = path, .math = math};
    if (model_open(&s->model, &o, &e) || pool_open(&s->pool, THREADS, &e) ||
        model_pack(s->model, &(struct model_pack_options){.pool = s->pool}, &e) ||
        forward_open(&s->forward, s->model, s->pool, BATCH, &e))
        fail_msg("%s", e.text);
    model_info(s->model, &s->info);
    if (kv_open(&s->kv, s->model, s->info.n_ctx < CONTEXT ? s->info.n_ctx : CONTEXT, &e))
        fail_msg("%s", e.text);
    s->logits = calloc((size_t)s->info.n_vocab * BATCH, sizeof *s->logits);
    assert_non_null(s->logits);
}

static void close_session(struct session *s)
{
    free(s->logits);
    kv_close(&s->kv);
    forward_close(&s->forward);
    pool_close(&s->pool);
    model_close(&s->model);
}

static void open_golden(struct golden *g, const char *name)
{
    char path[PATH_MAX], file[300];
    struct err e = {""};
    bool folder = strncmp(name, "models/", 7) == 0;
    snprintf(file, sizeof file, folder ? "%s/golden.json" : "%s.golden.json", name);
    path_of(file, path);
    buf_init(&g->text, 1 << 20);
    if (file_read(path, &g->text, &e) || json_parse(&g->doc, buf_view(&g->text), 1 << 20, file, &e))
        fail_msg("%s", e.text);
    g->max_abs_logit = json_number(json_get(g->doc, "max_abs_logit"));
    assert_true(g->max_abs_logit > 0);
}

static void close_golden(struct golden *g)
{
    json_close(&g->doc);
    buf_release(&g->text);
}

static int32_t read_ids(const struct json *array, int32_t *out)
{
    size_t n = json_size(array);
    assert_in_range(n, 1, BATCH);
    for (size_t i = 0; i < n; i++)
        out[i] = (int32_t)json_int(json_at(array, i));
    return (int32_t)n;
}

static void forward(struct session *s, const int32_t *ids, int32_t n, int32_t n_logits)
{
    struct err e = {""};
    if (model_forward(s->model, s->forward, s->kv, ids, n, n_logits, s->logits, NULL, NULL, NULL,
                      &e))
        fail_msg("%s", e.text);
}

static const float *row(const struct session *s, int32_t i)
{
    return s->logits + (size_t)i * (size_t)s->info.n_vocab;
}

static int32_t best(const struct session *s, const float *logits)
{
    int32_t at = 0;
    for (int32_t i = 1; i < s->info.n_vocab; i++)
        if (logits[i] > logits[at])
            at = i;
    return at;
}

static double logprob(const struct session *s, const float *logits, int32_t id)
{
    double top = logits[best(s, logits)], sum = 0;
    for (int32_t i = 0; i < s->info.n_vocab; i++)
        sum += exp(logits[i] - top);
    return logits[id] - top - log(sum);
}

/* The largest difference to the expected logits, relative to the largest logit of the golden. */
static double logits_error(struct session *s, const struct golden *g, const struct json *c)
{
    int32_t ids[BATCH], n = read_ids(json_get(c, "ids"), ids);
    const struct json *expect = json_get(json_get(c, "expect"), "logits");
    double worst = 0;
    kv_truncate(s->kv, 0);
    forward(s, ids, n, n);
    assert_true(json_size(expect) > 0);
    for (void *it = json_first(expect); it; it = json_next(expect, it)) {
        const struct json *values = json_value(it);
        const float *got = row(s, atoi(json_key(it)));
        assert_int_equal(json_size(values), s->info.n_vocab);
        for (size_t i = 0; i < json_size(values); i++)
            worst = fmax(worst, fabs(got[i] - json_number(json_at(values, i))));
    }
    return worst / g->max_abs_logit;
}

static void check_greedy(struct session *s, const struct json *c)
{
    int32_t ids[BATCH], n = read_ids(json_get(c, "ids"), ids);
    const struct json *expect = json_get(json_get(c, "expect"), "greedy");
    assert_int_equal(json_size(expect), 24);
    kv_truncate(s->kv, 0);
    forward(s, ids, n, 1);
    for (size_t i = 0; i < json_size(expect); i++) {
        int32_t next = best(s, s->logits);
        assert_int_equal(next, json_int(json_at(expect, i)));
        forward(s, &next, 1, 1);
    }
}

static void check_logprobs(struct session *s, const struct json *c)
{
    int32_t ids[BATCH], more[BATCH];
    int32_t n = read_ids(json_get(c, "ids"), ids);
    int32_t n_more = read_ids(json_get(c, "continuation"), more);
    const struct json *expect = json_get(json_get(c, "expect"), "logprobs");
    assert_int_equal(json_size(expect), n_more);
    kv_truncate(s->kv, 0);
    forward(s, ids, n, 1);
    for (int32_t i = 0; i < n_more; i++) {
        double wanted = json_number(json_at(expect, (size_t)i));
        assert_true(fabs(logprob(s, s->logits, more[i]) - wanted) <= 1e-3);
        forward(s, &more[i], 1, 1);
    }
}

/* Exact arithmetic: the goldens' own tolerance is 2e-4 (a right float32 engine is below 1e-5). */
static void test_exact(void **state)
{
    const char *name = *state;
    struct session s = {0};
    struct golden g = {0};
    open_session(&s, name, MODEL_MATH_EXACT);
    open_golden(&g, name);
    const struct json *cases = json_get(g.doc, "cases");
    assert_true(json_size(cases) > 0);
    for (size_t i = 0; i < json_size(cases); i++) {
        const struct json *c = json_at(cases, i);
        double error = logits_error(&s, &g, c);
        print_message("%s case %zu: logits within %.2e\n", name, i, error);
        assert_true(error <= 1e-5);
        check_greedy(&s, c);
        check_logprobs(&s, c);
    }
    close_golden(&g);
    close_session(&s);
}

/* Fast arithmetic rounds activations to 8 bits where weights are quantized, and nowhere else. Over
 * random texts the largest error of these two files is 3 to 5.6 %, llama.cpp's as well. */
static void check_fast(const char *name, double bound)
{
    struct session s = {0};
    struct golden g = {0};
    open_session(&s, name, MODEL_MATH_FAST);
    open_golden(&g, name);
    const struct json *cases = json_get(g.doc, "cases");
    for (size_t i = 0; i < json_size(cases); i++) {
        double error = logits_error(&s, &g, json_at(cases, i));
        print_message("%s case %zu: logits within %.2e\n", name, i, error);
        assert_true(error <= bound);
    }
    close_golden(&g);
    close_session(&s);
}

static void test_fast(void **state)
{
    (void)state;
    check_fast("gguf/llama-gqa-tied-f32.gguf", 1e-5);
    check_fast("gguf/llama3-rope-f16.gguf", 1e-5);
    check_fast("gguf/llama-gqa-tied-q8_0.gguf", 0.06);
    check_fast("gguf/llama-mha-q4_0.gguf", 0.06);
}

/* ---- every golden is a test ---- */

enum { TESTS_MAX = 256, NAME_SIZE = 300 };

static char names[TESTS_MAX][NAME_SIZE];

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool is_golden(const char *folder, const char *name)
{
    const char *dot = strrchr(name, '.');
    return strcmp(folder, "models") == 0 ? name[0] != '.' : dot && strcmp(dot, ".gguf") == 0;
}

static size_t list(const char *folder, size_t n)
{
    char path[PATH_MAX];
    path_of(folder, path);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
        if (is_golden(folder, entry->d_name) && n < TESTS_MAX - 1)
            snprintf(names[n++], NAME_SIZE, "%s/%.200s", folder, entry->d_name);
    if (d)
        closedir(d);
    return n;
}

int main(void)
{
    static struct CMUnitTest tests[TESTS_MAX];
    size_t n = list("models", list("gguf", 0));
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = test_exact, .initial_state = names[i]};
    tests[n] = (struct CMUnitTest)cmocka_unit_test(test_fast);
    return _cmocka_run_group_tests("goldens", tests, n + 1, NULL, NULL);
}
