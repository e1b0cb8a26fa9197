/* SPDX-License-Identifier: MIT */
/* Owns the thinning of series: time is cut into stretches, and of each the least and the greatest
 * value stay, in their order. So a glitch of one sample is seen in a chart of a day, and a series
 * of few values comes through whole but for those that share a stretch with others. */
#include "metrics/board.h"

#include <stdlib.h>

struct stretch {
    double low_at, low, high_at, high; /* low_at NAN: empty */
};

struct thin {
    double from, to;
    size_t n, per_series;
    struct stretch s[];
};

int history_field(const struct history_query *q, const char *field)
{
    const char *const *names = q->id ? board_readings : board_measures;
    int n = q->id ? READINGS : MEASURES;
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], field) == 0)
            return i;
    return -1;
}

int history_check(const struct history_query *q, struct err *e)
{
    if (!q->id == !q->model)
        return err_set(e, ERR_USAGE, "history: expected an id or a model");
    if (!isfinite(q->from_s) || !isfinite(q->to_s) || q->from_s > q->to_s)
        return err_set(e, ERR_USAGE, "history: from %g to %g: expected from <= to", q->from_s,
                       q->to_s);
    if (q->points < 2 || q->points > HISTORY_POINTS_MAX)
        return err_set(e, ERR_USAGE, "history: %zu points, expected 2 to %d", q->points,
                       HISTORY_POINTS_MAX);
    if (q->n_fields < 1 || q->n_fields > HISTORY_FIELDS_MAX)
        return err_set(e, ERR_USAGE, "history: %zu fields, expected 1 to %d", q->n_fields,
                       HISTORY_FIELDS_MAX);
    for (size_t i = 0; i < q->n_fields; i++)
        if (history_field(q, q->fields[i]) < 0)
            return err_set(e, ERR_USAGE, "history: no field '%s', expected %s", q->fields[i],
                           q->id ? "temp, humidity, co, lpg, smoke, light or motion"
                                 : "inference_time_ms, tokens_per_second, memory_used_mb, "
                                   "cpu_percent_avg, power_w or energy_consumed_j");
    return 0;
}

struct thin *thin_open(double from, double to, size_t n, size_t points)
{
    size_t per_series = points / 2, size = sizeof(struct stretch);
    if (!size_mul(size, per_series * n, &size))
        return NULL;
    struct thin *t = (struct thin *)malloc(sizeof *t + size);
    if (!t)
        return NULL;
    *t = (struct thin){.from = from, .to = to, .n = n, .per_series = per_series};
    for (size_t i = 0; i < n * per_series; i++)
        t->s[i].low_at = NAN;
    return t;
}

void thin_close(struct thin *t)
{
    free(t);
}

void thin_add(struct thin *t, size_t series, double at, double v)
{
    if (!isfinite(v) || !(at >= t->from && at <= t->to))
        return;
    double share = t->to > t->from ? (at - t->from) / (t->to - t->from) : 0;
    size_t i = (size_t)(share * (double)t->per_series);
    i = i < t->per_series ? i : t->per_series - 1;
    struct stretch *s = &t->s[series * t->per_series + i];
    if (isnan(s->low_at)) {
        *s = (struct stretch){at, v, at, v};
    } else if (s->low_at == s->high_at) { /* the second one */
        bool above = v >= s->low;
        *s = above ? (struct stretch){s->low_at, s->low, at, v}
                   : (struct stretch){at, v, s->high_at, s->high};
    } else if (v < s->low) {
        s->low = v;
        s->low_at = at;
    } else if (v > s->high) {
        s->high = v;
        s->high_at = at;
    }
}

static void write_point(struct json_writer *w, double at, double v)
{
    json_write_array(w);
    json_write_fixed(w, at, 3);
    json_write_f64(w, v);
    json_write_array_end(w);
}

void thin_write(const struct thin *t, const struct history_query *q, const char *source,
                bool complete, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_put_fixed(&w, "from", t->from, 3);
    json_put_fixed(&w, "to", t->to, 3);
    json_put_str(&w, "source", source);
    json_put_bool(&w, "complete", complete);
    json_put_object(&w, "series");
    for (size_t k = 0; k < t->n; k++) {
        json_put_array(&w, q->fields[k]);
        for (size_t i = 0; i < t->per_series; i++) {
            const struct stretch *s = &t->s[k * t->per_series + i];
            bool low_first = s->low_at <= s->high_at;
            if (isnan(s->low_at))
                continue;
            write_point(&w, low_first ? s->low_at : s->high_at, low_first ? s->low : s->high);
            if (s->low_at != s->high_at)
                write_point(&w, low_first ? s->high_at : s->low_at, low_first ? s->high : s->low);
        }
        json_write_array_end(&w);
    }
    json_write_object_end(&w);
    json_write_object_end(&w);
}
