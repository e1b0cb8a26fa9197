/* SPDX-License-Identifier: MIT */
/* json: the report as one JSON object, with the names of the metrics files. */
#include "report/rows.h"

/* path: NULL for the row of all, which has no device either. */
static void write_row(struct json_writer *w, const struct row *r, const char *path)
{
    json_write_object(w);
    if (path) {
        json_put_text(w, "path", path);
        json_put_text(w, "device_id", r->device);
    }
    json_put_text(w, "model_name", r->model);
    json_put_u64(w, "total_inferences", r->inferences);
    json_put_u64(w, "errors", r->errors);
    json_put_object(w, "inference_time_ms");
    json_put_fixed(w, "avg", r->time_avg_ms, 2);
    json_put_fixed(w, "p50", r->time_p50_ms, 2);
    json_put_fixed(w, "p95", r->time_p95_ms, 2);
    json_write_object_end(w);
    json_put_fixed(w, "tokens_per_second", r->tokens_per_second, 2);
    json_put_fixed(w, "cpu_percent_avg", r->cpu_percent, 2);
    json_put_fixed(w, "memory_used_mb", r->memory_mb, 2);
    json_put_fixed(w, "energy_consumed_j", r->energy_j, 4);
    json_put_fixed(w, "completion_tokens", r->completion_tokens, 0);
    json_put_fixed(w, "joules_per_token", r->joules_per_token, 6);
    json_put_text(w, "energy_source", r->energy_source);
    json_write_object_end(w);
}

void report_json(const struct report *r, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_object(&w);
    json_put_array(&w, "files");
    for (size_t i = 0; i < r->n; i++)
        write_row(&w, &r->files[i].row, r->files[i].path);
    json_write_array_end(&w);
    json_write_key(&w, "all");
    write_row(&w, &r->all, NULL);
    json_put_array(&w, "skipped");
    for (size_t i = 0; i < r->n_skipped; i++)
        json_write_str(&w, r->skipped[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    buf_char(out, '\n');
}
