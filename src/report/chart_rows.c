/* SPDX-License-Identifier: MIT */
/* chart_rows: plots of one row a model: distributions, and intervals beside zero.
 *
 * Names stand above their rows, so that long ones fit a phone too. */
#include "report/chart.h"

#include "report/statistics.h"
#include "report/svg.h"
#include "report/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 560, LEFT = 8, RIGHT = 548, TOP = 6, ROW = 62, FOOT = 44, DOTS_MAX = 300 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void widest(const struct chart_row *rows, size_t n, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < rows[i].n; k++) {
            *low = rows[i].v[k] < *low ? rows[i].v[k] : *low;
            *high = rows[i].v[k] > *high ? rows[i].v[k] : *high;
        }
}

/* Dots are moved up and down so that few hide others: by the golden ratio, which spreads any number
 * of them evenly and is the same each time. */
static void draw_dots(struct buf *out, const struct scale *s, const struct chart_row *r, double y)
{
    size_t step = r->n > DOTS_MAX ? (r->n + DOTS_MAX - 1) / DOTS_MAX : 1;
    for (size_t k = 0; k < r->n; k += step) {
        size_t number = k / step + 1;
        double turn = (double)number * 0.6180339887498949;
        svg_dot(out, r->colour, 0.4, scale_at(s, r->v[k]), y + ((turn - floor(turn)) - 0.5) * 24,
                2.4, NULL);
    }
}

static void draw_box(struct buf *out, const struct scale *s, const struct chart_row *r, double y)
{
    double *sorted = malloc((r->n + 1) * sizeof *sorted);
    if (!sorted || r->n == 0) {
        free(sorted);
        return;
    }
    memcpy(sorted, r->v, r->n * sizeof *sorted);
    qsort(sorted, r->n, sizeof *sorted, by_value);
    double q1 = scale_at(s, percentile_of(sorted, r->n, 0.25));
    double q2 = scale_at(s, percentile_of(sorted, r->n, 0.5));
    double q3 = scale_at(s, percentile_of(sorted, r->n, 0.75));
    double p5 = scale_at(s, percentile_of(sorted, r->n, 0.05));
    double p95 = scale_at(s, percentile_of(sorted, r->n, 0.95));
    svg_stroke(out, r->colour, 1.5, p5, y, q1, y);
    svg_stroke(out, r->colour, 1.5, q3, y, p95, y);
    svg_rect(out, r->colour, 0.18, q1, y - 12, q3 - q1, 24);
    svg_stroke(out, r->colour, 3, q2, y - 12, q2, y + 12);
    free(sorted);
}

void chart_distributions(struct buf *out, const char *id, const char *title, const char *text,
                         const char *unit, const struct chart_row *rows, size_t n)
{
    struct scale s = {.from = LEFT, .to = RIGHT};
    double low, high, bottom = TOP + ROW * (double)n;
    widest(rows, n, &low, &high);
    scale_fit(&s, low, high, low > 0 && low < 0.5 * high);
    svg_open(out, id, WIDTH, bottom + FOOT, title, text);
    svg_axis_x(out, &s, TOP, bottom, unit);
    for (size_t i = 0; i < n; i++) {
        char mean[NUMBER_SIZE], label[NUMBER_SIZE + 16];
        double y = TOP + ROW * (double)i + 40;
        svg_text(out, LEFT, y - 22, "start", "name", rows[i].name, 44);
        snprintf(label, sizeof label, "mean %s", number_short(mean, rows[i].mean));
        svg_text(out, RIGHT, y - 22, "end", "dim", mean[0] ? label : "", 0);
        draw_dots(out, &s, &rows[i], y);
        draw_box(out, &s, &rows[i], y);
    }
    svg_close(out);
}

void chart_intervals(struct buf *out, const char *id, const char *title, const char *text,
                     const char *axis, const struct chart_interval *rows, size_t n)
{
    struct scale s = {.from = LEFT, .to = RIGHT - 92}; /* numbers stand beside */
    double low = 0, high = 0, bottom = TOP + 46.0 * (double)n;
    for (size_t i = 0; i < n; i++) {
        double from = isfinite(rows[i].low) ? rows[i].low : rows[i].value;
        double to = isfinite(rows[i].high) ? rows[i].high : rows[i].value;
        low = from < low ? from : low;
        high = to > high ? to : high;
    }
    scale_fit(&s, low, high, true);
    svg_open(out, id, WIDTH, bottom + FOOT, title, text);
    svg_axis_x(out, &s, TOP, bottom, axis);
    svg_line(out, "zero", scale_at(&s, 0), TOP, scale_at(&s, 0), bottom);
    for (size_t i = 0; i < n; i++) {
        const struct chart_interval *r = &rows[i];
        char value[NUMBER_SIZE], label[NUMBER_SIZE + 32];
        double y = TOP + 46.0 * (double)i + 33;
        svg_text(out, LEFT, y - 15, "start", "name", r->name, 44);
        snprintf(label, sizeof label, "%s%s%s", r->value > 0 ? "+" : "",
                 number_short(value, r->value), r->told ? "" : ", not told");
        svg_text(out, RIGHT, y + 4, "end", "dim", label, 0);
        if (isfinite(r->low) && isfinite(r->high))
            svg_stroke(out, r->colour, r->told ? 4 : 2, scale_at(&s, r->low), y,
                       scale_at(&s, r->high), y);
        svg_dot(out, r->colour, r->told ? 1 : 0.5, scale_at(&s, r->value), y, 5.5, NULL);
    }
    svg_close(out);
}
