/* SPDX-License-Identifier: MIT */
/* Nothing is sorted: top-k's border comes from a heap of k, top-p's from a selection by mass, so a
 * token costs O(vocabulary). Probabilities are kept relative to the largest one (which is exactly
 * 1), which saves dividing by their sum. Not-a-number logits are never chosen. */
#include "engine/sampler.h"

#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>

struct candidate {
    float p; /* relative to the largest */
    int32_t id;
};

struct sampler {
    int32_t n_vocab;
    struct sampler_options o;
    struct rng rng;
    struct candidate *candidates; /* [n_vocab] */
    float *heap;                  /* [n_vocab]: top-k's */
    int32_t *seen;                /* [n_vocab], n_seen used: each id once */
    uint8_t *is_seen;             /* [n_vocab] */
    size_t n_seen;
};

static int check_float(const char *field, float v, float min, float max, struct err *e)
{
    if (v >= min && v <= max)
        return 0;
    return err_set(e, ERR_RANGE, "request: %s: %g, expected %g to %g", field, (double)v,
                   (double)min, (double)max);
}

int sampler_check(const struct sampler_options *o, struct err *e)
{
    int rc = check_float("temperature", o->temperature, 0, 100, e);
    if (rc == 0)
        rc = check_float("top_p", o->top_p, 0, 1, e);
    if (rc == 0)
        rc = check_float("min_p", o->min_p, 0, 1, e);
    if (rc == 0)
        rc = check_float("repetition_penalty", o->repetition_penalty, 0.01F, 10, e);
    if (rc == 0 && o->top_k < 0)
        rc = err_set(e, ERR_RANGE, "request: top_k: %d, expected 0 or more", (int)o->top_k);
    return rc;
}

int sampler_open(struct sampler **out, int32_t n_vocab, struct err *e)
{
    size_t n = (size_t)n_vocab;
    struct sampler *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the sampler");
    s->n_vocab = n_vocab;
    s->candidates = calloc(n, sizeof *s->candidates);
    s->heap = calloc(n, sizeof *s->heap);
    s->seen = calloc(n, sizeof *s->seen);
    s->is_seen = calloc(n, sizeof *s->is_seen);
    if (!s->candidates || !s->heap || !s->seen || !s->is_seen) {
        sampler_close(&s);
        return err_set(e, ERR_NOMEM, "no memory for the sampler of %zu tokens", n);
    }
    *out = s;
    return 0;
}

void sampler_close(struct sampler **s)
{
    if (!*s)
        return;
    free((*s)->candidates);
    free((*s)->heap);
    free((*s)->seen);
    free((*s)->is_seen);
    free(*s);
    *s = NULL;
}

size_t sampler_bytes(const struct sampler *s)
{
    return sizeof *s + (size_t)s->n_vocab * (sizeof *s->candidates + sizeof *s->heap +
                                             sizeof *s->seen + sizeof *s->is_seen);
}

void sampler_begin(struct sampler *s, const struct sampler_options *o)
{
    for (size_t i = 0; i < s->n_seen; i++)
        s->is_seen[s->seen[i]] = 0;
    s->n_seen = 0;
    s->o = *o;
    rng_seed(&s->rng, o->seed);
}

void sampler_saw(struct sampler *s, int32_t id)
{
    if (s->is_seen[id])
        return;
    s->is_seen[id] = 1;
    s->seen[s->n_seen++] = id;
}

static void penalize(const struct sampler *s, float *logits)
{
    float penalty = s->o.repetition_penalty;
    for (size_t i = 0; i < s->n_seen; i++) {
        float *l = logits + s->seen[i];
        *l = *l < 0 ? *l * penalty : *l / penalty;
    }
}

/* The k-th largest of n logits, 1 <= k < n: the root of a heap of the k largest so far, smallest at
 * the root. */
static float kth_largest(const float *logits, size_t n, size_t k, float *heap)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        float v = logits[i];
        size_t at;
        if (used < k) {
            if (isnan(v))
                continue;
            for (at = used++; at > 0 && heap[(at - 1) / 2] > v; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
            heap[at] = v;
        } else if (v > heap[0]) {
            for (at = 0; 2 * at + 1 < k;) {
                size_t child = 2 * at + 1;
                if (child + 1 < k && heap[child + 1] < heap[child])
                    child++;
                if (heap[child] >= v)
                    break;
                heap[at] = heap[child];
                at = child;
            }
            heap[at] = v;
        }
    }
    return heap[0];
}

/* The ids whose logits reach border, with their probabilities; returns how many, *sum their mass.
 */
static size_t gather(const struct sampler *s, const float *logits, float largest, float border,
                     double *sum)
{
    size_t n = 0;
    double mass = 0;
    for (int32_t id = 0; id < s->n_vocab; id++) {
        /* A million tokens below exp(-36) of the largest would have 2e-10 of its mass: less than
         * the rounding of one probability. */
        float x = (logits[id] - largest) / s->o.temperature;
        if (!(logits[id] >= border && x > -36))
            continue;
        float p = expf(x);
        mass += (double)p;
        s->candidates[n++] = (struct candidate){p, id};
    }
    *sum = mass;
    return n;
}

static size_t drop_below(struct candidate *c, size_t n, float border)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].p >= border)
            c[kept++] = c[i];
    return kept;
}

static bool ranks_before(struct candidate a, struct candidate b)
{
    return (a.p > b.p) | ((a.p == b.p) & (a.id < b.id));
}

static void swap(struct candidate *c, size_t i, size_t j)
{
    struct candidate t = c[i];
    c[i] = c[j];
    c[j] = t;
}

/* Puts the median of the first, middle and last of [lo, hi) at hi - 1. */
static void choose_pivot(struct candidate *c, size_t lo, size_t hi)
{
    size_t mid = lo + (hi - lo) / 2, last = hi - 1;
    if (ranks_before(c[mid], c[lo]))
        swap(c, mid, lo);
    if (ranks_before(c[last], c[lo]))
        swap(c, last, lo);
    if (ranks_before(c[mid], c[last]))
        swap(c, mid, last);
}

/* Moves to the front those candidates, best first as a set, that are needed until their mass
 * reaches need; returns how many (at least one). Quickselect where the rank is a mass. */
static size_t select_mass(struct candidate *c, size_t n, double need)
{
    size_t lo = 0, hi = n;
    double before = 0; /* mass of [0, lo), below need unless lo is 0 */
    while (hi - lo > 1) {
        choose_pivot(c, lo, hi);
        struct candidate pivot = c[hi - 1];
        double mass = 0;
        size_t at = lo;
        for (size_t i = lo; i + 1 < hi; i++) {
            /* Without a branch, which would be wrong half of the time: what ranks behind is swapped
             * with its like. */
            struct candidate x = c[i];
            bool before_pivot = ranks_before(x, pivot);
            c[i] = c[at];
            c[at] = x;
            at += before_pivot;
            mass += before_pivot ? (double)x.p : 0;
        }
        swap(c, at, hi - 1);
        if (at > lo && before + mass >= need) {
            hi = at;
        } else if (before + mass + (double)pivot.p >= need) {
            return at + 1;
        } else {
            before += mass + (double)pivot.p;
            lo = at + 1;
        }
    }
    return hi;
}

static size_t top_p(struct candidate *c, size_t n, float p, double sum)
{
    /* Those below their equal share of what may be dropped are dropped by any order, which leaves
     * few for the selection. 0.99: the rounding of this product. */
    double droppable = (1 - (double)p) * sum;
    n = drop_below(c, n, (float)(0.99 * droppable / (double)n));
    return select_mass(c, n, (double)p * sum);
}

static double mass_of(const struct candidate *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)c[i].p;
    return sum;
}

static int32_t draw(struct rng *rng, const struct candidate *c, size_t n, double sum)
{
    double left = rng_unit(rng) * sum;
    for (size_t i = 0; i + 1 < n; i++) {
        left -= (double)c[i].p;
        if (left < 0)
            return c[i].id;
    }
    return c[n - 1].id;
}

int32_t engine_greedy(const float *logits, int32_t n)
{
    int32_t best = 0;
    float largest = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        if (logits[i] > largest) {
            largest = logits[i];
            best = i;
        }
    }
    return best;
}

int sampler_next(struct sampler *s, float *logits, int32_t *id, struct err *e)
{
    const struct sampler_options *o = &s->o;
    if (o->repetition_penalty != 1)
        penalize(s, logits);
    int32_t best = engine_greedy(logits, s->n_vocab);
    float largest = logits[best];
    if (!isfinite(largest))
        return err_set(e, ERR_FORMAT, "the model's logits are not finite: its weights are broken");
    if (o->temperature == 0) {
        *id = best;
        return 0;
    }
    float border = -INFINITY;
    if (o->top_k > 0 && o->top_k < s->n_vocab)
        border = kth_largest(logits, (size_t)s->n_vocab, (size_t)o->top_k, s->heap);
    double sum;
    size_t all = gather(s, logits, largest, border, &sum), n = all;
    if (o->top_p < 1)
        n = top_p(s->candidates, n, o->top_p, sum);
    if (o->min_p > 0)
        n = drop_below(s->candidates, n, o->min_p);
    *id = draw(&s->rng, s->candidates, n, n == all ? sum : mass_of(s->candidates, n));
    return 0;
}
