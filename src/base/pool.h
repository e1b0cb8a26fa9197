/* SPDX-License-Identifier: MIT */
/* Compute threads that share the chunks of one job at a time.
 *
 * The caller takes part. Chunks are claimed one by one, so a thread that the system has set aside
 * is not waited for unless it holds a chunk; the wait is a short spin and then a futex, so a busy
 * neighbour slows us in proportion and an idle pool costs nothing. Which thread runs a chunk
 * changes from run to run: a job must give the same result whoever does. */
#ifndef WATTLE_BASE_POOL_H
#define WATTLE_BASE_POOL_H

#include "base/err.h"

#include <stddef.h>

struct pool;

/* n_threads counts the caller: 1 starts none. 1 <= n_threads <= 256. */
int pool_open(struct pool **out, int n_threads, struct err *e);
void pool_close(struct pool **p); /* joins; NULL is fine; not while a job runs */
int pool_threads(const struct pool *p);

/* chunk in [0, n_chunks); worker in [0, pool_threads) is stable within the call: index scratch by
 * it. */
typedef void (*pool_fn)(void *ctx, size_t chunk, int worker);

/* Runs fn for every chunk and returns when all are done. One caller at a time. n_chunks < 2^31. */
void pool_run(struct pool *p, pool_fn fn, void *ctx, size_t n_chunks);

#endif
