/* SPDX-License-Identifier: MIT */
/* The feed-forward block of a layer with experts: see forward.h.
 *
 * Each token's router picks n_expert_used of n_expert feed-forward blocks; its result is theirs,
 * weighed, plus that of the shared expert. All tokens of a call that picked an expert are its
 * columns in one product, so that its rows are read once, and all experts are one job of the pool,
 * so that a single token's few experts keep all threads busy. A token's result is added up in the
 * order of the experts' numbers, whoever shares the call. */
#include "model/chunks.h"

#include <math.h>
#include <string.h>

/* ---- the router ---- */

struct experts_job {
    struct forward *f;
    const float *x; /* [n][n_embd] */
    size_t n, n_chunk;
    bool shared, shared_gated;
};

/* Probabilities of all experts from their logits. One that is NaN counts as 0. */
static void softmax(float *x, size_t n)
{
    float max = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)exp((double)x[i] - (double)max);
        sum += (double)x[i];
    }
    for (size_t i = 0; i < n; i++) {
        float p = (float)((double)x[i] / sum);
        x[i] = p >= 0 ? p : 0;
    }
}

/* The n_used largest of p[n], the first of equals, by falling size. Spoils p. */
static void choose(float *p, size_t n, int32_t *chosen, float *share, size_t n_used)
{
    for (size_t k = 0; k < n_used; k++) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (p[i] > p[best])
                best = i;
        chosen[k] = (int32_t)best;
        share[k] = p[best];
        p[best] = -1; /* below any that is left */
    }
}

static void sort_by_expert(int32_t *chosen, float *share, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        int32_t expert = chosen[i];
        float own = share[i];
        size_t at = i;
        for (; at > 0 && chosen[at - 1] > expert; at--) {
            chosen[at] = chosen[at - 1];
            share[at] = share[at - 1];
        }
        chosen[at] = expert;
        share[at] = own;
    }
}

static void route_chunk(void *ctx, size_t chunk, int worker)
{
    const struct experts_job *j = ctx;
    const struct traits *traits = &j->f->model->traits;
    size_t n_expert = (size_t)traits->n_expert, n_used = (size_t)traits->n_expert_used;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        float *p = j->f->experts.router + t * n_expert, *share = j->f->experts.share + t * n_used;
        int32_t *chosen = j->f->experts.chosen + t * n_used;
        softmax(p, n_expert);
        choose(p, n_expert, chosen, share, n_used);
        if (traits->expert_norm) {
            float sum = 0;
            for (size_t k = 0; k < n_used; k++)
                sum += share[k];
            for (size_t k = 0; k < n_used; k++)
                share[k] /= sum;
        }
        sort_by_expert(chosen, share, n_used);
    }
}

static void route(struct experts_job *j, const struct layer *layer, struct columns in)
{
    struct forward *f = j->f;
    size_t n_expert = (size_t)f->model->traits.n_expert;
    const struct product parts[] = {
        {.in = in, .w = &layer->router, .out = f->experts.router, .stride = n_expert},
        {.in = in, .w = &layer->shared_router, .out = f->experts.shared_gate, .stride = 1},
    };
    step_products(f, parts, j->shared_gated ? 2 : 1, &(struct finish){0});
    j->n_chunk = chunk_items(f, j->n, n_expert * (size_t)f->model->traits.n_expert_used);
    run_chunks(f, route_chunk, j, j->n, j->n_chunk);
}

/* ---- entries ---- */

/* Entries' numbers expert by expert, tokens rising; experts.count becomes each expert's number of
 * them. */
static void number_entries(struct forward *f, size_t n)
{
    const struct traits *t = &f->model->traits;
    size_t n_picks = n * (size_t)t->n_expert_used;
    int32_t *count = f->experts.count, next = 0;
    memset(count, 0, (size_t)t->n_expert * sizeof *count);
    for (size_t i = 0; i < n_picks; i++)
        count[f->experts.chosen[i]]++;
    for (int32_t e = 0; e < t->n_expert; e++) {
        int32_t own = count[e];
        count[e] = next;
        next += own;
    }
    for (size_t i = 0; i < n_picks; i++)
        f->experts.entry[i] = count[f->experts.chosen[i]]++;
    for (int32_t e = t->n_expert - 1; e > 0; e--)
        count[e] -= count[e - 1];
}

static void gather_chunk(void *ctx, size_t chunk, int worker)
{
    const struct experts_job *j = ctx;
    const struct traits *traits = &j->f->model->traits;
    size_t n_embd = (size_t)traits->n_embd, n_used = (size_t)traits->n_expert_used;
    (void)worker;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++)
        for (size_t k = t * n_used; k < (t + 1) * n_used; k++)
            memcpy(j->f->experts.rows + (size_t)j->f->experts.entry[k] * n_embd, j->x + t * n_embd,
                   n_embd * sizeof *j->x);
}

/* ---- products ---- */

/* Whether an expert that was chosen wants 8-bit columns for its gate and up, or for its down. */
static bool inner_wants_q8(const struct forward *f, const struct layer *layer)
{
    for (int32_t e = 0; e < f->model->traits.n_expert; e++)
        if (f->experts.count[e] && (layer->experts[e].up.q8 || layer->experts[e].gate.q8))
            return true;
    return false;
}

static bool outer_wants_q8(const struct forward *f, const struct layer *layer)
{
    for (int32_t e = 0; e < f->model->traits.n_expert; e++)
        if (f->experts.count[e] && layer->experts[e].down.q8)
            return true;
    return false;
}

/* The columns [first, first + n) of in. */
static struct columns columns_slice(const struct columns *in, size_t first, size_t n)
{
    return (struct columns){
        .x = in->x + first * in->length,
        .q8 = in->q8 ? in->q8 + first * (in->length / 32) : NULL,
        .n = n,
        .length = in->length,
    };
}

/* Gate and up: entries are the experts' columns; a single token is the column of all its experts.
 * tokens: the shared expert's columns. */
static void run_inner(const struct experts_job *j, const struct layer *layer,
                      const struct columns *entries, const struct columns *tokens)
{
    struct forward *f = j->f;
    const struct traits *t = &f->model->traits;
    size_t n_parts = 0, first = 0, n_ff = (size_t)t->n_ff_expert;
    for (int32_t e = 0; e < t->n_expert; e++) {
        const struct expert *x = &layer->experts[e];
        size_t n = (size_t)f->experts.count[e];
        if (n == 0)
            continue;
        f->experts.parts[n_parts++] = (struct product){
            .in = columns_slice(entries, j->n == 1 ? 0 : first, n),
            .w = t->gated ? &x->gate : &x->up,
            .up = t->gated ? &x->up : NULL,
            .out = f->experts.gate + first * n_ff,
            .up_out = f->experts.up + first * n_ff,
            .stride = n_ff,
        };
        first += n;
    }
    if (j->shared)
        f->experts.parts[n_parts++] = (struct product){
            .in = *tokens,
            .w = t->gated ? &layer->gate : &layer->up,
            .up = t->gated ? &layer->up : NULL,
            .out = f->gate,
            .up_out = f->up,
            .stride = (size_t)t->n_ff_shared,
        };
    step_products(f, f->experts.parts, n_parts, &(struct finish){.activated = !t->gated});
}

/* Down: the experts' results into experts.rows, the shared one's into f->projected. */
static void run_outer(const struct experts_job *j, const struct layer *layer,
                      const struct columns *entries, const struct columns *tokens)
{
    struct forward *f = j->f;
    const struct traits *t = &f->model->traits;
    size_t n_parts = 0, first = 0, n_embd = (size_t)t->n_embd;
    for (int32_t e = 0; e < t->n_expert; e++) {
        size_t n = (size_t)f->experts.count[e];
        if (n == 0)
            continue;
        f->experts.parts[n_parts++] = (struct product){
            .in = columns_slice(entries, first, n),
            .w = &layer->experts[e].down,
            .out = f->experts.rows + first * n_embd,
            .stride = n_embd,
        };
        first += n;
    }
    if (j->shared)
        f->experts.parts[n_parts++] = (struct product){
            .in = *tokens, .w = &layer->down, .out = f->projected, .stride = n_embd};
    step_products(f, f->experts.parts, n_parts, &(struct finish){0});
}

/* ---- results ---- */

static float sigmoid(float x)
{
    return (float)(1 / (1 + exp(-(double)x)));
}

static void combine_chunk(void *ctx, size_t chunk, int worker)
{
    const struct experts_job *j = ctx;
    struct forward *f = j->f;
    const struct kernels *kernels = f->model->kernels;
    const struct traits *traits = &f->model->traits;
    size_t n_embd = (size_t)traits->n_embd, n_used = (size_t)traits->n_expert_used;
    float *sum = f->row + (size_t)worker * f->longest_row;
    for (size_t t = chunk * j->n_chunk; t < min_size(j->n, (chunk + 1) * j->n_chunk); t++) {
        float *y = f->projected + t * n_embd;
        memset(sum, 0, n_embd * sizeof *sum);
        for (size_t k = t * n_used; k < (t + 1) * n_used; k++)
            kernels->add_scaled(sum, f->experts.rows + (size_t)f->experts.entry[k] * n_embd,
                                f->experts.share[k], n_embd);
        if (j->shared)
            kernels->add_scaled(sum, y, j->shared_gated ? sigmoid(f->experts.shared_gate[t]) : 1,
                                n_embd);
        memcpy(y, sum, n_embd * sizeof *y);
    }
}

/* Bytes of experts beyond those that one token reads. */
static uint64_t more_bytes(const struct forward *f, const struct layer *layer)
{
    const struct traits *t = &f->model->traits;
    const struct expert *x = layer->experts;
    uint64_t read = 0;
    for (int32_t e = 0; e < t->n_expert; e++)
        read += f->experts.count[e] > 0;
    uint64_t each = (uint64_t)x->up.n_rows * x->up.row_bytes +
                    (uint64_t)x->gate.n_rows * x->gate.row_bytes +
                    (uint64_t)x->down.n_rows * x->down.row_bytes;
    return (read - (uint64_t)t->n_expert_used) * each;
}

void step_experts(struct forward *f, const struct layer *layer, const float *x, size_t n)
{
    const struct traits *t = &f->model->traits;
    size_t n_embd = (size_t)t->n_embd, n_entries = n * (size_t)t->n_expert_used;
    bool q8 = layer->router.q8 || layer->shared_router.q8 || layer->gate.q8 || layer->up.q8;
    struct experts_job j = {.f = f,
                            .x = x,
                            .n = n,
                            .shared = layer->up.n_rows != 0,
                            .shared_gated = layer->shared_router.n_rows != 0};
    struct columns tokens = step_columns(f, x, n, n_embd, q8, f->q8), entries;
    route(&j, layer, tokens);
    number_entries(f, n);
    bool inner_q8 = inner_wants_q8(f, layer);
    if (n > 1) {
        j.n_chunk = chunk_items(f, n, (size_t)t->n_expert_used * n_embd);
        run_chunks(f, gather_chunk, &j, n, j.n_chunk);
        entries = step_columns(f, f->experts.rows, n_entries, n_embd, inner_q8, f->experts.q8);
    } else {
        entries = q8 ? tokens : step_columns(f, x, n, n_embd, inner_q8, f->q8);
    }
    run_inner(&j, layer, &entries, &tokens);
    entries = step_columns(f, f->experts.gate, n_entries, (size_t)t->n_ff_expert,
                           outer_wants_q8(f, layer), f->experts.q8);
    if (j.shared)
        tokens = step_columns(f, f->gate, n, (size_t)t->n_ff_shared, layer->down.q8, f->q8);
    run_outer(&j, layer, &entries, &tokens);
    j.n_chunk = chunk_items(f, n, ((size_t)t->n_expert_used + 1) * n_embd);
    run_chunks(f, combine_chunk, &j, n, j.n_chunk);
    f->experts.bytes += more_bytes(f, layer);
}
