/* SPDX-License-Identifier: MIT */
/* Plots that know no metric: rows of values, rows of intervals, points, lines, counts. Each is one
 * <svg>. Names are outside text. Private to report/. */
#ifndef WATTLE_REPORT_CHART_H
#define WATTLE_REPORT_CHART_H

#include "base/base.h"

/* One row: values as dots, their quartiles as a box, median and mean. */
struct chart_row {
    const char *name;
    int colour;
    const double *v; /* not sorted; borrowed */
    size_t n;
    double mean, low, high; /* mean and its interval */
};
void chart_distributions(struct buf *out, const char *id, const char *title, const char *text,
                         const char *unit, const struct chart_row *rows, size_t n);

/* One row: a value and its interval beside zero. */
struct chart_interval {
    const char *name;
    int colour;
    double value, low, high;
    bool told;
};
void chart_intervals(struct buf *out, const char *id, const char *title, const char *text,
                     const char *axis, const struct chart_interval *rows, size_t n);

/* One point with a name; ring: not on the front. */
struct chart_point {
    const char *name;
    int colour;
    double x, y;
    double x_low, x_high, y_low, y_high; /* whiskers; NAN: none */
    bool lesser;
};
/* front: points that are not lesser are joined in order of x. */
void chart_points(struct buf *out, const char *id, const char *title, const char *text,
                  const char *x_title, const char *y_title, const struct chart_point *p, size_t n,
                  bool front);

/* One series over time. */
struct chart_series {
    const char *name;
    int colour;
    const double *x, *y; /* [n], borrowed; what is not finite is a gap */
    size_t n;
};
void chart_lines(struct buf *out, const char *id, const char *title, const char *text,
                 const char *x_title, const char *y_title, const struct chart_series *s, size_t n);

/* How many values lie in each of equally wide classes. */
void chart_histogram(struct buf *out, const char *id, const char *title, const char *text,
                     const char *unit, const double *v, size_t n);

#endif
