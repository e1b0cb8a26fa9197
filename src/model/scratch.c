/* SPDX-License-Identifier: MIT */
/* The scratch of a forward pass: one mapping, so that long contexts' scores and large batches cost
 * memory only once they are used. */
#include "model/forward.h"
#include "model/chunks.h"
#include "model/rope.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { BATCH_MAX = 65536, CACHE_LINE = 64, REGIME_UNSET = -1 };

/* The mapping as it is dealt out. map NULL: only the size. */
struct layout {
    char *map;
    size_t total;
    bool ok; /* false: a size overflowed */
};

/* The next array, of n * count elements, on a cache line of its own. */
static void *take(struct layout *l, size_t n, size_t count, size_t size)
{
    size_t bytes, offset = l->total;
    l->ok = l->ok && size_mul(n, count, &bytes) && size_mul(bytes, size, &bytes) &&
            size_add(bytes, CACHE_LINE - 1, &bytes) &&
            size_add(l->total, bytes & ~(size_t)(CACHE_LINE - 1), &l->total);
    return l->ok && l->map ? l->map + offset : NULL;
}

static void lay_out_rotation(struct layout *l, struct rotation *r, size_t n)
{
    size_t pairs = (size_t)r->traits->n_rot / 2;
    r->inverse = take(l, 1, pairs, sizeof *r->inverse);
    r->cosines = take(l, n, pairs, sizeof *r->cosines);
    r->sines = take(l, n, pairs, sizeof *r->sines);
}

static void lay_out_experts(struct forward *f, struct layout *l)
{
    const struct traits *t = &f->model->traits;
    size_t n = (size_t)f->n_batch, n_expert = (size_t)t->n_expert, n_entries;
    size_t n_used = (size_t)t->n_expert_used, n_ff = (size_t)t->n_ff_expert;
    size_t blocks = divide_up(max_size((size_t)t->n_embd, n_ff), 32);
    l->ok = l->ok && size_mul(n, n_used, &n_entries);
    if (!l->ok)
        return;
    f->experts.router = take(l, n, n_expert, sizeof *f->experts.router);
    f->experts.shared_gate = take(l, n, 1, sizeof *f->experts.shared_gate);
    f->experts.chosen = take(l, n, n_used, sizeof *f->experts.chosen);
    f->experts.share = take(l, n, n_used, sizeof *f->experts.share);
    f->experts.entry = take(l, n, n_used, sizeof *f->experts.entry);
    f->experts.count = take(l, 1, n_expert, sizeof *f->experts.count);
    f->experts.rows = take(l, n_entries, (size_t)t->n_embd, sizeof *f->experts.rows);
    f->experts.gate = take(l, n_entries, n_ff, sizeof *f->experts.gate);
    f->experts.up = take(l, n_entries, n_ff, sizeof *f->experts.up);
    f->experts.q8 = take(l, n_entries, blocks, sizeof *f->experts.q8);
    /* … and the shared one */
    f->experts.parts = take(l, 1, n_expert + 1, sizeof *f->experts.parts);
}

/* The arrays' places; false when their size overflows. f->map NULL: only the size. */
static bool lay_out(struct forward *f)
{
    const struct traits *t = &f->model->traits;
    struct layout l = {f->map, 0, true};
    size_t n = (size_t)f->n_batch, threads = (size_t)f->n_threads, n_embd = (size_t)t->n_embd;
    size_t q_dim = model_q_dim(f->model), n_token = (size_t)t->n_embd_token;
    size_t n_ff = max_size((size_t)t->n_ff, (size_t)t->n_ff_shared);
    size_t longest = max_size(max_size(n_embd, n_token), max_size(q_dim, n_ff));
    f->longest_row = longest = max_size(longest, (size_t)t->n_ff_expert);
    f->x = take(&l, n, n_embd, sizeof *f->x);
    f->normed = take(&l, n, n_embd, sizeof *f->normed);
    f->projected = take(&l, n, n_embd, sizeof *f->projected);
    f->token = take(&l, n, n_token, sizeof *f->token);
    f->query = take(&l, n, q_dim, sizeof *f->query);
    f->attended = take(&l, n, q_dim, sizeof *f->attended);
    f->gate = take(&l, n, n_ff, sizeof *f->gate);
    f->up = take(&l, n, n_ff, sizeof *f->up);
    f->q8 = take(&l, n, divide_up(longest, 32), sizeof *f->q8);
    f->row = take(&l, threads, longest, sizeof *f->row);
    l.ok = l.ok && size_mul(attend_queries(t), (size_t)t->n_ctx, &f->scores_size);
    f->scores = take(&l, threads, f->scores_size, sizeof *f->scores);
    lay_out_rotation(&l, &f->rope, n);
    lay_out_rotation(&l, &f->rope_local, n);
    if (t->n_expert)
        lay_out_experts(f, &l);
    f->map_bytes = l.total;
    return l.ok;
}

int forward_open(struct forward **out, const struct model *m, struct pool *pool, int32_t n_batch,
                 struct err *e)
{
    if (n_batch < 1 || n_batch > BATCH_MAX)
        return err_set(e, ERR_RANGE, "batch %d: expected 1 to %d tokens", n_batch, BATCH_MAX);
    struct forward *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "batch %d: no memory", n_batch);
    *f = (struct forward){.model = m,
                          .pool = pool,
                          .n_threads = pool_threads(pool),
                          .n_batch = n_batch,
                          .regime = REGIME_UNSET,
                          .rope = {.traits = &m->traits.rope},
                          .rope_local = {.traits = &m->traits.rope_local}};
    void *map = MAP_FAILED;
    if (lay_out(f))
        map = mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        free(f);
        return err_set(e, ERR_NOMEM, "batch %d: no memory for activations", n_batch);
    }
    f->map = map;
    lay_out(f);
    forward_set_regime(f, 0);
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

static void set_frequencies(struct rotation *r, int32_t regime, const float *divisors)
{
    if (r->traits->n_rot)
        r->magnitude = rope_frequencies(r->traits, regime, divisors, r->inverse);
}

void forward_set_regime(struct forward *f, int32_t regime)
{
    if (f->regime == regime)
        return;
    set_frequencies(&f->rope, regime, f->model->rope_divisors);
    set_frequencies(&f->rope_local, regime, NULL);
    f->regime = regime;
}
