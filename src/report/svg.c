/* SPDX-License-Identifier: MIT */
#include "report/svg.h"

#include "report/doc.h"
#include "report/words.h"

#include <math.h>
#include <stdio.h>

/* ---- scales ---- */

double scale_step(const struct scale *s, int n)
{
    double raw = (s->high - s->low) / n, unit = pow(10, floor(log10(raw)));
    double step = raw / unit;
    return unit * (step <= 1 ? 1 : step <= 2 ? 2 : step <= 5 ? 5 : 10);
}

void scale_fit(struct scale *s, double low, double high, bool zero)
{
    if (!isfinite(low) || !isfinite(high) || low > high)
        low = high = 0;
    if (zero && low > 0)
        low = 0;
    if (zero && high < 0)
        high = 0;
    if (high - low <= 1e-9 * fmax(fabs(low), fabs(high)) || high - low < 1e-300)
        high = low + (low != 0 ? fabs(low) * 0.1 : 1);
    s->low = low;
    s->high = high;
    double step = scale_step(s, 5);
    s->low = floor(low / step + 1e-9) * step;
    s->high = ceil(high / step - 1e-9) * step;
}

double scale_at(const struct scale *s, double v)
{
    double share = (v - s->low) / (s->high - s->low);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return s->from + share * (s->to - s->from);
}

/* ---- marks ---- */

/* One attribute; a place has a tenth at most, in every locale. */
static void place(struct buf *out, const char *name, double v)
{
    char s[NUMBER_SIZE];
    buf_printf(out, " %s=\"%s\"", name, number_fixed(s, isfinite(v) ? v : 0, 1));
}

void svg_open(struct buf *out, const char *id, double width, double height, const char *title,
              const char *text)
{
    buf_printf(out,
               "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"%s-t %s-d\"><title "
               "id=\"%s-t\">",
               width, height, id, id, id);
    put_html(out, title);
    buf_printf(out, "</title><desc id=\"%s-d\">", id);
    put_html(out, text);
    buf_str(out, "</desc>\n");
}

void svg_close(struct buf *out)
{
    buf_str(out, "</svg>\n");
}

void svg_text(struct buf *out, double x, double y, const char *anchor, const char *class,
              const char *text, size_t most)
{
    struct span s = span_str(text);
    size_t n = 0;
    buf_str(out, "<text");
    place(out, "x", x);
    place(out, "y", y);
    buf_printf(out, " text-anchor=\"%s\" class=\"%s\">", anchor, class);
    if (most && utf8_length(s) > most) {
        struct buf cut;
        uint32_t cp;
        for (size_t k = 0; k + 1 < most; k++) {
            size_t bytes = utf8_decode(span_sub(s, n, 4), &cp);
            n += bytes ? bytes : 1;
        }
        buf_init(&cut, 1 << 16);
        buf_put(&cut, text, n);
        buf_str(&cut, "…");
        put_html(out, buf_cstr(&cut));
        buf_release(&cut);
    } else {
        put_html(out, text);
    }
    buf_str(out, "</text>\n");
}

static void ends(struct buf *out, double x1, double y1, double x2, double y2)
{
    place(out, "x1", x1);
    place(out, "y1", y1);
    place(out, "x2", x2);
    place(out, "y2", y2);
    buf_str(out, "/>\n");
}

void svg_line(struct buf *out, const char *class, double x1, double y1, double x2, double y2)
{
    buf_printf(out, "<line class=\"%s\"", class);
    ends(out, x1, y1, x2, y2);
}

void svg_stroke(struct buf *out, int colour, double width, double x1, double y1, double x2,
                double y2)
{
    buf_printf(out, "<line class=\"l%d\"", colour);
    if (width != 2) {
        char s[NUMBER_SIZE];
        buf_printf(out, " style=\"stroke-width:%s\"", number_fixed(s, width, 1));
    }
    ends(out, x1, y1, x2, y2);
}

static void opacity_of(struct buf *out, double opacity)
{
    char s[NUMBER_SIZE];
    if (opacity < 1)
        buf_printf(out, " fill-opacity=\"%s\"", number_fixed(s, opacity, 2));
}

void svg_rect(struct buf *out, int colour, double opacity, double x, double y, double width,
              double height)
{
    buf_printf(out, "<rect class=\"s%d\"", colour);
    opacity_of(out, opacity);
    place(out, "x", x);
    place(out, "y", y);
    place(out, "width", width < 0 ? 0 : width);
    place(out, "height", height < 0 ? 0 : height);
    buf_str(out, "/>\n");
}

void svg_dot(struct buf *out, int colour, double opacity, double x, double y, double radius,
             const char *tip)
{
    buf_printf(out, "<circle class=\"s%d\"", colour);
    opacity_of(out, opacity);
    place(out, "cx", x);
    place(out, "cy", y);
    place(out, "r", radius);
    if (!tip) {
        buf_str(out, "/>\n");
        return;
    }
    buf_str(out, "><title>");
    put_html(out, tip);
    buf_str(out, "</title></circle>\n");
}

/* ---- axes ---- */

/* A mark's number: as many decimals as its distance to the next has. */
static const char *mark(char s[NUMBER_SIZE], double v, double step)
{
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    if (fabs(v) < step * 1e-6)
        v = 0;
    if (fabs(v) >= 1e7)
        return number_fixed(s, v, 0);
    return number_fixed(s, v, decimals > 9 ? 9 : decimals);
}

void svg_axis_x(struct buf *out, const struct scale *s, double top, double bottom,
                const char *title)
{
    double step = scale_step(s, 5);
    char number[NUMBER_SIZE];
    for (int i = 0; i < 20 && s->low + i * step <= s->high + step * 1e-6; i++) {
        double x = scale_at(s, s->low + i * step);
        svg_line(out, "grid", x, top, x, bottom);
        svg_text(out, x, bottom + 16, "middle", "dim", mark(number, s->low + i * step, step), 0);
    }
    svg_text(out, (s->from + s->to) / 2, bottom + 34, "middle", "dim", title, 0);
}

void svg_axis_y(struct buf *out, const struct scale *s, double left, double right,
                const char *title)
{
    double step = scale_step(s, 4);
    char number[NUMBER_SIZE];
    for (int i = 0; i < 20 && s->low + i * step <= s->high + step * 1e-6; i++) {
        double y = scale_at(s, s->low + i * step);
        svg_line(out, "grid", left, y, right, y);
        svg_text(out, left - 6, y + 4, "end", "dim", mark(number, s->low + i * step, step), 0);
    }
    svg_text(out, left, s->to - 10, "start", "dim", title, 0);
}

/* ---- figures ---- */

void figure_open(struct buf *out, const char *caption, const char *how)
{
    buf_str(out, "<figure><figcaption>");
    put_html(out, caption);
    buf_str(out, "</figcaption>");
    if (how) {
        buf_str(out, "<p>");
        put_html(out, how);
        buf_str(out, "</p>");
    }
    buf_char(out, '\n');
}

void figure_close(struct buf *out)
{
    buf_str(out, "</figure>\n");
}
