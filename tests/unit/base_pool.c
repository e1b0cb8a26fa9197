/* SPDX-License-Identifier: MIT */
/* base/pool.h: every chunk exactly once, whatever the threads; and it goes on when it has slept. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { CHUNKS = 1000 };

struct job {
    _Atomic int hits[CHUNKS];
    _Atomic int bad_worker;
    int n_threads;
};

static void hit(void *ctx, size_t chunk, int worker)
{
    struct job *j = ctx;
    atomic_fetch_add(&j->hits[chunk], 1);
    if (worker < 0 || worker >= j->n_threads)
        atomic_fetch_add(&j->bad_worker, 1);
}

static void run_many(int n_threads, int jobs)
{
    struct err e;
    struct pool *p = NULL;
    assert_int_equal(pool_open(&p, n_threads, &e), 0);
    assert_int_equal(pool_threads(p), n_threads);
    struct job *j = calloc(1, sizeof *j);
    j->n_threads = n_threads;
    for (int r = 0; r < jobs; r++) {
        size_t n = (size_t)(r % 17 == 0 ? CHUNKS : r % 9);
        memset(j->hits, 0, sizeof j->hits);
        pool_run(p, hit, j, n);
        for (size_t i = 0; i < CHUNKS; i++)
            assert_int_equal(j->hits[i], i < n ? 1 : 0);
    }
    assert_int_equal(j->bad_worker, 0);
    free(j);
    pool_close(&p);
    assert_null(p);
    pool_close(&p);
}

static void test_each_chunk_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++)
        run_many(n, 300);
}

static void test_bad_counts(void **state)
{
    (void)state;
    struct err e;
    struct pool *p = NULL;
    assert_int_equal(pool_open(&p, 0, &e), ERR_RANGE);
    assert_int_equal(pool_open(&p, 257, &e), ERR_RANGE);
    assert_null(p);
}

/* A chunk waits until another thread has taken one too: can only end if sleeping workers are woken.
 */
static void meet(void *ctx, size_t chunk, int worker)
{
    (void)chunk, (void)worker;
    _Atomic int *arrived = ctx;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < 2)
        ;
}

static void test_wakes_sleepers(void **state)
{
    (void)state;
    struct err e;
    struct pool *p = NULL;
    assert_int_equal(pool_open(&p, 2, &e), 0);
    for (int i = 0; i < 20; i++) {
        uint64_t until = clock_mono_ns() + 1000000; /* 1 ms: fifty times the spin */
        while (clock_mono_ns() < until)
            ;
        _Atomic int arrived = 0;
        pool_run(p, meet, &arrived, 2);
        assert_int_equal(arrived, 2);
    }
    pool_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_chunk_once),
        cmocka_unit_test(test_bad_counts),
        cmocka_unit_test(test_wakes_sleepers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
