/* SPDX-License-Identifier: MIT */
/* Nothing is sorted: top-k's border comes from a heap of k, top-p's from a selection by mass, so a
 * token costs O(vocabulary). Probabilities are kept relative to the largest one (which is exactly
 * 1), which saves dividing by their sum. Not-a-number logits are never chosen. */
#include "engine/sampler.h"

#include "engine/engine.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, LANES = 8 };

/* Twice the least that probability_block gives: a million of them weigh less than a rounding. */
static const float NOTHING = 0x1p-51F;

struct candidate {
    float p; /* relative to the largest */
    int32_t id;
};

struct sampler {
    int32_t n_vocab;
    struct sampler_options o;
    struct rng rng;
    struct candidate *candidates; /* [n_vocab] */
    float *p;                     /* [n_vocab] */
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
    s->p = calloc(n, sizeof *s->p);
    s->heap = calloc(n, sizeof *s->heap);
    s->seen = calloc(n, sizeof *s->seen);
    s->is_seen = calloc(n, sizeof *s->is_seen);
    if (!s->candidates || !s->p || !s->heap || !s->seen || !s->is_seen) {
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
    free((*s)->p);
    free((*s)->heap);
    free((*s)->seen);
    free((*s)->is_seen);
    free(*s);
    *s = NULL;
}

size_t sampler_bytes(const struct sampler *s)
{
    return sizeof *s +
           (size_t)s->n_vocab * (sizeof *s->candidates + sizeof *s->p + sizeof *s->heap +
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

static inline int32_t bits_of(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* p = 2^((logit - largest) * scale), 1 for the largest, off by at most 3e-6 of it (far from the
 * largest, where the exponent's rounding counts); 2^-52 below that and for what is no number. The
 * whole part of the exponent becomes the result's exponent bits; for the rest, in [-1/2, 1/2], the
 * Taylor series of 2^f is off by 1e-7. Blocks of constant length, restrict and clamping as integers
 * let the compiler make vector code of it. Both arrays are [BLOCK]. */
static void probability_block(const float *restrict logits, float largest, float scale,
                              float *restrict p)
{
    const int32_t most = bits_of(52);
    for (int i = 0; i < BLOCK; i++) {
        int32_t below = bits_of((logits[i] - largest) * scale) & 0x7FFFFFFF;
        float t = -float_of(below < most ? below : most);
        float whole = (t + 12582912.0F) - 12582912.0F; /* 1.5 * 2^23: rounds to nearest */
        float f = t - whole;
        float y = 1.54035304e-4F;
        y = y * f + 1.33335581e-3F;
        y = y * f + 9.61812911e-3F;
        y = y * f + 5.55041087e-2F;
        y = y * f + 2.40226507e-1F;
        y = y * f + 6.93147181e-1F;
        y = y * f + 1;
        p[i] = y * float_of(((int32_t)whole + 127) * (1 << 23));
    }
}

static double block_sum(const float p[BLOCK])
{
    float lanes[LANES] = {0};
    for (int i = 0; i < BLOCK; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += p[i + k];
    double sum = 0;
    for (int k = 0; k < LANES; k++)
        sum += (double)lanes[k];
    return sum;
}

/* Of all ids, into s->p; returns their sum. */
static double probabilities(const struct sampler *s, const float *logits, float largest)
{
    float scale = 1.44269504F / s->o.temperature; /* log2(e) */
    scale = scale < FLT_MAX ? scale : FLT_MAX;    /* the largest's 0 times it stays 0 */
    int32_t n = s->n_vocab, whole = n - n % BLOCK;
    double sum = 0;
    for (int32_t at = 0; at < whole; at += BLOCK) {
        probability_block(logits + at, largest, scale, s->p + at);
        sum += block_sum(s->p + at);
    }
    float rest[BLOCK], p[BLOCK];
    for (int32_t i = 0; i < BLOCK; i++)
        rest[i] = whole + i < n ? logits[whole + i] : -INFINITY;
    probability_block(rest, largest, scale, p);
    for (int32_t at = whole; at < n; at++)
        sum += (double)(s->p[at] = p[at - whole]);
    return sum;
}

/* The ids of at least floor, in their order. */
static size_t gather(const struct sampler *s, float floor)
{
    size_t n = 0;
    for (int32_t id = 0; id < s->n_vocab; id++) {
        /* Written anyway, so that there is no branch to be wrong about; there is room for all. */
        s->candidates[n] = (struct candidate){s->p[id], id};
        n += s->p[id] >= floor;
    }
    return n;
}

/* The ids whose logits reach the k-th largest; returns how many, *sum their mass. */
static size_t gather_top_k(const struct sampler *s, const float *logits, float largest, double *sum)
{
    float border = kth_largest(logits, (size_t)s->n_vocab, (size_t)s->o.top_k, s->heap);
    size_t n = 0;
    double mass = 0;
    for (int32_t id = 0; id < s->n_vocab; id++) {
        if (!(logits[id] >= border))
            continue;
        float p = expf((logits[id] - largest) / s->o.temperature);
        mass += (double)p;
        s->candidates[n++] = (struct candidate){p, id};
    }
    *sum = mass;
    return n;
}

static size_t drop_below(struct candidate *c, size_t n, float floor)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].p >= floor)
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

static int32_t draw(struct rng *rng, const struct candidate *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)c[i].p;
    double left = rng_unit(rng) * sum;
    for (size_t i = 0; i + 1 < n; i++) {
        left -= (double)c[i].p;
        if (left < 0)
            return c[i].id;
    }
    return c[n - 1].id;
}

/* What is below min-p, below all that can count, or below its equal share of what top-p drops
 * (which is dropped in any order, and leaves few to be selected from; 0.99: rounding). */
static float floor_of(const struct sampler_options *o, int32_t n, double sum)
{
    float floor = o->min_p > NOTHING ? o->min_p : NOTHING;
    float share = (float)(0.99 * (1 - (double)o->top_p) * sum / n);
    return share > floor ? share : floor;
}

static int32_t draw_from(struct sampler *s, const float *logits, float largest)
{
    const struct sampler_options *o = &s->o;
    double sum;
    size_t n;
    if (o->top_k > 0 && o->top_k < s->n_vocab) {
        n = gather_top_k(s, logits, largest, &sum);
        n = drop_below(s->candidates, n, floor_of(o, (int32_t)n, sum));
    } else {
        sum = probabilities(s, logits, largest);
        n = gather(s, floor_of(o, s->n_vocab, sum));
    }
    if (o->top_p < 1)
        n = select_mass(s->candidates, n, (double)o->top_p * sum);
    return draw(&s->rng, s->candidates, n);
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
    *id = draw_from(s, logits, largest);
    return 0;
}
