/* SPDX-License-Identifier: MIT */
/* Owns the store's schema as SQL: metrics.h tells it to users. */
#include "metrics/store_schema.h"

#include "metrics/metrics.h"

#include <string.h>

/* Views on messages: the kind of topic they take and the paths in its payload, each a column named
 * as its last part. */
struct view {
    const char *name, *kind;
    const char *const *paths; /* ended by NULL */
};
static const char *const telemetry_paths[] = {
    "device_id",   "ts",         "seq",       "data.co", "data.humidity", "data.light", "data.lpg",
    "data.motion", "data.smoke", "data.temp", NULL};
static const char *const analysis_paths[] = {"device_id", "timestamp", "analysis", NULL};
static const struct view views[] = {
    {"metrics", "metrics", metric_field_names},
    {"telemetry", "telemetry", telemetry_paths},
    {"analyses", "analysis", analysis_paths},
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
