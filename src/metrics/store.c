/* SPDX-License-Identifier: MIT */
/* store: every message in one SQLite file.
 *
 * Owns: the database (its schema is store_schema.c's), when a transaction is committed. One thread
 * does all the writing, from a bounded list: a slow disk holds up nobody who adds. It commits what
 * is a second old; while nothing is uncommitted it sleeps without a timer.
 *
 * Invariant: after store_open the writer alone touches the database, except while it is parked
 * (idle is true, and the lock is held). */
#include "metrics/metrics.h"
#include "metrics/store_schema.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    COMMIT_ROWS = 1000,
    COMMIT_MS = 1000,
    QUEUE_ROWS = 100000,
    QUEUE_BYTES = 64 << 20,
    SQLITE_BYTES_MIN = 512, /* the smallest page, of which a database has one */
    BUSY_MS = 5000,         /* waiting for another process's lock */
};

struct row {
    struct row *next;
    uint64_t utc_us;
    size_t n;
    const char *topic; /* both behind the struct */
    const char *payload;
};

struct store {
    pthread_mutex_t lock;   /* first to flushed */
    pthread_cond_t changed; /* for the writer */
    pthread_cond_t done;    /* for who flushes */
    struct row *first, **end;
    size_t rows, bytes; /* of the list, and of what the writer has taken from it */
    bool closing, flush_wanted;
    bool idle;          /* the writer waits: nothing is in its hands */
    struct err failure; /* of the writer's last failure, for the next call */
    int failure_code;

    pthread_t writer;
    bool started;
    sqlite3 *db;
    sqlite3_stmt *insert;
    char *path;
    int open_rows;       /* since BEGIN; 0: no transaction */
    uint64_t open_since; /* clock_mono_ns of BEGIN */
};

static int failed(const struct store *s, struct err *e)
{
    char why[LIBRARY_WORDS_SIZE];
    int code = sqlite3_errcode(s->db) & 0xff;
    return err_set(e, code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? ERR_FORMAT : ERR_IO,
                   "store '%s': %s", s->path, library_words(why, sqlite3_errmsg(s->db)));
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
    if (r == 0 && id != STORE_APPLICATION_ID && (objects > 0 || id != 0))
        r = err_set(e, ERR_UNSUPPORTED,
                    "store '%s' is another program's database, expected a new file or one that "
                    "--store has made",
                    s->path);
    if (r == 0 && id == 0) {
        struct buf sql;
        buf_init(&sql, 64 << 10);
        store_write_schema(&sql);
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

static int insert(struct store *s, const struct row *row, struct err *e)
{
    struct span payload = span_of(row->payload, row->n);
    bool text = payload.n == 0 || (utf8_valid(payload) && !span_find(payload, 0));
    int bound = sqlite3_bind_int64(s->insert, 1, (sqlite3_int64)row->utc_us);
    if (bound == SQLITE_OK)
        bound = sqlite3_bind_text(s->insert, 2, row->topic, -1, SQLITE_STATIC);
    if (bound == SQLITE_OK && text)
        bound = sqlite3_bind_text64(s->insert, 3, row->payload, row->n, SQLITE_STATIC, SQLITE_UTF8);
    else if (bound == SQLITE_OK)
        bound = sqlite3_bind_blob64(s->insert, 3, row->payload, row->n, SQLITE_STATIC);
    int r = bound == SQLITE_OK && sqlite3_step(s->insert) == SQLITE_DONE ? 0 : failed(s, e);
    sqlite3_reset(s->insert);
    sqlite3_clear_bindings(s->insert);
    return r;
}

static int write_row(struct store *s, const struct row *row, struct err *e)
{
    int r = 0;
    if (s->open_rows == 0) {
        r = execute(s, "BEGIN IMMEDIATE", e);
        s->open_since = clock_mono_ns();
    }
    if (r == 0)
        r = insert(s, row, e);
    if (r == 0)
        s->open_rows++;
    else if (sqlite3_get_autocommit(s->db))
        s->open_rows = 0; /* a full disk and its like roll everything back by themselves */
    else if (s->open_rows == 0)
        execute(s, "ROLLBACK", NULL);
    if (r == 0 && s->open_rows >= COMMIT_ROWS)
        r = commit(s, e);
    return r;
}

/* ---- the writer ---- */

static void note_failure(struct store *s, int code, const struct err *e)
{
    pthread_mutex_lock(&s->lock);
    if (code < 0) {
        s->failure_code = code;
        s->failure = *e;
    }
    pthread_mutex_unlock(&s->lock);
}

static void write_rows(struct store *s, struct row *row)
{
    while (row) {
        struct err e;
        struct row *next = row->next;
        note_failure(s, write_row(s, row, &e), &e);
        pthread_mutex_lock(&s->lock);
        s->rows--;
        s->bytes -= row->n;
        pthread_mutex_unlock(&s->lock);
        free(row);
        row = next;
    }
}

static uint64_t commit_due_ns(const struct store *s)
{
    return s->open_since + (uint64_t)COMMIT_MS * 1000000;
}

/* Until there is something to do; with the lock held. */
static void wait_for_work(struct store *s)
{
    s->idle = true;
    pthread_cond_broadcast(&s->done);
    while (!s->first && !s->closing && !s->flush_wanted) {
        if (s->open_rows == 0) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        uint64_t until = commit_due_ns(s);
        if (clock_mono_ns() >= until || !cond_wait_until(&s->changed, &s->lock, until))
            break;
    }
    s->idle = false;
}

static void *writer_main(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->closing || s->first) {
        wait_for_work(s);
        struct row *rows = s->first;
        bool flush = s->flush_wanted || s->closing;
        s->first = NULL;
        s->end = &s->first;
        s->flush_wanted = false;
        pthread_mutex_unlock(&s->lock);
        struct err e;
        write_rows(s, rows);
        if (flush || (s->open_rows && clock_mono_ns() >= commit_due_ns(s)))
            note_failure(s, commit(s, &e), &e);
        pthread_mutex_lock(&s->lock);
    }
    s->idle = true;
    pthread_cond_broadcast(&s->done);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start_writer(struct store *s, struct err *e)
{
    /* signals are the main thread's business */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&s->writer, NULL, writer_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->started = r == 0;
    return r == 0 ? 0 : err_errno(e, r, "store '%s': cannot start a thread", s->path);
}

/* ---- the face ---- */

int store_open(struct store **out, const char *path, struct err *e)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the store");
    cond_init(&s->changed);
    pthread_cond_init(&s->done, NULL);
    s->end = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    s->path = strdup(path);
    int r = s->path ? open_database(s, e) : err_set(e, ERR_NOMEM, "no memory for the store");
    if (r == 0)
        r = start_writer(s, e);
    if (r == 0)
        *out = s;
    else
        store_close(&s);
    return r;
}

/* What the writer could not do, told once. With the lock held. */
static int take_failure(struct store *s, struct err *e)
{
    int code = s->failure_code;
    if (code < 0)
        err_set(e, code, "%s", s->failure.text);
    s->failure_code = 0;
    return code;
}

/* Returns, with the lock held, when all that was added is written and committed. */
static void drain(struct store *s)
{
    s->flush_wanted = true;
    pthread_cond_signal(&s->changed);
    while (!s->idle || s->first || s->flush_wanted)
        pthread_cond_wait(&s->done, &s->lock);
}

int store_use_prefix(struct store *s, const char *prefix, struct err *e)
{
    struct buf sql;
    buf_init(&sql, 256 << 10);
    buf_str(&sql, "BEGIN IMMEDIATE;");
    store_write_views(&sql, prefix);
    buf_str(&sql, "COMMIT;");
    int r = buf_check(&sql, "the store's views", e);
    pthread_mutex_lock(&s->lock);
    drain(s);
    if (r == 0)
        r = execute(s, buf_cstr(&sql), e);
    if (r < 0 && !sqlite3_get_autocommit(s->db))
        execute(s, "ROLLBACK", NULL);
    pthread_mutex_unlock(&s->lock);
    buf_release(&sql);
    return r;
}

static struct row *make_row(uint64_t utc_us, const char *topic, struct span payload)
{
    size_t topic_size = strlen(topic) + 1, size;
    if (!size_add(sizeof(struct row), topic_size, &size) || !size_add(size, payload.n, &size))
        return NULL;
    struct row *row = malloc(size);
    if (!row)
        return NULL;
    char *text = (char *)(row + 1);
    *row = (struct row){NULL, utc_us, payload.n, text, text + topic_size};
    memcpy(text, topic, topic_size);
    if (payload.n)
        memcpy(text + topic_size, payload.p, payload.n);
    return row;
}

int store_add(struct store *s, uint64_t utc_us, const char *topic, struct span payload,
              struct err *e)
{
    struct row *row = make_row(utc_us, topic, payload);
    if (!row)
        return err_set(e, ERR_NOMEM, "store '%s': no memory for a message", s->path);
    pthread_mutex_lock(&s->lock);
    int r = take_failure(s, e);
    bool full = s->rows >= QUEUE_ROWS || (s->rows && payload.n > QUEUE_BYTES - s->bytes);
    if (full) {
        r = err_set(e, ERR_LIMIT,
                    "store '%s': its disk is too slow: %zu messages wait, one more is not kept",
                    s->path, s->rows);
        free(row);
    } else {
        *s->end = row;
        s->end = &row->next;
        s->rows++;
        s->bytes += payload.n;
        pthread_cond_signal(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

int store_flush(struct store *s, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    s->failure_code = 0; /* what could not be committed is tried again */
    drain(s);
    int r = take_failure(s, e);
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
        pthread_join(s->writer, NULL);
        commit(s, NULL);
    }
    sqlite3_finalize(s->insert);
    sqlite3_close(s->db);
    pthread_cond_destroy(&s->changed);
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
    *store = NULL;
}
