/* SPDX-License-Identifier: MIT */
/* The machine's limits: the kernels of kernels/peak.h on all threads at once. */
#include "lab/bench.h"

#include "meter/meter.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 1 << 20,
    CACHES = 4, /* the buffer's size in last-level caches */
    BUFFER_BYTES_MIN = 128 << 20,
    BUFFER_BYTES_MAX = 1 << 30,
    CHUNKS_A_THREAD = 16,
};

static const uint64_t round_ns = 50000000, measure_ns = 250000000;

int limits_open(struct limits_buffer *b, struct err *e)
{
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint64_t n = cache > 0 ? (uint64_t)cache * CACHES : BUFFER_BYTES_MIN;
    uint64_t available = machine_memory_available("/");
    n = n < BUFFER_BYTES_MIN ? BUFFER_BYTES_MIN : n > BUFFER_BYTES_MAX ? BUFFER_BYTES_MAX : n;
    if (available && n > available / 4)
        n = available / 4;
    n = n / CHUNK_BYTES * CHUNK_BYTES;
    n = n ? n : CHUNK_BYTES;
    void *p = mmap(NULL, (size_t)n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "no memory for %llu MB to read", (unsigned long long)n >> 20);
    madvise(p, (size_t)n, MADV_HUGEPAGE);
    memset(p, 1, (size_t)n); /* pages of zeros would be one page */
    *b = (struct limits_buffer){p, (size_t)n};
    return 0;
}

void limits_close(struct limits_buffer *b)
{
    if (b->bytes)
        munmap(b->bytes, b->n);
    *b = (struct limits_buffer){NULL, 0};
}

/* ---- one job of the pool ---- */

struct job {
    const struct peak *peak;
    const uint8_t *bytes;
    size_t rounds;
    volatile uint64_t sink[256]; /* by worker: results that must not be left out */
};

static void read_chunk(void *ctx, size_t chunk, int worker)
{
    struct job *j = (struct job *)ctx;
    j->sink[worker] += j->peak->read(j->bytes + chunk * CHUNK_BYTES, CHUNK_BYTES);
}

static void int8_chunk(void *ctx, size_t chunk, int worker)
{
    struct job *j = (struct job *)ctx;
    (void)chunk;
    j->sink[worker] += (uint64_t)j->peak->int8(j->rounds);
}

static void f32_chunk(void *ctx, size_t chunk, int worker)
{
    struct job *j = (struct job *)ctx;
    (void)chunk;
    j->sink[worker] += (uint64_t)j->peak->f32(j->rounds);
}

/* work: of one run. The best of several runs, in work a nanosecond. */
static int best_rate(struct pool *pool, pool_fn fn, struct job *j, size_t chunks, double work,
                     const struct lab_bench_options *o, double *best, struct err *e)
{
    uint64_t began = clock_mono_ns();
    do {
        if (o->keep_going && !o->keep_going(o->ctx))
            return err_set(e, ERR_CANCELLED, "interrupted");
        uint64_t start = clock_mono_ns();
        pool_run(pool, fn, j, chunks);
        double rate = work / (double)(clock_mono_ns() - start + 1);
        *best = rate > *best ? rate : *best;
    } while (clock_mono_ns() - began < measure_ns);
    return 0;
}

/* Rounds of one chunk, so that a run of all chunks takes about round_ns. */
static size_t calibrate(struct pool *pool, pool_fn fn, struct job *j)
{
    uint64_t ns;
    for (j->rounds = 1000;; j->rounds *= 2) {
        uint64_t start = clock_mono_ns();
        pool_run(pool, fn, j, (size_t)pool_threads(pool) * CHUNKS_A_THREAD);
        ns = clock_mono_ns() - start;
        if (ns > round_ns / 4)
            return j->rounds;
    }
}

int limits_measure(const struct limits_buffer *b, const struct peak *peak, struct pool *pool,
                   const struct lab_bench_options *o, struct lab_bench_limits *best, struct err *e)
{
    struct job j = {.peak = peak, .bytes = b->bytes};
    size_t chunks = (size_t)pool_threads(pool) * CHUNKS_A_THREAD;
    int rc =
        best_rate(pool, read_chunk, &j, b->n / CHUNK_BYTES, (double)b->n, o, &best->read_gb_s, e);
    if (rc == 0) {
        size_t rounds = calibrate(pool, int8_chunk, &j);
        rc = best_rate(pool, int8_chunk, &j, chunks,
                       (double)chunks * (double)rounds * (double)peak->int8_macs, o,
                       &best->int8_gmac_s, e);
    }
    if (rc == 0) {
        size_t rounds = calibrate(pool, f32_chunk, &j);
        rc = best_rate(pool, f32_chunk, &j, chunks,
                       (double)chunks * (double)rounds * (double)peak->f32_macs, o,
                       &best->f32_gmac_s, e);
    }
    return rc;
}
