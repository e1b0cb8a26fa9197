/* SPDX-License-Identifier: MIT */
/* analysis: the numbers of a comparison.
 *
 * Owns: which metrics there are, pairs, who is best in what, and the Pareto front. Invariant: a
 * failed inference counts as failed and nowhere else. */
#include "report/analysis.h"

#include "report/pairs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define OF(member) offsetof(struct compared_sample, member)
const struct metric_kind metric_kinds[METRIC_KINDS] = {
    [METRIC_TIME] = {"inference_time_ms", "time of an analysis", UNIT_MS, -1, OF(time_ms)},
    [METRIC_FIRST_TOKEN] = {"time_to_first_token_ms", "time to the first token", UNIT_MS, -1,
                            OF(first_token_ms)},
    [METRIC_SPEED] = {"tokens_per_second", "tokens a second", UNIT_PER_SECOND, 1,
                      OF(tokens_per_second)},
    [METRIC_ENERGY] = {"energy_consumed_j", "energy of an analysis", UNIT_JOULE, -1, OF(energy_j)},
    [METRIC_TOKEN_ENERGY] = {"joules_per_token", "energy of a token", UNIT_JOULE, -1,
                             OF(joules_per_token)},
    [METRIC_MEMORY] = {"memory_used_mb", "memory of an analysis", UNIT_MB, -1, OF(memory_mb)},
    [METRIC_PEAK] = {"memory_total_mb", "memory of the process", UNIT_MB, -1, OF(memory_peak_mb)},
    [METRIC_CPU] = {"cpu_percent_avg", "processors' share", UNIT_PERCENT, 0, OF(cpu_percent)},
    [METRIC_COMPLETION] = {"completion_tokens", "tokens of an answer", UNIT_COUNT, 0,
                           OF(completion_tokens)},
    [METRIC_PROMPT] = {"prompt_tokens", "tokens of a prompt", UNIT_COUNT, 0, OF(prompt_tokens)},
    [METRIC_VALID] = {"valid_verdict", "valid verdicts", UNIT_SHARE, 1, OF(valid_verdict)},
    [METRIC_AGREEMENT] = {"agreement", "agreement with the reference", UNIT_SHARE, 1,
                          OF(agreement)},
};
#undef OF

const char *budget_name(enum budget b)
{
    static const char *const names[] = {"speed", "energy", "memory", "quality"};
    return names[b];
}

/* ---- values ---- */

static double value_of(const struct compared_sample *s, enum compared_metric metric)
{
    double v = *(const double *)(const void *)((const char *)s + metric_kinds[metric].offset);
    return s->failed || !isfinite(v) ? (double)NAN : v;
}

double *analysis_values(const struct compared *m, enum compared_metric metric, size_t *n)
{
    double *v = malloc((m->n + 1) * sizeof *v);
    *n = 0;
    for (size_t i = 0; v && i < m->n; i++) {
        double x = value_of(&m->samples[i], metric);
        if (!isnan(x))
            v[(*n)++] = x;
    }
    return v;
}

/* ---- pairs ---- */

/* Differences of those that answered the same request, in order of requests; free(). NULL: no
 * memory. */
static double *pair(const struct compared *x, const struct compared *y, enum compared_metric metric,
                    size_t *n, double *mean_y)
{
    size_t n_pairs = 0;
    struct sample_pair *pairs = pairs_find(x, y, &n_pairs);
    double *d = pairs ? malloc((n_pairs + 1) * sizeof *d) : NULL;
    double sum = 0;
    *n = 0;
    for (size_t i = 0; d && i < n_pairs; i++) {
        double of_x = value_of(&x->samples[pairs[i].x], metric);
        double of_y = value_of(&y->samples[pairs[i].y], metric);
        if (isnan(of_x) || isnan(of_y))
            continue;
        sum += of_y;
        d[(*n)++] = of_x - of_y;
    }
    *mean_y = sum / (double)(*n ? *n : 1);
    free(pairs);
    return d;
}

static bool unpaired(const struct compared *x, const struct compared *y,
                     enum compared_metric metric, struct difference *out)
{
    size_t n_x = 0, n_y = 0;
    double *a = analysis_values(x, metric, &n_x), *b = analysis_values(y, metric, &n_y);
    double *scratch = malloc((x->n + y->n + 1) * sizeof *scratch);
    bool done = a && b && scratch;
    if (done)
        difference_unpaired(out, a, n_x, b, n_y, scratch);
    free(a);
    free(b);
    free(scratch);
    return done;
}

/* One model opened twice differs by as much: a heap that grew otherwise, pages that the kernel has
 * not counted yet. It does not vary from inference to inference, so that no interval shows it. */
static const double MEMORY_RESOLUTION_MB = 1;

static bool unit_is_memory(enum compared_metric metric)
{
    return metric == METRIC_MEMORY || metric == METRIC_PEAK;
}

/* Pairs are what counts as soon as there are two of them. */
bool analysis_difference(const struct compare_result *a, int i, int k, enum compared_metric metric,
                         struct difference *out)
{
    const struct compared *x = a->models[i].model, *y = a->models[k].model;
    size_t n = 0;
    double mean_y = 0;
    double *d = pair(x, y, metric, &n, &mean_y);
    bool done = d != NULL;
    if (done && n >= 2)
        difference_paired(out, d, n, mean_y);
    else if (done)
        done = unpaired(x, y, metric, out);
    free(d);
    if (done && unit_is_memory(metric) && fabs(out->mean) < MEMORY_RESOLUTION_MB && out->told) {
        out->told = false;
        out->needed = NAN;
    }
    return done;
}

/* ---- who is best ---- */

static double mean_at(const struct compare_result *a, size_t i, int metric)
{
    if (metric < 0)
        return NAN;
    if (metric == a->quality_metric)
        return a->models[i].quality;
    return a->models[i].of[metric].mean;
}

const char *analysis_energy_source(const struct compared *m)
{
    return m->energy_source[0] ? m->energy_source : "estimate";
}

bool analysis_energy_comparable(const struct comparison *c)
{
    const char *first = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const char *source = analysis_energy_source(&c->models[i]);
        if (c->models[i].n == 0)
            continue;
        if (strcmp(source, "mixed") == 0 || (first && strcmp(source, first) != 0))
            return c->n == 1;
        first = source;
    }
    return true;
}

static int metric_of(const struct compare_result *a, enum budget b)
{
    static const int choices[BUDGETS][2] = {
        [BUDGET_TIME] = {METRIC_TIME, METRIC_TIME},
        [BUDGET_ENERGY] = {METRIC_ENERGY, METRIC_ENERGY},
        [BUDGET_MEMORY] = {METRIC_PEAK, METRIC_MEMORY},
    };
    if (b == BUDGET_QUALITY)
        return a->quality_metric;
    if (b == BUDGET_ENERGY && !analysis_energy_comparable(a->c))
        return -1;
    for (size_t k = 0; k < 2; k++) {
        size_t known = 0;
        for (size_t i = 0; i < a->c->n; i++)
            known += !isnan(mean_at(a, i, choices[b][k]));
        if (known == a->c->n || (known > 0 && k == 1))
            return choices[b][k];
    }
    return -1;
}

static bool find_winner(struct compare_result *a, enum budget b)
{
    struct winner *w = &a->winners[b];
    *w = (struct winner){.metric = metric_of(a, b), .best = -1, .next = -1};
    if (w->metric < 0)
        return true;
    double sign = metric_kinds[w->metric].better;
    for (int i = 0; i < (int)a->c->n; i++) {
        double v = sign * mean_at(a, (size_t)i, w->metric);
        if (isnan(v))
            continue;
        if (w->best < 0 || v > sign * mean_at(a, (size_t)w->best, w->metric)) {
            w->next = w->best;
            w->best = i;
        } else if (w->next < 0 || v > sign * mean_at(a, (size_t)w->next, w->metric)) {
            w->next = i;
        }
    }
    for (int i = 0; w->best >= 0 && i < (int)a->c->n; i++) {
        struct difference d;
        if (i == w->best || isnan(mean_at(a, (size_t)i, w->metric)))
            continue;
        if (!analysis_difference(a, w->best, i, (enum compared_metric)w->metric, &d))
            return false;
        if (i == w->next)
            w->than_next = d;
        w->tied[i] = d.n > 0 && !d.told;
        w->n_tied += w->tied[i];
    }
    return true;
}

/* ---- the front ---- */

/* Costs, the less the better; NAN: not known of either, then it doesn't count. */
static void costs_of(const struct compare_result *a, size_t i, double costs[3])
{
    costs[0] = -a->models[i].quality;
    costs[1] = a->models[i].of[METRIC_TIME].mean;
    costs[2] = analysis_energy_comparable(a->c) ? a->models[i].of[METRIC_ENERGY].mean : (double)NAN;
}

static bool beats(const struct compare_result *a, size_t i, size_t k)
{
    double x[3], y[3];
    bool better = false;
    costs_of(a, i, x);
    costs_of(a, k, y);
    for (size_t j = 0; j < 3; j++) {
        if (isnan(x[j]) && isnan(y[j]))
            continue;
        if (!(x[j] <= y[j]))
            return false;
        better = better || x[j] < y[j];
    }
    return better;
}

/* A beaten model is one that another beats by more than chance in one of the three. */
static bool surely(const struct compare_result *a, size_t i, size_t k, bool *out)
{
    static const enum compared_metric costs[] = {METRIC_TIME, METRIC_ENERGY};
    *out = false;
    for (size_t j = 0; j < 3 && !*out; j++) {
        struct difference d;
        int metric = j < 2 ? (int)costs[j] : a->quality_metric;
        if (metric < 0)
            continue;
        if (!analysis_difference(a, (int)i, (int)k, (enum compared_metric)metric, &d))
            return false;
        *out = d.told && d.mean * metric_kinds[metric].better > 0;
    }
    return true;
}

static bool find_front(struct compare_result *a)
{
    for (size_t k = 0; k < a->c->n; k++) {
        struct analysed *m = &a->models[k];
        m->front = m->answered > 0;
        m->beaten_by = -1;
        for (size_t i = 0; i < a->c->n; i++) {
            bool sure = false;
            if (i == k || a->models[i].answered == 0 || !beats(a, i, k))
                continue;
            m->front = false;
            if (m->beaten_by < 0 && !surely(a, i, k, &sure))
                return false;
            if (sure)
                m->beaten_by = (int)i;
        }
    }
    return true;
}

/* ---- all ---- */

static bool estimate_model(struct analysed *m, const struct compared *from)
{
    double *scratch = malloc((from->n + 1) * sizeof *scratch);
    bool done = scratch != NULL;
    m->model = from;
    for (int k = 0; done && k < METRIC_KINDS; k++) {
        size_t n = 0;
        double *v = analysis_values(from, (enum compared_metric)k, &n);
        done = v != NULL;
        if (done)
            estimate_of(&m->of[k], v, n, scratch);
        free(v);
    }
    free(scratch);
    m->total_energy_j = NAN;
    for (size_t i = 0; i < from->n; i++) {
        const struct compared_sample *s = &from->samples[i];
        m->failed += s->failed;
        m->throttled_ms += s->throttled_ms > 0 ? s->throttled_ms : 0;
        if (isfinite(s->energy_j))
            m->total_energy_j = (isnan(m->total_energy_j) ? 0 : m->total_energy_j) + s->energy_j;
    }
    m->answered = from->n - m->failed;
    return done;
}

static void choose_quality(struct compare_result *a)
{
    static const int choices[] = {METRIC_AGREEMENT, METRIC_VALID};
    a->quality_metric = -1;
    for (size_t k = 0; k < 2 && a->quality_metric < 0; k++) {
        size_t known = 0;
        for (size_t i = 0; i < a->c->n; i++)
            known += a->models[i].of[choices[k]].n > 0 ||
                     (choices[k] == METRIC_AGREEMENT && (int)i == a->c->reference);
        if (known == a->c->n && a->models[a->baseline].answered > 0)
            a->quality_metric = choices[k];
    }
    for (size_t i = 0; i < a->c->n; i++) {
        struct analysed *m = &a->models[i];
        m->quality = a->quality_metric < 0 ? (double)NAN : m->of[a->quality_metric].mean;
        if (a->quality_metric == METRIC_AGREEMENT && (int)i == a->c->reference)
            m->quality = 1; /* with itself */
    }
}

int compare_open(struct compare_result **out, const struct comparison *c, struct err *e)
{
    if (c->n == 0)
        return err_set(e, ERR_USAGE, "nothing to compare: no model");
    struct compare_result *a = calloc(1, sizeof *a);
    bool done = a && (a->models = calloc(c->n, sizeof *a->models));
    if (done) {
        a->c = c;
        a->baseline = c->reference >= 0 && c->reference < (int)c->n ? c->reference : 0;
    }
    for (size_t i = 0; done && i < c->n; i++)
        done = estimate_model(&a->models[i], &c->models[i]);
    if (done)
        choose_quality(a);
    for (size_t i = 0; done && i < c->n; i++)
        for (int k = 0; done && k < METRIC_KINDS && (int)i != a->baseline; k++)
            done = analysis_difference(a, (int)i, a->baseline, (enum compared_metric)k,
                                       &a->models[i].versus[k]);
    for (int b = 0; done && b < BUDGETS; b++)
        done = find_winner(a, (enum budget)b);
    done = done && find_front(a) && analysis_judge(a) && analysis_warn(a);
    if (!done) {
        compare_close(&a);
        return err_set(e, ERR_NOMEM, "no memory for a comparison of %zu models", c->n);
    }
    *out = a;
    return 0;
}

static void release_lines(struct line_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
}

void compare_close(struct compare_result **analysis)
{
    struct compare_result *a = *analysis;
    if (!a)
        return;
    release_lines(&a->verdicts);
    release_lines(&a->budgets);
    release_lines(&a->warnings);
    free(a->lead);
    free(a->models);
    free(a);
    *analysis = NULL;
}
