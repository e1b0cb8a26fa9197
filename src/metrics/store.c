/* SPDX-License-Identifier: MIT */
/* store: every message in one SQLite file.
 *
 * Owns: the schema (metrics.h tells it to users), when a transaction is committed. A writer of its
 * own thread commits what is a second old, so that the promise of metrics.h holds also when nothing
 * more comes; while nothing is uncommitted it sleeps without a timer. */
#include "metrics/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum {
    COMMIT_ROWS = 1000,
    COMMIT_MS = 1000,
    SQLITE_BYTES_MIN = 512,      /* the smallest page, of which a database has one */
    BUSY_MS = 5000,              /* waiting for another process's lock */
    APPLICATION_ID = 0x77746c31, /* "wtl1": schema version 1 */
};

struct store {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    pthread_t committer;
    bool started, closing;
    sqlite3 *db;
    sqlite3_stmt *insert;
    char *path;
    int open_rows;         /* since BEGIN; 0: no transaction */
    uint64_t open_since;   /* clock_mono_ns of BEGIN */
    struct err commit_err; /* of the committer's last failure, for the next call */
    int commit_code;
};

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

static void write_schema(struct buf *sql)
{
    buf_str(sql, "CREATE TABLE messages(id INTEGER PRIMARY KEY, utc_us INTEGER NOT NULL, "
                 "topic TEXT NOT NULL, payload NOT NULL);"
                 "CREATE INDEX messages_topic ON messages(topic);");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        write_view(sql, &views[i], "iot");
    buf_printf(sql, "PRAGMA application_id = %d;", APPLICATION_ID);
}

static int failed(const struct store *s, struct err *e)
{
    int code = sqlite3_errcode(s->db) & 0xff;
    return err_set(e, code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? ERR_FORMAT : ERR_IO,
                   "store '%s': %s", s->path, sqlite3_errmsg(s->db));
}

static int execute(const struct store *s, const char *sql, struct err *e)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(s, e);
}

static int query_int(const struct store *s, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int r = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK || sqlite3_step(q) != SQLITE_ROW)
        r = failed(s, e);
    else
        *out = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return r;
}

/* An empty file becomes ours; one of ours is gone on with. */
static int prepare_schema(const struct store *s, struct err *e)
{
    int64_t id = 0, objects = 0;
    int r = execute(s, "BEGIN IMMEDIATE", e); /* two that start together: one makes it */
    if (r < 0)
        return r;
    r = query_int(s, "PRAGMA application_id", &id, e);
    if (r == 0)
        r = query_int(s, "SELECT count(*) FROM sqlite_master", &objects, e);
    if (r == 0 && id != APPLICATION_ID && (objects > 0 || id != 0))
        r = err_set(e, ERR_UNSUPPORTED,
                    "store '%s' is another program's database, expected a new file or one that "
                    "--store has made",
                    s->path);
    if (r == 0 && id == 0) {
        struct buf sql;
        buf_init(&sql, 64 << 10);
        write_schema(&sql);
        r = buf_check(&sql, "the store's schema", e);
        if (r == 0)
            r = execute(s, buf_cstr(&sql), e);
        buf_release(&sql);
    }
    if (r == 0)
        return execute(s, "COMMIT", e);
    execute(s, "ROLLBACK", NULL);
    return r;
}

/* SQLite takes a file of one byte for an empty one, and would write over it. The size alone is
 * asked: closing a descriptor of ours would end the locks of another connection to the file. */
static int check_size(const struct store *s, struct err *e)
{
    struct stat st;
    if (stat(s->path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0 ||
        st.st_size >= SQLITE_BYTES_MIN)
        return 0;
    return err_set(e, ERR_FORMAT,
                   "store '%s': file is not a database: it has %jd bytes, expected none or at "
                   "least %d",
                   s->path, (intmax_t)st.st_size, SQLITE_BYTES_MIN);
}

static int open_database(struct store *s, struct err *e)
{
    int size = check_size(s, e);
    if (size < 0)
        return size;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK)
        return s->db ? failed(s, e) : err_set(e, ERR_NOMEM, "no memory for the store");
    sqlite3_busy_timeout(s->db, BUSY_MS);
    int r = prepare_schema(s, e);
    /* after the check, which must leave another program's file as it is */
    if (r == 0)
        r = execute(s, "PRAGMA journal_mode = WAL", e);
    if (r == 0)
        r = execute(s, "PRAGMA synchronous = FULL", e); /* one sync a commit: one a second */
    if (r < 0)
        return r;
    const char *sql = "INSERT INTO messages(utc_us, topic, payload) VALUES(?1, ?2, ?3)";
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->insert, NULL) !=
        SQLITE_OK)
        return failed(s, e);
    return 0;
}

/* With the lock held. */
static int commit(struct store *s, struct err *e)
{
    if (s->open_rows == 0)
        return 0;
    int r = execute(s, "COMMIT", e);
    /* a failed COMMIT (disk full, locked) mostly leaves the transaction open: tried again later */
    if (r == 0 || sqlite3_get_autocommit(s->db))
        s->open_rows = 0;
    else
        s->open_since = clock_mono_ns();
    return r;
}

/* Waits until the transaction is COMMIT_MS old; with the lock held. */
static void wait_for_age(struct store *s)
{
    uint64_t until = s->open_since + (uint64_t)COMMIT_MS * 1000000;
    struct timespec t = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
    pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

static void *committer_main(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        if (s->open_rows == 0)
            pthread_cond_wait(&s->changed, &s->lock);
        else if (clock_mono_ns() - s->open_since < (uint64_t)COMMIT_MS * 1000000)
            wait_for_age(s);
        else if (commit(s, &s->commit_err) < 0)
            s->commit_code = ERR_IO;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start_committer(struct store *s, struct err *e)
{
    /* signals are the main thread's business */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&s->committer, NULL, committer_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->started = r == 0;
    return r == 0 ? 0 : err_errno(e, r, "store '%s': cannot start a thread", s->path);
}

int store_open(struct store **out, const char *path, struct err *e)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the store");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->lock, NULL);
    s->path = strdup(path);
    int r = s->path ? open_database(s, e) : err_set(e, ERR_NOMEM, "no memory for the store");
    if (r == 0)
        r = start_committer(s, e);
    if (r == 0)
        *out = s;
    else
        store_close(&s);
    return r;
}

int store_use_prefix(struct store *s, const char *prefix, struct err *e)
{
    struct buf sql;
    buf_init(&sql, 256 << 10);
    buf_str(&sql, "BEGIN IMMEDIATE;");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        buf_printf(&sql, "DROP VIEW IF EXISTS %s;", views[i].name);
        write_view(&sql, &views[i], prefix);
    }
    buf_str(&sql, "COMMIT;");
    pthread_mutex_lock(&s->lock);
    int r = commit(s, e);
    if (r == 0)
        r = buf_check(&sql, "the store's views", e);
    if (r == 0)
        r = execute(s, buf_cstr(&sql), e);
    if (r < 0 && !sqlite3_get_autocommit(s->db))
        execute(s, "ROLLBACK", NULL);
    pthread_mutex_unlock(&s->lock);
    buf_release(&sql);
    return r;
}

static int begin(struct store *s, struct err *e)
{
    int r = execute(s, "BEGIN IMMEDIATE", e);
    if (r < 0)
        return r;
    s->open_since = clock_mono_ns();
    pthread_cond_signal(&s->changed);
    return 0;
}

static int insert(struct store *s, uint64_t utc_us, const char *topic, struct span payload,
                  struct err *e)
{
    bool text = payload.n == 0 || (utf8_valid(payload) && !span_find(payload, 0));
    const char *p = payload.n ? (const char *)payload.p : "";
    int bound = sqlite3_bind_int64(s->insert, 1, (sqlite3_int64)utc_us);
    if (bound == SQLITE_OK)
        bound = sqlite3_bind_text(s->insert, 2, topic, -1, SQLITE_STATIC);
    if (bound == SQLITE_OK && text)
        bound = sqlite3_bind_text64(s->insert, 3, p, payload.n, SQLITE_STATIC, SQLITE_UTF8);
    else if (bound == SQLITE_OK)
        bound = sqlite3_bind_blob64(s->insert, 3, p, payload.n, SQLITE_STATIC);
    int r = bound == SQLITE_OK && sqlite3_step(s->insert) == SQLITE_DONE ? 0 : failed(s, e);
    sqlite3_reset(s->insert);
    sqlite3_clear_bindings(s->insert);
    return r;
}

/* What the committer could not say: the rows are not lost, but not on disk either. */
static int take_commit_error(struct store *s, struct err *e)
{
    int code = s->commit_code;
    if (code < 0)
        err_set(e, code, "%s", s->commit_err.text);
    s->commit_code = 0;
    return code;
}

int store_add(struct store *s, uint64_t utc_us, const char *topic, struct span payload,
              struct err *e)
{
    pthread_mutex_lock(&s->lock);
    int r = s->open_rows == 0 ? begin(s, e) : 0;
    if (r == 0)
        r = insert(s, utc_us, topic, payload, e);
    if (r == 0)
        s->open_rows++;
    else if (sqlite3_get_autocommit(s->db))
        s->open_rows = 0; /* a full disk and its like roll everything back by themselves */
    else if (s->open_rows == 0)
        execute(s, "ROLLBACK", NULL);
    if (r == 0)
        r = take_commit_error(s, e);
    if (r == 0 && s->open_rows >= COMMIT_ROWS)
        r = commit(s, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

int store_flush(struct store *s, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    s->commit_code = 0; /* tried again here */
    int r = commit(s, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

void store_close(struct store **store)
{
    struct store *s = *store;
    if (!s)
        return;
    if (s->started) {
        pthread_mutex_lock(&s->lock);
        s->closing = true;
        pthread_cond_signal(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->committer, NULL);
        store_flush(s, NULL);
    }
    sqlite3_finalize(s->insert);
    sqlite3_close(s->db);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
    *store = NULL;
}
