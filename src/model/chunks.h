/* SPDX-License-Identifier: MIT */
/* How a step is cut into chunks of the pool.
 *
 * Every thread should find about CHUNKS_A_THREAD of them, so that one that the system holds up
 * leaves its share to the others, but none is worth less than a few microseconds of work, which is
 * what claiming it and meeting at the end cost. With one thread there is one chunk. */
#ifndef WATTLE_MODEL_CHUNKS_H
#define WATTLE_MODEL_CHUNKS_H

#include "model/forward.h"

enum {
    CHUNKS_A_THREAD = 6,
    WORK_MIN = 64 << 10, /* multiply-adds: 3 to 6 us for one column of 4-bit rows */
};

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* n items of work multiply-adds each: how many make one chunk. */
static inline size_t chunk_items(const struct forward *f, size_t n, size_t work)
{
    if (f->n_threads == 1)
        return n;
    size_t even = divide_up(n, (size_t)f->n_threads * CHUNKS_A_THREAD);
    return max_size(even, divide_up(WORK_MIN, max_size(work, 1)));
}

/* Calls fn for n items in chunks of n_chunk. */
static inline void run_chunks(struct forward *f, pool_fn fn, void *job, size_t n, size_t n_chunk)
{
    if (n <= n_chunk)
        fn(job, 0, 0);
    else
        pool_run(f->pool, fn, job, divide_up(n, n_chunk));
}

#endif
