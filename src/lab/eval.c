/* SPDX-License-Identifier: MIT */
/* Perplexity of a text, and the distance of one model from another on it, over sliding windows as
 * Hugging Face's "Perplexity of fixed-length models" has them: window w holds the tokens
 * [w * stride, w * stride + context); a token is scored once, in the first window that has it,
 * given all tokens before it in that window. Unlike that page's listing, which weighs its windows'
 * means, every scored token counts the same. */
#include "lab/lab.h"

#include "lab/score.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>

enum {
    BATCH = 64,
    TEXT_BYTES_MAX = 16 << 20, /* what tokenizer_encode takes */
    CONTEXT_DEFAULT = 512,
};

/* One model with a window's worth of memory. */
struct side {
    struct model *model;
    struct model_text *text;
    struct forward *forward;
    struct kv *kv;
    struct model_info info;
    float *logits; /* [BATCH][info.n_vocab] */
};

/* One evaluation. */
struct run {
    const struct lab_eval_options *o;
    struct pool *pool;
    struct side model, reference; /* reference.model NULL: none */
    struct token_list ids;
    size_t n, context, stride; /* ids that count; tokens */
    int32_t n_common;          /* ids that both models have */
    struct score scores[BATCH];
    bool finite[BATCH];
    double *divergences; /* [n] or NULL */
    double loss, reference_loss, divergence;
    size_t scored, agreed, bytes, windows;
};

static void side_close(struct side *s)
{
    free(s->logits);
    kv_close(&s->kv);
    forward_close(&s->forward);
    model_text_close(&s->text);
    model_close(&s->model);
}

static int side_open(struct side *s, const char *path, const char *isa, bool exact, struct err *e)
{
    struct model_options mo = {
        .path = path,
        .isa = isa,
        .math = exact ? MODEL_MATH_EXACT : MODEL_MATH_FAST,
    };
    int rc = model_open(&s->model, &mo, e);
    if (rc == 0)
        rc = model_text_open(&s->text, path, e);
    if (rc)
        return rc;
    model_info(s->model, &s->info);
    if (!model_text_tokenizer(s->text))
        return err_set(e, ERR_UNSUPPORTED, "'%s': no tokenizer, a text needs one", path);
    return 0;
}

static int side_allocate(struct side *s, struct run *r, struct err *e)
{
    int rc = forward_open(&s->forward, s->model, r->pool, BATCH, e);
    if (rc == 0)
        rc = kv_open(&s->kv, s->model, (int32_t)r->context, e);
    if (rc)
        return rc;
    s->logits = calloc((size_t)s->info.n_vocab * BATCH, sizeof *s->logits);
    return s->logits ? 0 : err_set(e, ERR_NOMEM, "no memory for %d logits", (int)s->info.n_vocab);
}

/* ---- the text ---- */

static int encode(const struct side *s, struct span text, struct token_list *ids, struct err *e)
{
    struct encode_options o = {.add_special = true, .parse_special = true};
    return tokenizer_encode(model_text_tokenizer(s->text), text, &o, ids, e);
}

/* Every id that both have stands for the same bytes. */
static int check_pieces(const struct run *r, struct err *e)
{
    const struct tokenizer *a = model_text_tokenizer(r->model.text);
    const struct tokenizer *b = model_text_tokenizer(r->reference.text);
    size_t n = tokenizer_size(a) < tokenizer_size(b) ? tokenizer_size(a) : tokenizer_size(b);
    struct buf x, y;
    buf_init(&x, 1 << 20);
    buf_init(&y, 1 << 20);
    int rc = 0;
    for (size_t id = 0; rc == 0 && id < n; id++) {
        buf_clear(&x);
        buf_clear(&y);
        rc = tokenizer_piece(a, (int32_t)id, false, &x, e);
        if (rc == 0)
            rc = tokenizer_piece(b, (int32_t)id, false, &y, e);
        if (rc == 0 && !span_eq(buf_view(&x), buf_view(&y)))
            rc = err_set(e, ERR_USAGE,
                         "--reference '%s': token %zu is '%.*s', in '%s' it is '%.*s', expected "
                         "the same vocabulary",
                         r->o->reference_path, id, SPAN_FMT(buf_view(&y)), r->o->model_path,
                         SPAN_FMT(buf_view(&x)));
    }
    buf_release(&x);
    buf_release(&y);
    return rc;
}

static int check_reference(const struct run *r, struct span text, struct err *e)
{
    struct token_list ids = {NULL, 0, 0};
    int rc = check_pieces(r, e);
    if (rc == 0)
        rc = encode(&r->reference, text, &ids, e);
    bool same = rc == 0 && ids.n == r->ids.n &&
                (ids.n == 0 || memcmp(ids.ids, r->ids.ids, ids.n * sizeof *ids.ids) == 0);
    if (rc == 0 && !same)
        rc = err_set(e, ERR_USAGE,
                     "--reference '%s': other tokens of the text than in '%s', expected the same "
                     "tokenizer",
                     r->o->reference_path, r->o->model_path);
    token_list_release(&ids);
    return rc;
}

static int read_text(struct run *r, struct err *e)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    int rc = file_read(r->o->text_path, &text, e);
    if (rc == 0)
        rc = encode(&r->model, buf_view(&text), &r->ids, e);
    if (rc == 0 && r->reference.model)
        rc = check_reference(r, buf_view(&text), e);
    buf_release(&text);
    if (rc)
        return rc;
    r->n = r->ids.n;
    if (r->o->limit > 0 && r->o->limit < r->n)
        r->n = r->o->limit;
    if (r->n < 2)
        return err_set(e, ERR_USAGE, "--text '%s': %zu %s, expected 2 at least", r->o->text_path,
                       r->n, plural(r->n, "token", "tokens"));
    return 0;
}

static int check_ids(struct run *r, struct err *e)
{
    r->n_common = r->model.info.n_vocab;
    if (r->reference.model && r->reference.info.n_vocab < r->n_common)
        r->n_common = r->reference.info.n_vocab;
    for (size_t i = 0; i < r->n; i++)
        if (r->ids.ids[i] >= r->n_common)
            return err_set(e, ERR_RANGE, "'%s': token %d of the text, the logits have %d",
                           r->o->model_path, (int)r->ids.ids[i], (int)r->n_common);
    return 0;
}

/* The models' contexts bound the window. */
static int choose_windows(struct run *r, struct err *e)
{
    size_t most = (size_t)r->model.info.n_ctx;
    if (r->reference.model && (size_t)r->reference.info.n_ctx < most)
        most = (size_t)r->reference.info.n_ctx;
    if (r->o->context > most)
        return err_set(e, ERR_USAGE, "--context: %zu, expected at most the model's %zu",
                       r->o->context, most);
    r->context = r->o->context ? r->o->context : CONTEXT_DEFAULT < most ? CONTEXT_DEFAULT : most;
    r->stride = r->o->stride ? r->o->stride : r->context / 2;
    if (r->stride == 0 || r->stride > r->context)
        return err_set(e, ERR_USAGE, "--stride: %zu, expected 1 to the context's %zu", r->stride,
                       r->context);
    return 0;
}

/* ---- the scores ---- */

/* What the positions of one call need. */
struct scoring {
    struct run *r;
    const int32_t *next; /* [n]: the tokens that came */
};

static void score_one(void *ctx, size_t i, int worker)
{
    const struct scoring *s = (const struct scoring *)ctx;
    struct run *r = s->r;
    const float *logits = r->model.logits + i * (size_t)r->model.info.n_vocab;
    const float *reference = NULL;
    (void)worker;
    if (r->reference.model)
        reference = r->reference.logits + i * (size_t)r->reference.info.n_vocab;
    r->finite[i] = score_position(logits, reference, r->n_common, s->next[i], &r->scores[i]);
}

/* In the order of the text, so that the sums are the same whatever the threads. */
static int add_scores(struct run *r, const int32_t *next, size_t n, struct err *e)
{
    const struct tokenizer *t = model_text_tokenizer(r->model.text);
    struct buf piece;
    buf_init(&piece, 1 << 20);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct score *s = &r->scores[i];
        if (!r->finite[i])
            rc = err_set(e, ERR_FORMAT, "logits of scored token %zu are not finite: broken weights",
                         r->scored + 1);
        r->loss += s->loss;
        r->reference_loss += s->reference_loss;
        r->divergence += s->divergence;
        r->agreed += s->agree;
        if (r->divergences)
            r->divergences[r->scored] = s->divergence;
        r->scored++;
        buf_clear(&piece);
        if (rc == 0)
            rc = tokenizer_piece(t, next[i], true, &piece, e);
        r->bytes += piece.n;
    }
    buf_release(&piece);
    return rc;
}

/* An empty sequence that will have n tokens. */
static void begin_sequence(struct side *s, size_t n)
{
    kv_truncate(s->kv, 0);
    kv_expect(s->kv, (int32_t)n);
}

/* Appends ids; logits of the last n_logits. */
static int forward(struct run *r, struct side *s, const int32_t *ids, size_t n, size_t n_logits,
                   struct err *e)
{
    struct forward_work work = {0, 0};
    return model_forward(s->model, s->forward, s->kv, ids, (int32_t)n, (int32_t)n_logits, s->logits,
                         r->o->keep_going, r->o->ctx, &work, e);
}

/* Tokens [begin, end) as one sequence; those from first on are scored. The last token's logits are
 * nobody's, so it is not computed. */
static int run_window(struct run *r, size_t begin, size_t first, size_t end, struct err *e)
{
    begin_sequence(&r->model, end - begin);
    if (r->reference.model)
        begin_sequence(&r->reference, end - begin);
    int rc = 0;
    for (size_t at = begin, n; rc == 0 && at < end - 1; at += n) {
        n = end - 1 - at < BATCH ? end - 1 - at : BATCH;
        /* Position p foretells token p + 1. */
        size_t skipped = first - 1 <= at ? 0 : first - 1 - at < n ? first - 1 - at : n;
        size_t n_logits = n - skipped;
        const int32_t *next = r->ids.ids + at + skipped + 1;
        struct scoring s = {r, next};
        rc = forward(r, &r->model, r->ids.ids + at, n, n_logits, e);
        if (rc == 0 && r->reference.model)
            rc = forward(r, &r->reference, r->ids.ids + at, n, n_logits, e);
        if (rc || n_logits == 0)
            continue;
        pool_run(r->pool, score_one, &s, n_logits);
        rc = add_scores(r, next, n_logits, e);
        if (rc == 0 && r->o->on_progress)
            r->o->on_progress(r->o->ctx, at + n + 1, r->n, exp(r->loss / (double)r->scored));
    }
    return rc;
}

static int run_windows(struct run *r, struct err *e)
{
    int rc = 0;
    for (size_t begin = 0, scored_to = 0; rc == 0 && scored_to < r->n; begin += r->stride) {
        size_t end = r->n - begin < r->context ? r->n : begin + r->context;
        size_t first = scored_to > begin ? scored_to : begin + 1;
        rc = run_window(r, begin, first, end, e);
        scored_to = end;
        r->windows++;
    }
    return rc;
}

/* ---- the result ---- */

static void fill_result(struct run *r, struct lab_eval_result *out)
{
    double n = (double)r->scored;
    *out = (struct lab_eval_result){
        .tokens = r->n,
        .scored = r->scored,
        .windows = r->windows,
        .bytes = r->bytes,
        .context = r->context,
        .stride = r->stride,
        .loss = r->loss / n,
        .perplexity = exp(r->loss / n),
        .bits_per_byte = r->bytes ? r->loss / log(2) / (double)r->bytes : NAN,
    };
    snprintf(out->quantization, sizeof out->quantization, "%s", r->model.info.quantization);
    if (!r->reference.model)
        return;
    snprintf(out->reference_quantization, sizeof out->reference_quantization, "%s",
             r->reference.info.quantization);
    out->reference_perplexity = exp(r->reference_loss / n);
    out->top1_agreement = (double)r->agreed / n;
    out->kl_mean = r->divergence / n;
    out->kl_p50 = score_quantile(r->divergences, r->scored, 0.5);
    out->kl_p95 = score_quantile(r->divergences, r->scored, 0.95);
    out->kl_p99 = score_quantile(r->divergences, r->scored, 0.99);
    out->kl_max = score_quantile(r->divergences, r->scored, 1);
}

static int open_all(struct run *r, struct err *e)
{
    const struct lab_eval_options *o = r->o;
    struct cpu_limits limits;
    cpu_limits_read(&limits, "/");
    int rc = side_open(&r->model, o->model_path, o->isa, o->exact, e);
    if (rc == 0 && o->reference_path)
        rc = side_open(&r->reference, o->reference_path, o->isa, true, e);
    if (rc == 0)
        rc = read_text(r, e);
    if (rc == 0)
        rc = choose_windows(r, e);
    if (rc == 0)
        rc = pool_open(&r->pool, o->threads ? o->threads : limits.threads, e);
    const struct model_pack_options po = {.quant = o->quant,
                                          .folder = o->packed_folder,
                                          .pool = r->pool,
                                          .keep_going = o->keep_going,
                                          .ctx = o->ctx};
    if (rc == 0)
        rc = model_pack(r->model.model, &po, e);
    if (rc)
        return rc;
    model_info(r->model.model, &r->model.info);
    rc = side_allocate(&r->model, r, e);
    if (rc == 0 && o->reference_path)
        rc = side_allocate(&r->reference, r, e);
    if (rc)
        return rc;
    rc = check_ids(r, e);
    if (rc || !o->reference_path)
        return rc;
    r->divergences = calloc(r->n, sizeof *r->divergences);
    return r->divergences ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu tokens", r->n);
}

int lab_eval(const struct lab_eval_options *o, struct lab_eval_result *out, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for an evaluation");
    r->o = o;
    uint64_t began = clock_mono_ns();
    int rc = open_all(r, e);
    if (rc == 0)
        rc = run_windows(r, e);
    if (rc == 0) {
        fill_result(r, out);
        out->seconds = (double)(clock_mono_ns() - began) / 1e9;
    }
    free(r->divergences);
    token_list_release(&r->ids);
    side_close(&r->reference);
    side_close(&r->model);
    pool_close(&r->pool);
    free(r);
    return rc;
}
