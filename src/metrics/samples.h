/* SPDX-License-Identifier: MIT */
/* The single inferences of a metrics file, and how its model came up. Other folders get this by
 * metrics/metrics.h. */
#ifndef WATTLE_METRICS_SAMPLES_H
#define WATTLE_METRICS_SAMPLES_H

#include "base/base.h"

/* One inference as a file has it. NAN and "": not known. */
struct metric_sample {
    double utc_s; /* seconds since 1970; without a zone the stamp counts as UTC */
    double time_ms, first_token_ms, prefill_ms, decode_ms, queue_ms, tokens_per_second;
    double energy_j, joules_per_token;
    double memory_mb, memory_total_mb, cpu_percent, throttled_ms, frequency_mhz, temperature_c;
    double prompt_tokens, completion_tokens, prompt_length, response_length;
    double threads;
    double request; /* of a comparison: the same number where the same was asked */
    char energy_source[16], quantization[40],
        verdict[16]; /* verdict: "normal", "unusual", "none" */
    bool failed;     /* it has an error */
};

struct metric_samples {
    struct metric_sample *v; /* in the file's order */
    size_t n, capacity;
    /* of the model's start; NAN, 0 and "": not known */
    double load_seconds;
    uint64_t model_bytes;
    double threads;
    char quantization[40], isa[16], model_path[512];
};

void metric_samples_init(struct metric_samples *s);
void metric_samples_release(struct metric_samples *s);
/* Appends the samples of a file's bytes, as hostile as those of metric_file_parse and with the same
 * limits; path is what messages call them. On failure some may have been appended. */
int metric_samples_parse(struct metric_samples *s, struct span bytes, const char *path,
                         struct err *e);
int metric_samples_read(struct metric_samples *s, const char *path, struct err *e);

/* "2025-10-07T10:30:15.123456", with or without fraction, "Z" or "+hh:mm": seconds since 1970, or
 * NAN. */
double metric_parse_time(struct span text);

#endif
