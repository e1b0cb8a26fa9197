/* SPDX-License-Identifier: MIT */
/* metrics: records of inferences, their summaries, the files and the SQLite store.
 *
 * Owns: the names and units of every metric field (docs/metrics.md), metrics files, the store of
 * messages. May include: base, codec, meter, wattle.h. Start reading: struct metric_record, then
 * log.c. */
#ifndef WATTLE_METRICS_METRICS_H
#define WATTLE_METRICS_METRICS_H

#include "base/base.h"
#include "codec/codec.h"
#include "metrics/feed.h"
#include "metrics/samples.h"

/* One inference. NAN: not known (written as null, not counted by the summary). Strings may be NULL:
 * null. A record with an error counts with the values that it has. */
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
    double tokens_per_second; /* (completion tokens - 1) / decode seconds: the first token is
                                 prefill's work; NAN with fewer than 2 */
    double joules_per_token;  /* NAN without completion tokens */
    const char *quantization;
    int threads, batch_size;
    const char *finish_reason; /* "stop", "length", "error" */
    const char *error;         /* NULL: none */
    double throttled_ms;
    double frequency_mhz, temperature_c; /* frequency 0: not known either */
    /* Of a comparison only; 0 and NULL are not written. */
    uint64_t request;    /* the same number in each model's record of the same reading */
    const char *verdict; /* what the answer said: "normal", "unusual", "none" */
};
/* The object of iot/metrics/{id} and of detailed_metrics: the seed's fields in its order, then
 * ours. Seconds and joules have 4 decimals, joules a token 6, temperature 1, all else 2. */
void metric_record_write(struct json_writer *w, const struct metric_record *r);
extern const char *const metric_field_names[]; /* in its order, ended by NULL */

/* How the model came up: the "model_loading" object. */
struct metric_loading {
    const char *model_name, *path, *quantization, *compute_device, *isa;
    double load_seconds;
    uint64_t file_bytes;
    int threads;
    const char *power_profile; /* whose watts an estimate goes by; NULL: nobody's */
};

/* One device's run: keeps all records as text (bounded: the oldest details go after 100,000 or 192
 * MiB, and the summary goes on counting them, its percentiles being those of the newest 100,000)
 * and their file. One thread at a time. */
struct metric_log;

/* Makes METRICS_DIR/<device-name>/ (METRICS_DIR itself if device_name is NULL) and chooses
 * inference_metrics_<id>_<stamp>.json in it. No file is written before the first record; the first
 * save takes a name that no file has: if it is taken, the next second's. Later saves replace what
 * the first has made. So two logs never share a file, whatever their names.
 * Names: ':' of an id becomes '-'; then file_safe_name, at most 128 bytes. A name that this
 * changed, or that ends like a hash of ours, gets "-x" and 8 hex digits of a hash (FNV-1a of the
 * raw bytes) behind, so that two names that differ don't share a folder or a file's beginning:
 * "edge-device-01" and "00-0f-00-70-91-0a" stay as they are, "a/b" becomes "a-b-xe2480c78". loading
 * may be NULL, as may its strings. */
int metric_log_open(struct metric_log **out, const char *metrics_dir, const char *device_name,
                    const char *device_id, const struct metric_loading *loading, struct err *e);
/* Copies the record; saves the file atomically when 10 have come since the last save. If saving
 * fails the record is kept, and the tenth from then tries again. */
int metric_log_add(struct metric_log *l, const struct metric_record *r, struct err *e);
int metric_log_save(struct metric_log *l, struct err *e); /* now, if anything is unsaved */
void metric_log_close(struct metric_log **l);             /* does not save */
/* Keeps fewer details: 1..100,000. Before the first add. */
void metric_log_limit(struct metric_log *l, size_t details);
/* Final once the first save has succeeded. Valid until close. */
const char *metric_log_path(const struct metric_log *l);
uint64_t metric_log_count(const struct metric_log *l);
/* The summary object: seed's fields and ours (p50, p95, p99, stddev, tokens, errors). Of a value
 * that no record knows, the seed's four blocks say 0 and ours null. */
void metric_log_summary(const struct metric_log *l, struct json_writer *w);

struct metric_stats {
    double min, max, avg, p50, p95, p99, stddev, total; /* stddev: of a sample (n - 1); 0 for n 1 */
    uint64_t n;
};
/* Statistics of n values (those that are not finite are skipped); n == 0 gives zeros. Percentiles
 * interpolate linearly (type 7). Sorts v. */
void metric_stats_of(struct metric_stats *out, double *v, size_t n);

/* A metrics file read back, from hostile bytes: at most METRIC_FILE_MAX bytes and
 * METRIC_FILE_RECORDS_MAX records. Also one that has the seed's fields only: what it lacks is NAN
 * (n 0), or "". What the summary lacks is made from the details. */
enum { METRIC_FILE_MAX = 256 << 20, METRIC_FILE_RECORDS_MAX = 1000000 };
struct metric_summary {
    char device_id[132], model_name[256], path[512]; /* cut at a character where too long */
    uint64_t total_inferences, errors;
    struct metric_stats time_ms, memory_mb, cpu_percent, energy_mj, tokens_per_second,
        first_token_ms;
    double completion_tokens, prompt_tokens; /* sums */
    double joules_per_token;
    char energy_source[16]; /* "mixed" for several */
};

/* Values of several files taken together. */
struct metric_values {
    double *v;
    size_t n, capacity;
    bool incomplete; /* a file had fewer details than inferences, or there were too many */
};
enum { METRIC_VALUES_MAX = 4000000 };
void metric_values_release(struct metric_values *v);

int metric_file_read(struct metric_summary *out, const char *path, struct err *e);
/* The same of bytes; path is what messages call them. time_ms: the details' inference_time_ms are
 * appended to it; may be NULL. On failure it may have got some of them. */
int metric_file_parse(struct metric_summary *out, struct metric_values *time_ms, struct span bytes,
                      const char *path, struct err *e);
int metric_file_read_values(struct metric_summary *out, struct metric_values *time_ms,
                            const char *path, struct err *e);

/* SQLite store of every message and metric, in WAL mode. Any thread.
 * Table messages(id, utc_us, topic, payload): payload is TEXT where it is UTF-8 without NUL, else a
 * BLOB. Views on it, which cost nothing while writing, one row a message whose payload is JSON:
 *   metrics    id, utc_us, device_id and the columns named as the fields of iot/metrics/{device_id}
 *   telemetry  id, utc_us, device_id, ts, seq, co, humidity, light, lpg, motion, smoke, temp
 *   analyses   id, utc_us, device_id, timestamp, analysis */
struct store;
/* Makes the file or goes on with one of ours; another program's database is refused. */
int store_open(struct store **out, const char *path, struct err *e);
/* The views are from now on those of topics that begin with prefix (MQTT_TOPIC_PREFIX) instead of
 * "iot"; the file keeps that. */
int store_use_prefix(struct store *s, const char *prefix, struct err *e);
/* Copies it and returns at once; a thread of the store's own writes. What that could not do comes
 * back from the next call. ERR_LIMIT: 100,000 messages or 64 MiB wait for the disk already, and
 * this one is not kept. */
int store_add(struct store *s, uint64_t utc_us, const char *topic, struct span payload,
              struct err *e);
/* Waits until what has been added is on disk. Without it that happens within a second (adds are
 * grouped; a crash loses at most those of the last second, and what a slow disk has not taken). */
int store_flush(struct store *s, struct err *e);
void store_close(struct store **s); /* flushes */

#endif
