/* SPDX-License-Identifier: MIT */
/* verdict: which model for which budget, in words.
 *
 * Owns: when a difference is a difference (its 95 % interval excludes 0), and how that is said. A
 * sentence never says more than the interval does. */
#include "report/analysis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX = 4096 };

bool line_add(struct line_list *l, const char *format, ...)
{
    struct buf b;
    va_list args;
    if (l->n == sizeof l->v / sizeof *l->v)
        return true;
    buf_init(&b, LINE_MAX);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    char *text = buf_steal(&b);
    buf_release(&b);
    if (text)
        l->v[l->n++] = text;
    return text != NULL;
}

static const char *name_at(const struct compare_result *a, int i)
{
    return a->models[i].model->name;
}

static double best_value(const struct compare_result *a, int i, int metric)
{
    return metric == a->quality_metric ? a->models[i].quality : a->models[i].of[metric].mean;
}

/* "41 % less", "12 points more": of a share the points, else percent of the other's mean. */
static void put_difference(struct buf *b, const struct difference *d, enum unit unit)
{
    char mean[NUMBER_SIZE], low[NUMBER_SIZE], high[NUMBER_SIZE];
    bool points = unit == UNIT_SHARE || isnan(d->percent);
    double scale = points ? unit_value(1, unit) : d->percent / d->mean;
    double sign = d->mean < 0 ? -1 : 1;
    double from = (sign < 0 ? d->ci.high : d->ci.low) * scale * sign;
    double to = (sign < 0 ? d->ci.low : d->ci.high) * scale * sign;
    if (d->mean == 0)
        scale = from = to = 0;
    const char *of = points ? (unit == UNIT_SHARE ? "points" : unit_name(unit)) : "%";
    buf_printf(b, "%s %s %s", number_short(mean, fabs(d->mean * scale)), of,
               d->mean < 0 ? "less" : "more");
    number_short(low, from);
    number_short(high, to);
    if (low[0] && high[0] && strcmp(low, high) != 0) /* else it is as sure as its digits */
        buf_printf(b, " (95 %%: %s to %s)", low, high);
}

/* ---- one budget ---- */

static bool say_winner(struct compare_result *a, enum budget b)
{
    static const char *const heads[BUDGETS] = {"Fastest", "Least energy", "Least memory",
                                               "Best answers"};
    const struct winner *w = &a->winners[b];
    const struct metric_kind *kind = &metric_kinds[w->metric];
    char value[NUMBER_SIZE];
    struct buf text;
    buf_init(&text, LINE_MAX);
    static const char *const of[BUDGETS] = {"an analysis", "an analysis", "of memory", NULL};
    buf_printf(&text, "%s: %s, %s %s", heads[b], name_at(a, w->best),
               quantity(value, best_value(a, w->best, w->metric), kind->unit),
               of[b] ? of[b] : kind->title);
    if (w->next >= 0 && w->than_next.n > 0) {
        buf_str(&text, "; ");
        put_difference(&text, &w->than_next, kind->unit);
        buf_printf(&text, " than the next, %s", name_at(a, w->next));
    }
    bool done = line_add(&a->verdicts, "%s.", buf_cstr(&text)) && !text.failed;
    buf_release(&text);
    return done;
}

/* The most that any of the tied needs. */
static double needed_of(const struct compare_result *a, const struct winner *w)
{
    double most = w->than_next.needed;
    for (int i = 0; i < (int)a->c->n; i++) {
        struct difference d;
        if (w->tied[i] && i != w->next &&
            analysis_difference(a, w->best, i, (enum compared_metric)w->metric, &d))
            most = isnan(most) || d.needed > most ? d.needed : most;
    }
    return most;
}

static bool say_tie(struct compare_result *a, enum budget b)
{
    const struct winner *w = &a->winners[b];
    const struct metric_kind *kind = &metric_kinds[w->metric];
    char value[NUMBER_SIZE], number[NUMBER_SIZE];
    struct buf text;
    size_t left = w->n_tied;
    buf_init(&text, LINE_MAX);
    buf_printf(&text, "No difference in %s can be told between %s (%s)", budget_name(b),
               name_at(a, w->best), quantity(value, best_value(a, w->best, w->metric), kind->unit));
    for (int i = 0; i < (int)a->c->n; i++)
        if (w->tied[i])
            buf_printf(&text, "%s%s (%s)", --left ? ", " : " and ", name_at(a, i),
                       quantity(value, best_value(a, i, w->metric), kind->unit));
    double needed = needed_of(a, w);
    if (needed > 10000)
        buf_str(&text, "; they are practically alike");
    else if (needed > 0)
        buf_printf(&text, "; about %s more inferences of each may tell",
                   number_fixed(number, needed, 0));
    bool done = line_add(&a->verdicts, "%s.", buf_cstr(&text)) && !text.failed;
    buf_release(&text);
    return done;
}

/* ---- the lead ---- */

/* Budgets that this model surely wins. */
static size_t wins_of(const struct compare_result *a, int model, enum budget wins[BUDGETS])
{
    size_t n = 0;
    for (int b = 0; b < BUDGETS; b++) {
        const struct winner *w = &a->winners[b];
        if (w->best == model && w->n_tied == 0 && w->next >= 0)
            wins[n++] = (enum budget)b;
    }
    return n;
}

static void put_wins(struct buf *b, const enum budget *wins, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", budget_name(wins[i]));
}

static void lead_of_one(const struct compare_result *a, struct buf *b)
{
    const struct analysed *m = &a->models[0];
    char number[NUMBER_SIZE];
    if (m->answered == 0) {
        buf_printf(b, "%s: no inference to judge by", m->model->name);
        return;
    }
    buf_printf(b, "%s: %s an analysis", m->model->name,
               quantity(number, m->of[METRIC_TIME].mean, UNIT_MS));
    if (m->of[METRIC_ENERGY].n > 0)
        buf_printf(b, ", %s", quantity(number, m->of[METRIC_ENERGY].mean, UNIT_JOULE));
    if (!isnan(m->quality) && a->quality_metric >= 0)
        buf_printf(b, ", %s %s", quantity(number, m->quality, UNIT_SHARE),
                   metric_kinds[a->quality_metric].title);
}

int analysis_quality_choice(const struct compare_result *a)
{
    const struct winner *w = &a->winners[BUDGET_QUALITY];
    int choice = w->metric < 0 ? -1 : w->best;
    for (int i = 0; choice >= 0 && i < (int)a->c->n; i++)
        if (w->tied[i] &&
            a->models[i].of[METRIC_TIME].mean < a->models[choice].of[METRIC_TIME].mean)
            choice = i;
    return choice;
}

static void lead_of_many(const struct compare_result *a, struct buf *b)
{
    const struct winner *quality = &a->winners[BUDGET_QUALITY];
    int choice = analysis_quality_choice(a);
    enum budget wins[BUDGETS];
    int winners[COMPARED_MAX];
    size_t n_winners = 0;
    for (int k = 0; k < BUDGETS; k++) { /* in the order of budgets, each once */
        int best = a->winners[k].best;
        bool listed = best < 0 || wins_of(a, best, wins) == 0;
        for (size_t i = 0; !listed && i < n_winners; i++)
            listed = winners[i] == best;
        if (!listed)
            winners[n_winners++] = best;
    }
    if (n_winners == 0) {
        buf_str(b, "No difference between the models can be told from chance yet");
    } else if (n_winners == 1) {
        size_t n = wins_of(a, winners[0], wins);
        buf_printf(b, "Take %s: best in ", name_at(a, winners[0]));
        put_wins(b, wins, n);
        if (quality->metric >= 0 && quality->n_tied > 0 && choice == winners[0])
            buf_str(b, "; no model gives better answers as far as can be told");
        else if (quality->metric >= 0 && quality->n_tied > 0) {
            buf_truncate(b, 0);
            buf_printf(b, "%s for ", name_at(a, winners[0]));
            put_wins(b, wins, n);
            buf_printf(b, "; %s for quality", name_at(a, choice));
        }
    }
    for (size_t i = 0; n_winners > 1 && i < n_winners; i++) {
        buf_printf(b, "%s%s for ", i ? "; " : "", name_at(a, winners[i]));
        put_wins(b, wins, wins_of(a, winners[i], wins));
    }
}

/* Why that one is named for quality where several can't be told apart. */
static bool say_choice(struct compare_result *a)
{
    const struct winner *w = &a->winners[BUDGET_QUALITY];
    int choice = analysis_quality_choice(a);
    if (choice < 0 || w->n_tied == 0)
        return true;
    return line_add(&a->verdicts, "Of these, %s is the fastest.", name_at(a, choice));
}

static bool say_lead(struct compare_result *a)
{
    struct buf b;
    buf_init(&b, LINE_MAX);
    if (a->c->n == 1)
        lead_of_one(a, &b);
    else
        lead_of_many(a, &b);
    size_t fewest = SAMPLES_FEW;
    for (size_t i = 0; i < a->c->n; i++)
        if (a->models[i].answered > 0 && a->models[i].answered < fewest)
            fewest = a->models[i].answered;
    if (fewest < SAMPLES_FEW)
        buf_printf(&b, " (so far: of %zu %s only)", fewest,
                   plural(fewest, "inference", "inferences"));
    a->lead = buf_steal(&b);
    buf_release(&b);
    return a->lead != NULL;
}

/* ---- budgets ---- */

/* What must be there for nearly every analysis: time of 95 in 100, the most memory; energy adds up,
 * so its mean. */
static double demand_of(const struct compare_result *a, size_t i, enum budget b)
{
    const struct estimate *e = &a->models[i].of[a->winners[b].metric];
    return b == BUDGET_TIME ? e->p95 : b == BUDGET_MEMORY ? e->max : e->mean;
}

/* Models by what they demand; those that demand more without better answers are no choice. */
static bool say_ladder(struct compare_result *a, enum budget b)
{
    static const char *const heads[BUDGETS] = {"Time of 95 in 100 analyses",
                                               "Energy of an analysis", "Memory", ""};
    size_t order[COMPARED_MAX], n = 0;
    for (size_t i = 0; i < a->c->n; i++) {
        if (isnan(demand_of(a, i, b)))
            continue;
        size_t at = n++;
        while (at > 0 && demand_of(a, order[at - 1], b) > demand_of(a, i, b)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    if (n < 2)
        return true;
    struct buf text;
    char value[NUMBER_SIZE], quality[NUMBER_SIZE];
    double best = -1;
    buf_init(&text, LINE_MAX);
    buf_printf(&text, "%s: ", heads[b]);
    for (size_t k = 0; k < n; k++) {
        const struct analysed *m = &a->models[order[k]];
        if (!isnan(m->quality) && m->quality <= best)
            continue;
        quantity(value, demand_of(a, order[k], b), metric_kinds[a->winners[b].metric].unit);
        buf_printf(&text, "%s%s from %s", k ? "; " : "", m->model->name, value);
        if (!isnan(m->quality))
            buf_printf(&text, " (%s %s)", quantity(quality, m->quality, UNIT_SHARE),
                       metric_kinds[a->quality_metric].title);
        best = m->quality;
    }
    bool done = line_add(&a->budgets, "%s.", buf_cstr(&text)) && !text.failed;
    buf_release(&text);
    return done;
}

static bool say_beaten(struct compare_result *a)
{
    bool done = true;
    for (size_t i = 0; done && i < a->c->n; i++) {
        const struct analysed *m = &a->models[i];
        if (m->answered == 0 && a->c->n > 1)
            done =
                line_add(&a->verdicts, "%s: no inference to judge by%s%s.", m->model->name,
                         m->model->problem ? ": " : "", m->model->problem ? m->model->problem : "");
        else if (m->beaten_by >= 0)
            done = line_add(&a->verdicts, "%s is beaten by %s: no better in %stime or energy.",
                            m->model->name, name_at(a, m->beaten_by),
                            a->quality_metric >= 0 ? "quality, " : "");
    }
    return done;
}

bool analysis_judge(struct compare_result *a)
{
    bool done = say_lead(a);
    for (int b = 0; done && b < BUDGETS && a->c->n > 1; b++) {
        const struct winner *w = &a->winners[b];
        if (w->metric >= 0 && w->next >= 0)
            done = w->n_tied ? say_tie(a, (enum budget)b) : say_winner(a, (enum budget)b);
        if (done && w->metric >= 0 && b != BUDGET_QUALITY)
            done = say_ladder(a, (enum budget)b);
    }
    if (done && a->c->n > 1)
        done = say_choice(a);
    if (done)
        done = say_beaten(a);
    if (done && a->c->no_agreement[0])
        done = line_add(&a->verdicts, "No agreement: %s.", a->c->no_agreement);
    if (done && a->quality_metric < 0 && a->c->n > 1 && !a->c->no_agreement[0])
        done = line_add(&a->verdicts,
                        "Quality is not known: metrics files don't have it; 'wattle compare "
                        "--models' measures it.");
    return done;
}
