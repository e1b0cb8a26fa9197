/* SPDX-License-Identifier: MIT */
/* The plots of a comparison, as HTML. Private to report/. */
#ifndef WATTLE_REPORT_COMPARE_PLOTS_H
#define WATTLE_REPORT_COMPARE_PLOTS_H

#include "report/analysis.h"

void plot_cards(struct buf *out, const struct compare_result *a); /* the winners, large */
void plot_front(struct buf *out, const struct compare_result *a); /* quality, time and energy */
void plot_metrics(struct buf *out,
                  const struct compare_result *a); /* distributions and differences */

#endif
