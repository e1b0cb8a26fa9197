/* SPDX-License-Identifier: MIT */
/* chart_points: points and lines between two axes, and a histogram. */
#include "report/chart.h"

#include "report/svg.h"
#include "report/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WIDTH = 560,
    HEIGHT = 330,
    LEFT = 56,
    RIGHT = 544,
    TOP = 30,
    BOTTOM = 286,
    POINTS_MAX = 400, /* of a line: more can't be told apart at this width */
    CLASSES_MAX = 40,
    LABELS_MAX = 64,
};

static void widen(double *low, double *high, double v)
{
    if (!isfinite(v))
        return;
    *low = v < *low ? v : *low;
    *high = v > *high ? v : *high;
}

/* ---- points ---- */

struct label {
    double x, y;
    bool end;
    size_t point;
};

/* Above one another where they would touch: a label moves down until it is free. */
static void place_label(const struct label *placed, size_t n, struct label *l)
{
    for (bool moved = true; moved && l->y < BOTTOM + 200;) {
        moved = false;
        for (size_t i = 0; i < n; i++)
            if (fabs(placed[i].y - l->y) < 15 && fabs(placed[i].x - l->x) < 170) {
                l->y = placed[i].y + 15.1;
                moved = true;
            }
    }
}

static void draw_front(struct buf *out, const struct scale *x, const struct scale *y,
                       const struct chart_point *p, size_t n)
{
    const struct chart_point *last = NULL;
    for (size_t k = 0; k < n; k++) {
        const struct chart_point *next = NULL;
        for (size_t i = 0; i < n; i++)
            if (!p[i].lesser && (!last || p[i].x > last->x) && (!next || p[i].x < next->x))
                next = &p[i];
        if (!next)
            return;
        if (last)
            svg_line(out, "grid", scale_at(x, last->x), scale_at(y, last->y), scale_at(x, next->x),
                     scale_at(y, next->y));
        last = next;
    }
}

static void draw_point(struct buf *out, const struct scale *x, const struct scale *y,
                       const struct chart_point *p)
{
    double at_x = scale_at(x, p->x), at_y = scale_at(y, p->y);
    if (isfinite(p->x_low) && isfinite(p->x_high))
        svg_stroke(out, p->colour, 1.5, scale_at(x, p->x_low), at_y, scale_at(x, p->x_high), at_y);
    if (isfinite(p->y_low) && isfinite(p->y_high))
        svg_stroke(out, p->colour, 1.5, at_x, scale_at(y, p->y_low), at_x, scale_at(y, p->y_high));
    svg_dot(out, p->colour, p->lesser ? 0.3 : 1, at_x, at_y, 7, p->name);
}

void chart_points(struct buf *out, const char *id, const char *title, const char *text,
                  const char *x_title, const char *y_title, const struct chart_point *p, size_t n,
                  bool front)
{
    struct scale x = {.from = LEFT, .to = RIGHT}, y = {.from = BOTTOM, .to = TOP};
    struct label placed[LABELS_MAX];
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    size_t n_placed = 0;
    for (size_t i = 0; i < n; i++) {
        widen(&x_low, &x_high, p[i].x);
        widen(&x_low, &x_high, p[i].x_low);
        widen(&x_low, &x_high, p[i].x_high);
        widen(&y_low, &y_high, p[i].y);
        widen(&y_low, &y_high, p[i].y_low);
        widen(&y_low, &y_high, p[i].y_high);
    }
    scale_fit(&x, x_low, x_high, true);
    scale_fit(&y, y_low, y_high, y_low < 0.5 * y_high);
    svg_open(out, id, WIDTH, HEIGHT, title, text);
    svg_axis_x(out, &x, TOP, BOTTOM, x_title);
    svg_axis_y(out, &y, LEFT, RIGHT, y_title);
    if (front)
        draw_front(out, &x, &y, p, n);
    for (size_t i = 0; i < n; i++)
        draw_point(out, &x, &y, &p[i]);
    for (size_t i = 0; i < n && n_placed < LABELS_MAX; i++) {
        struct label l = {.x = scale_at(&x, p[i].x), .y = scale_at(&y, p[i].y) - 12, .point = i};
        l.end = l.x > (LEFT + RIGHT) / 2.0;
        place_label(placed, n_placed, &l);
        placed[n_placed++] = l;
        svg_text(out, l.x + (l.end ? -10 : 10), l.y + 4, l.end ? "end" : "start",
                 p[i].lesser ? "dim" : "name", p[i].name, 28);
    }
    svg_close(out);
}

/* ---- lines ---- */

static void draw_series(struct buf *out, const struct scale *x, const struct scale *y,
                        const struct chart_series *s)
{
    size_t step = s->n > POINTS_MAX ? (s->n + POINTS_MAX - 1) / POINTS_MAX : 1;
    char a[NUMBER_SIZE], b[NUMBER_SIZE];
    bool open = false;
    buf_printf(out, "<path class=\"l%d\" style=\"stroke-width:1.5\" d=\"", s->colour);
    for (size_t i = 0; i < s->n; i += step) {
        bool there = isfinite(s->x[i]) && isfinite(s->y[i]);
        if (there)
            buf_printf(out, "%s%s %s", open ? "L" : "M", number_fixed(a, scale_at(x, s->x[i]), 1),
                       number_fixed(b, scale_at(y, s->y[i]), 1));
        open = there;
    }
    buf_str(out, "\"/>\n");
    if (s->n > 120)
        return;
    for (size_t i = 0; i < s->n; i++)
        if (isfinite(s->x[i]) && isfinite(s->y[i]))
            svg_dot(out, s->colour, 0.8, scale_at(x, s->x[i]), scale_at(y, s->y[i]), 2.4, NULL);
}

void chart_lines(struct buf *out, const char *id, const char *title, const char *text,
                 const char *x_title, const char *y_title, const struct chart_series *s, size_t n)
{
    struct scale x = {.from = LEFT, .to = RIGHT}, y = {.from = BOTTOM, .to = TOP};
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s[i].n; k++) {
            widen(&x_low, &x_high, s[i].x[k]);
            widen(&y_low, &y_high, s[i].y[k]);
        }
    scale_fit(&x, x_low, x_high, false);
    if (isfinite(x_low) && x_high > x_low) { /* time need not end at a round number */
        x.low = x_low;
        x.high = x_high;
    }
    scale_fit(&y, y_low, y_high, true);
    svg_open(out, id, WIDTH, HEIGHT, title, text);
    svg_axis_x(out, &x, TOP, BOTTOM, x_title);
    svg_axis_y(out, &y, LEFT, RIGHT, y_title);
    for (size_t i = 0; i < n; i++)
        draw_series(out, &x, &y, &s[i]);
    svg_close(out);
}

/* ---- histogram ---- */

void chart_histogram(struct buf *out, const char *id, const char *title, const char *text,
                     const char *unit, const double *v, size_t n)
{
    struct scale x = {.from = LEFT, .to = RIGHT}, y = {.from = BOTTOM, .to = TOP};
    double low = INFINITY, high = -INFINITY;
    size_t counts[CLASSES_MAX] = {0}, most = 1;
    for (size_t i = 0; i < n; i++)
        widen(&low, &high, v[i]);
    scale_fit(&x, low, high, false);
    /* Sturges 1926: log2(n) + 1 classes at least; here twice that, cut to what the axis gives */
    int wanted = 2 * (int)ceil(log2((double)n + 1)) + 2;
    double step = scale_step(&x, wanted < CLASSES_MAX ? wanted : CLASSES_MAX);
    int classes = (int)ceil((x.high - x.low) / step - 1e-9);
    classes = classes < 1 ? 1 : classes > CLASSES_MAX ? CLASSES_MAX : classes;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        double at = (v[i] - x.low) / (x.high - x.low) * classes;
        size_t k = at < 0 ? 0 : at >= classes ? (size_t)classes - 1 : (size_t)at;
        most = ++counts[k] > most ? counts[k] : most;
    }
    scale_fit(&y, 0, (double)most, true);
    svg_open(out, id, WIDTH, HEIGHT, title, text);
    svg_axis_x(out, &x, TOP, BOTTOM, unit);
    svg_axis_y(out, &y, LEFT, RIGHT, "inferences");
    double width = (RIGHT - LEFT) / (double)classes;
    for (int k = 0; k < classes; k++)
        svg_rect(out, 0, 0.8, LEFT + k * width + 1, scale_at(&y, (double)counts[k]), width - 2,
                 BOTTOM - scale_at(&y, (double)counts[k]));
    svg_close(out);
}
