/* SPDX-License-Identifier: MIT */
/* stats: metric_stats_of, and the same for values that come one by one (stats.h). */
#include "metrics/stats.h"

#include <math.h>
#include <stdlib.h>

void series_release(struct series *s)
{
    free(s->kept);
    *s = (struct series){0};
}

bool series_reserve(struct series *s)
{
    if (s->n_kept < s->capacity || s->capacity == METRIC_KEPT_MAX)
        return true;
    size_t capacity = s->capacity ? s->capacity * 2 : 16;
    if (capacity > METRIC_KEPT_MAX)
        capacity = METRIC_KEPT_MAX;
    double *kept = realloc(s->kept, capacity * sizeof *kept);
    if (!kept)
        return false;
    s->kept = kept;
    s->capacity = capacity;
    return true;
}

void series_add(struct series *s, double v)
{
    if (!isfinite(v))
        return;
    s->min = s->n == 0 || v < s->min ? v : s->min;
    s->max = s->n == 0 || v > s->max ? v : s->max;
    s->n++;
    s->sum += v;
    double from_mean = v - s->mean;
    s->mean += from_mean / (double)s->n;
    s->m2 += from_mean * (v - s->mean);

    s->kept[s->at] = v;
    s->n_kept += s->n_kept < METRIC_KEPT_MAX;
    s->at = (s->at + 1) % METRIC_KEPT_MAX;
}

void series_stats(const struct series *s, double *scratch, struct metric_stats *out)
{
    if (s->n_kept > 0)
        memcpy(scratch, s->kept, s->n_kept * sizeof *scratch);
    metric_stats_of(out, scratch, s->n_kept);
    if (s->n == s->n_kept)
        return;
    out->n = s->n;
    out->min = s->min;
    out->max = s->max;
    out->avg = s->mean;
    out->total = s->sum;
    out->stddev = sqrt(s->m2 / (double)(s->n - 1));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Hyndman and Fan 1996, definition 7, which NumPy and R take too. v is sorted, n > 0. */
static double percentile(const double *v, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return v[n - 1];
    return v[below] + (at - (double)below) * (v[below + 1] - v[below]);
}

void metric_stats_of(struct metric_stats *out, double *v, size_t n)
{
    struct metric_stats r = {0};
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            v[known++] = v[i];
    if (known == 0) {
        *out = r;
        return;
    }
    qsort(v, known, sizeof *v, by_value);
    r.n = known;
    r.min = v[0];
    r.max = v[known - 1];
    r.p50 = percentile(v, known, 0.50);
    r.p95 = percentile(v, known, 0.95);
    r.p99 = percentile(v, known, 0.99);
    for (size_t i = 0; i < known; i++)
        r.total += v[i];
    r.avg = r.total / (double)known;
    double squares = 0;
    for (size_t i = 0; i < known; i++)
        squares += (v[i] - r.avg) * (v[i] - r.avg);
    r.stddev = known > 1 ? sqrt(squares / (double)(known - 1)) : 0;
    *out = r;
}
