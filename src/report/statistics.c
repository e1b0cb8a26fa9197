/* SPDX-License-Identifier: MIT */
/* statistics: estimates with intervals, and what two samples differ by.
 *
 * Owns: the mathematics; which metric they are of is analysis.c's business. Sources: BCa bootstrap,
 * Efron 1987; circular blocks, Politis and Romano 1992; order-statistic interval of the median,
 * Conover 1999 section 3.2; Cliff 1993, with the words of Romano 2006; dz, Cohen 1988. */
#include "report/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { LAG_MIN = 8 };                  /* values from which neighbours are compared */
static const double Z95 = 1.959963985; /* normal_quantile(0.975) */
static const uint64_t SEED = 20250101; /* any: the same data must give the same report */

/* ---- the normal distribution ---- */

double normal_cdf(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

/* By halving: exact to the last bits, and called a few times an interval only. */
double normal_quantile(double p)
{
    double low = -9, high = 9;
    for (int i = 0; i < 64; i++) {
        double z = 0.5 * (low + high);
        if (normal_cdf(z) < p)
            low = z;
        else
            high = z;
    }
    return 0.5 * (low + high);
}

/* ---- plain statistics ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(double *v, size_t n)
{
    if (n > 1)
        qsort(v, n, sizeof *v, by_value);
}

double percentile_of(const double *sorted, size_t n, double share)
{
    if (n == 0)
        return NAN;
    double at = share * (double)(n - 1);
    size_t i = (size_t)at;
    if (i >= n - 1)
        return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

static double mean_of(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

static double deviation_of(const double *v, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}

static double lag1_of(const double *v, size_t n, double mean)
{
    double own = 0, next = 0;
    for (size_t i = 0; i < n; i++) {
        own += (v[i] - mean) * (v[i] - mean);
        if (i + 1 < n)
            next += (v[i] - mean) * (v[i + 1] - mean);
    }
    return n >= LAG_MIN && own > 0 ? next / own : NAN;
}

/* Independent values are within 2/sqrt(n) of 0 in 95 of 100 cases. n^(1/3): the growth that suits
 * the variance of a mean (Hall, Horowitz and Jing 1995). */
static size_t block_of(double lag1, size_t n)
{
    if (isnan(lag1) || lag1 <= 2 / sqrt((double)n))
        return 1;
    return (size_t)ceil(cbrt((double)n)) + 1;
}

/* How many independent values these are worth, as of an autoregression of the first order. */
static double worth_of(double lag1, size_t n)
{
    if (block_of(lag1, n) == 1)
        return (double)n;
    double r = lag1 < 0.95 ? lag1 : 0.95;
    return (double)n * (1 - r) / (1 + r);
}

/* ---- intervals ---- */

/* Values of which the mean is resampled, with its sign in the difference. */
struct part {
    const double *v;
    size_t n, block;
    double mean, sign;
};

static double resampled_mean(const struct part *p, struct rng *rng)
{
    double sum = 0;
    if (p->block == 1) {
        for (size_t i = 0; i < p->n; i++)
            sum += p->v[rng_below(rng, p->n)];
        return sum / (double)p->n;
    }
    for (size_t i = 0; i < p->n;) {
        size_t at = (size_t)rng_below(rng, p->n);
        for (size_t k = 0; k < p->block && i < p->n; k++, i++)
            sum += p->v[(at + k) % p->n];
    }
    return sum / (double)p->n;
}

/* Acceleration of a sum of means, from its jackknife, and its variance if values are independent.
 */
static double acceleration(const struct part *parts, size_t n_parts, double *variance)
{
    double cubes = 0, squares = 0;
    for (size_t k = 0; k < n_parts; k++) {
        double n = (double)parts[k].n, sum2 = 0, sum3 = 0;
        for (size_t i = 0; i < parts[k].n; i++) {
            double u = parts[k].sign * (parts[k].v[i] - parts[k].mean);
            sum2 += u * u;
            sum3 += u * u * u;
        }
        squares += sum2 / (n * n);
        cubes += sum3 / (n * n * n);
    }
    *variance = squares;
    return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

static double adjusted(double z0, double a, double z)
{
    return normal_cdf(z0 + (z0 + z) / (1 - a * (z0 + z)));
}

/* BCa interval of the sum of sign * mean. */
static struct interval bootstrap(const struct part *parts, size_t n_parts)
{
    struct interval none = {NAN, NAN};
    double value = 0, variance = 0;
    size_t most = 0;
    bool alike = true;
    for (size_t k = 0; k < n_parts; k++) {
        if (parts[k].n < 2)
            return none;
        value += parts[k].sign * parts[k].mean;
        most = parts[k].n > most ? parts[k].n : most;
    }
    double a = acceleration(parts, n_parts, &variance);
    if (variance <= 0)
        return (struct interval){value, value};
    if (most > RESAMPLED_MAX) {
        double worth = 1;
        for (size_t k = 0; k < n_parts; k++) {
            double w = (double)parts[k].n /
                       worth_of(lag1_of(parts[k].v, parts[k].n, parts[k].mean), parts[k].n);
            worth = w > worth ? w : worth;
        }
        double half = Z95 * sqrt(variance * worth);
        return (struct interval){value - half, value + half};
    }
    double *means = malloc(RESAMPLES * sizeof *means);
    if (!means)
        return none;
    struct rng rng;
    double below = 0;
    rng_seed(&rng, SEED);
    for (size_t i = 0; i < RESAMPLES; i++) {
        means[i] = 0;
        for (size_t k = 0; k < n_parts; k++)
            means[i] += parts[k].sign * resampled_mean(&parts[k], &rng);
        below += means[i] < value ? 1 : means[i] > value ? 0 : 0.5;
        alike = alike && means[i] == means[0];
    }
    sort(means, RESAMPLES);
    /* Without resamples on both sides there is no bias to speak of: the plain percentiles. */
    double share = below / RESAMPLES, z0 = share > 0 && share < 1 ? normal_quantile(share) : 0;
    struct interval ci = {percentile_of(means, RESAMPLES, adjusted(z0, a, -Z95)),
                          percentile_of(means, RESAMPLES, adjusted(z0, a, Z95))};
    if (alike)
        ci = (struct interval){means[0], means[0]};
    free(means);
    return ci;
}

/* Between the order statistics whose ranks a binomial of half and half leaves 2.5 % outside of on
 * either side, by its normal approximation with the ranks rounded outwards: for few values, the
 * smallest and the largest; for fewer than 6 even those don't make 95 %. */
static struct interval median_interval(const double *sorted, size_t n, double worth)
{
    if (n < 6)
        return (struct interval){NAN, NAN};
    double half = 0.5 * Z95 * sqrt((double)n) * sqrt((double)n / worth);
    double low = floor(0.5 * (double)n - half), high = ceil(0.5 * (double)n + half);
    size_t from = low < 1 ? 0 : (size_t)low - 1;
    size_t to = high >= (double)n ? n - 1 : (size_t)high;
    return (struct interval){sorted[from], sorted[to]};
}

void estimate_of(struct estimate *out, const double *v, size_t n, double *scratch)
{
    struct estimate e = {.n = n,
                         .block = 1,
                         .lag1 = NAN,
                         .mean_ci = {NAN, NAN},
                         .median_ci = {NAN, NAN},
                         .mean = NAN,
                         .median = NAN,
                         .p95 = NAN,
                         .stddev = NAN,
                         .min = NAN,
                         .max = NAN};
    if (n > 0) {
        memcpy(scratch, v, n * sizeof *v);
        sort(scratch, n);
        e.mean = mean_of(v, n);
        e.median = percentile_of(scratch, n, 0.5);
        e.p95 = percentile_of(scratch, n, 0.95);
        e.stddev = deviation_of(v, n, e.mean);
        e.min = scratch[0];
        e.max = scratch[n - 1];
        e.lag1 = lag1_of(v, n, e.mean);
        e.block = block_of(e.lag1, n);
        e.mean_ci = bootstrap(
            &(struct part){.v = v, .n = n, .block = e.block, .mean = e.mean, .sign = 1}, 1);
        e.median_ci = median_interval(scratch, n, worth_of(e.lag1, n));
    }
    *out = e;
}

/* ---- differences ---- */

/* n values told nothing: the interval shrinks with the root of their number. */
static void judge(struct difference *d, double baseline)
{
    double scale = 100 / fabs(baseline);
    d->percent = d->mean * scale;
    d->percent_ci = (struct interval){d->ci.low * scale, d->ci.high * scale};
    if (!isfinite(scale)) {
        d->percent = NAN;
        d->percent_ci = (struct interval){NAN, NAN};
    }
    d->told = d->n >= TOLD_MIN && (d->ci.low > 0 || d->ci.high < 0);
    d->needed = d->told ? 0 : d->n < TOLD_MIN ? (double)(TOLD_MIN - d->n) : (double)NAN;
    double half = 0.5 * (d->ci.high - d->ci.low), size = fabs(d->mean);
    if (!d->told && half > 0 && size > 0) {
        double ratio = half / size;
        double more = ceil((double)d->n * (ratio * ratio - 1));
        if (!(d->needed >= more))
            d->needed = more > 1 ? more : 1;
    }
}

void difference_paired(struct difference *out, const double *d, size_t n, double baseline)
{
    struct difference r = {.paired = true,
                           .n = n,
                           .mean = NAN,
                           .percent = NAN,
                           .ci = {NAN, NAN},
                           .percent_ci = {NAN, NAN},
                           .effect = NAN,
                           .needed = NAN};
    if (n > 0) {
        r.mean = mean_of(d, n);
        double deviation = deviation_of(d, n, r.mean);
        r.effect_kind = EFFECT_COHEN_DZ;
        r.effect = deviation > 0 ? r.mean / deviation : NAN;
        size_t block = block_of(lag1_of(d, n, r.mean), n);
        r.ci =
            bootstrap(&(struct part){.v = d, .n = n, .block = block, .mean = r.mean, .sign = 1}, 1);
        judge(&r, baseline);
    }
    *out = r;
}

void difference_unpaired(struct difference *out, const double *x, size_t n_x, const double *y,
                         size_t n_y, double *scratch)
{
    struct difference r = {.n = n_x < n_y ? n_x : n_y,
                           .mean = NAN,
                           .percent = NAN,
                           .ci = {NAN, NAN},
                           .percent_ci = {NAN, NAN},
                           .effect = NAN,
                           .needed = NAN};
    if (r.n > 0) {
        double mean_x = mean_of(x, n_x), mean_y = mean_of(y, n_y);
        struct part parts[] = {
            {x, n_x, block_of(lag1_of(x, n_x, mean_x), n_x), mean_x, 1},
            {y, n_y, block_of(lag1_of(y, n_y, mean_y), n_y), mean_y, -1},
        };
        r.mean = mean_x - mean_y;
        r.ci = bootstrap(parts, 2);
        memcpy(scratch, x, n_x * sizeof *x);
        memcpy(scratch + n_x, y, n_y * sizeof *y);
        r.effect_kind = EFFECT_CLIFF_DELTA;
        r.effect = cliff_delta(scratch, n_x, scratch + n_x, n_y);
        judge(&r, mean_y);
    }
    *out = r;
}

double cliff_delta(double *x, size_t n_x, double *y, size_t n_y)
{
    double sum = 0;
    size_t below = 0, not_above = 0; /* of y, as x rises */
    if (n_x == 0 || n_y == 0)
        return NAN;
    sort(x, n_x);
    sort(y, n_y);
    for (size_t i = 0; i < n_x; i++) {
        while (below < n_y && y[below] < x[i])
            below++;
        while (not_above < n_y && y[not_above] <= x[i])
            not_above++;
        sum += (double)below - (double)(n_y - not_above);
    }
    return sum / (double)n_x / (double)n_y;
}

const char *effect_word(enum effect_kind kind, double effect)
{
    static const char *const words[] = {"negligible", "small", "medium", "large"};
    static const double delta[] = {0.147, 0.33, 0.474}, dz[] = {0.2, 0.5, 0.8};
    const double *borders = kind == EFFECT_COHEN_DZ ? dz : delta;
    size_t i = 0;
    if (kind == EFFECT_NONE || isnan(effect))
        return "";
    while (i < 3 && fabs(effect) >= borders[i])
        i++;
    return words[i];
}

const char *effect_name(enum effect_kind kind)
{
    return kind == EFFECT_COHEN_DZ      ? "Cohen's dz"
           : kind == EFFECT_CLIFF_DELTA ? "Cliff's delta"
                                        : "";
}
