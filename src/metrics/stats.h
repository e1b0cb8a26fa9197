/* SPDX-License-Identifier: MIT */
/* Statistics of values that come one by one: exact min, max, sum, mean and deviation of all,
 * percentiles of the newest METRIC_KEPT_MAX. Private to metrics/. */
#ifndef WATTLE_METRICS_STATS_H
#define WATTLE_METRICS_STATS_H

#include "metrics/metrics.h"

enum { METRIC_KEPT_MAX = 100000 };

/* Zeroed is empty. */
struct series {
    uint64_t n;
    double min, max, sum;
    double mean, m2; /* Welford 1962: mean and sum of squared distances from it */
    double *kept;    /* [capacity], a ring once METRIC_KEPT_MAX are in it */
    size_t n_kept, capacity, at;
};

void series_release(struct series *s);
/* Room for one more value: false without memory. */
bool series_reserve(struct series *s);
/* Only after series_reserve. A value that is not finite counts as not known and is left out. */
void series_add(struct series *s, double v);
/* scratch: at least s->n_kept values. */
void series_stats(const struct series *s, double *scratch, struct metric_stats *out);

#endif
