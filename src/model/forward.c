/* SPDX-License-Identifier: MIT */
/* The one forward pass: tokens in, logits out, keys and values appended.
 *
 * Nothing is allocated in here. A layer is five jobs of the pool for one token: query, key and
 * value; attention; output; gate and up; down. What lies between them is so short for one token
 * that the caller does it alone; for many tokens it is cut up as well. */
#include "model/forward.h"
#include "model/rope.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { BATCH_MAX = 65536, CACHE_LINE = 64 };

/* ---- scratch ---- */

/* Adds count elements to the plan; *offset is where they begin. */
static bool plan(size_t *total, size_t *offset, size_t n, size_t count, size_t size)
{
    size_t bytes;
    *offset = *total;
    return size_mul(n, count, &bytes) && size_mul(bytes, size, &bytes) &&
           size_add(bytes, CACHE_LINE - 1, &bytes) &&
           size_add(*total, bytes & ~(size_t)(CACHE_LINE - 1), total);
}

/* The arrays' places in one mapping; false when it overflows. f->map NULL: only the size. */
static bool lay_out(struct forward *f)
{
    const struct traits *t = &f->model->traits;
    size_t n = (size_t)f->n_batch, threads = (size_t)f->n_threads, n_embd = (size_t)t->n_embd;
    size_t q_dim = model_q_dim(f->model), n_ff = (size_t)t->n_ff;
    size_t longest = n_embd > n_ff ? n_embd : n_ff;
    longest = longest > q_dim ? longest : q_dim;
    f->longest_row = longest;
    const struct {
        float **to;
        size_t n, count;
    } arrays[] = {
        {&f->x, n, n_embd},
        {&f->normed, n, n_embd},
        {&f->projected, n, n_embd},
        {&f->query, n, q_dim},
        {&f->attended, n, q_dim},
        {&f->gate, n, n_ff},
        {&f->up, n, n_ff},
        {&f->cosines, n, (size_t)t->rope.n_rot / 2},
        {&f->sines, n, (size_t)t->rope.n_rot / 2},
        {&f->row, threads, longest},
        {&f->scores, threads, (size_t)t->n_ctx},
    };
    size_t total = 0, offset;
    bool ok = plan(&total, &offset, n, (longest + 31) / 32, sizeof *f->q8);
    if (f->map)
        f->q8 = f->map;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && ok; i++) {
        ok = plan(&total, &offset, arrays[i].n, arrays[i].count, sizeof(float));
        if (f->map)
            *arrays[i].to = (float *)(void *)((char *)f->map + offset);
    }
    f->map_bytes = total;
    return ok;
}

int forward_open(struct forward **out, const struct model *m, struct pool *pool, int32_t n_batch,
                 struct err *e)
{
    if (n_batch < 1 || n_batch > BATCH_MAX)
        return err_set(e, ERR_RANGE, "batch %d: expected 1 to %d tokens", n_batch, BATCH_MAX);
    struct forward *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "batch %d: no memory", n_batch);
    *f = (struct forward){
        .model = m, .pool = pool, .n_threads = pool_threads(pool), .n_batch = n_batch};
    void *map = MAP_FAILED;
    if (lay_out(f)) /* mapped: long contexts' scores cost memory only once they are long */
        map = mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        free(f);
        return err_set(e, ERR_NOMEM, "batch %d: no memory for activations", n_batch);
    }
    f->map = map;
    lay_out(f);
    *out = f;
    return 0;
}

void forward_close(struct forward **p)
{
    struct forward *f = *p;
    if (!f)
        return;
    munmap(f->map, f->map_bytes);
    free(f);
    *p = NULL;
}

size_t forward_bytes(const struct forward *f)
{
    return f->map_bytes;
}

int32_t forward_batch(const struct forward *f)
{
    return f->n_batch;
}

/* ---- the pass ---- */

static void embed(struct forward *f, const int32_t *ids, size_t first, size_t n)
{
    const struct model *m = f->model;
    size_t n_embd = (size_t)m->traits.n_embd, n_rot = (size_t)m->traits.rope.n_rot;
    for (size_t t = 0; t < n; t++) {
        m->kernels->dequant(m->embedding.type,
                            m->embedding.data + (size_t)ids[t] * m->embedding.row_bytes,
                            f->x + t * n_embd, n_embd);
        rope_angles(m->rope_inverse, m->traits.rope.n_rot, m->rope_magnitude, (int32_t)(first + t),
                    f->cosines + t * (n_rot / 2), f->sines + t * (n_rot / 2));
    }
}

/* Attention of layer i for tokens at [kv->n, kv->n + n); those before skip only leave their keys
 * and values: no later layer and no logits need the rest of them. */
static void attention_block(struct forward *f, struct kv *kv, size_t i, size_t n, size_t skip)
{
    const struct model *m = f->model;
    const struct layer *layer = &m->layers[i];
    size_t n_embd = (size_t)m->traits.n_embd, q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    size_t first = (size_t)kv->n, base = i * (size_t)kv->capacity * kv_dim;
    float *keys = kv->keys + base, *values = kv->values + base;
    const struct product in[] = {
        {&layer->q, f->query, q_dim},
        {&layer->k, keys + first * kv_dim, kv_dim},
        {&layer->v, values + first * kv_dim, kv_dim},
    };
    step_norm(f, f->x, layer->attn_norm, n);
    struct columns columns = step_columns(f, f->normed, n, n_embd, in, 3);
    step_products(f, &columns, in, 3, NULL);
    step_rotate(f, keys + first * kv_dim, n);
    if (skip == n)
        return;
    step_attend(f, f->query + skip * q_dim, keys, values, first + skip, n - skip);
    const struct product out = {&layer->o, f->projected, n_embd};
    columns = step_columns(f, f->attended, n - skip, q_dim, &out, 1);
    step_products(f, &columns, &out, 1, f->x + skip * n_embd);
}

static void feed_forward_block(struct forward *f, const struct layer *layer, float *x, size_t n)
{
    size_t n_embd = (size_t)f->model->traits.n_embd, n_ff = (size_t)f->model->traits.n_ff;
    const struct product in[] = {{&layer->gate, f->gate, n_ff}, {&layer->up, f->up, n_ff}};
    const struct product out = {&layer->down, f->projected, n_embd};
    step_norm(f, x, layer->ffn_norm, n);
    struct columns columns = step_columns(f, f->normed, n, n_embd, in, 2);
    step_gated(f, &columns, &in[0], &in[1]);
    columns = step_columns(f, f->gate, n, n_ff, &out, 1);
    step_products(f, &columns, &out, 1, x);
}

static void head_block(struct forward *f, const float *x, size_t n, float *logits)
{
    const struct model *m = f->model;
    const struct product out = {&m->head, logits, (size_t)m->traits.n_vocab};
    step_norm(f, x, m->output_norm, n);
    struct columns columns = step_columns(f, f->normed, n, (size_t)m->traits.n_embd, &out, 1);
    step_products(f, &columns, &out, 1, NULL);
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

static void add_work(const struct model *m, size_t first, size_t n, size_t n_logits,
                     struct forward_work *work)
{
    const struct matrix *head = &m->head;
    /* Positions that n queries see: first + 1, first + 2, … */
    uint64_t seen = (uint64_t)n * first + (uint64_t)n * (n + 1) / 2;
    uint64_t layers = (uint64_t)m->traits.n_layer;
    work->multiply_adds += layers * (m->layer_weights * n + 2 * model_q_dim(m) * seen) +
                           head->n_rows * head->n_cols * n_logits;
    work->bytes_read += m->layers_bytes + n * m->embedding.row_bytes +
                        2 * layers * model_kv_dim(m) * seen * sizeof(float) +
                        (n_logits ? head->n_rows * head->row_bytes : 0);
}

int model_forward(const struct model *m, struct forward *f, struct kv *kv, const int32_t *ids,
                  int32_t n, int32_t n_logits, float *logits, bool (*keep_going)(void *ctx),
                  void *ctx, struct forward_work *work, struct err *e)
{
    int code = check_call(f, kv, ids, n, n_logits, e);
    if (code)
        return code;
    size_t n_embd = (size_t)m->traits.n_embd, count = (size_t)n, skip = 0;
    embed(f, ids, (size_t)kv->n, count);
    for (size_t i = 0; i < (size_t)m->traits.n_layer; i++) {
        if (keep_going && !keep_going(ctx))
            return err_set(e, ERR_CANCELLED, "cancelled");
        if (i + 1 == (size_t)m->traits.n_layer)
            skip = count - (size_t)n_logits;
        attention_block(f, kv, i, count, skip);
        if (skip < count)
            feed_forward_block(f, &m->layers[i], f->x + skip * n_embd, count - skip);
    }
    if (n_logits)
        head_block(f, f->x + skip * n_embd, (size_t)n_logits, logits);
    if (work)
        add_work(m, (size_t)kv->n, count, (size_t)n_logits, work);
    kv->n += n;
    return 0;
}
