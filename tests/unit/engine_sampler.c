/* SPDX-License-Identifier: MIT */
/* The sampler against a plain one that sorts: which tokens may be drawn, and how often. With
 * --bench it measures a token's cost instead. */
#include "engine/engine.h"
#include "engine/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 200, DRAWS = 20000 };

static const struct sampler_options plain = {
    .temperature = 1, .top_p = 1, .repetition_penalty = 1, .seed = 1};

/* ---- the plain one: Hugging Face's processors, in its order, in double ---- */

struct ranked {
    double p;
    int id;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? 1 : -1;
    return x->id - y->id;
}

static void normalize(struct ranked *r, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += r[i].p;
    for (size_t i = 0; i < n; i++)
        r[i].p /= sum;
}

/* The probability of each id. */
static void reference(const struct sampler_options *o, const float *logits, const bool *seen,
                      double out[N])
{
    struct ranked r[N];
    double largest = -INFINITY, penalty = (double)o->repetition_penalty;
    for (int i = 0; i < N; i++) {
        double l = (double)logits[i];
        if (seen[i])
            l = l < 0 ? l * penalty : l / penalty;
        r[i] = (struct ranked){l / (double)o->temperature, i};
        largest = fmax(largest, r[i].p);
        out[i] = 0;
    }
    for (int i = 0; i < N; i++)
        r[i].p = exp(r[i].p - largest);
    qsort(r, N, sizeof *r, by_rank);
    size_t n = N;
    if (o->top_k > 0 && o->top_k < N)
        for (n = (size_t)o->top_k; n < N && r[n].p == r[o->top_k - 1].p;)
            n++;
    normalize(r, n);
    if (o->top_p < 1) {
        double before = 0;
        size_t kept = 0;
        while (kept < n && (kept == 0 || before < (double)o->top_p))
            before += r[kept++].p;
        n = kept;
    }
    while (n > 1 && r[n - 1].p < (double)o->min_p * r[0].p)
        n--;
    normalize(r, n);
    for (size_t i = 0; i < n; i++)
        out[r[i].id] = r[i].p;
}

struct row {
    const char *name;
    struct sampler_options o;
    float spread; /* of the logits */
    bool ties;    /* logits on a grid, many equal */
};

static const struct row rows[] = {
    {"all", {.temperature = 1, .top_p = 1, .repetition_penalty = 1}, 3, false},
    {"cold", {.temperature = 0.5F, .top_p = 1, .repetition_penalty = 1}, 3, false},
    {"hot", {.temperature = 5, .top_p = 1, .repetition_penalty = 1}, 3, false},
    {"top-k", {.temperature = 1, .top_k = 7, .top_p = 1, .repetition_penalty = 1}, 2, false},
    {"top-k 1", {.temperature = 1, .top_k = 1, .top_p = 1, .repetition_penalty = 1}, 2, false},
    {"top-k, more than there are",
     {.temperature = 1, .top_k = 5000, .top_p = 1, .repetition_penalty = 1},
     2,
     false},
    {"top-k with equals",
     {.temperature = 1, .top_k = 5, .top_p = 1, .repetition_penalty = 1},
     4,
     true},
    {"top-p", {.temperature = 0.7F, .top_p = 0.9F, .repetition_penalty = 1}, 3, false},
    {"top-p of nearly equal ones",
     {.temperature = 1, .top_p = 0.5F, .repetition_penalty = 1},
     0.001F,
     false},
    {"top-p 0", {.temperature = 1, .top_p = 0, .repetition_penalty = 1}, 3, false},
    {"min-p", {.temperature = 1, .top_p = 1, .min_p = 0.1F, .repetition_penalty = 1}, 3, false},
    {"min-p 1", {.temperature = 1, .top_p = 1, .min_p = 1, .repetition_penalty = 1}, 3, false},
    {"penalty", {.temperature = 1, .top_p = 1, .repetition_penalty = 1.5F}, 3, false},
    {"reward", {.temperature = 1, .top_p = 0.8F, .repetition_penalty = 0.7F}, 3, false},
    {"everything",
     {.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F, .repetition_penalty = 1.1F},
     3,
     false},
};

static float noise(struct rng *rng)
{
    double sum = 0; /* near enough to normal */
    for (int i = 0; i < 12; i++)
        sum += rng_unit(rng);
    return (float)(sum - 6);
}

static void check_row(const struct row *r, struct rng *rng)
{
    struct sampler *s = NULL;
    struct sampler_options o = r->o;
    struct err e = {""};
    float logits[N], work[N];
    bool seen[N];
    double expected[N];
    int counts[N] = {0};
    for (int i = 0; i < N; i++) {
        float v = r->spread * noise(rng);
        logits[i] = r->ties ? roundf(v) : v;
        seen[i] = rng_below(rng, 4) == 0;
    }
    reference(&o, logits, seen, expected);
    assert_int_equal(sampler_open(&s, N, &e), 0);
    o.seed = rng_u64(rng);
    sampler_begin(s, &o);
    for (int i = 0; i < N; i++)
        for (int twice = 0; seen[i] && twice < 2; twice++)
            sampler_saw(s, i);
    for (int i = 0; i < DRAWS; i++) {
        int32_t id = -1;
        memcpy(work, logits, sizeof work);
        assert_int_equal(sampler_next(s, work, &id, &e), 0);
        assert_in_range(id, 0, N - 1);
        counts[id]++;
    }
    double chi = 0;
    int kinds = 0;
    for (int i = 0; i < N; i++) {
        double want = expected[i] * DRAWS, got = counts[i];
        if (want == 0 && got > 0)
            fail_msg("%s: token %d was drawn %d times, which is cut off", r->name, i, counts[i]);
        if (want < 5)
            continue;
        chi += (got - want) * (got - want) / want;
        kinds++;
    }
    /* Mean kinds, standard deviation sqrt(2 kinds): six of them never happen by chance. */
    if (chi > kinds + 6 * sqrt(2.0 * kinds) + 6)
        fail_msg("%s: chi square %.1f of %d", r->name, chi, kinds);
    sampler_close(&s);
}

static void test_against_reference(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 20250704);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int round = 0; round < 3; round++)
            check_row(&rows[i], &rng);
}

static int32_t next(struct sampler *s, const float *logits, size_t n)
{
    float work[N];
    struct err e = {""};
    int32_t id = -1;
    memcpy(work, logits, n * sizeof *work);
    int rc = sampler_next(s, work, &id, &e);
    return rc ? rc : id;
}

static void test_greedy(void **state)
{
    (void)state;
    struct sampler *s = NULL;
    struct err e = {""};
    struct sampler_options o = plain;
    o.temperature = 0;
    assert_int_equal(sampler_open(&s, 5, &e), 0);
    sampler_begin(s, &o);
    assert_int_equal(next(s, (float[]){-3, 2, 5, 5, 1}, 5), 2);
    assert_int_equal(next(s, (float[]){NAN, -2, -INFINITY, -1, NAN}, 5), 3);
    o.repetition_penalty = 2;
    sampler_begin(s, &o);
    sampler_saw(s, 2);
    assert_int_equal(next(s, (float[]){-3, 2, 5, 4, 1}, 5), 3);
    sampler_begin(s, &o); /* forgets what it saw */
    assert_int_equal(next(s, (float[]){-3, 2, 5, 4, 1}, 5), 2);
    sampler_close(&s);
}

static void test_not_finite(void **state)
{
    (void)state;
    struct sampler *s = NULL;
    struct err e = {""};
    assert_int_equal(sampler_open(&s, 3, &e), 0);
    struct sampler_options o = plain;
    o.top_k = 2;
    o.top_p = 0.9F;
    sampler_begin(s, &o);
    assert_int_equal(next(s, (float[]){NAN, NAN, NAN}, 3), ERR_FORMAT);
    assert_int_equal(next(s, (float[]){1, INFINITY, 2}, 3), ERR_FORMAT);
    assert_int_equal(next(s, (float[]){-INFINITY, -INFINITY, -INFINITY}, 3), ERR_FORMAT);
    for (int i = 0; i < 200; i++)
        assert_int_equal(next(s, (float[]){NAN, 1, -INFINITY}, 3), 1);
    sampler_close(&s);
}

static void test_seed(void **state)
{
    (void)state;
    struct rng rng;
    float logits[N];
    int32_t first[64];
    struct sampler *s = NULL;
    struct err e = {""};
    rng_seed(&rng, 5);
    for (int i = 0; i < N; i++)
        logits[i] = noise(&rng);
    assert_int_equal(sampler_open(&s, N, &e), 0);
    struct sampler_options o = plain;
    o.seed = 99;
    int same = 0;
    for (int round = 0; round < 3; round++) {
        o.seed = round == 2 ? 100 : 99;
        sampler_begin(s, &o);
        for (int i = 0; i < 64; i++) {
            int32_t id = next(s, logits, N);
            if (round == 0)
                first[i] = id;
            else if (round == 1)
                assert_int_equal(id, first[i]);
            else
                same += id == first[i];
        }
    }
    assert_true(same < 32);
    sampler_close(&s);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        struct sampler_options o;
        const char *field; /* NULL: right */
    } cases[] = {
        {{.temperature = 0, .top_p = 0, .repetition_penalty = 0.01F}, NULL},
        {{.temperature = 100, .top_p = 1, .min_p = 1, .repetition_penalty = 10}, NULL},
        {{.temperature = -0.1F, .top_p = 1, .repetition_penalty = 1}, "temperature"},
        {{.temperature = NAN, .top_p = 1, .repetition_penalty = 1}, "temperature"},
        {{.temperature = 101, .top_p = 1, .repetition_penalty = 1}, "temperature"},
        {{.temperature = 1, .top_p = 1.1F, .repetition_penalty = 1}, "top_p"},
        {{.temperature = 1, .top_p = NAN, .repetition_penalty = 1}, "top_p"},
        {{.temperature = 1, .top_p = 1, .min_p = -1, .repetition_penalty = 1}, "min_p"},
        {{.temperature = 1, .top_p = 1, .top_k = -1, .repetition_penalty = 1}, "top_k"},
        {{.temperature = 1, .top_p = 1, .repetition_penalty = 0}, "repetition_penalty"},
        {{.temperature = 1, .top_p = 1, .repetition_penalty = INFINITY}, "repetition_penalty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        int rc = sampler_check(&cases[i].o, &e);
        assert_int_equal(rc, cases[i].field ? ERR_RANGE : 0);
        if (cases[i].field)
            assert_non_null(strstr(e.text, cases[i].field));
    }
}

static int bench(void)
{
    enum { VOCAB = 49152, ROUNDS = 300 };
    static const struct {
        const char *name;
        struct sampler_options o;
    } kinds[] = {
        {"greedy", {.temperature = 0, .top_p = 1, .repetition_penalty = 1}},
        {"temperature", {.temperature = 0.7F, .top_p = 1, .repetition_penalty = 1}},
        {"top-p", {.temperature = 0.7F, .top_p = 0.9F, .repetition_penalty = 1}},
        {"top-k 50, top-p",
         {.temperature = 0.7F, .top_k = 50, .top_p = 0.9F, .repetition_penalty = 1}},
        {"hot top-p", {.temperature = 5, .top_p = 0.9F, .repetition_penalty = 1.1F}},
    };
    float *logits = calloc(VOCAB, sizeof *logits), *work = calloc(VOCAB, sizeof *work);
    struct sampler *s = NULL;
    struct rng rng;
    rng_seed(&rng, 3);
    if (!logits || !work || sampler_open(&s, VOCAB, NULL))
        return 1;
    for (int i = 0; i < VOCAB; i++)
        logits[i] = 3 * noise(&rng);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        uint64_t ns = 0;
        sampler_begin(s, &kinds[k].o);
        for (int i = 0; i < ROUNDS; i++) {
            int32_t id;
            memcpy(work, logits, VOCAB * sizeof *work);
            uint64_t t = clock_mono_ns();
            if (sampler_next(s, work, &id, NULL))
                return 1;
            ns += clock_mono_ns() - t;
        }
        printf("%-16s %.3f ms a token\n", kinds[k].name, (double)ns / ROUNDS / 1e6);
    }
    sampler_close(&s);
    free(logits);
    free(work);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
