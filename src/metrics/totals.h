/* SPDX-License-Identifier: MIT */
/* What all records of a log come to: the summary object. Private to metrics/. */
#ifndef WATTLE_METRICS_TOTALS_H
#define WATTLE_METRICS_TOTALS_H

#include "metrics/stats.h"

enum { TOTALS_SERIES = 6 };

/* Zeroed is empty. */
struct totals {
    uint64_t n, errors;
    uint64_t first_us, last_us; /* times of the first and the last record */
    uint64_t prompt_tokens, cached_tokens, completion_tokens;
    struct series series[TOTALS_SERIES]; /* in the order of series_of in totals.c */
    double *scratch;                     /* [scratch_capacity], for sorting */
    size_t scratch_capacity;
    char energy_source[16], compute_device[16], quantization[40]; /* "mixed" for several */
    char power_profile[32]; /* whose watts the estimate goes by; "": nobody's */
};

void totals_release(struct totals *t);
/* false without memory: nothing is counted then. */
bool totals_add(struct totals *t, const struct metric_record *r);
void totals_write(const struct totals *t, struct json_writer *w, const char *device_id,
                  const char *model_name, uint64_t details_dropped);

#endif
