/* SPDX-License-Identifier: MIT */
/* compare_charts: which plots a comparison has: the front, distributions, differences. Their
 * numbers stand in tables beneath. */
#include "report/chart.h"
#include "report/compare_plots.h"
#include "report/doc.h"
#include "report/page.h"
#include "report/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int colour_of(size_t i)
{
    return (int)(i % PAGE_COLOURS);
}

/* ---- the front ---- */

struct axes {
    enum compared_metric x;
    int y; /* enum compared_metric; quality where it is a->quality_metric */
    const char *id, *caption, *how;
};

static double y_of(const struct compare_result *a, size_t i, int metric)
{
    const struct analysed *m = &a->models[i];
    double v = metric == a->quality_metric ? m->quality : m->of[metric].mean;
    return unit_value(v, metric_kinds[metric].unit);
}

static void front(struct buf *out, const struct compare_result *a, const struct axes *axes)
{
    struct chart_point points[COMPARED_MAX];
    const struct metric_kind *x = &metric_kinds[axes->x], *y = &metric_kinds[axes->y];
    size_t n = 0;
    char x_title[96], y_title[96];
    for (size_t i = 0; i < a->c->n; i++) {
        const struct estimate *ex = &a->models[i].of[axes->x], *ey = &a->models[i].of[axes->y];
        struct chart_point p = {
            .name = a->models[i].model->name,
            .colour = colour_of(i),
            .x = unit_value(ex->mean, x->unit),
            .y = y_of(a, i, axes->y),
            .x_low = unit_value(ex->mean_ci.low, x->unit),
            .x_high = unit_value(ex->mean_ci.high, x->unit),
            .y_low = unit_value(ey->mean_ci.low, y->unit),
            .y_high = unit_value(ey->mean_ci.high, y->unit),
            .lesser = !a->models[i].front,
        };
        if (isfinite(p.x) && isfinite(p.y))
            points[n++] = p;
    }
    if (n == 0)
        return;
    snprintf(x_title, sizeof x_title, "%s, %s", x->title, unit_name(x->unit));
    snprintf(y_title, sizeof y_title, "%s, %s", y->title, unit_name(y->unit));
    figure_open(out, axes->caption, axes->how);
    chart_points(out, axes->id, axes->caption, axes->how, x_title, y_title, points, n,
                 a->quality_metric == axes->y);
    figure_close(out);
}

void plot_front(struct buf *out, const struct compare_result *a)
{
    if (a->c->n < 2)
        return;
    buf_str(out, "<div class=\"pair\">\n");
    if (a->quality_metric >= 0) {
        front(out, a,
              &(struct axes){METRIC_TIME, a->quality_metric, "front-time", "Quality for time",
                             "Up and to the left is better. Pale: another is no worse in quality, "
                             "time and energy. Lines: 95 % intervals of the means."});
        front(out, a,
              &(struct axes){METRIC_ENERGY, a->quality_metric, "front-energy", "Quality for energy",
                             "Up and to the left is better. Joules of an analysis."});
    } else {
        front(out, a,
              &(struct axes){METRIC_TIME, METRIC_ENERGY, "front-cost", "Energy and time",
                             "Down and to the left is better. Pale: another is no worse in both. "
                             "Lines: 95 % intervals of the means."});
    }
    if (a->winners[BUDGET_MEMORY].metric >= 0)
        front(out, a,
              &(struct axes){METRIC_TIME, a->winners[BUDGET_MEMORY].metric, "front-memory",
                             "Memory and time", "Down and to the left is better."});
    buf_str(out, "</div>\n");
}

/* ---- metrics ---- */

static void distributions(struct buf *out, const struct compare_result *a,
                          enum compared_metric metric)
{
    const struct metric_kind *kind = &metric_kinds[metric];
    struct chart_row rows[COMPARED_MAX];
    double *values[COMPARED_MAX];
    char id[64], unit[96], caption[96];
    size_t n = 0;
    for (size_t i = 0; i < a->c->n; i++) {
        size_t count = 0;
        double *v = analysis_values(a->models[i].model, metric, &count);
        if (!v)
            out->failed = true;
        if (!v || count == 0) {
            free(v);
            continue;
        }
        values[n] = v;
        rows[n++] = (struct chart_row){.name = a->models[i].model->name,
                                       .colour = colour_of(i),
                                       .v = v,
                                       .n = count,
                                       .mean = a->models[i].of[metric].mean};
    }
    snprintf(id, sizeof id, "spread-%s", kind->key);
    snprintf(unit, sizeof unit, "%s", unit_name(kind->unit));
    snprintf(caption, sizeof caption, "Spread: %s", kind->title);
    if (n > 0) {
        figure_open(out, caption, NULL);
        chart_distributions(out, id, caption,
                            "A row a model. Dots are single inferences; the box holds the middle "
                            "half of them, its line is the median, the whiskers go from the 5th to "
                            "the 95th percentile. The numbers are in the tables below.",
                            unit, rows, n);
        figure_close(out);
    }
    for (size_t i = 0; i < n; i++)
        free(values[i]);
}

static void differences(struct buf *out, const struct compare_result *a,
                        enum compared_metric metric)
{
    const struct metric_kind *kind = &metric_kinds[metric];
    struct chart_interval rows[COMPARED_MAX];
    struct buf axis;
    char id[64], caption[96];
    bool points = kind->unit == UNIT_SHARE;
    size_t n = 0;
    for (size_t i = 0; i < a->c->n; i++) {
        const struct difference *d = &a->models[i].versus[metric];
        double value = points ? d->mean * 100 : d->percent;
        if ((int)i == a->baseline || d->n == 0 || !isfinite(value))
            continue;
        rows[n++] = (struct chart_interval){
            .name = a->models[i].model->name,
            .colour = colour_of(i),
            .value = value,
            .low = points ? d->ci.low * 100 : d->percent_ci.low,
            .high = points ? d->ci.high * 100 : d->percent_ci.high,
            .told = d->told,
        };
    }
    if (n == 0)
        return;
    buf_init(&axis, 4096);
    buf_printf(&axis, "%s more than %s", points ? "points" : "%",
               a->models[a->baseline].model->name);
    snprintf(id, sizeof id, "difference-%s", kind->key);
    snprintf(caption, sizeof caption, "Difference: %s", kind->title);
    figure_open(out, caption, NULL);
    chart_intervals(out, id, caption,
                    "A row a model: how much more than the baseline, with its 95 % interval. One "
                    "that crosses zero tells no difference. The numbers are in the tables below.",
                    buf_cstr(&axis), rows, n);
    figure_close(out);
    buf_release(&axis);
}

void plot_metrics(struct buf *out, const struct compare_result *a)
{
    static const enum compared_metric spread[] = {METRIC_TIME, METRIC_ENERGY, METRIC_SPEED,
                                                  METRIC_PEAK};
    static const enum compared_metric against[] = {METRIC_TIME, METRIC_ENERGY, METRIC_TOKEN_ENERGY,
                                                   METRIC_PEAK, METRIC_VALID,  METRIC_AGREEMENT};
    if (a->c->n > 1) {
        buf_str(out, "<h2>Differences</h2>\n<p>Each with its 95 % interval: one that crosses zero "
                     "tells no difference. To the left: less than ");
        put_html(out, a->models[a->baseline].model->name);
        buf_str(out, ".</p>\n<div class=\"pair\">\n");
        for (size_t i = 0; i < sizeof against / sizeof *against; i++)
            differences(out, a, against[i]);
        buf_str(out, "</div>\n");
    }
    buf_str(out, "<h2>Spread</h2>\n<p>Each dot is an inference. The box holds the middle half, its "
                 "line is the median; whiskers go from the 5th to the 95th percentile.</p>\n<div "
                 "class=\"pair\">\n");
    for (size_t i = 0; i < sizeof spread / sizeof *spread; i++)
        distributions(out, a, spread[i]);
    buf_str(out, "</div>\n");
}
