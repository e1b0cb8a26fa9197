/* SPDX-License-Identifier: MIT */
/* The one forward pass: tokens in, logits out, keys and values appended.
 *
 * Nothing is allocated in here. A layer is five jobs of the pool for one token: query, key and
 * value; attention; output; gate and up; down (with experts a sixth, the router). What lies between
 * them is so short for one token that the caller does it alone; for many tokens it is cut up as
 * well. */
#include "model/forward.h"
#include "model/chunks.h"
#include "model/rope.h"

enum { REGIME_BROKEN = -1 }; /* keys of no regime: computing them anew was cancelled */

/* One run through the layers, for tokens at positions [first, first + n). */
struct pass {
    struct forward *f;
    struct kv *kv;
    const int32_t *ids;
    size_t first, n, n_logits;
    float *logits;
    bool (*keep_going)(void *ctx);
    void *ctx;
    struct forward_work work;
};

static size_t layer_window(const struct traits *t, size_t i)
{
    return t->layers[i] & LAYER_SLIDING ? (size_t)t->window : 0;
}

static float layer_scale(const struct traits *t, size_t i)
{
    return t->attention_scale_by_layer ? t->attention_scale / (float)(i + 1) : t->attention_scale;
}

static const struct rotation *layer_rotation(const struct forward *f, size_t i)
{
    uint8_t flags = f->model->traits.layers[i];
    const struct rotation *r = flags & LAYER_LOCAL_ROPE ? &f->rope_local : &f->rope;
    return flags & LAYER_NO_ROPE || r->traits->n_rot == 0 ? NULL : r;
}

/* What a block takes: x, normed or as it is. */
static const float *block_input(struct forward *f, float *x, const struct norm *norm, size_t n)
{
    const struct traits *t = &f->model->traits;
    float *normed = t->residual_normed ? x : f->normed;
    if (!norm->there || !t->norm_before)
        return x;
    step_norm(f, x, norm, normed, n);
    return normed;
}

/* x += what a block gives, which is w times in; with the norms that the traits want behind it. */
static void add_product(struct forward *f, const struct matrix *w, struct columns in, float *x,
                        const struct norm *post, const struct norm *norm)
{
    const struct traits *t = &f->model->traits;
    const struct product out = {.in = in, .w = w, .out = f->projected, .stride = (size_t)t->n_embd};
    bool alone = !post->there && !t->norm_after;
    const struct finish finish = {.scale = t->residual_scale, .residual = x};
    step_products(f, &out, 1, alone ? &finish : &(struct finish){0});
    if (!alone)
        step_residual(f, x, post, t->norm_after ? norm : NULL, in.n);
}

/* Queries, keys and values of n tokens. */
static void project_heads(struct forward *f, const struct layer *layer, const float *x, float *keys,
                          float *values, size_t n)
{
    const struct model *m = f->model;
    size_t q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    bool q8 = layer->q.q8 || layer->k.q8 || layer->v.q8;
    struct columns in = step_columns(f, x, n, (size_t)m->traits.n_embd, q8, f->q8);
    const struct product parts[] = {
        {.in = in, .w = &layer->q, .out = f->query, .stride = q_dim},
        {.in = in, .w = &layer->k, .out = keys, .stride = kv_dim},
        {.in = in, .w = &layer->v, .out = values, .stride = kv_dim},
    };
    step_products(f, parts, 3, &(struct finish){.clamp = m->traits.clip_qkv});
}

/* The feed-forward block of n tokens: in is its input, x the stream it is added to. */
static void feed_forward_block(struct forward *f, const struct layer *layer, const float *in,
                               float *x, size_t n)
{
    const struct traits *t = &f->model->traits;
    if (layer->router.n_rows) {
        step_experts(f, layer, in, n);
        step_residual(f, x, &layer->ffn_post_norm, t->norm_after ? &layer->ffn_norm : NULL, n);
        return;
    }
    bool q8 = layer->up.q8 || (t->gated && layer->gate.q8);
    const struct product inner = {
        .in = step_columns(f, in, n, (size_t)t->n_embd, q8, f->q8),
        .w = t->gated ? &layer->gate : &layer->up,
        .up = t->gated ? &layer->up : NULL,
        .out = f->gate,
        .up_out = f->up,
        .stride = (size_t)t->n_ff,
    };
    step_products(f, &inner, 1, &(struct finish){.activated = !t->gated});
    add_product(f, &layer->down,
                step_columns(f, f->gate, n, (size_t)t->n_ff, layer->down.q8, f->q8), x,
                &layer->ffn_post_norm, &layer->ffn_norm);
}

/* Layer i. Tokens before skip only leave their keys and values: no later layer and no logits need
 * the rest of them. */
static void run_layer(struct pass *p, size_t i, size_t skip)
{
    struct forward *f = p->f;
    const struct model *m = f->model;
    const struct traits *t = &m->traits;
    const struct layer *layer = &m->layers[i];
    size_t n_embd = (size_t)t->n_embd, q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    size_t base = i * (size_t)p->kv->capacity * kv_dim, n = p->n - skip;
    float *keys = p->kv->keys + base, *values = p->kv->values + base;
    float *new_keys = keys + p->first * kv_dim, *new_values = values + p->first * kv_dim;
    const float *in = block_input(f, f->x, &layer->attn_norm, p->n);
    project_heads(f, layer, in, new_keys, new_values, p->n);
    step_heads(f, layer, layer_rotation(f, i), new_keys, p->n);
    if (n == 0)
        return;
    step_attend(f, f->query + skip * q_dim, keys, values, p->first + skip, n, layer_window(t, i),
                layer_scale(t, i));
    float *x = f->x + skip * n_embd;
    in += skip * n_embd;
    if (t->parallel && !t->parallel_one_norm) /* of x before attention is added to it */
        in = block_input(f, x, &layer->ffn_norm, n);
    add_product(f, &layer->o, step_columns(f, f->attended, n, q_dim, layer->o.q8, f->q8), x,
                &layer->attn_post_norm, &layer->attn_norm);
    if (!t->parallel)
        in = block_input(f, x, &layer->ffn_norm, n);
    feed_forward_block(f, layer, in, x, n);
}

static void run_head(struct pass *p, const float *x)
{
    struct forward *f = p->f;
    const struct model *m = f->model;
    const struct traits *t = &m->traits;
    const float *in = x;
    if (m->output_norm.there) {
        step_norm(f, x, &m->output_norm, f->normed, p->n_logits);
        in = f->normed;
    }
    if (m->head_in.n_rows) {
        const struct product out = {
            .in = step_columns(f, in, p->n_logits, (size_t)t->n_embd, m->head_in.q8, f->q8),
            .w = &m->head_in,
            .out = f->token,
            .stride = m->head_in.n_rows,
        };
        step_products(f, &out, 1, &(struct finish){0});
        in = f->token;
    }
    const struct product out = {
        .in = step_columns(f, in, p->n_logits, m->head.n_cols, m->head.q8, f->q8),
        .w = &m->head,
        .out = p->logits,
        .stride = (size_t)t->n_vocab,
    };
    step_products(f, &out, 1,
                  &(struct finish){.scale = t->logit_scale, .softcap = t->final_softcap});
}

/* Positions that the pass's queries see in a layer: first + 1, first + 2, …, window at most. */
static uint64_t positions_seen(const struct pass *p, size_t window)
{
    uint64_t n = p->n, first = p->first, whole = n;
    if (window && first + n > window)
        whole = window > first ? window - first : 0;
    return whole * first + whole * (whole + 1) / 2 + (n - whole) * window;
}

static uint64_t matrix_bytes(const struct matrix *w)
{
    return (uint64_t)w->n_rows * w->row_bytes;
}

static uint64_t matrix_weights(const struct matrix *w)
{
    return (uint64_t)w->n_rows * w->n_cols;
}

/* layers_bytes has each layer's n_expert_used experts, a batch may read more of them. */
static void add_work(struct pass *p)
{
    const struct model *m = p->f->model;
    const struct traits *t = &m->traits;
    uint64_t seen = 0, n = p->n;
    for (size_t i = 0; i < (size_t)t->n_layer; i++)
        seen += positions_seen(p, layer_window(t, i));
    uint64_t outside = matrix_weights(&m->embedding_in) * n +
                       (matrix_weights(&m->head_in) + matrix_weights(&m->head)) * p->n_logits;
    uint64_t bytes = m->layers_bytes + p->f->experts.bytes + matrix_bytes(&m->embedding_in) +
                     n * (m->embedding.row_bytes + m->positions.row_bytes);
    if (p->n_logits)
        bytes += matrix_bytes(&m->head_in) + matrix_bytes(&m->head);
    p->work.multiply_adds += m->layers_weights * n + outside + 2 * model_q_dim(m) * seen;
    p->work.bytes_read += bytes + 2 * model_kv_dim(m) * seen * sizeof(float);
}

static int run_pass(struct pass *p, struct err *e)
{
    struct forward *f = p->f;
    const struct traits *t = &f->model->traits;
    size_t skip = 0;
    f->experts.bytes = 0;
    step_embed(f, p->ids, p->first, p->n);
    for (size_t i = 0; i < (size_t)t->n_layer; i++) {
        if (p->keep_going && !p->keep_going(p->ctx))
            return err_set(e, ERR_CANCELLED, "cancelled");
        if (i + 1 == (size_t)t->n_layer)
            skip = p->n - p->n_logits;
        run_layer(p, i, skip);
    }
    if (p->n_logits)
        run_head(p, f->x + skip * (size_t)t->n_embd);
    add_work(p);
    return 0;
}

/* The keys of all that is in kv under the rotations of regime. */
static int compute_anew(const struct pass *call, int32_t regime, struct forward_work *work,
                        struct err *e)
{
    struct kv *kv = call->kv;
    size_t length = (size_t)kv->n;
    int code = 0;
    kv->regime = REGIME_BROKEN;
    for (size_t first = 0; first < length && !code; first += (size_t)call->f->n_batch) {
        struct pass p = *call;
        p.ids = kv->ids + first;
        p.first = first;
        p.n = min_size((size_t)call->f->n_batch, length - first);
        p.n_logits = 0;
        code = run_pass(&p, e);
        work->multiply_adds += p.work.multiply_adds;
        work->bytes_read += p.work.bytes_read;
    }
    if (!code)
        kv->regime = regime;
    return code;
}

static int check_call(const struct forward *f, const struct kv *kv, const int32_t *ids, int32_t n,
                      int32_t n_logits, struct err *e)
{
    if (n < 1 || n > f->n_batch)
        return err_set(e, ERR_RANGE, "%d tokens in one call: expected 1 to %d", n, f->n_batch);
    if (n_logits < 0 || n_logits > n)
        return err_set(e, ERR_RANGE, "logits of %d tokens: expected 0 to %d", n_logits, n);
    if (n > kv->capacity - kv->n)
        return err_set(e, ERR_LIMIT, "%d tokens after %d: the context holds %d", n, kv->n,
                       kv->capacity);
    for (int32_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= f->model->traits.n_vocab)
            return err_set(e, ERR_RANGE, "token id %d: expected 0 to %d", ids[i],
                           f->model->traits.n_vocab - 1);
    return 0;
}

int model_forward(const struct model *m, struct forward *f, struct kv *kv, const int32_t *ids,
                  int32_t n, int32_t n_logits, float *logits, bool (*keep_going)(void *ctx),
                  void *ctx, struct forward_work *work, struct err *e)
{
    int code = check_call(f, kv, ids, n, n_logits, e);
    if (code)
        return code;
    struct pass p = {
        .f = f,
        .kv = kv,
        .ids = ids,
        .first = (size_t)kv->n,
        .n = (size_t)n,
        .n_logits = (size_t)n_logits,
        .logits = logits,
        .keep_going = keep_going,
        .ctx = ctx,
    };
    struct forward_work anew = {0};
    int32_t length = kv->n + n > kv->expected ? kv->n + n : kv->expected;
    int32_t regime = rope_regime(&m->traits.rope, length);
    forward_set_regime(f, regime);
    if (kv->n == 0)
        kv->regime = regime;
    if (kv->regime != regime)
        code = compute_anew(&p, regime, &anew, e);
    if (!code)
        code = run_pass(&p, e);
    if (code)
        return code;
    if (work) {
        work->multiply_adds += anew.multiply_adds + p.work.multiply_adds;
        work->bytes_read += anew.bytes_read + p.work.bytes_read;
    }
    if (kv->ids)
        memcpy(kv->ids + kv->n, ids, (size_t)n * sizeof *ids);
    kv->n += n;
    return 0;
}
