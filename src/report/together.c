/* SPDX-License-Identifier: MIT */
/* together: turns and agreement of a comparison's models.
 *
 * Owns: what proves that models ran in turns, and whose verdicts count as agreement. The same for
 * models that were run just now and for folders. */
#include "report/together.h"

#include "report/pairs.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- turns ---- */

struct event {
    double utc_s;
    uint64_t request;
};

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    return (x->utc_s > y->utc_s) - (x->utc_s < y->utc_s);
}

/* first[k], last[k]: when the k-th request was answered by the first and by the last of the models;
 * request[k]: which it was. */
struct rounds {
    double *first, *last;
    uint64_t *request;
    struct event *events; /* scratch */
    size_t n;
};

/* False: m did not answer the same requests in the same order, or does not say when. */
static bool put_into(struct rounds *r, const struct compared *m, bool is_first)
{
    for (size_t k = 0; k < r->n; k++) {
        const struct compared_sample *s = &m->samples[k];
        if (s->request == 0 || !isfinite(s->utc_s))
            return false;
        r->events[k] = (struct event){s->utc_s, s->request};
    }
    qsort(r->events, r->n, sizeof *r->events, by_time);
    for (size_t k = 0; k < r->n; k++) {
        double t = r->events[k].utc_s;
        if (!is_first && r->request[k] != r->events[k].request)
            return false;
        r->request[k] = r->events[k].request;
        r->first[k] = is_first || t < r->first[k] ? t : r->first[k];
        r->last[k] = is_first || t > r->last[k] ? t : r->last[k];
    }
    return true;
}

/* Two turns at least: one alone is a run after the other. */
static bool are_turns_of(const struct rounds *r, size_t turn)
{
    if (r->n < 2 * turn)
        return false;
    for (size_t k = 0; k + turn < r->n; k++)
        if (!(r->last[k] < r->first[k + turn]))
            return false;
    return true;
}

int comparison_find_turns(struct comparison *c, struct err *e)
{
    size_t n = c->n ? c->models[0].n : 0;
    bool same = c->n > 1 && n > 1;
    for (size_t i = 1; i < c->n; i++)
        same = same && c->models[i].n == n;
    c->alternated = false;
    if (!same)
        return 0;
    struct rounds r = {
        .first = malloc(n * sizeof *r.first),
        .last = malloc(n * sizeof *r.last),
        .request = malloc(n * sizeof *r.request),
        .events = malloc(n * sizeof *r.events),
        .n = n,
    };
    int rc = r.first && r.last && r.request && r.events
                 ? 0
                 : err_set(e, ERR_NOMEM, "no memory for the order of %zu inferences", n);
    for (size_t i = 0; rc == 0 && same && i < c->n; i++)
        same = put_into(&r, &c->models[i], i == 0);
    if (rc == 0)
        c->alternated = same && (are_turns_of(&r, 1) || are_turns_of(&r, COMPARED_TURN));
    free(r.first);
    free(r.last);
    free(r.request);
    free(r.events);
    return rc;
}

/* ---- agreement ---- */

static size_t valid_verdicts(const struct compared *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->samples[i].verdict > COMPARED_NONE;
    return n;
}

static bool has_verdicts(const struct compared *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->samples[i].verdict != COMPARED_UNKNOWN)
            return true;
    return false;
}

static bool has_good(const struct compared *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!m->samples[i].failed)
            return true;
    return false;
}

/* n_pairs: requests that both answered, whatever they said. */
static bool agree(struct compared *one, const struct compared *reference, size_t *n_pairs)
{
    struct sample_pair *pairs = pairs_find(one, reference, n_pairs);
    for (size_t k = 0; pairs && k < *n_pairs; k++) {
        struct compared_sample *s = &one->samples[pairs[k].x];
        const struct compared_sample *r = &reference->samples[pairs[k].y];
        if (r->verdict > COMPARED_NONE && !s->failed && s->verdict != COMPARED_UNKNOWN)
            s->agreement = s->verdict == r->verdict;
    }
    free(pairs);
    return pairs != NULL;
}

static void give_up(struct comparison *c)
{
    c->reference = -1;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->models[i].n; k++)
            c->models[i].samples[k].agreement = NAN;
}

/* What mostly says nothing is nobody's measure. */
static bool is_worth_agreeing_with(const struct compared *m)
{
    return 2 * valid_verdicts(m) >= m->n;
}

/* The first reason counts. */
static void not_known(struct comparison *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void not_known(struct comparison *c, const char *format, ...)
{
    va_list args;
    if (c->no_agreement[0])
        return;
    va_start(args, format);
    vsnprintf(c->no_agreement, sizeof c->no_agreement, format, args);
    va_end(args);
}

static int agree_all(struct comparison *c, const struct compared *reference, struct err *e)
{
    for (size_t i = 0; i < c->n; i++) {
        struct compared *one = &c->models[i];
        size_t n_pairs = 0;
        if (!has_good(one))
            continue;
        if (!has_verdicts(one))
            not_known(c,
                      "the files of '%.200s' have no verdicts, as those of 'wattle compare "
                      "--models' have",
                      one->name);
        else if (!agree(one, reference, &n_pairs))
            return err_set(e, ERR_NOMEM, "no memory for the pairs of '%s'", one->name);
        else if (n_pairs == 0)
            not_known(c, "'%.200s' and '%.200s' answered no request in common", one->name,
                      reference->name);
    }
    return 0;
}

int comparison_agree(struct comparison *c, int reference, bool asked_for, struct err *e)
{
    const struct compared *r = reference >= 0 ? &c->models[reference] : NULL;
    bool judged = false;
    int rc = 0;
    for (size_t i = 0; i < c->n; i++)
        judged = judged || has_verdicts(&c->models[i]);
    c->no_agreement[0] = '\0';
    c->reference = judged || asked_for ? reference : -1;
    if (!judged)
        return 0; /* of which the report says that quality is not known */
    if (!asked_for && !r)
        not_known(c, "none of the models is the largest; --reference names one");
    if (r)
        rc = agree_all(c, r, e);
    if (r && !asked_for && !is_worth_agreeing_with(r))
        not_known(c,
                  "'%.200s', the largest, gives a verdict in less than half of its answers; "
                  "--reference names another",
                  r->name);
    if (rc || (c->no_agreement[0] && !asked_for))
        give_up(c);
    return rc;
}

int comparison_largest(const struct comparison *c)
{
    bool parameters = true;
    double most = 0;
    int largest = -1;
    for (size_t i = 0; i < c->n; i++)
        parameters = parameters && (c->models[i].n == 0 || c->models[i].parameters > 0);
    for (size_t i = 0; i < c->n; i++) {
        const struct compared *m = &c->models[i];
        double size = parameters ? m->parameters : (double)m->model_bytes;
        if (m->n > 0 && size > most) {
            most = size;
            largest = (int)i;
        }
    }
    return largest;
}
