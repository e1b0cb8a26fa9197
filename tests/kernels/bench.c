/* SPDX-License-Identifier: MIT */
/* Speeds of the kernels on one thread: median and spread of rounds of at least 10 ms, after a
 * warm-up round that the clock does not see. Inside the clock: the calls alone. Weights are
 * either a matrix that fits the second-level cache ("cache") or one of 96 MB that is read once a
 * call ("memory"), as decoding does. */
#include "check.h"

#include "kernels/packed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ROUNDS = 7,
    ROUND_NS = 10000000,
    K = 1536, /* SmolLM2-135M's feed-forward; a multiple of 256 */
    COLUMNS_MAX = 64,
};

struct job {
    const struct kernels *t;
    uint32_t type;
    const uint8_t *w;
    size_t row_bytes, rows, n;
    const float *x;
    const struct q8_block *q;
    float *out;
    enum way { F32, Q8, PACKED } way;
};

struct times {
    double median, low, high; /* seconds a call */
};

static void *allocate(size_t n)
{
    void *p = malloc(n);
    if (!p) {
        fprintf(stderr, "check: out of memory\n");
        exit(1);
    }
    memset(p, 0, n);
    return p;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* CPU time of this thread: a neighbour that takes the core meanwhile does not count. */
static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct times measure(void (*call)(void *), void *arg)
{
    double seconds[ROUNDS];
    uint64_t start = thread_ns();
    call(arg);
    uint64_t once = thread_ns() - start;
    size_t calls = 1 + ROUND_NS / (once + 1);
    for (int r = 0; r < ROUNDS; r++) {
        start = thread_ns();
        for (size_t i = 0; i < calls; i++)
            call(arg);
        seconds[r] = (double)(thread_ns() - start) * 1e-9 / (double)calls;
    }
    qsort(seconds, ROUNDS, sizeof *seconds, by_value);
    return (struct times){seconds[ROUNDS / 2], seconds[0], seconds[ROUNDS - 1]};
}

/* --- limits --- */

static double limit_read, limit_fma; /* bytes and multiply-adds a second, best of the rounds */

struct memory {
    const uint64_t *p;
    size_t words;
    uint64_t sum;
};

static void read_all(void *arg)
{
    struct memory *m = arg;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= m->words; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += m->p[i + (size_t)j];
    for (int j = 0; j < 8; j++)
        m->sum += sum[j];
}

static void burn(void *arg)
{
    *(volatile float *)arg = bench_burn(1000000);
}

void bench_limits(void)
{
    struct memory m = {.words = 96u << 17}; /* 96 MB */
    m.p = allocate(m.words * 8);
    float sink;
    limit_read = (double)m.words * 8 / measure(read_all, &m).low;
    /* Built for the best table: where only plain C runs, there is no limit to show. */
    limit_fma = kernels_all()[1] ? 8e7 / measure(burn, &sink).low : NAN;
    free((void *)m.p);
    printf("limits of one core: read %.1f GB/s, f32 %.1f GMAC/s\n", limit_read * 1e-9,
           limit_fma * 1e-9);
}

/* --- products --- */

static void multiply(void *arg)
{
    const struct job *j = arg;
    float scratch[K];
    if (j->way == PACKED)
        j->t->mul_packed(j->type, j->w, K, 0, j->rows, j->q, j->n, j->out, j->rows);
    else if (j->way == Q8)
        j->t->mul_q8(j->type, j->w, j->row_bytes, K, 0, j->rows, j->q, j->n, j->out, j->rows);
    else
        j->t->mul_f32(j->type, j->w, j->row_bytes, K, 0, j->rows, j->x, j->n, j->out, j->rows,
                      scratch);
}

static void report_product(const struct job *j, const char *where)
{
    static const char *const ways[] = {"f32", "q8", "packed"};
    struct times t = measure(multiply, (void *)j);
    double bytes = (double)(j->rows * j->row_bytes), macs = (double)(j->rows * j->n * K);
    printf("%-5s %-8s %-5s n=%-3zu %-7s %7.2f GMAC/s (%3.0f%%) %7.2f GB/s (%3.0f%%)  "
           "%.4g ms, %.4g..%.4g\n",
           j->t->isa, ways[j->way], wtype_info(j->type)->name, j->n, where, macs / t.median * 1e-9,
           100 * macs / t.median / limit_fma, bytes / t.median * 1e-9,
           100 * bytes / t.median / limit_read, t.median * 1e3, t.low * 1e3, t.high * 1e3);
}

static void bench_products(const struct kernels *t, uint32_t type, enum way way, struct job *j)
{
    static const size_t columns[] = {1, 4, 64};
    const bool slow = strcmp(t->isa, "c") == 0;
    const struct wtype_info *info = wtype_info(type);

    j->t = t;
    j->type = type;
    j->way = way;
    j->row_bytes = K / info->block_elems * info->block_bytes;
    j->rows = (slow ? 16384 : 512 * 1024) / j->row_bytes / 8 * 8;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        j->n = columns[i];
        report_product(j, "cache");
    }
    if (!slow) {
        j->n = 1;
        j->rows = (96u << 20) / j->row_bytes / 8 * 8;
        if (way == PACKED)
            j->rows = j->rows * 15 / 16 / 8 * 8; /* Q4_K and its like are a little larger packed */
        report_product(j, "memory");
    }
}

/* --- rows --- */

struct rows {
    const struct kernels *t;
    float *a, *b, *c;
    struct q8_block *q;
};

enum { ROW = 1536, DIM = 64, KV = 512 };

static void run_quantize(void *arg)
{
    struct rows *r = arg;
    r->t->quantize_q8(r->a, r->q, ROW);
}

static void run_rms_norm(void *arg)
{
    struct rows *r = arg;
    r->t->rms_norm(r->a, r->b, 1e-5f, r->c, ROW);
}

static void run_silu_mul(void *arg)
{
    struct rows *r = arg;
    memcpy(r->c, r->a, ROW * sizeof *r->c);
    r->t->gate_mul(ACTIVATION_SILU, r->c, r->b, ROW);
}

static void run_rope(void *arg)
{
    struct rows *r = arg;
    r->t->rope(r->c, r->a, r->b, DIM, true);
}

static void run_attention(void *arg)
{
    struct rows *r = arg;
    struct attention a = {.q = r->a,
                          .k = r->a,
                          .v = r->b,
                          .n_q = 1,
                          .stride = DIM,
                          .head_dim = DIM,
                          .n_kv = KV,
                          .scale = 0.125f};
    r->t->attention(&a, r->c, r->c + KV);
}

static void run_attention3(void *arg)
{
    struct rows *r = arg;
    struct attention a = {.q = r->a,
                          .k = r->a,
                          .v = r->b,
                          .n_q = 3,
                          .stride = DIM,
                          .head_dim = DIM,
                          .n_kv = KV,
                          .scale = 0.125f};
    r->t->attention(&a, r->c, r->c + 3 * KV);
}

static void bench_rows(const struct kernels *t, struct rng *rng)
{
    static const struct {
        const char *name;
        void (*call)(void *);
        double elements;
    } all[] = {{"quantize_q8", run_quantize, ROW},
               {"rms_norm", run_rms_norm, ROW},
               {"silu_mul", run_silu_mul, ROW},
               {"rope", run_rope, DIM},
               {"attention", run_attention, 2.0 * DIM * KV},
               {"attention of 3", run_attention3, 6.0 * DIM * KV}};
    struct rows r = {.t = t};
    r.a = allocate(DIM * KV * sizeof *r.a);
    r.b = allocate(DIM * KV * sizeof *r.b);
    r.c = allocate(DIM * KV * sizeof *r.c);
    r.q = allocate(ROW / 32 * sizeof *r.q);
    fill_floats(rng, FILL_PLAIN, r.a, DIM * KV);
    fill_floats(rng, FILL_PLAIN, r.b, DIM * KV);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct times m = measure(all[i].call, &r);
        printf("%-5s %-14s %8.0f ns, %.0f..%.0f  %.2f G elements/s\n", t->isa, all[i].name,
               m.median * 1e9, m.low * 1e9, m.high * 1e9, all[i].elements / m.median * 1e-9);
    }
    free(r.a);
    free(r.b);
    free(r.c);
    free(r.q);
}

/* The same n bytes all over. */
static void fill_with(uint8_t *w, size_t bytes, const uint8_t *from, size_t n)
{
    for (size_t at = 0; at + n <= bytes; at += n)
        memcpy(w + at, from, n);
}

void bench_table(const struct kernels *t)
{
    const size_t bytes = 96u << 20;
    struct rng rng;
    rng_seed(&rng, 1);
    uint8_t *w = allocate(bytes);
    float *x = allocate(COLUMNS_MAX * K * sizeof *x);
    struct q8_block *q = allocate(COLUMNS_MAX * (K / 32) * sizeof *q);
    /* Rows from memory: at least 324 bytes each (TQ1_0). Rows from the cache times columns: fewer.
     */
    float *out = allocate(bytes / 324 * sizeof *out);
    struct job j = {.w = w, .x = x, .q = q, .out = out};
    uint8_t row[8 * K], group[PACKED_ROWS * 2 * K];

    fill_floats(&rng, FILL_PLAIN, x, COLUMNS_MAX * K);
    t->quantize_q8(x, q, COLUMNS_MAX * K);
    for (size_t i = 0; i < n_types; i++) {
        size_t group_bytes, row_bytes = K / wtype_info(all_types[i])->block_elems *
                                        wtype_info(all_types[i])->block_bytes;
        fill_weights(&rng, all_types[i], FILL_PLAIN, row, K);
        fill_with(w, bytes, row, row_bytes);
        bench_products(t, all_types[i], kernels_has_q8(all_types[i]) ? Q8 : F32, &j);
        if (!packed_group_bytes(all_types[i], K, &group_bytes))
            continue;
        pack_group(all_types[i], row, 0, K, PACKED_ROWS, group);
        fill_with(w, bytes, group, group_bytes);
        bench_products(t, all_types[i], PACKED, &j);
    }
    bench_rows(t, &rng);
    free(w);
    free(x);
    free(q);
    free(out);
}
