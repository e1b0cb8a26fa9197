/* SPDX-License-Identifier: MIT */
/* samples: the single inferences of a metrics file.
 *
 * Owns: which fields of a record are kept, and the reading of stamps. The file is walked: only one
 * record is a tree at a time. What the summary says is read.c's business. */
#include "metrics/metrics.h"

#include "metrics/fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOADING_MAX = 64 << 10 };

/* ---- stamps ---- */

/* n digits at s.p + at; -1: others. */
static int digits(struct span s, size_t at, size_t n)
{
    int v = 0;
    if (n > s.n || at > s.n - n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        v = v * 10 + (s.p[i] - '0');
    }
    return v;
}

/* Days from 1970-01-01 in the Gregorian calendar (Fliegel and Van Flandern 1968). */
static int64_t days_from_1970(int year, int month, int day)
{
    int64_t shift = (month - 14) / 12; /* -1 for January and February, which end the year before */
    return (1461 * (year + 4800 + shift)) / 4 + (367 * (month - 2 - 12 * shift)) / 12 -
           (3 * ((year + 4900 + shift) / 100)) / 4 + day - 32075 - 2440588;
}

/* "", "Z" or "+hh:mm": seconds east, or NAN. */
static double zone(struct span s)
{
    if (s.n == 0 || span_is(s, "Z"))
        return 0;
    int hours = digits(s, 1, 2), minutes = digits(s, 4, 2);
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || hours < 0 || minutes < 0)
        return NAN;
    return (s.p[0] == '-' ? -60.0 : 60.0) * (hours * 60 + minutes);
}

double metric_parse_time(struct span s)
{
    int year = digits(s, 0, 4), month = digits(s, 5, 2), day = digits(s, 8, 2);
    int hour = digits(s, 11, 2), minute = digits(s, 14, 2), second = digits(s, 17, 2);
    if (s.n < 19 || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || s.p[4] != '-' ||
        s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != ' ') || s.p[13] != ':' || s.p[16] != ':')
        return NAN;
    double fraction = 0, unit = 0.1;
    size_t at = 19;
    if (at < s.n && s.p[at] == '.')
        for (at++; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, unit /= 10)
            fraction += unit * (s.p[at] - '0');
    return (double)days_from_1970(year, month, day) * 86400 + hour * 3600.0 + minute * 60.0 +
           second + fraction - zone(span_sub(s, at, s.n - at));
}

/* ---- records ---- */

static const struct number_field {
    const char *key;
    size_t offset;
} number_fields[] = {
#define FIELD(key, member)                            \
    {                                                 \
        (key), offsetof(struct metric_sample, member) \
    }
    FIELD("inference_time_ms", time_ms),
    FIELD("time_to_first_token_ms", first_token_ms),
    FIELD("prefill_ms", prefill_ms),
    FIELD("decode_ms", decode_ms),
    FIELD("queue_ms", queue_ms),
    FIELD("tokens_per_second", tokens_per_second),
    FIELD("energy_consumed_mj", energy_j), /* joules below */
    FIELD("joules_per_token", joules_per_token),
    FIELD("memory_used_mb", memory_mb),
    FIELD("memory_total_mb", memory_total_mb),
    FIELD("cpu_percent_avg", cpu_percent),
    FIELD("throttled_ms", throttled_ms),
    FIELD("frequency_mhz", frequency_mhz),
    FIELD("temperature_c", temperature_c),
    FIELD("prompt_tokens", prompt_tokens),
    FIELD("completion_tokens", completion_tokens),
    FIELD("prompt_length", prompt_length),
    FIELD("response_length", response_length),
    FIELD("threads", threads),
    FIELD("request", request),
#undef FIELD
};
enum { NUMBER_FIELDS = sizeof number_fields / sizeof *number_fields };

static int read_sample(struct metric_sample *out, const struct json *record, const char *what,
                       struct err *e)
{
    struct metric_sample s = {.utc_s = NAN};
    char stamp[64] = "";
    if (json_type_of(record) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                       json_type_name(json_type_of(record)));
    int r = 0;
    for (size_t i = 0; r == 0 && i < NUMBER_FIELDS; i++) {
        double v = NAN;
        r = field_number(&v, record, what, number_fields[i].key, e);
        *(double *)(void *)((char *)&s + number_fields[i].offset) = isfinite(v) ? v : (double)NAN;
    }
    s.energy_j /= 1000;
    if (r == 0)
        r = field_text(stamp, sizeof stamp, record, what, "timestamp", e);
    if (r == 0)
        r = field_text(s.energy_source, sizeof s.energy_source, record, what, "energy_source", e);
    if (r == 0)
        r = field_text(s.quantization, sizeof s.quantization, record, what, "quantization", e);
    if (r == 0)
        r = field_text(s.verdict, sizeof s.verdict, record, what, "verdict", e);
    s.utc_s = metric_parse_time(span_str(stamp));
    s.failed = json_type_of(json_get(record, "error")) != JSON_NULL;
    if (r == 0)
        *out = s;
    return r;
}

static int add_sample(struct metric_samples *s, const struct metric_sample *sample, struct err *e)
{
    if (s->n == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        struct metric_sample *grown = realloc(s->v, capacity * sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for %zu inferences", capacity);
        s->v = grown;
        s->capacity = capacity;
    }
    s->v[s->n++] = *sample;
    return 0;
}

static int read_records(struct metric_samples *s, struct span text, const char *file, struct err *e)
{
    struct json_walk walk;
    struct span value;
    char what[600], record_what[640];
    snprintf(what, sizeof what, "%s: detailed_metrics", file);
    int r = json_walk_init(&walk, text, JSON_ARRAY, what, e);
    if (r < 0)
        return r;
    for (size_t n = 0; (r = json_walk_next(&walk, NULL, &value, e)) == 1; n++) {
        struct json *record;
        struct metric_sample sample;
        if (s->n == METRIC_FILE_RECORDS_MAX)
            return err_set(e, ERR_LIMIT, "%s: more than %d records", what, METRIC_FILE_RECORDS_MAX);
        snprintf(record_what, sizeof record_what, "%s[%zu]", what, n);
        r = json_parse(&record, value, METRIC_RECORD_MAX, record_what, e);
        if (r < 0)
            return r;
        r = read_sample(&sample, record, record_what, e);
        json_close(&record);
        if (r == 0)
            r = add_sample(s, &sample, e);
        if (r < 0)
            return r;
    }
    return r;
}

/* What of it is of the wrong type is not known: nothing depends on it. */
static int read_loading(struct metric_samples *s, struct span text, const char *file, struct err *e)
{
    struct json *tree;
    int r = json_parse(&tree, text, LOADING_MAX, file, e);
    if (r < 0)
        return r;
    double bytes = 0;
    (void)field_number(&s->load_seconds, tree, file, "load_time_seconds", NULL);
    (void)field_number(&bytes, tree, file, "file_bytes", NULL);
    (void)field_number(&s->threads, tree, file, "threads", NULL);
    (void)field_text(s->quantization, sizeof s->quantization, tree, file, "quantization", NULL);
    (void)field_text(s->isa, sizeof s->isa, tree, file, "isa", NULL);
    (void)field_text(s->model_path, sizeof s->model_path, tree, file, "path", NULL);
    if (bytes > 0 && bytes < 1e18)
        s->model_bytes = (uint64_t)bytes;
    json_close(&tree);
    return 0;
}

/* ---- the file ---- */

void metric_samples_init(struct metric_samples *s)
{
    *s = (struct metric_samples){.load_seconds = NAN, .threads = NAN};
}

void metric_samples_release(struct metric_samples *s)
{
    free(s->v);
    metric_samples_init(s);
}

int metric_samples_parse(struct metric_samples *s, struct span bytes, const char *path,
                         struct err *e)
{
    struct json_walk walk;
    struct span key, value;
    char what[512];
    snprintf(what, sizeof what, "'%.480s'", path);
    int r = json_walk_init(&walk, bytes, JSON_OBJECT, what, e);
    if (r < 0)
        return r;
    while ((r = json_walk_next(&walk, &key, &value, e)) == 1) {
        if (span_is(value, "null"))
            continue;
        if (span_is(key, "\"detailed_metrics\""))
            r = read_records(s, value, what, e);
        else if (span_is(key, "\"model_loading\""))
            r = read_loading(s, value, what, e);
        if (r < 0)
            return r;
    }
    return r;
}

int metric_samples_read(struct metric_samples *s, const char *path, struct err *e)
{
    struct buf b;
    buf_init(&b, METRIC_FILE_MAX);
    int r = file_read(path, &b, e);
    if (r == 0)
        r = metric_samples_parse(s, buf_view(&b), path, e);
    buf_release(&b);
    return r;
}
