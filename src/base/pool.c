/* SPDX-License-Identifier: MIT */
/* How the threads meet.
 *
 * ticket holds (generation << 32 | chunks left). A chunk is claimed by lowering the count with a
 * compare-and-swap, so a thread that wakes late, with a ticket of an earlier job in hand, cannot
 * take part in the next one. Whoever holds a claim keeps the job alive: fn, ctx and n_chunks change
 * only after done has reached n_chunks. Waiting is a short spin, for the gaps of a few microseconds
 * between the jobs of one token, and then a futex: a sleeping thread frees its processor, and the
 * scheduler moves a thread of ours that a neighbour has pushed aside onto it. */
#include "base/pool.h"
#include "base/clock.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer than the serial work between two jobs of a token, far shorter than a scheduler's time
 * slice. */
enum { SPIN_NS = 20000, POOL_THREADS_MAX = 256 };

struct worker {
    struct pool *pool;
    pthread_t thread;
    int index; /* 1…n-1; the caller is 0 */
};

struct pool {
    int n_threads;
    struct worker *workers; /* n_threads - 1 */
    pool_fn fn; /* these three: stable while a chunk of the job is claimed or unclaimed */
    void *ctx;
    uint32_t n_chunks;
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint32_t done; /* chunks finished; the caller's futex */
    _Atomic uint32_t caller_waits;
    _Alignas(64) _Atomic uint32_t epoch; /* counts jobs; the workers' futex */
    _Atomic uint32_t sleepers;
    _Atomic bool closing;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile(
        "isb"); /* yield is a no-op on most cores; isb waits about as long as x86's pause */
#endif
}

/* Claims and runs chunks until none is left. */
static void work(struct pool *p, int worker)
{
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while ((uint32_t)t != 0) {
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t - 1, memory_order_acquire,
                                                   memory_order_acquire))
            continue;
        uint32_t n = p->n_chunks;
        p->fn(p->ctx, n - (uint32_t)t, worker);
        if (atomic_fetch_add(&p->done, 1) + 1 == n && atomic_load(&p->caller_waits))
            futex_wake(&p->done, 1);
        t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
}

static bool spin_for_work(struct pool *p, uint32_t seen)
{
    uint64_t until = clock_mono_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(&p->epoch, memory_order_acquire) != seen)
                return true;
            pause_cpu();
        }
    } while (clock_mono_ns() < until);
    return false;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    uint32_t seen = 0;
    while (!atomic_load(&p->closing)) {
        if (!spin_for_work(p, seen)) {
            atomic_fetch_add(&p->sleepers, 1);
            futex_wait(&p->epoch, seen); /* returns at once if the epoch has moved meanwhile */
            atomic_fetch_sub(&p->sleepers, 1);
        }
        seen = atomic_load(&p->epoch);
        work(p, w->index);
    }
    return NULL;
}

static void wait_done(struct pool *p)
{
    uint32_t n = p->n_chunks;
    uint64_t until = clock_mono_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(&p->done, memory_order_acquire) == n)
                return;
            pause_cpu();
        }
    } while (clock_mono_ns() < until);
    atomic_store(&p->caller_waits, 1);
    uint32_t d;
    while ((d = atomic_load(&p->done)) != n)
        futex_wait(&p->done, d);
    atomic_store(&p->caller_waits, 0);
}

void pool_run(struct pool *p, pool_fn fn, void *ctx, size_t n_chunks)
{
    if (p->n_threads == 1 || n_chunks == 1) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(ctx, i, 0);
        return;
    }
    if (n_chunks == 0)
        return;
    p->fn = fn;
    p->ctx = ctx;
    p->n_chunks = (uint32_t)n_chunks;
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    uint32_t next = atomic_load_explicit(&p->epoch, memory_order_relaxed) + 1;
    atomic_store(&p->ticket, (uint64_t)next << 32 | (uint32_t)n_chunks);
    atomic_store(&p->epoch, next);
    if (atomic_load(&p->sleepers) > 0)
        futex_wake(&p->epoch, INT_MAX);
    work(p, 0);
    wait_done(p);
}

/* Signals are for the program's own threads. */
static int start_thread(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

int pool_open(struct pool **out, int n_threads, struct err *e)
{
    if (n_threads < 1 || n_threads > POOL_THREADS_MAX)
        return err_set(e, ERR_RANGE, "threads: %d, expected 1 to %d", n_threads, POOL_THREADS_MAX);
    struct pool *p = aligned_alloc(64, sizeof *p);
    struct worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (!p || !workers) {
        free(p);
        free(workers);
        return err_set(e, ERR_NOMEM, "cannot start %d threads: out of memory", n_threads);
    }
    *p = (struct pool){.n_threads = 1, .workers = workers};
    for (int i = 1; i < n_threads; i++) {
        struct worker *w = &workers[i - 1];
        *w = (struct worker){.pool = p, .index = i};
        int failed = start_thread(w);
        if (failed) {
            pool_close(&p);
            return err_errno(e, failed, "cannot start thread %d of %d", i + 1, n_threads);
        }
        p->n_threads = i + 1;
    }
    *out = p;
    return 0;
}

void pool_close(struct pool **pp)
{
    struct pool *p = *pp;
    if (!p)
        return;
    atomic_store(&p->closing, true);
    atomic_fetch_add(&p->epoch, 1);
    futex_wake(&p->epoch, INT_MAX);
    for (int i = 1; i < p->n_threads; i++)
        pthread_join(p->workers[i - 1].thread, NULL);
    free(p->workers);
    free(p);
    *pp = NULL;
}

int pool_threads(const struct pool *p)
{
    return p->n_threads;
}
