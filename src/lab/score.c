/* SPDX-License-Identifier: MIT */
#include "lab/score.h"

#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>

/* log(sum(exp(logits))), without overflow. */
static double log_sum(const float *logits, int32_t n, int32_t largest)
{
    double top = (double)logits[largest], sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    return top + log(sum);
}

/* A logit of minus infinity is a token that never comes, in both or in neither: no part of the sum
 * where the reference says so. */
static double divergence(const float *logits, double sum, const float *reference,
                         double reference_sum, int32_t n)
{
    double total = 0;
    for (int32_t i = 0; i < n; i++) {
        double log_p = (double)reference[i] - reference_sum, log_q = (double)logits[i] - sum;
        double p = exp(log_p);
        if (p > 0)
            total += p * (log_p - log_q);
    }
    return total > 0 ? total : 0; /* rounding may leave it a little below */
}

bool score_position(const float *logits, const float *reference, int32_t n, int32_t id,
                    struct score *out)
{
    int32_t top = engine_greedy(logits, n);
    double sum = log_sum(logits, n, top);
    *out = (struct score){.loss = sum - (double)logits[id], .agree = true};
    if (!isfinite(sum) || isnan(out->loss))
        return false;
    if (!reference)
        return true;
    int32_t reference_top = engine_greedy(reference, n);
    double reference_sum = log_sum(reference, n, reference_top);
    out->reference_loss = reference_sum - (double)reference[id];
    out->agree = top == reference_top;
    out->divergence = divergence(logits, sum, reference, reference_sum, n);
    return isfinite(reference_sum) && !isnan(out->reference_loss) && !isnan(out->divergence);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double score_quantile(double *values, size_t n, double share)
{
    qsort(values, n, sizeof *values, by_value);
    double place = share * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n)
        return values[n - 1];
    return values[below] + (place - (double)below) * (values[below + 1] - values[below]);
}
