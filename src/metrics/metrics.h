/* SPDX-License-Identifier: MIT */
/* metrics: records of inferences, their summaries, the files and the SQLite store.
 *
 * Owns: the names and units of every metric field (docs/metrics.md), metrics files, the store of
 * messages. May include: base, codec, meter, wattle.h. Start reading: record.h (in this file), then
 * file.c. */
#ifndef WATTLE_METRICS_METRICS_H
#define WATTLE_METRICS_METRICS_H

#include "base/base.h"
#include "codec/codec.h"

/* One inference. NAN: not known (written as null, or left out of the summary). */
struct metric_record {
    uint64_t utc_us;
    const char *device_id, *model_name; /* borrowed during the call */
    double inference_time_s;
    double memory_used_mb, memory_total_mb, memory_private_mb,
        memory_shared_mb; /* MB: 2^20 bytes */
    double cpu_percent_avg;
    int cpu_percent_samples;
    double energy_mj;
    const char *energy_source;             /* "rapl", … */
    const char *compute_device;            /* "cpu" */
    size_t prompt_length, response_length; /* characters */
    int32_t prompt_tokens, cached_tokens, completion_tokens;
    double time_to_first_token_ms, prefill_ms, decode_ms, queue_ms;
    double tokens_per_second; /* completion tokens / decode seconds; NAN if that is 0 */
    double joules_per_token;  /* NAN without completion tokens */
    const char *quantization;
    int threads, batch_size;
    const char *finish_reason; /* "stop", "length", "error" */
    const char *error;         /* NULL: none */
    double throttled_ms, frequency_mhz, temperature_c;
};
/* The object of iot/metrics/{id} and of detailed_metrics. */
void metric_record_write(struct json_writer *w, const struct metric_record *r);

/* How the model came up: the "model_loading" object. */
struct metric_loading {
    const char *model_name, *path, *quantization, *compute_device, *isa;
    double load_seconds;
    uint64_t file_bytes;
    int threads;
};

/* One device's run: keeps all records (bounded: the oldest details go after 100,000, and the
 * summary goes on counting them) and their file. */
struct metric_log;

/* Makes METRICS_DIR/<device-name>/ and chooses inference_metrics_<id>_<stamp>.json in it, free of
 * clashes: if the name is taken, the next second's. No file is written before the first record. */
int metric_log_open(struct metric_log **out, const char *metrics_dir, const char *device_name,
                    const char *device_id, const struct metric_loading *loading, struct err *e);
/* Copies the record; saves the file atomically when 10 have come since the last save. */
int metric_log_add(struct metric_log *l, const struct metric_record *r, struct err *e);
int metric_log_save(struct metric_log *l, struct err *e); /* now, if anything is unsaved */
void metric_log_close(struct metric_log **l);             /* does not save */
const char *metric_log_path(const struct metric_log *l);
uint64_t metric_log_count(const struct metric_log *l);
/* The summary object: seed's fields and ours (p50, p95, p99, stddev, tokens, errors). */
void metric_log_summary(const struct metric_log *l, struct json_writer *w);

/* A metrics file read back, from hostile bytes. */
struct metric_stats {
    double min, max, avg, p50, p95, p99, stddev, total;
    uint64_t n;
};
struct metric_summary {
    char device_id[132], model_name[256], path[512];
    uint64_t total_inferences, errors;
    struct metric_stats time_ms, memory_mb, cpu_percent, energy_mj, tokens_per_second,
        first_token_ms;
    double completion_tokens, prompt_tokens;
    char energy_source[16];
};
int metric_file_read(struct metric_summary *out, const char *path, struct err *e);
/* Statistics of n values (NANs skipped); n == 0 gives zeros. Percentiles interpolate linearly (type
 * 7). Sorts v. */
void metric_stats_of(struct metric_stats *out, double *v, size_t n);

/* SQLite store of every message and metric. Any thread. */
struct store;
int store_open(struct store **out, const char *path, struct err *e);
int store_add(struct store *s, uint64_t utc_us, const char *topic, struct span payload,
              struct err *e);
/* Commits what has been added (adds are grouped; a crash loses at most the last second or 1,000
 * rows). */
int store_flush(struct store *s, struct err *e);
void store_close(struct store **s); /* flushes */

#endif
