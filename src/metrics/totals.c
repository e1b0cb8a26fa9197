/* SPDX-License-Identifier: MIT */
/* totals: the summary object, with the seed's names first. */
#include "metrics/totals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The seed's blocks come first; its script reads their "avg" as a number, so that they are never
 * null. */
enum { TIME_MS, MEMORY_MB, CPU_PERCENT, ENERGY_MJ, TOKENS_PER_SECOND, FIRST_TOKEN_MS };

static const char *const series_names[TOTALS_SERIES] = {
    [TIME_MS] = "inference_time_ms",           [MEMORY_MB] = "memory_usage_mb",
    [CPU_PERCENT] = "cpu_usage_percent",       [ENERGY_MJ] = "energy_consumption_mj",
    [TOKENS_PER_SECOND] = "tokens_per_second", [FIRST_TOKEN_MS] = "time_to_first_token_ms",
};

void totals_release(struct totals *t)
{
    for (size_t i = 0; i < TOTALS_SERIES; i++)
        series_release(&t->series[i]);
    free(t->scratch);
    *t = (struct totals){0};
}

static bool reserve(struct totals *t)
{
    size_t longest = 0;
    for (size_t i = 0; i < TOTALS_SERIES; i++) {
        if (!series_reserve(&t->series[i]))
            return false;
        if (t->series[i].capacity > longest)
            longest = t->series[i].capacity;
    }
    if (longest <= t->scratch_capacity)
        return true;
    double *scratch = realloc(t->scratch, longest * sizeof *scratch);
    if (!scratch)
        return false;
    t->scratch = scratch;
    t->scratch_capacity = longest;
    return true;
}

/* What all records agree on, or "mixed". */
static void agree(char text[16], const char *s)
{
    if (!s || strcmp(text, s) == 0)
        return;
    snprintf(text, 16, "%s", text[0] ? "mixed" : s);
}

static uint64_t count_of(int32_t tokens)
{
    return tokens > 0 ? (uint64_t)tokens : 0;
}

bool totals_add(struct totals *t, const struct metric_record *r)
{
    if (!reserve(t))
        return false;
    if (t->n == 0)
        t->first_us = r->utc_us;
    t->last_us = r->utc_us;
    t->n++;
    t->errors += r->error != NULL;
    t->prompt_tokens += count_of(r->prompt_tokens);
    t->cached_tokens += count_of(r->cached_tokens);
    t->completion_tokens += count_of(r->completion_tokens);
    series_add(&t->series[TIME_MS], r->inference_time_s * 1000);
    series_add(&t->series[MEMORY_MB], r->memory_used_mb);
    series_add(&t->series[CPU_PERCENT], r->cpu_percent_avg);
    series_add(&t->series[ENERGY_MJ], r->energy_mj);
    series_add(&t->series[TOKENS_PER_SECOND], r->tokens_per_second);
    series_add(&t->series[FIRST_TOKEN_MS], r->time_to_first_token_ms);
    agree(t->energy_source, r->energy_source);
    agree(t->compute_device, r->compute_device);
    agree(t->quantization, r->quantization);
    return true;
}

static void write_series(const struct totals *t, struct json_writer *w, size_t i)
{
    struct metric_stats s;
    series_stats(&t->series[i], t->scratch, &s);
    json_write_key(w, series_names[i]);
    if (s.n == 0 && i > ENERGY_MJ) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_put_fixed(w, "min", s.min, 2);
    json_put_fixed(w, "max", s.max, 2);
    json_put_fixed(w, "avg", s.avg, 2);
    if (i == ENERGY_MJ)
        json_put_fixed(w, "total", s.total, 2);
    json_put_fixed(w, "p50", s.p50, 2);
    json_put_fixed(w, "p95", s.p95, 2);
    json_put_fixed(w, "p99", s.p99, 2);
    json_put_fixed(w, "stddev", s.stddev, 2);
    json_write_object_end(w);
}

static void write_time(struct json_writer *w, const char *key, const struct totals *t, uint64_t us)
{
    char text[CLOCK_ISO_SIZE];
    clock_iso(us, text);
    json_put_text(w, key, t->n ? text : NULL);
}

void totals_write(const struct totals *t, struct json_writer *w, const char *device_id,
                  const char *model_name, uint64_t details_dropped)
{
    double tokens = (double)t->completion_tokens;
    json_write_object(w);
    json_put_str(w, "device_id", device_id);
    json_put_str(w, "model_name", model_name);
    json_put_u64(w, "total_inferences", t->n);
    for (size_t i = TIME_MS; i <= ENERGY_MJ; i++)
        write_series(t, w, i);

    json_put_u64(w, "errors", t->errors);
    if (details_dropped > 0)
        json_put_u64(w, "details_dropped", details_dropped);
    json_put_object(w, "tokens");
    json_put_u64(w, "prompt", t->prompt_tokens);
    json_put_u64(w, "cached", t->cached_tokens);
    json_put_u64(w, "completion", t->completion_tokens);
    json_write_object_end(w);
    write_series(t, w, TOKENS_PER_SECOND);
    write_series(t, w, FIRST_TOKEN_MS);
    json_put_fixed(w, "joules_per_token",
                   tokens > 0 ? t->series[ENERGY_MJ].sum / 1000 / tokens : (double)NAN, 6);
    json_put_text(w, "energy_source", t->energy_source);
    if (t->power_profile[0])
        json_put_text(w, "power_profile", t->power_profile);
    json_put_text(w, "compute_device", t->compute_device);
    json_put_text(w, "quantization", t->quantization);
    write_time(w, "first_timestamp", t, t->first_us);
    write_time(w, "last_timestamp", t, t->last_us);
    json_write_object_end(w);
}
