/* SPDX-License-Identifier: MIT */
/* report: a folder of good, odd and bad files, as a table and as JSON. */
#include "report/report.h"

#include "codec/codec.h"
#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-report-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
    char path[300], folder[300];
    struct err e;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_dirs(folder, &e), 0);
    assert_int_equal(file_write_atomic(path, span_str(text), &e), 0);
}

static void log_device(const char *sub, const char *name, int n, double seconds)
{
    struct metric_log *l = NULL;
    struct err e = {""};
    char folder[200];
    snprintf(folder, sizeof folder, "%s/%s", dir, sub);
    assert_int_equal(metric_log_open(&l, folder, name, name, NULL, &e), 0);
    for (int i = 1; i <= n; i++) {
        struct metric_record r = {
            .device_id = name,
            .model_name = "m.gguf",
            .inference_time_s = seconds * i,
            .memory_used_mb = 10,
            .cpu_percent_avg = 50,
            .energy_mj = 2000,
            .energy_source = "rapl",
            .completion_tokens = 20,
            .tokens_per_second = 30,
            .error = i == 1 ? "x" : NULL,
        };
        assert_int_equal(metric_log_add(l, &r, &e), 0);
    }
    assert_int_equal(metric_log_save(l, &e), 0);
    metric_log_close(&l);
}

static struct report *open_report(const char *sub)
{
    struct report *r = NULL;
    struct err e = {""};
    char folder[200];
    snprintf(folder, sizeof folder, "%s/%s", dir, sub);
    if (report_open(&r, folder, &e) != 0)
        fail_msg("%s", e.text);
    return r;
}

static void test_table(void **state)
{
    (void)state;
    log_device("good", "a", 3, 0.1); /* 100, 200, 300 ms */
    log_device("good", "b", 1, 0.6);
    struct report *r = open_report("good");
    struct buf b;
    buf_init(&b, 100000);
    report_text(r, &b);
    assert_string_equal(
        buf_cstr(&b),
        "device  model   inferences  errors  avg ms  p50 ms  p95 ms  tokens/s  CPU %  memory MB  "
        "energy J  J/token  energy source\n"
        "------  ------  ----------  ------  ------  ------  ------  --------  -----  ---------  "
        "--------  -------  -------------\n"
        "a       m.gguf           3       1   200.0   200.0   290.0      30.0   50.0       10.0  "
        "    6.00   0.1000  rapl\n"
        "b       m.gguf           1       1   600.0   600.0   600.0      30.0   50.0       10.0  "
        "    2.00   0.1000  rapl\n"
        "------  ------  ----------  ------  ------  ------  ------  --------  -----  ---------  "
        "--------  -------  -------------\n"
        "all     m.gguf           4       2   300.0   250.0   555.0      30.0   50.0       10.0  "
        "    8.00   0.1000  rapl\n");
    buf_release(&b);
    assert_int_equal(report_skipped(r), 0);
    report_close(&r);
    assert_null(r);
}

static void test_json(void **state)
{
    (void)state;
    struct report *r = open_report("good");
    struct buf b;
    struct json *doc = NULL;
    struct err e = {""};
    buf_init(&b, 100000);
    report_json(r, &b);
    if (json_parse(&doc, buf_view(&b), 100000, "report", &e) != 0)
        fail_msg("%s", e.text);
    const struct json *files = json_get(doc, "files"), *all = json_get(doc, "all");
    assert_int_equal(json_size(files), 2);
    assert_true(span_is(json_string(json_get(json_at(files, 0), "device_id")), "a"));
    assert_int_equal(json_int(json_get(all, "total_inferences")), 4);
    assert_true(json_number(json_get(json_get(all, "inference_time_ms"), "avg")) == 300);
    assert_true(json_number(json_get(all, "energy_consumed_j")) == 8);
    assert_true(json_number(json_get(all, "joules_per_token")) == 0.1);
    assert_int_equal(json_size(json_get(doc, "skipped")), 0);
    json_close(&doc);
    buf_release(&b);
    report_close(&r);
}

/* The seed's fields only: the rest is blank in the table and null in JSON; names can't harm. */
static void test_seed_and_hostile(void **state)
{
    (void)state;
    put("odd/seed.json", "{\"summary\":{\"device_id\":\"e\\u001b[31m\\n\",\"model_name\":\"m\","
                         "\"total_inferences\":2,"
                         "\"inference_time_ms\":{\"min\":1,\"max\":3,\"avg\":2},"
                         "\"energy_consumption_mj\":{\"min\":1,\"max\":1,\"avg\":1,\"total\":2}}}");
    put("odd/1/2/3/4/deep.json", "{\"summary\":{\"device_id\":\"deep\",\"total_inferences\":1}}");
    put("odd/1/2/3/4/5/too-deep.json", "{\"summary\":{\"device_id\":\"no\"}}");
    put("odd/bad.json", "{\"summary\":");
    put("odd/list.json", "[1]");
    put("odd/.hidden.json", "[1]");
    put("odd/readme.txt", "[1]");
    char fifo[200], link[200];
    snprintf(fifo, sizeof fifo, "%s/odd/pipe.json", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0); /* reading it would never end */
    snprintf(link, sizeof link, "%s/odd/loop", dir);
    assert_int_equal(symlink(".", link), 0);

    struct report *r = open_report("odd");
    struct buf b;
    struct json *doc = NULL;
    struct err e;
    buf_init(&b, 100000);
    report_text(r, &b);
    assert_null(strchr(buf_cstr(&b), '\x1b'));
    assert_non_null(strstr(buf_cstr(&b), "\ne?[31m?  m               2       0     2.0  "));
    assert_null(strstr(buf_cstr(&b), "nan"));
    assert_int_equal(report_skipped(r), 2);
    assert_non_null(strstr(report_skipped_at(r, 0), "odd/bad.json': cut off"));
    assert_non_null(strstr(report_skipped_at(r, 1), "odd/list.json': byte 0"));
    assert_null(report_skipped_at(r, 2));
    buf_clear(&b);
    report_json(r, &b);
    assert_int_equal(json_parse(&doc, buf_view(&b), 100000, "report", &e), 0);
    assert_int_equal(json_size(json_get(doc, "files")), 2);
    assert_int_equal(json_size(json_get(doc, "skipped")), 2);
    const struct json *seed = json_at(json_get(doc, "files"), 1);
    assert_int_equal(json_type_of(json_get(json_get(seed, "inference_time_ms"), "p50")), JSON_NULL);
    assert_int_equal(json_type_of(json_get(seed, "tokens_per_second")), JSON_NULL);
    json_close(&doc);
    buf_release(&b);
    report_close(&r);
}

static void test_nothing(void **state)
{
    (void)state;
    struct report *r = NULL;
    struct err e;
    char path[200];
    snprintf(path, sizeof path, "%s/absent", dir);
    assert_int_equal(report_open(&r, path, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "absent"));
    put("empty/readme.txt", "");
    snprintf(path, sizeof path, "%s/empty", dir);
    assert_int_equal(report_open(&r, path, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "no metrics file in"));
    put("empty/x.json", "{}");
    assert_int_equal(report_open(&r, path, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "no \"summary\""));
    snprintf(path, sizeof path, "%s/empty/x.json", dir);
    assert_int_equal(report_open(&r, path, &e), ERR_NOTFOUND);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_seed_and_hostile),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
