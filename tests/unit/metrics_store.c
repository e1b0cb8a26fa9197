/* SPDX-License-Identifier: MIT */
/* The SQLite store, looked at with a connection of its own, as a user would. */
#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[100];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-store-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/m.sqlite", dir);
    return 0;
}

static void clean(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char file[120];
    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        unlink(file);
    }
}

static int remove_dir(void **state)
{
    (void)state;
    clean();
    return rmdir(dir);
}

static struct store *open_store(void)
{
    struct store *s = NULL;
    struct err e = {""};
    if (store_open(&s, path, &e) != 0)
        fail_msg("%s", e.text);
    return s;
}

static void add(struct store *s, const char *topic, const char *payload, size_t n)
{
    struct err e = {""};
    if (store_add(s, 1759833015123456u, topic, span_of(payload, n), &e) != 0)
        fail_msg("%s", e.text);
}

static void add_str(struct store *s, const char *topic, const char *payload)
{
    add(s, topic, payload, strlen(payload));
}

/* The first column of the first row as text, "NULL", or "none". Valid until the next call. */
static const char *query(const char *sql)
{
    static char text[1000];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int r = sqlite3_step(q);
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const unsigned char *value = r == SQLITE_ROW ? sqlite3_column_text(q, 0) : NULL;
    snprintf(text, sizeof text, "%s",
             r == SQLITE_DONE ? "none"
             : value          ? (const char *)value
                              : "NULL");
    sqlite3_finalize(q);
    sqlite3_close(db);
    return text;
}

static void test_messages_and_views(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct err e;
    add_str(s, "iot/telemetry/d1",
            "{\"data\":{\"co\":0.5,\"light\":true,\"temp\":21.75},\"device_id\":\"d1\","
            "\"ts\":1594512094.385974,\"seq\":7}");
    add_str(s, "iot/metrics/d1",
            "{\"device_id\":\"d1\",\"inference_time_ms\":12.5,\"error\":null}");
    add_str(s, "iot/metrics/d1/summary", "{\"device_id\":\"d1\"}");
    add_str(s, "iot/metrics/d2", "no json");
    add(s, "iot/metrics/d3", "\xff\x00{", 3);
    add_str(s, "iot/metrics/d4", "{\"device_id\":\"\xff\"}");
    add_str(s, "iot/analysis/d1",
            "{\"device_id\":\"d1\",\"analysis\":\"fine '); DROP TABLE messages\"}");
    add_str(s, "other", "");
    assert_int_equal(store_flush(s, &e), 0);
    assert_string_equal(query("SELECT count(*) FROM messages"), "8");
    assert_string_equal(query("SELECT utc_us FROM messages WHERE id = 1"), "1759833015123456");
    assert_string_equal(query("SELECT typeof(payload) FROM messages WHERE id = 1"), "text");
    assert_string_equal(query("SELECT hex(payload) FROM messages WHERE id = 5"), "FF007B");
    assert_string_equal(query("SELECT typeof(payload) FROM messages WHERE id = 5"), "blob");
    assert_string_equal(query("SELECT typeof(payload) FROM messages WHERE topic = 'other'"),
                        "text");
    assert_string_equal(query("SELECT count(*) FROM metrics"), "1");
    assert_string_equal(query("SELECT inference_time_ms FROM metrics WHERE device_id = 'd1'"),
                        "12.5");
    assert_string_equal(query("SELECT error FROM metrics"), "NULL");
    assert_string_equal(query("SELECT temp FROM telemetry"), "21.75");
    assert_string_equal(query("SELECT seq FROM telemetry"), "7");
    assert_string_equal(query("SELECT light FROM telemetry"), "1");
    assert_string_equal(query("SELECT analysis FROM analyses"), "fine '); DROP TABLE messages");
    store_close(&s);
    assert_null(s);
    assert_string_equal(query("PRAGMA journal_mode"), "wal");

    s = open_store(); /* goes on */
    add_str(s, "other", "x");
    store_close(&s); /* flushes */
    assert_string_equal(query("SELECT count(*) FROM messages"), "9");
    clean();
}

/* Every column of the view is a field that metric_record_write writes, and the other way round. */
static void test_columns_are_fields(void **state)
{
    (void)state;
    struct metric_record r = {.device_id = "d"};
    struct buf b;
    struct json_writer w;
    struct json *doc = NULL;
    struct err e;
    buf_init(&b, 10000);
    json_write_init(&w, &b, 0);
    metric_record_write(&w, &r);
    assert_int_equal(json_parse(&doc, buf_view(&b), 10000, "record", &e), 0);
    struct store *s = open_store();
    store_close(&s);
    size_t n = 0;
    for (void *it = json_first(doc); it; it = json_next(doc, it), n++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('metrics') WHERE cid = %zu",
                 n + 2); /* behind id and utc_us */
        assert_string_equal(query(sql), json_key(it));
    }
    char expected[20];
    snprintf(expected, sizeof expected, "%zu", n + 2);
    assert_string_equal(query("SELECT count(*) FROM pragma_table_info('metrics')"), expected);
    json_close(&doc);
    buf_release(&b);
    clean();
}

static void test_refused(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct err e;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE messages(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(&s, path, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "another program's database"));
    assert_string_equal(query("PRAGMA journal_mode"), "delete"); /* left as it was */
    assert_string_equal(query("SELECT count(*) FROM sqlite_master"), "1");
    clean();

    char junk[4096];
    memset(junk, 'x', sizeof junk);
    static const size_t sizes[] = {1, 2, 100, 511, 512, sizeof junk};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf after;
        assert_int_equal(file_write_atomic(path, span_of(junk, sizes[i]), &e), 0);
        assert_int_equal(store_open(&s, path, &e), ERR_FORMAT);
        assert_non_null(strstr(e.text, path));
        buf_init(&after, 2 * sizeof junk);
        assert_int_equal(file_read(path, &after, &e), 0);
        assert_int_equal(after.n, sizes[i]);
        assert_memory_equal(after.p, junk, sizes[i]);
        buf_release(&after);
        clean();
    }
    assert_int_equal(store_open(&s, "/nowhere/m.sqlite", &e), ERR_IO);
    assert_int_equal(store_open(&s, dir, &e), ERR_IO);
    assert_null(s);
}

/* The writer has a thread of its own: nothing else tells when it is through. */
static void wait_for_rows(long long n)
{
    uint64_t until = clock_mono_ns() + 20000000000u;
    while (strtoll(query("SELECT count(*) FROM messages"), NULL, 10) < n)
        assert_true(clock_mono_ns() < until);
}

/* A thousand rows are committed without a flush; so is a single one, by its age. */
static void test_group_commit(void **state)
{
    (void)state;
    struct store *s = open_store();
    for (int i = 0; i < 1000; i++)
        add_str(s, "t", "x");
    wait_for_rows(1000);
    add_str(s, "t", "x");
    wait_for_rows(1001);
    store_close(&s);
    clean();
}

/* While somebody else holds the database, adding goes on; what waited is there afterwards. */
static void test_held_up(void **state)
{
    (void)state;
    struct store *s = open_store();
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t began = clock_mono_ns();
    for (int i = 0; i < 3000; i++)
        add_str(s, "t", "x");
    assert_true(clock_mono_ns() - began < 2000000000u); /* SQLite waits 5 s for a lock */
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_flush(s, NULL), 0);
    assert_string_equal(query("SELECT count(*) FROM messages"), "3000");
    store_close(&s);
    clean();
}

static void test_prefix(void **state)
{
    (void)state;
    struct store *s = open_store();
    add_str(s, "iot/telemetry/a", "{\"device_id\":\"a\"}");
    add_str(s, "it's/3/telemetry/b", "{\"device_id\":\"b\"}");
    assert_string_equal((store_flush(s, NULL), query("SELECT device_id FROM telemetry")), "a");
    assert_int_equal(store_use_prefix(s, "it's/3", NULL), 0);
    assert_string_equal(query("SELECT group_concat(device_id) FROM telemetry"), "b");
    store_close(&s);
    clean();
}

static void *add_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        add_str(arg, "t", "x");
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct store *s = open_store();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, s), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    store_close(&s);
    assert_string_equal(query("SELECT count(*) FROM messages"), "2000");
    clean();
}

static void test_kill(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = open_store();
        for (int i = 0; i < 2500; i++)
            add_str(s, "t", "x");
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    wait_for_rows(2000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
    struct store *s = open_store();
    add_str(s, "t", "after");
    store_close(&s);
    assert_true(strtoll(query("SELECT count(*) FROM messages"), NULL, 10) >= 2001);
    assert_string_equal(query("PRAGMA integrity_check"), "ok");
    clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_and_views),
        cmocka_unit_test(test_columns_are_fields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_group_commit),
        cmocka_unit_test(test_held_up),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
