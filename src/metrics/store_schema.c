/* SPDX-License-Identifier: MIT */
/* Owns the store's schema as SQL: metrics.h tells it to users. */
#include "metrics/store_schema.h"

#include <string.h>

/* Views on messages: the kind of topic they take and the paths in its payload, each a column named
 * as its last part. */
struct view {
    const char *name, *kind;
    const char *paths[40];
};
static const struct view views[] = {
    {"metrics",
     "metrics",
     {"timestamp",
      "device_id",
      "model_name",
      "inference_time_seconds",
      "inference_time_ms",
      "memory_used_mb",
      "memory_total_mb",
      "cpu_percent_avg",
      "cpu_percent_samples",
      "energy_consumed_mj",
      "energy_consumed_j",
      "compute_device",
      "prompt_length",
      "response_length",
      "prompt_tokens",
      "cached_tokens",
      "completion_tokens",
      "time_to_first_token_ms",
      "prefill_ms",
      "decode_ms",
      "queue_ms",
      "tokens_per_second",
      "energy_source",
      "joules_per_token",
      "quantization",
      "threads",
      "batch_size",
      "finish_reason",
      "error",
      "memory_private_mb",
      "memory_shared_mb",
      "throttled_ms",
      "frequency_mhz",
      "temperature_c"}},
    {"telemetry",
     "telemetry",
     {"device_id", "ts", "seq", "data.co", "data.humidity", "data.light", "data.lpg", "data.motion",
      "data.smoke", "data.temp"}},
    {"analyses", "analysis", {"device_id", "timestamp", "analysis"}},
};

/* With the quotes that SQL wants doubled. */
static void write_quoted(struct buf *sql, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_char(sql, '\'');
        buf_char(sql, *text);
    }
}

static void write_view(struct buf *sql, const struct view *v, const char *prefix)
{
    buf_printf(sql, "CREATE VIEW %s AS SELECT id, utc_us", v->name);
    for (size_t i = 0; v->paths[i]; i++) {
        const char *dot = strrchr(v->paths[i], '.');
        buf_printf(sql, ", json_extract(payload, '$.%s') AS %s", v->paths[i],
                   dot ? dot + 1 : v->paths[i]);
    }
    /* '0' is the character behind '/': a range that the index serves. A summary's topic has one
     * level more. JSON functions raise an error for a BLOB, so the type is asked first. */
    buf_str(sql, " FROM messages WHERE topic >= '");
    write_quoted(sql, prefix);
    buf_printf(sql, "/%s/' AND topic < '", v->kind);
    write_quoted(sql, prefix);
    buf_printf(sql, "/%s0' AND instr(substr(topic, length('", v->kind);
    write_quoted(sql, prefix);
    buf_printf(sql,
               "/%s/') + 1), '/') = 0"
               " AND CASE typeof(payload) WHEN 'text' THEN json_valid(payload) ELSE 0 END;",
               v->kind);
}

void store_write_views(struct buf *sql, const char *prefix)
{
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        buf_printf(sql, "DROP VIEW IF EXISTS %s;", views[i].name);
        write_view(sql, &views[i], prefix);
    }
}

void store_write_schema(struct buf *sql)
{
    buf_str(sql, "CREATE TABLE messages(id INTEGER PRIMARY KEY, utc_us INTEGER NOT NULL, "
                 "topic TEXT NOT NULL, payload NOT NULL);"
                 "CREATE INDEX messages_topic ON messages(topic);");
    store_write_views(sql, "iot");
    buf_printf(sql, "PRAGMA application_id = %d;", STORE_APPLICATION_ID);
}
