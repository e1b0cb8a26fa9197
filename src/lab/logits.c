/* SPDX-License-Identifier: MIT */
/* {"case","ids","positions","greedy","continuation"} to {"case","logits","greedy","logprobs"}: what
 * a model computes, to be held beside a reference. Everything is computed before the first byte of
 * an answer is written, so a line is either whole or an error. */
#include "lab/lab.h"

#include "engine/engine.h"
#include "lab/lines.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 32,
    LOGITS_MAX = 64 << 20, /* values that one answer may hold: 256 MiB */
};

struct bench {
    const struct model *model;
    struct forward *forward;
    float *step; /* [BATCH][n_vocab] */
    struct model_info info;
};

/* One line's work: its input and what comes out. */
struct question {
    int32_t *ids, *positions, *continuation;
    size_t n_ids, n_positions, n_continuation;
    int64_t n_greedy;
    struct kv *kv;
    float *logits;    /* [n_positions][n_vocab] */
    float *last;      /* [n_vocab]: after the last of ids */
    int32_t *greedy;  /* [n_greedy] */
    double *logprobs; /* [n_continuation] */
};

static void question_release(struct question *q)
{
    free(q->ids);
    free(q->positions);
    free(q->continuation);
    kv_close(&q->kv);
    free(q->logits);
    free(q->last);
    free(q->greedy);
    free(q->logprobs);
}

static int check_positions(const struct question *q, struct err *e)
{
    int rc = 0;
    bool *asked = calloc(q->n_ids + 1, sizeof *asked); /* -1 is a name of its own: the first */
    if (!asked)
        return err_set(e, ERR_NOMEM, "no memory for %zu positions", q->n_ids);
    for (size_t i = 0; rc == 0 && i < q->n_positions; i++) {
        if (asked[q->positions[i] + 1])
            rc = err_set(e, ERR_FORMAT, "positions: %d twice, expected once", (int)q->positions[i]);
        asked[q->positions[i] + 1] = true;
    }
    free(asked);
    return rc;
}

static int read_question(const struct bench *b, const struct json *in, struct question *q,
                         struct err *e)
{
    int64_t last_id = b->info.n_vocab - 1, context = b->info.n_ctx;
    size_t most = (size_t)context;
    int rc = line_ints(in, "ids", 0, last_id, most, &q->ids, &q->n_ids, e);
    if (rc == 0 && q->n_ids == 0)
        rc = err_set(e, ERR_FORMAT, "ids: none, expected 1 to %lld", (long long)context);
    if (rc == 0)
        rc = line_ints(in, "positions", -1, (int64_t)q->n_ids - 1,
                       (size_t)LOGITS_MAX / (size_t)b->info.n_vocab, &q->positions, &q->n_positions,
                       e);
    if (rc == 0)
        rc = check_positions(q, e);
    if (rc == 0)
        rc = line_ints(in, "continuation", 0, last_id, most - q->n_ids, &q->continuation,
                       &q->n_continuation, e);
    if (rc == 0)
        rc = line_int(in, "greedy", 0, context - (int64_t)q->n_ids, 0, &q->n_greedy, e);
    return rc;
}

static int allocate(const struct bench *b, struct question *q, struct err *e)
{
    size_t n_vocab = (size_t)b->info.n_vocab, n_greedy = (size_t)q->n_greedy;
    size_t more = q->n_continuation > n_greedy ? q->n_continuation : n_greedy;
    /* One more element each: a size of 0 may give NULL. */
    q->logits = calloc(q->n_positions * n_vocab + 1, sizeof *q->logits);
    q->last = calloc(n_vocab, sizeof *q->last);
    q->greedy = calloc(n_greedy + 1, sizeof *q->greedy);
    q->logprobs = calloc(q->n_continuation + 1, sizeof *q->logprobs);
    if (!q->logits || !q->last || !q->greedy || !q->logprobs)
        return err_set(e, ERR_NOMEM, "no memory for %zu positions", q->n_positions);
    return kv_open(&q->kv, b->model, (int32_t)(q->n_ids + more), e);
}

static int step(const struct bench *b, struct question *q, const int32_t *ids, size_t n,
                size_t n_logits, struct err *e)
{
    struct forward_work work = {0, 0};
    return model_forward(b->model, b->forward, q->kv, ids, (int32_t)n, (int32_t)n_logits, b->step,
                         NULL, NULL, &work, e);
}

/* Copies the logits of positions [from, from + n), which are in b->step, where they were asked for.
 */
static void keep_positions(const struct bench *b, struct question *q, size_t from, size_t n)
{
    size_t n_vocab = (size_t)b->info.n_vocab;
    for (size_t i = 0; i < q->n_positions; i++) {
        size_t p = q->positions[i] < 0 ? q->n_ids - 1 : (size_t)q->positions[i];
        if (p >= from && p - from < n)
            memcpy(q->logits + i * n_vocab, b->step + (p - from) * n_vocab,
                   n_vocab * sizeof *b->step);
    }
}

static int run_ids(const struct bench *b, struct question *q, struct err *e)
{
    size_t n_vocab = (size_t)b->info.n_vocab;
    kv_expect(q->kv, (int32_t)q->n_ids); /* one pass over all of them, and then each its own */
    for (size_t at = 0; at < q->n_ids;) {
        size_t n = q->n_ids - at < BATCH ? q->n_ids - at : BATCH;
        int rc = step(b, q, q->ids + at, n, n, e);
        if (rc)
            return rc;
        keep_positions(b, q, at, n);
        at += n;
        if (at == q->n_ids)
            memcpy(q->last, b->step + (n - 1) * n_vocab, n_vocab * sizeof *q->last);
    }
    kv_expect(q->kv, 0);
    return 0;
}

static double log_probability(const float *logits, size_t n, int32_t id)
{
    double largest = (double)logits[engine_greedy(logits, (int32_t)n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - largest);
    return (double)logits[id] - largest - log(sum);
}

static int score_continuation(const struct bench *b, struct question *q, struct err *e)
{
    const float *logits = q->last;
    for (size_t i = 0; i < q->n_continuation; i++) {
        q->logprobs[i] = log_probability(logits, (size_t)b->info.n_vocab, q->continuation[i]);
        int rc = step(b, q, q->continuation + i, 1, 1, e);
        if (rc)
            return rc;
        logits = b->step;
    }
    kv_truncate(q->kv, (int32_t)q->n_ids);
    return 0;
}

static int go_on_greedily(const struct bench *b, struct question *q, struct err *e)
{
    const float *logits = q->last;
    for (int64_t i = 0; i < q->n_greedy; i++) {
        q->greedy[i] = engine_greedy(logits, b->info.n_vocab);
        int rc = step(b, q, q->greedy + i, 1, 1, e);
        if (rc)
            return rc;
        logits = b->step;
    }
    return 0;
}

/* The double whose shortest text is the shortest that reads back as f. Nine digits always do: what
 * is returned at the end is not finite. */
static double shortest(float f)
{
    for (int digits = 6; digits <= 9; digits++) {
        char text[32];
        double d;
        int n = snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (num_parse_f64(span_of(text, (size_t)n), &d) && (float)d == f)
            return d;
    }
    return (double)f;
}

static int write_logits(const struct bench *b, const struct question *q, struct json_writer *w,
                        FILE *out, struct err *e)
{
    size_t n_vocab = (size_t)b->info.n_vocab;
    json_put_object(w, "logits");
    for (size_t i = 0; i < q->n_positions; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", (int)q->positions[i]);
        json_put_array(w, key);
        for (size_t id = 0; id < n_vocab; id++)
            json_write_f64(w, shortest(q->logits[i * n_vocab + id]));
        json_write_array_end(w);
        int rc = lines_flush(w, out, e);
        if (rc)
            return rc;
    }
    json_write_object_end(w);
    return 0;
}

static int write_answer(const struct bench *b, const struct question *q, struct json_writer *w,
                        FILE *out, struct err *e)
{
    int rc = write_logits(b, q, w, out, e);
    json_put_array(w, "greedy");
    for (int64_t i = 0; i < q->n_greedy; i++)
        json_write_int(w, q->greedy[i]);
    json_write_array_end(w);
    json_put_array(w, "logprobs");
    for (size_t i = 0; i < q->n_continuation; i++)
        json_write_f64(w, q->logprobs[i]);
    json_write_array_end(w);
    return rc;
}

static int answer(void *ctx, const struct json *in, struct json_writer *w, FILE *out, struct err *e)
{
    const struct bench *b = ctx;
    struct question q = {.n_ids = 0};
    int rc = read_question(b, in, &q, e);
    if (rc == 0)
        rc = allocate(b, &q, e);
    if (rc == 0)
        rc = run_ids(b, &q, e);
    if (rc == 0)
        rc = score_continuation(b, &q, e);
    if (rc == 0)
        rc = go_on_greedily(b, &q, e);
    if (rc == 0)
        rc = write_answer(b, &q, w, out, e);
    question_release(&q);
    return rc;
}

int lab_logits(const struct lab_logits_options *o, FILE *in, const char *in_name, FILE *out,
               struct err *e)
{
    struct model *model = NULL;
    struct pool *pool = NULL;
    struct bench b = {.forward = NULL};
    struct cpu_limits limits;
    cpu_limits_read(&limits, "/");
    struct model_options mo = {
        .path = o->model_path,
        .isa = o->isa,
        .math = o->exact ? MODEL_MATH_EXACT : MODEL_MATH_FAST,
    };
    int rc = model_open(&model, &mo, e);
    if (rc == 0)
        rc = pool_open(&pool, o->threads ? o->threads : limits.threads, e);
    const struct model_pack_options po = {
        .quant = o->quant, .folder = o->packed_folder, .pool = pool};
    if (rc == 0)
        rc = model_pack(model, &po, e);
    if (rc == 0)
        rc = forward_open(&b.forward, model, pool, BATCH, e);
    if (rc)
        goto done;
    b.model = model;
    model_info(model, &b.info);
    b.step = calloc((size_t)b.info.n_vocab * BATCH, sizeof *b.step);
    rc = b.step ? lines_run(in, in_name, out, answer, &b, e)
                : err_set(e, ERR_NOMEM, "no memory for %d logits", (int)b.info.n_vocab);
done:
    free(b.step);
    forward_close(&b.forward);
    pool_close(&pool);
    model_close(&model);
    return rc;
}
