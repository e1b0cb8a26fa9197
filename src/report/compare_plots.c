/* SPDX-License-Identifier: MIT */
/* compare_plots: the winners of a comparison, large. */
#include "report/compare_plots.h"

#include "report/doc.h"

#include <math.h>
#include <stdio.h>

static void card(struct buf *out, const struct compare_result *a, enum budget b)
{
    static const char *const heads[BUDGETS] = {"Fastest", "Least energy", "Least memory",
                                               "Best answers"};
    static const char *const tied[BUDGETS] = {"Speed", "Energy", "Memory", "Quality"};
    const struct winner *w = &a->winners[b];
    char value[NUMBER_SIZE], percent[NUMBER_SIZE];
    if (w->metric < 0 || w->best < 0)
        return;
    const struct metric_kind *kind = &metric_kinds[w->metric];
    int shown = b == BUDGET_QUALITY ? analysis_quality_choice(a) : w->best;
    double mean = w->metric == a->quality_metric ? a->models[shown].quality
                                                 : a->models[shown].of[w->metric].mean;
    buf_printf(out, "<div class=\"card\"><div class=\"what\">%s</div><div class=\"num\">%s</div>",
               w->n_tied ? tied[b] : heads[b], quantity(value, mean, kind->unit));
    buf_str(out, "<div class=\"who\">");
    put_html(out, a->models[shown].model->name);
    buf_str(out, "</div><div class=\"than\">");
    const struct difference *d = &w->than_next;
    double by = kind->unit == UNIT_SHARE ? d->mean * 100 : d->percent;
    if (w->n_tied > 0) {
        buf_str(out, shown != w->best ? "can't be told from the best, and is faster"
                     : w->n_tied == 1 ? "can't be told from another"
                                      : "can't be told from others");
    } else if (w->next >= 0 && d->n > 0 && isfinite(by)) {
        buf_printf(out, "%s %s %s than ", number_short(percent, fabs(by)),
                   kind->unit == UNIT_SHARE ? "points" : "%", by < 0 ? "less" : "more");
        put_html(out, a->models[w->next].model->name);
    }
    buf_str(out, "</div></div>\n");
}

void plot_cards(struct buf *out, const struct compare_result *a)
{
    buf_str(out, "<div class=\"cards\">\n");
    for (int b = 0; b < BUDGETS; b++)
        card(out, a, (enum budget)b);
    buf_str(out, "</div>\n");
}
