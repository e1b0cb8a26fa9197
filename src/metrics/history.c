/* SPDX-License-Identifier: MIT */
/* Owns reading series from a store, through a read-only connection of its own for each query.
 *
 * Rows are in the order of their coming, so a time is found by halving the ids; from there a
 * device's rows come from the index of topics. Time, not rows, bounds a query. */
#include "metrics/board.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { BUSY_MS = 500, QUERY_MS = 2000, STEPS = 20000 /* of SQLite's machine between two looks */ };

struct search {
    sqlite3 *db;
    uint64_t until_ns;
    bool late;
};

static int is_late(void *ctx)
{
    struct search *s = (struct search *)ctx;
    s->late = clock_mono_ns() > s->until_ns;
    return s->late;
}

/* The first id at or behind `id` and its time; false: there is none. */
static bool row_from(sqlite3_stmt *q, int64_t id, int64_t *found, int64_t *utc_us)
{
    sqlite3_reset(q);
    sqlite3_bind_int64(q, 1, id);
    if (sqlite3_step(q) != SQLITE_ROW)
        return false;
    *found = sqlite3_column_int64(q, 0);
    *utc_us = sqlite3_column_int64(q, 1);
    return true;
}

/* The first id whose time is at least utc_us; past the last one if there is none. */
static int64_t find_id(sqlite3 *db, int64_t utc_us, int64_t *first_utc_us)
{
    sqlite3_stmt *next = NULL, *last = NULL;
    int64_t low = 0, high = 0, id = 0, at = 0;
    if (sqlite3_prepare_v2(db, "SELECT id, utc_us FROM messages WHERE id >= ?1 ORDER BY id LIMIT 1",
                           -1, &next, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT max(id) FROM messages", -1, &last, NULL) == SQLITE_OK &&
        sqlite3_step(last) == SQLITE_ROW) {
        high = sqlite3_column_int64(last, 0) + 1;
        if (first_utc_us && row_from(next, 0, &id, &at))
            *first_utc_us = at;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (!row_from(next, middle, &id, &at) || at >= utc_us)
                high = middle;
            else
                low = id + 1;
        }
    }
    sqlite3_finalize(next);
    sqlite3_finalize(last);
    return low;
}

static double value_of(const struct json *doc, const struct history_query *q, const char *field)
{
    const struct json *v = json_get(q->id ? json_get(doc, "data") : doc, field);
    if (json_type_of(v) == JSON_BOOL)
        return json_bool(v);
    if (!q->id && strcmp(field, "power_w") == 0) {
        double j = value_of(doc, q, "energy_consumed_j"),
               ms = value_of(doc, q, "inference_time_ms");
        return ms > 0 ? j / (ms / 1e3) : NAN;
    }
    return json_is_number(v) ? json_number(v) : NAN;
}

static void add_row(struct thin *t, const struct history_query *q, sqlite3_stmt *rows)
{
    struct json *doc = NULL;
    const void *p = sqlite3_column_text(rows, 1);
    struct span text = span_of(p, p ? (size_t)sqlite3_column_bytes(rows, 1) : 0);
    double at = (double)sqlite3_column_int64(rows, 0) / 1e6;
    if (json_parse(&doc, text, BOARD_PAYLOAD_MAX, "payload", NULL))
        return;
    bool ours = q->id || span_is(json_string(json_get(doc, "model_name")), q->model);
    for (size_t k = 0; ours && k < q->n_fields; k++)
        thin_add(t, k, at, value_of(doc, q, q->fields[k]));
    json_close(&doc);
}

/* A device's telemetry comes from the index of topics; a model's metrics are of many topics, and
 * are found among all rows of the time. */
static int read_rows(struct search *s, const char *prefix, const struct history_query *q,
                     struct buf *out, struct err *e)
{
    static const char by_topic[] = "SELECT utc_us, payload FROM messages WHERE topic = ?1 AND id "
                                   "BETWEEN ?2 AND ?3 AND typeof(payload) = 'text'";
    static const char by_time[] = "SELECT utc_us, payload FROM messages WHERE id BETWEEN ?2 AND ?3 "
                                  "AND substr(+topic, 1, length(?1)) = ?1 AND typeof(payload) = "
                                  "'text' AND instr(substr(topic, length(?1) + 1), '/') = 0";
    sqlite3_stmt *rows = NULL;
    char why[LIBRARY_WORDS_SIZE];
    struct buf topic;
    int64_t first_us = 0;
    int64_t from = find_id(s->db, (int64_t)(q->from_s * 1e6), &first_us);
    int64_t to = find_id(s->db, (int64_t)(q->to_s * 1e6) + 1, NULL) - 1;
    double begin = (double)first_us / 1e6;
    begin = begin > q->from_s && begin <= q->to_s ? begin : q->from_s;
    struct thin *t = thin_open(begin, q->to_s, q->n_fields, q->points);
    buf_init(&topic, 4096);
    buf_printf(&topic, q->id ? "%s/telemetry/%s" : "%s/metrics/", prefix, q->id ? q->id : "");
    int rc = t && !topic.failed ? 0 : err_set(e, ERR_NOMEM, "history: no memory");
    if (!rc && sqlite3_prepare_v2(s->db, q->id ? by_topic : by_time, -1, &rows, NULL) != SQLITE_OK)
        rc = err_set(e, ERR_FORMAT, "history: %s", library_words(why, sqlite3_errmsg(s->db)));
    if (!rc) {
        sqlite3_bind_text(rows, 1, buf_cstr(&topic), (int)topic.n, SQLITE_STATIC);
        sqlite3_bind_int64(rows, 2, from);
        sqlite3_bind_int64(rows, 3, to);
        while (sqlite3_step(rows) == SQLITE_ROW)
            add_row(t, q, rows);
        thin_write(t, q, "sqlite", !s->late, out);
    }
    sqlite3_finalize(rows);
    buf_release(&topic);
    thin_close(t);
    return rc;
}

int store_write_history(const char *path, const char *prefix, const struct history_query *q,
                        struct buf *out, struct err *e)
{
    struct search s = {.until_ns = clock_mono_ns() + (uint64_t)QUERY_MS * 1000000};
    char why[LIBRARY_WORDS_SIZE];
    int rc = history_check(q, e);
    if (rc)
        return rc;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s.db, flags, NULL) != SQLITE_OK) {
        rc = err_set(e, ERR_IO, "store '%s': %s", path,
                     s.db ? library_words(why, sqlite3_errmsg(s.db)) : "no memory");
    } else {
        sqlite3_busy_timeout(s.db, BUSY_MS);
        sqlite3_progress_handler(s.db, STEPS, is_late, &s);
        rc = read_rows(&s, prefix, q, out, e);
    }
    sqlite3_close(s.db);
    return rc;
}
