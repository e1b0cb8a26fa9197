/* SPDX-License-Identifier: MIT */
/* Drawing into an HTML page: a frame with a title, axes with round numbers, marks. Classes and
 * colours are page.c's. Nothing that is not finite is drawn. Private to report/. */
#ifndef WATTLE_REPORT_SVG_H
#define WATTLE_REPORT_SVG_H

#include "base/base.h"

/* From values to places on one axis. */
struct scale {
    double low, high; /* of values, low < high */
    double from, to;  /* of places */
};
/* Widened to round numbers and, where zero is wanted, to zero; of nothing: 0 to 1. */
void scale_fit(struct scale *s, double low, double high, bool zero);
double scale_at(const struct scale *s, double v);
/* Distance of the marks of an axis: about n of them, 1, 2 or 5 times a power of ten. */
double scale_step(const struct scale *s, int n);

/* id: what is unique in the page; the text is for those who can't see the plot. */
void svg_open(struct buf *out, const char *id, double width, double height, const char *title,
              const char *text);
void svg_close(struct buf *out);
/* anchor: "start", "middle", "end". At most most characters, then …; 0: all. */
void svg_text(struct buf *out, double x, double y, const char *anchor, const char *class,
              const char *text, size_t most);
void svg_line(struct buf *out, const char *class, double x1, double y1, double x2, double y2);
/* class and the colour of a series. */
void svg_rect(struct buf *out, int colour, double opacity, double x, double y, double width,
              double height);
void svg_dot(struct buf *out, int colour, double opacity, double x, double y, double radius,
             const char *tip);
void svg_stroke(struct buf *out, int colour, double width, double x1, double y1, double x2,
                double y2);
void svg_axis_x(struct buf *out, const struct scale *s, double top, double bottom,
                const char *title);
void svg_axis_y(struct buf *out, const struct scale *s, double left, double right,
                const char *title);

/* Around a plot: <figure> with caption and a sentence on how to read it. */
void figure_open(struct buf *out, const char *caption, const char *how);
void figure_close(struct buf *out);

#endif
