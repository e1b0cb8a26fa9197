/* SPDX-License-Identifier: MIT */
/* What a report consists of. Private to report/. */
#ifndef WATTLE_REPORT_ROWS_H
#define WATTLE_REPORT_ROWS_H

#include "metrics/metrics.h"
#include "report/report.h"

/* What is shown of one file, or of all. NAN and "": not known. */
struct row {
    char device[132], model[256];
    uint64_t inferences, errors;
    double time_avg_ms, time_p50_ms, time_p95_ms;
    double tokens_per_second, cpu_percent, memory_mb; /* means */
    double energy_j, completion_tokens;               /* sums */
    double joules_per_token;
    char energy_source[16];
};

struct file {
    char *path;
    struct metric_summary summary;
    struct row row;
};

struct report {
    char *dir;
    struct file *files; /* [n], in order of paths */
    size_t n;
    struct row all;
    struct metric_values time_ms; /* of all files */
    char **skipped;
    size_t n_skipped;
};

#endif
