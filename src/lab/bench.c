/* SPDX-License-Identifier: MIT */
/* wattle bench: how fast a model is, and how near to what the machine can do.
 *
 * Inside the clock is the forward pass alone: no tokenizer, no sampling, no loading, no packing.
 * Tokens are drawn at random, the same in every run. Each test is run once unmeasured, then as
 * often as asked; the median counts. The limits are measured before the tests and after them, and
 * the best of both counts, since a machine's speed drifts while all of this runs. */
#include "lab/bench.h"

#include "lab/score.h"
#include "meter/meter.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>

enum {
    CALL_TOKENS = 64, /* tokens of one call, as in the engine */
    LEAST_RUNS = 2,
    MOST_RUNS = 1000,
};

/* A test ends once it was run as often as asked and for least_ns, and in any case after most_ns. */
static const uint64_t least_ns = 300000000, most_ns = 15000000000;

struct bench {
    const struct lab_bench_options *o;
    struct lab_bench_result *out;
    struct limits_buffer buffer;
    const struct kernels *kernels;
    struct pool *pool;
    struct model *model;
    struct model_info info;
    struct forward *forward;
    struct kv *kv;
    float *logits;
    int32_t *ids;     /* [capacity] */
    int32_t capacity; /* tokens of the longest sequence */
};

static void say(const struct bench *b, const char *fmt, int32_t tokens, int32_t depth)
{
    char text[96];
    snprintf(text, sizeof text, fmt, (int)tokens, (int)depth);
    if (b->o->on_progress)
        b->o->on_progress(b->o->ctx, text);
}

/* ---- the work ---- */

/* Appends ids [from, from + n) and leaves the last one's logits. */
static int prefill(struct bench *b, int32_t from, int32_t n, struct forward_work *work,
                   struct err *e)
{
    int rc = 0;
    for (int32_t at = 0, m; rc == 0 && at < n; at += m) {
        m = n - at < CALL_TOKENS ? n - at : CALL_TOKENS;
        rc = model_forward(b->model, b->forward, b->kv, b->ids + from + at, m, at + m == n,
                           b->logits, b->o->keep_going, b->o->ctx, work, e);
    }
    return rc;
}

static int run_prefill(struct bench *b, const struct lab_bench_row *row, struct forward_work *work,
                       struct err *e)
{
    kv_truncate(b->kv, row->depth);
    return prefill(b, row->depth, row->tokens, work, e);
}

static int run_decode(struct bench *b, const struct lab_bench_row *row, struct forward_work *work,
                      struct err *e)
{
    int rc = 0;
    kv_truncate(b->kv, row->depth);
    for (int32_t i = 0; rc == 0 && i < row->tokens; i++)
        rc = prefill(b, row->depth + i, 1, work, e);
    return rc;
}

typedef int test_fn(struct bench *b, const struct lab_bench_row *row, struct forward_work *work,
                    struct err *e);

/* Fills the context up to the row's depth. */
static int go_to_depth(struct bench *b, int32_t depth, struct err *e)
{
    struct forward_work work = {0, 0};
    int32_t have = kv_length(b->kv) < depth ? kv_length(b->kv) : depth;
    kv_truncate(b->kv, have);
    return have < depth ? prefill(b, have, depth - have, &work, e) : 0;
}

/* ---- one test ---- */

static void sum_up(struct lab_bench_row *row, double *seconds, size_t n,
                   const struct forward_work *work)
{
    double tokens = row->tokens;
    row->runs = n;
    row->tokens_per_second = tokens / score_quantile(seconds, n, 0.5);
    row->slowest = tokens / score_quantile(seconds, n, 1);
    row->fastest = tokens / score_quantile(seconds, n, 0);
    row->multiply_adds = (double)work->multiply_adds / tokens;
    row->bytes_read = (double)work->bytes_read / tokens;
}

static int measure(struct bench *b, const char *test, int32_t tokens, int32_t depth, test_fn *fn,
                   struct err *e)
{
    double seconds[MOST_RUNS];
    size_t n = 0, runs = (size_t)b->o->runs;
    struct lab_bench_row row = {.test = test, .tokens = tokens, .batch = 1, .depth = depth};
    struct forward_work work = {0, 0};
    say(b,
        strcmp(test, "prefill") == 0 ? "prefill of %d tokens at depth %d"
                                     : "decode of %d tokens at depth %d",
        tokens, depth);
    int rc = go_to_depth(b, depth, e);
    if (rc == 0)
        rc = fn(b, &row, &work, e); /* caches, page tables, frequency */
    uint64_t began = clock_mono_ns(), spent = 0;
    while (rc == 0 && n < MOST_RUNS) {
        uint64_t start = clock_mono_ns();
        work = (struct forward_work){0, 0};
        rc = fn(b, &row, &work, e);
        seconds[n++] = (double)(clock_mono_ns() - start) / 1e9;
        spent = clock_mono_ns() - began;
        if ((n >= runs && spent > least_ns) || (n >= LEAST_RUNS && spent > most_ns))
            break;
    }
    if (rc)
        return rc;
    sum_up(&row, seconds, n, &work);
    b->out->rows[b->out->n_rows++] = row;
    return 0;
}

static int measure_all(struct bench *b, struct err *e)
{
    const struct lab_bench_options *o = b->o;
    int rc = o->prefill ? measure(b, "prefill", o->prefill, 0, run_prefill, e) : 0;
    for (size_t i = 0; rc == 0 && o->decode && i < o->n_depths; i++)
        if (o->depths[i] + o->decode <= b->capacity)
            rc = measure(b, "decode", o->decode, o->depths[i], run_decode, e);
    return rc;
}

/* ---- limits ---- */

static int measure_limits(struct bench *b, struct err *e)
{
    say(b, "limits of the machine, %d threads", pool_threads(b->pool), 0);
    return limits_measure(&b->buffer, b->kernels->peak, b->pool, b->o, &b->out->limits, e);
}

/* Products of quantized weights are integer ones. */
static bool is_integer(const struct bench *b)
{
    static const char *const floats[] = {"F32", "F16", "BF16", "F64"};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (strcmp(b->info.quantization, floats[i]) == 0)
            return false;
    return true;
}

/* Of what the memory and the units for products allow, the share that is nearer to all. */
static void compare_with_limits(struct bench *b)
{
    const struct lab_bench_limits *l = &b->out->limits;
    bool integer = is_integer(b);
    for (size_t i = 0; i < b->out->n_rows; i++) {
        struct lab_bench_row *row = &b->out->rows[i];
        double memory = row->bytes_read * row->tokens_per_second / 1e9 / l->read_gb_s;
        double products = row->multiply_adds * row->tokens_per_second / 1e9 /
                          (integer ? l->int8_gmac_s : l->f32_gmac_s);
        row->limit = memory > products ? "read_gb_s" : integer ? "int8_gmac_s" : "f32_gmac_s";
        row->fraction_of_limit = memory > products ? memory : products;
    }
}

/* ---- the run ---- */

static int choose_capacity(struct bench *b, struct err *e)
{
    const struct lab_bench_options *o = b->o;
    int32_t most = b->info.n_ctx, capacity = o->prefill;
    if (o->prefill > most)
        return err_set(e, ERR_USAGE, "--prefill: %d, expected at most the model's context of %d",
                       (int)o->prefill, (int)most);
    for (size_t i = 0; i < o->n_depths && o->decode; i++) {
        if (o->depths[i] + o->decode <= most)
            capacity = o->depths[i] + o->decode > capacity ? o->depths[i] + o->decode : capacity;
        else if (!o->skip_depths)
            return err_set(e, ERR_USAGE,
                           "--depth: %d and %d decoded, expected at most the model's context of %d",
                           (int)o->depths[i], (int)o->decode, (int)most);
    }
    b->capacity = capacity ? capacity : 1;
    return 0;
}

static int prepare_ids(struct bench *b, struct err *e)
{
    struct rng r;
    b->ids = calloc((size_t)b->capacity, sizeof *b->ids);
    b->logits = calloc((size_t)b->info.n_vocab, sizeof *b->logits);
    if (!b->ids || !b->logits)
        return err_set(e, ERR_NOMEM, "no memory for %d tokens", (int)b->capacity);
    rng_seed(&r, 1);
    for (int32_t i = 0; i < b->capacity; i++)
        b->ids[i] = (int32_t)rng_below(&r, (uint64_t)b->info.n_vocab);
    return 0;
}

static int open_all(struct bench *b, struct err *e)
{
    const struct lab_bench_options *o = b->o;
    const struct model_options mo = {.path = o->model_path, .isa = o->isa, .math = MODEL_MATH_FAST};
    struct cpu_limits cpus;
    cpu_limits_read(&cpus, "/");
    b->kernels = kernels_get(o->isa);
    if (!b->kernels)
        return err_set(e, ERR_USAGE, "WATTLE_ISA '%s': this program has none of that name", o->isa);
    int rc = pool_open(&b->pool, o->threads ? o->threads : cpus.threads, e);
    if (rc == 0)
        rc = model_open(&b->model, &mo, e);
    const struct model_pack_options po = {
        .quant = o->quant,
        .folder = o->packed_folder,
        .pool = b->pool,
        .keep_going = o->keep_going,
        .ctx = o->ctx,
    };
    if (rc == 0)
        say(b, "loading and packing", 0, 0);
    if (rc == 0)
        rc = model_pack(b->model, &po, e);
    if (rc)
        return rc;
    model_info(b->model, &b->info);
    rc = choose_capacity(b, e);
    if (rc == 0)
        rc = prepare_ids(b, e);
    if (rc == 0)
        rc = forward_open(&b->forward, b->model, b->pool, CALL_TOKENS, e);
    if (rc == 0)
        rc = kv_open(&b->kv, b->model, b->capacity, e);
    return rc ? rc : limits_open(&b->buffer, e);
}

static void describe(struct bench *b)
{
    struct lab_bench_result *out = b->out;
    struct buf machine;
    buf_init(&machine, sizeof out->machine);
    machine_describe(&machine, "/");
    snprintf(out->machine, sizeof out->machine, "%s", buf_cstr(&machine));
    buf_release(&machine);
    out->threads = pool_threads(b->pool);
    snprintf(out->isa, sizeof out->isa, "%s", b->info.isa);
    snprintf(out->limits.isa, sizeof out->limits.isa, "%s", b->kernels->peak->isa);
    snprintf(out->quantization, sizeof out->quantization, "%s", b->info.quantization);
    snprintf(out->arch, sizeof out->arch, "%s", b->info.arch);
    out->parameters = b->info.n_params;
    out->file_bytes = b->info.file_bytes;
}

static int run(struct bench *b, struct err *e)
{
    struct load_probe probe;
    struct load load = {NAN, NAN};
    int rc = open_all(b, e);
    if (rc)
        return rc;
    describe(b);
    bool probed = load_open(&probe, "/", NULL) == 0;
    if (probed)
        load_begin(&probe);
    rc = measure_limits(b, e);
    if (rc == 0)
        rc = measure_all(b, e);
    if (rc == 0)
        rc = measure_limits(b, e);
    if (rc == 0)
        compare_with_limits(b);
    if (probed) {
        load_end(&probe, &load);
        load_close(&probe);
    }
    b->out->load_of_others = load.others;
    return rc;
}

int lab_bench(const struct lab_bench_options *o, struct lab_bench_result *out, struct err *e)
{
    struct bench b = {.o = o, .out = out};
    *out = (struct lab_bench_result){.n_rows = 0};
    int rc = run(&b, e);
    limits_close(&b.buffer);
    free(b.ids);
    free(b.logits);
    kv_close(&b.kv);
    forward_close(&b.forward);
    model_close(&b.model);
    pool_close(&b.pool);
    return rc;
}
