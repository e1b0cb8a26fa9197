/* SPDX-License-Identifier: MIT */
/* read: a metrics file back from disk, whoever wrote it.
 *
 * Owns: which fields must be there (only "summary" with its seed fields' types), what is made up
 * for those that are not. The file is walked, not loaded: only one record is a tree at a time. */
#include "metrics/metrics.h"

#include "metrics/fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SUMMARY_MAX = 1 << 20,
    SERIES = 6,
};

/* Where a block of the summary comes from and goes to. */
struct series_field {
    const char *summary_key, *detail_key;
    size_t offset; /* of its struct metric_stats in struct metric_summary */
};
static const struct series_field series_fields[SERIES] = {
    {"inference_time_ms", "inference_time_ms", offsetof(struct metric_summary, time_ms)},
    {"memory_usage_mb", "memory_used_mb", offsetof(struct metric_summary, memory_mb)},
    {"cpu_usage_percent", "cpu_percent_avg", offsetof(struct metric_summary, cpu_percent)},
    {"energy_consumption_mj", "energy_consumed_mj", offsetof(struct metric_summary, energy_mj)},
    {"tokens_per_second", "tokens_per_second", offsetof(struct metric_summary, tokens_per_second)},
    {"time_to_first_token_ms", "time_to_first_token_ms",
     offsetof(struct metric_summary, first_token_ms)},
};

static struct metric_stats *stats_at(struct metric_summary *s, size_t i)
{
    return (struct metric_stats *)(void *)((char *)s + series_fields[i].offset);
}

/* What the details say. */
struct details {
    uint64_t n, errors;
    struct metric_values series[SERIES];
    double prompt_tokens, completion_tokens; /* NAN until a record has it */
    char energy_source[16];
};

/* ---- values ---- */

void metric_values_release(struct metric_values *v)
{
    free(v->v);
    *v = (struct metric_values){0};
}

static int values_add(struct metric_values *v, double x, size_t max, struct err *e)
{
    if (v->n == max) {
        v->incomplete = true;
        return 0;
    }
    if (v->n == v->capacity) {
        size_t capacity = v->capacity ? v->capacity * 2 : 64;
        double *grown = realloc(v->v, capacity * sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "no memory for values of metrics");
        v->v = grown;
        v->capacity = capacity;
    }
    v->v[v->n++] = x;
    return 0;
}

/* ---- detailed_metrics ---- */

static int add_tokens(double *sum, const struct json *record, const char *what, const char *key,
                      struct err *e)
{
    double tokens = NAN;
    int r = field_number(&tokens, record, what, key, e);
    if (r == 0 && !isnan(tokens))
        *sum = isnan(*sum) ? tokens : *sum + tokens;
    return r;
}

static int read_record(struct details *d, struct metric_values *time_ms, const struct json *record,
                       const char *what, struct err *e)
{
    if (json_type_of(record) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                       json_type_name(json_type_of(record)));
    int r = 0;
    for (size_t i = 0; r == 0 && i < SERIES; i++) {
        double v = NAN;
        r = field_number(&v, record, what, series_fields[i].detail_key, e);
        if (r < 0 || isnan(v))
            continue;
        r = values_add(&d->series[i], v, METRIC_FILE_RECORDS_MAX, e);
        if (r == 0 && i == 0 && time_ms)
            r = values_add(time_ms, v, METRIC_VALUES_MAX, e);
    }
    if (r == 0)
        r = add_tokens(&d->prompt_tokens, record, what, "prompt_tokens", e);
    if (r == 0)
        r = add_tokens(&d->completion_tokens, record, what, "completion_tokens", e);
    char source[16] = "";
    if (r == 0)
        r = field_text(source, sizeof source, record, what, "energy_source", e);
    if (r == 0 && source[0] && strcmp(source, d->energy_source) != 0)
        snprintf(d->energy_source, sizeof d->energy_source, "%s",
                 d->energy_source[0] ? "mixed" : source);
    d->errors += json_type_of(json_get(record, "error")) != JSON_NULL;
    return r;
}

static int read_details(struct details *d, struct metric_values *time_ms, struct span text,
                        const char *file, struct err *e)
{
    struct json_walk walk;
    struct span value;
    char what[600];
    snprintf(what, sizeof what, "%s: detailed_metrics", file);
    int r = json_walk_init(&walk, text, JSON_ARRAY, what, e);
    if (r < 0)
        return r;
    while ((r = json_walk_next(&walk, NULL, &value, e)) == 1) {
        char record_what[640];
        struct json *record;
        if (d->n == METRIC_FILE_RECORDS_MAX)
            return err_set(e, ERR_LIMIT, "%s: more than %d records", what, METRIC_FILE_RECORDS_MAX);
        snprintf(record_what, sizeof record_what, "%s[%llu]", what, (unsigned long long)d->n);
        r = json_parse(&record, value, METRIC_RECORD_MAX, record_what, e);
        if (r < 0)
            return r;
        r = read_record(d, time_ms, record, record_what, e);
        json_close(&record);
        if (r < 0)
            return r;
        d->n++;
    }
    return r;
}

static void use_details(struct metric_summary *s, struct details *d)
{
    s->total_inferences = d->n;
    s->errors = d->errors;
    s->prompt_tokens = d->prompt_tokens;
    s->completion_tokens = d->completion_tokens;
    memcpy(s->energy_source, d->energy_source, sizeof s->energy_source);
    for (size_t i = 0; i < SERIES; i++)
        if (d->series[i].n > 0)
            metric_stats_of(stats_at(s, i), d->series[i].v, d->series[i].n);
}

/* ---- summary ---- */

static int read_stats(struct metric_stats *s, const struct json *summary, const char *file,
                      const char *key, struct err *e)
{
    static const struct {
        const char *key;
        size_t offset;
    } fields[] = {
        {"min", offsetof(struct metric_stats, min)},
        {"max", offsetof(struct metric_stats, max)},
        {"avg", offsetof(struct metric_stats, avg)},
        {"p50", offsetof(struct metric_stats, p50)},
        {"p95", offsetof(struct metric_stats, p95)},
        {"p99", offsetof(struct metric_stats, p99)},
        {"stddev", offsetof(struct metric_stats, stddev)},
        {"total", offsetof(struct metric_stats, total)},
    };
    const struct json *block = json_get(summary, key);
    char what[640];
    if (json_type_of(block) == JSON_NULL)
        return 0;
    snprintf(what, sizeof what, "%s: summary", file);
    if (json_type_of(block) != JSON_OBJECT)
        return field_wrong_type(what, key, block, "an object", e);
    snprintf(what, sizeof what, "%s: summary: %s", file, key);
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof fields / sizeof *fields; i++)
        r = field_number((double *)(void *)((char *)s + fields[i].offset), block, what,
                         fields[i].key, e);
    return r;
}

static int read_summary(struct metric_summary *s, const struct json *summary, const char *file,
                        struct err *e)
{
    char what[640];
    snprintf(what, sizeof what, "%s: summary", file);
    if (json_type_of(summary) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                       json_type_name(json_type_of(summary)));
    int r = field_text(s->device_id, sizeof s->device_id, summary, what, "device_id", e);
    if (r == 0)
        r = field_text(s->model_name, sizeof s->model_name, summary, what, "model_name", e);
    if (r == 0)
        r = field_count(&s->total_inferences, summary, what, "total_inferences", e);
    if (r == 0)
        r = field_count(&s->errors, summary, what, "errors", e);
    for (size_t i = 0; r == 0 && i < SERIES; i++)
        r = read_stats(stats_at(s, i), summary, file, series_fields[i].summary_key, e);
    if (r == 0)
        r = field_number(&s->joules_per_token, summary, what, "joules_per_token", e);
    if (r == 0)
        r = field_text(s->energy_source, sizeof s->energy_source, summary, what, "energy_source",
                       e);
    const struct json *tokens = json_get(summary, "tokens");
    if (r < 0 || json_type_of(tokens) == JSON_NULL)
        return r;
    if (json_type_of(tokens) != JSON_OBJECT)
        return field_wrong_type(what, "tokens", tokens, "an object", e);
    r = field_number(&s->prompt_tokens, tokens, what, "prompt", e);
    if (r == 0)
        r = field_number(&s->completion_tokens, tokens, what, "completion", e);
    return r;
}

/* A summary of no inferences has zeros where nothing is known. */
static void finish(struct metric_summary *s, const struct details *d)
{
    for (size_t i = 0; i < SERIES; i++) {
        struct metric_stats *stats = stats_at(s, i);
        if (s->total_inferences == 0)
            *stats = (struct metric_stats){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0};
        else if (stats->n == 0 || s->total_inferences > d->n)
            stats->n = isnan(stats->avg) ? 0 : s->total_inferences;
        if (isnan(stats->total) && stats->n > 0)
            stats->total = stats->avg * (double)stats->n;
    }
    if (isnan(s->joules_per_token) && s->completion_tokens > 0)
        s->joules_per_token = s->energy_mj.total / 1000 / s->completion_tokens;
}

/* ---- the file ---- */

/* Spans of the two members that count; n == 0: absent. */
static int find_members(struct span *summary, struct span *details, struct span bytes,
                        const char *what, struct err *e)
{
    struct json_walk walk;
    struct span key, value;
    int r = json_walk_init(&walk, bytes, JSON_OBJECT, what, e);
    if (r < 0)
        return r;
    while ((r = json_walk_next(&walk, &key, &value, e)) == 1) {
        struct span *to = span_is(key, "\"summary\"")            ? summary
                          : span_is(key, "\"detailed_metrics\"") ? details
                                                                 : NULL;
        if (!to)
            continue;
        if (to->n > 0)
            return err_set(e, ERR_FORMAT, "%s: key %.*s stands twice", what, SPAN_FMT(key));
        *to = value;
    }
    if (r == 0 && summary->n == 0)
        return err_set(e, ERR_FORMAT, "%s: no \"summary\", expected a metrics file", what);
    return r;
}

int metric_file_parse(struct metric_summary *out, struct metric_values *time_ms, struct span bytes,
                      const char *path, struct err *e)
{
    char what[512]; /* as messages have it */
    snprintf(what, sizeof what, "'%.480s'", path);
    struct metric_summary s = {.prompt_tokens = NAN, .completion_tokens = NAN};
    struct details d = {.prompt_tokens = NAN, .completion_tokens = NAN};
    struct span summary = {NULL, 0}, details = {NULL, 0};
    struct json *tree = NULL;

    s.joules_per_token = NAN;
    field_copy(s.path, sizeof s.path, span_str(path));
    for (size_t i = 0; i < SERIES; i++)
        *stats_at(&s, i) = (struct metric_stats){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0};

    int r = find_members(&summary, &details, bytes, what, e);
    if (r == 0)
        r = json_parse(&tree, summary, SUMMARY_MAX, what, e);
    if (r == 0 && details.n > 0 && !span_is(details, "null"))
        r = read_details(&d, time_ms, details, what, e);
    if (r == 0) {
        use_details(&s, &d);
        r = read_summary(&s, tree, what, e);
    }
    if (r == 0) {
        finish(&s, &d);
        if (time_ms && s.total_inferences > d.n)
            time_ms->incomplete = true;
        *out = s;
    }
    json_close(&tree);
    for (size_t i = 0; i < SERIES; i++)
        metric_values_release(&d.series[i]);
    return r;
}

int metric_file_read_values(struct metric_summary *out, struct metric_values *time_ms,
                            const char *path, struct err *e)
{
    struct buf b;
    buf_init(&b, METRIC_FILE_MAX);
    int r = file_read(path, &b, e);
    if (r == 0)
        r = metric_file_parse(out, time_ms, buf_view(&b), path, e);
    buf_release(&b);
    return r;
}

int metric_file_read(struct metric_summary *out, const char *path, struct err *e)
{
    return metric_file_read_values(out, NULL, path, e);
}
