/* SPDX-License-Identifier: MIT */
/* What a comparison says: statistics of every model, differences with their uncertainty, a verdict
 * in words. Definitions and sources: docs/compare.md. Other folders get this by report/report.h. */
#ifndef WATTLE_REPORT_COMPARE_H
#define WATTLE_REPORT_COMPARE_H

#include "report/comparison.h"

/* Adds to c one model a folder (or file) saved as `cp metrics/NAME/(*).json results/MODEL/`, named
 * as the folder is; what can't be read in it becomes a warning of c. ERR_NOTFOUND: a folder without
 * any metrics file. */
int comparison_read(struct comparison *c, const char *dir, struct err *e);
/* Puts the energy of every sample on a board: [idle_w + (max_w - idle_w) * CPU share] * time. What
 * was measured on this machine is no longer shown. */
void comparison_use_power(struct comparison *c, const char *board, double idle_w, double max_w);

/* Statistics and verdict of a comparison, which it borrows until close. */
struct compare_result;
/* 1 model at least. Bounded time: resampling takes 10 s of 32 models, less of fewer. */
int compare_open(struct compare_result **out, const struct comparison *c, struct err *e);
void compare_close(struct compare_result **a);

/* Renderings. Every one ends with a line end. */
void compare_text(const struct compare_result *a, struct buf *out); /* a terminal's 100 columns */
void compare_markdown(const struct compare_result *a, struct buf *out); /* GitHub's */
void compare_json(const struct compare_result *a, struct buf *out);     /* keys: docs/compare.md */
void compare_csv(const struct compare_result *a, struct buf *out);  /* one row a model and metric */
void compare_html(const struct compare_result *a, struct buf *out); /* one file, nothing outside */

#endif
