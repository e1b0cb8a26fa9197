/* SPDX-License-Identifier: MIT */
/* Statistics of samples: estimates, intervals, differences, effects. Private to report/.
 *
 * Everything is deterministic: resampling has a fixed seed. Values that are not finite must have
 * been left out before. */
#ifndef WATTLE_REPORT_STATISTICS_H
#define WATTLE_REPORT_STATISTICS_H

#include "base/base.h"

enum {
    RESAMPLES = 4000,
    TOLD_MIN =
        6, /* fewer, though all on one side, come by chance in over 5 of 100 cases: 2 / 2^5 */
    RESAMPLED_MAX = 500, /* more values than this: the normal approximation is as good */
};

struct interval {
    double low, high; /* 95 %; NAN: too few values */
};

struct estimate {
    size_t n;
    double mean, median, p95, stddev, min, max; /* NAN where n is 0; stddev: of a sample (n - 1) */
    struct interval mean_ci;                    /* bootstrap, BCa */
    struct interval median_ci;                  /* of order statistics */
    double lag1;  /* autocorrelation of neighbours; NAN with fewer than 8 values */
    size_t block; /* of the bootstrap: 1 where neighbours are independent */
};

enum effect_kind { EFFECT_NONE, EFFECT_CLIFF_DELTA, EFFECT_COHEN_DZ };

/* x less y. */
struct difference {
    bool paired;
    size_t n;                   /* pairs; the smaller of both where there are none */
    double mean, percent;       /* of y's mean; NAN where that is 0 */
    struct interval ci;         /* of mean; BCa bootstrap */
    struct interval percent_ci; /* ci in percent of y's mean */
    enum effect_kind effect_kind;
    double effect; /* of a constant difference dz has no value: NAN */
    bool told;     /* the interval is there and excludes 0, n >= TOLD_MIN */
    double needed; /* more inferences (or pairs) of each until it may; 0 told, NAN can't be said */
};

/* Percentile of sorted values, linear between neighbours (type 7 of Hyndman and Fan 1996). */
double percentile_of(const double *sorted, size_t n, double share);

/* v in order of time; scratch of n. */
void estimate_of(struct estimate *out, const double *v, size_t n, double *scratch);
/* d: differences of pairs, in order of time. baseline: mean of y. */
void difference_paired(struct difference *out, const double *d, size_t n, double baseline);
/* scratch of n_x + n_y. */
void difference_unpaired(struct difference *out, const double *x, size_t n_x, const double *y,
                         size_t n_y, double *scratch);

/* Share of pairs where x is above y, less that where it is below: -1..1. Sorts both. */
double cliff_delta(double *x, size_t n_x, double *y, size_t n_y);

/* "negligible", "small", "medium", "large". */
const char *effect_word(enum effect_kind kind, double effect);
const char *effect_name(enum effect_kind kind); /* "Cliff's delta", … */

double normal_cdf(double z);
double normal_quantile(double p); /* 0 < p < 1 */

#endif
