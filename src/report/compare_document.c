/* SPDX-License-Identifier: MIT */
/* compare_document: a comparison to be read: text, Markdown, HTML.
 *
 * Owns: the order of what is said: the answer, its reasons, what to mind, costs, the statistics of
 * each metric, and what ran where. The plots come between (compare_plots.c), in HTML only. */
#include "report/analysis.h"
#include "report/compare_plots.h"
#include "report/doc.h"

#include <math.h>
#include <stdio.h>

static void put_value(struct table *t, double v, enum unit unit)
{
    char s[NUMBER_SIZE];
    table_put(t, number_short(s, unit_value(v, unit)));
}

/* "310 to 335", or nothing. */
static void put_interval(struct table *t, struct interval ci, enum unit unit)
{
    char low[NUMBER_SIZE], high[NUMBER_SIZE];
    if (!isfinite(ci.low) || !isfinite(ci.high)) {
        table_put(t, "");
        return;
    }
    table_printf(t, "%s to %s", number_short(low, unit_value(ci.low, unit)),
                 number_short(high, unit_value(ci.high, unit)));
}

/* ---- costs: one row a model ---- */

static void cost_table(struct doc *d, const struct compare_result *a)
{
    struct table t = {.title = "What a model costs: means of an analysis"};
    char s[NUMBER_SIZE];
    table_column(&t, "model", false);
    table_column(&t, "n", true);
    table_column(&t, "time ms", true);
    table_column(&t, "p95 ms", true);
    table_column(&t, "tokens/s", true);
    table_column(&t, "J", true);
    table_column(&t, "J/token", true);
    table_column(&t, "memory MB", true);
    table_column(&t, "quality %", true);
    table_column(&t, "verdict", false);
    for (size_t i = 0; i < a->c->n; i++) {
        const struct analysed *m = &a->models[i];
        bool peak = a->winners[BUDGET_MEMORY].metric == METRIC_PEAK;
        table_put(&t, m->model->name);
        table_printf(&t, "%zu", m->answered);
        put_value(&t, m->of[METRIC_TIME].mean, UNIT_MS);
        put_value(&t, m->of[METRIC_TIME].p95, UNIT_MS);
        put_value(&t, m->of[METRIC_SPEED].mean, UNIT_PER_SECOND);
        put_value(&t, m->of[METRIC_ENERGY].mean, UNIT_JOULE);
        table_put(&t, number_short(s, m->of[METRIC_TOKEN_ENERGY].mean));
        put_value(&t, m->of[peak ? METRIC_PEAK : METRIC_MEMORY].mean, UNIT_MB);
        put_value(&t, m->quality, UNIT_SHARE);
        if (m->beaten_by >= 0)
            table_printf(&t, "beaten by %s", a->models[m->beaten_by].model->name);
        else
            table_put(&t, a->c->n == 1 ? ""
                          : m->front   ? "on the front"
                                       : "behind, maybe by chance");
        if (m->beaten_by >= 0)
            table_mute(&t);
    }
    doc_table(d, &t);
    table_release(&t);
}

/* ---- one metric ---- */

static bool known(const struct compare_result *a, int metric)
{
    for (size_t i = 0; i < a->c->n; i++)
        if (a->models[i].of[metric].n > 0)
            return true;
    return false;
}

static void put_versus(struct table *t, const struct difference *d, enum unit unit)
{
    char s[NUMBER_SIZE];
    if (d->n == 0) {
        for (int i = 0; i < 4; i++)
            table_put(t, "");
        return;
    }
    bool points = unit == UNIT_SHARE || isnan(d->percent);
    double v = points ? unit_value(d->mean, unit) : d->percent;
    table_printf(t, "%s%s%s", v > 0 ? "+" : "", number_short(s, v), points ? "" : " %");
    if (points)
        put_interval(t, d->ci, unit);
    else
        put_interval(t, d->percent_ci, UNIT_PERCENT);
    if (isnan(d->effect))
        table_put(t, "");
    else
        table_printf(t, "%s %s %s", d->paired ? "dz" : "delta", number_fixed(s, d->effect, 2),
                     effect_word(d->effect_kind, d->effect));
    if (d->told)
        table_put(t, "yes");
    else if (d->needed > 10000)
        table_put(t, "no: alike");
    else if (d->needed > 0)
        table_printf(t, "no: %s more", number_fixed(s, d->needed, 0));
    else
        table_put(t, isfinite(d->ci.low) ? "no" : "too few");
}

static void metric_table(struct doc *d, const struct compare_result *a, int metric)
{
    const struct metric_kind *kind = &metric_kinds[metric];
    char title[160], mean[64];
    struct table t = {.title = title};
    const char *unit = unit_name(kind->unit);
    snprintf(title, sizeof title, "%s%s%s", kind->title, unit[0] ? ", " : "", unit);
    snprintf(mean, sizeof mean, "mean");
    table_column(&t, "model", false);
    table_column(&t, "n", true);
    table_column(&t, mean, true);
    table_column(&t, "95 % of it", true);
    table_column(&t, "median", true);
    table_column(&t, "p95", true);
    table_column(&t, "stddev", true);
    if (a->c->n > 1) {
        table_column(&t, "against it", true);
        table_column(&t, "95 % of that", true);
        table_column(&t, "effect", false);
        table_column(&t, "told", false);
    }
    for (size_t i = 0; i < a->c->n; i++) {
        const struct estimate *e = &a->models[i].of[metric];
        table_put(&t, a->models[i].model->name);
        table_printf(&t, "%zu", e->n);
        put_value(&t, e->mean, kind->unit);
        put_interval(&t, e->mean_ci, kind->unit);
        put_value(&t, e->median, kind->unit);
        put_value(&t, e->p95, kind->unit);
        put_value(&t, e->stddev, kind->unit);
        if (a->c->n > 1)
            put_versus(&t, &a->models[i].versus[metric], kind->unit);
        if (a->models[i].beaten_by >= 0)
            table_mute(&t);
    }
    if (d->kind != DOC_HTML)
        doc_paragraph(d, "%s", title);
    doc_table(d, &t);
    table_release(&t);
}

void compare_statistics(struct doc *d, const struct compare_result *a)
{
    doc_heading(d, "The numbers");
    doc_fold(d, "Every metric: mean, median, 95th percentile, intervals and differences");
    if (a->c->n > 1)
        doc_paragraph(
            d,
            "Differences are against %s. Each interval holds with 95 %% by itself; of 20 such "
            "statements one may be chance. 'told' says whether the interval of a difference leaves "
            "out zero, of 6 inferences of each at least, and if not, about how many more "
            "inferences of each may tell. dz: Cohen's, "
            "of "
            "pairs that answered the same request; delta: Cliff's, where there are no pairs.",
            a->models[a->baseline].model->name);
    for (int k = 0; k < METRIC_KINDS; k++)
        if (known(a, k))
            metric_table(d, a, k);
    doc_fold_end(d);
}

/* ---- what ran where ---- */

static void model_table(struct doc *d, const struct compare_result *a)
{
    struct table t = {.title = "The models"};
    char s[NUMBER_SIZE];
    table_column(&t, "model", false);
    table_column(&t, "from", false);
    table_column(&t, "quantization", false);
    table_column(&t, "file MB", true);
    table_column(&t, "threads", true);
    table_column(&t, "loaded in s", true);
    table_column(&t, "perplexity", true);
    table_column(&t, "bits/byte", true);
    table_column(&t, "energy from", false);
    for (size_t i = 0; i < a->c->n; i++) {
        const struct compared *m = &a->c->models[i];
        table_put(&t, m->name);
        table_put(&t, m->source);
        table_put(&t, m->quantization);
        table_put(&t, m->model_bytes ? number_short(s, (double)m->model_bytes / (1 << 20)) : "");
        if (m->threads > 0)
            table_printf(&t, "%d", m->threads);
        else
            table_put(&t, m->threads < 0 ? "several" : "");
        table_put(&t, number_short(s, m->load_seconds));
        table_put(&t, number_fixed(s, m->perplexity, 2));
        table_put(&t, number_fixed(s, m->bits_per_byte, 3));
        table_put(&t, m->energy_source);
    }
    doc_table(d, &t);
    table_release(&t);
}

static void where(struct doc *d, const struct compare_result *a)
{
    const struct comparison *c = a->c;
    char s[NUMBER_SIZE];
    doc_heading(d, "What ran where");
    model_table(d, a);
    if (c->machine)
        doc_paragraph(d, "Machine: %s", c->machine);
    if (c->settings)
        doc_paragraph(d, "Settings: %s", c->settings);
    if (isfinite(c->noise_percent))
        doc_paragraph(d,
                      "Noise: the time of a fixed calculation between inferences varied by %s %%",
                      number_short(s, c->noise_percent));
    if (c->alternated)
        doc_paragraph(d, "The same requests went to each model in turns.");
    if (c->utc_us) {
        char stamp[CLOCK_ISO_SIZE];
        clock_iso(c->utc_us, stamp);
        stamp[19] = '\0';
        doc_paragraph(d, "Made: %s UTC", stamp);
    }
}

/* ---- the document ---- */

static void document(const struct compare_result *a, enum doc_kind kind, struct buf *out)
{
    struct doc d;
    char title[64];
    snprintf(title, sizeof title, a->c->n == 1 ? "One model" : "Comparison of %zu models", a->c->n);
    doc_open(&d, kind, out, title);
    doc_lead(&d, a->lead);
    if (kind == DOC_HTML)
        plot_cards(out, a);
    doc_list(&d, a->verdicts.v, a->verdicts.n);
    if (a->budgets.n > 0) {
        doc_heading(&d, "Which model for which budget");
        doc_list(&d, a->budgets.v, a->budgets.n);
    }
    doc_warnings(&d, a->warnings.v, a->warnings.n);
    doc_heading(&d, "Costs");
    if (kind == DOC_HTML)
        plot_front(out, a);
    cost_table(&d, a);
    if (kind == DOC_HTML)
        plot_metrics(out, a);
    compare_statistics(&d, a);
    where(&d, a);
    doc_close(&d);
}

void compare_text(const struct compare_result *a, struct buf *out)
{
    document(a, DOC_TEXT, out);
}

void compare_markdown(const struct compare_result *a, struct buf *out)
{
    document(a, DOC_MARKDOWN, out);
}

void compare_html(const struct compare_result *a, struct buf *out)
{
    document(a, DOC_HTML, out);
}
