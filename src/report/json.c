/* SPDX-License-Identifier: MIT */
/* json: the report as one JSON object, with the names of the metrics files. */
#include "report/rows.h"

static void write_number(struct json_writer *w, const char *key, double v, int decimals)
{
    json_write_key(w, key);
    json_write_fixed(w, v, decimals);
}

static void write_text(struct json_writer *w, const char *key, const char *v)
{
    json_write_key(w, key);
    json_write_str(w, v[0] ? v : NULL);
}

/* path: NULL for the row of all, which has no device either. */
static void write_row(struct json_writer *w, const struct row *r, const char *path)
{
    json_write_object(w);
    if (path) {
        write_text(w, "path", path);
        write_text(w, "device_id", r->device);
    }
    write_text(w, "model_name", r->model);
    json_write_key(w, "total_inferences");
    json_write_u64(w, r->inferences);
    json_write_key(w, "errors");
    json_write_u64(w, r->errors);
    json_write_key(w, "inference_time_ms");
    json_write_object(w);
    write_number(w, "avg", r->time_avg_ms, 2);
    write_number(w, "p50", r->time_p50_ms, 2);
    write_number(w, "p95", r->time_p95_ms, 2);
    json_write_object_end(w);
    write_number(w, "tokens_per_second", r->tokens_per_second, 2);
    write_number(w, "cpu_percent_avg", r->cpu_percent, 2);
    write_number(w, "memory_used_mb", r->memory_mb, 2);
    write_number(w, "energy_consumed_j", r->energy_j, 4);
    write_number(w, "completion_tokens", r->completion_tokens, 0);
    write_number(w, "joules_per_token", r->joules_per_token, 6);
    write_text(w, "energy_source", r->energy_source);
    json_write_object_end(w);
}

void report_json(const struct report *r, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_object(&w);
    json_write_key(&w, "files");
    json_write_array(&w);
    for (size_t i = 0; i < r->n; i++)
        write_row(&w, &r->files[i].row, r->files[i].path);
    json_write_array_end(&w);
    json_write_key(&w, "all");
    write_row(&w, &r->all, NULL);
    json_write_key(&w, "skipped");
    json_write_array(&w);
    for (size_t i = 0; i < r->n_skipped; i++)
        json_write_str(&w, r->skipped[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    buf_char(out, '\n');
}
