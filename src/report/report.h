/* SPDX-License-Identifier: MIT */
/* report: what metrics files say, for reading.
 *
 * Owns: the summary of a metrics folder, the comparison of models (compare.h), statistics, plots
 * and their documents. May include: base, codec, meter, metrics.
 * Start reading: this file. */
#ifndef WATTLE_REPORT_REPORT_H
#define WATTLE_REPORT_REPORT_H

#include "base/base.h"
#include "report/compare.h"
#include "report/comparison.h"
#include "report/together.h"

struct report;

/* Reads every *.json metrics file in dir and its sub-folders (depth 4, at most 10,000 files),
 * sorted by path. A file that is no metrics file is counted and named, not fatal; ERR_NOTFOUND if
 * dir is missing or holds none that can be read. */
int report_open(struct report **out, const char *dir, struct err *e);
void report_close(struct report **r);
void report_text(const struct report *r, struct buf *out); /* table, a row a file and one for all */
void report_json(const struct report *r, struct buf *out);
void report_csv(const struct report *r, struct buf *out); /* a row a file */
/* Both read the files again, for single inferences. */
void report_markdown(const struct report *r, struct buf *out);
void report_html(const struct report *r, struct buf *out); /* with plots; one file */
size_t report_skipped(const struct report *r);
const char *report_skipped_at(const struct report *r, size_t i); /* "path: why" */

#endif
