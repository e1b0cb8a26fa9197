/* SPDX-License-Identifier: MIT */
/* The dataset reader: cases from the field, hostile files, the real day of telemetry. */
#include "telemetry/telemetry.h"

#include <limits.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char log_text[8192];
static int log_lines;

static void collect(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
    log_lines++;
}

static int start(void **state)
{
    (void)state;
    log_text[0] = '\0';
    log_lines = 0;
    log_set_sink(collect, NULL, LOG_LEVEL_WARNING);
    return 0;
}

static const char *source_path(const char *relative)
{
    static char path[PATH_MAX];
    const char *root = getenv("WATTLE_SOURCE");
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/%s", root, relative);
    return path;
}

static struct dataset *open_path(const char *path)
{
    struct dataset *d = NULL;
    struct err e = {""};
    if (dataset_open(&d, path, &e))
        fail_msg("%s", e.text);
    return d;
}

/* Writes text to a file of its own and opens it; the code of dataset_open comes back. */
static int open_text(struct dataset **d, const char *text, size_t n, struct err *e)
{
    char path[] = "/tmp/wattle-dataset-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    close(fd);
    int rc = dataset_open(d, path, e);
    unlink(path);
    return rc;
}

#define HEADER "ts,device,co,humidity,light,lpg,motion,smoke,temp\n"

static const struct reading *first_of(struct dataset_walk *w, const struct dataset *d)
{
    dataset_walk_init(w, d, dataset_device(d, 0), 0);
    return dataset_walk_next(w);
}

static void test_bom(void **state)
{
    (void)state;
    struct dataset_walk w;
    struct dataset *d = open_path(source_path("tests/cases/csv/v-cs1-bom-quoted-header.csv"));
    assert_int_equal(dataset_rows(d), 1);
    assert_int_equal(dataset_skipped(d), 0);
    assert_string_equal(dataset_device(d, 0), "00:0f:00:70:91:0a");
    assert_string_equal(first_of(&w, d)->ts, "1594512094.3859746");
    dataset_close(&d);
    assert_null(d);
}

static void test_booleans(void **state)
{
    (void)state;
    struct dataset_walk w;
    struct dataset *d = open_path(source_path("tests/cases/csv/v-cs2-false-is-false.csv"));
    const struct reading *r = first_of(&w, d);
    assert_false(r->light);
    assert_true(r->motion);
    r = dataset_walk_next(&w);
    assert_true(r->light);
    assert_false(r->motion);
    dataset_close(&d);
}

static void test_exponent_ts(void **state)
{
    (void)state;
    static const char *const expected[] = {"1594512094.3859746", "1594512095", "1594512096"};
    struct dataset_walk w;
    struct dataset *d = open_path(source_path("tests/cases/csv/v-cs3-exponent-ts.csv"));
    dataset_walk_init(&w, d, "00:0f:00:70:91:0a", 0);
    for (int i = 0; i < 6; i++) /* twice round */
        assert_string_equal(dataset_walk_next(&w)->ts, expected[i % 3]);
    dataset_walk_init(&w, d, "00:0f:00:70:91:0a", 301);
    assert_string_equal(dataset_walk_next(&w)->ts, expected[1]);
    dataset_close(&d);
}

static void test_locale(void **state)
{
    (void)state;
    struct dataset_walk w;
    struct buf out;
    buf_init(&out, 4096);
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        print_message("locale de_DE.UTF-8 is absent: run in the C locale\n");
    struct dataset *d = open_path(source_path("tests/cases/csv/v-cs4-locale.csv"));
    const struct reading *r = first_of(&w, d);
    assert_true(r->temp == 21.75);
    telemetry_write(&out, r, "x", 1);
    assert_non_null(strstr(buf_cstr(&out), "\"temp\":21.75}"));
    setlocale(LC_ALL, "C");
    buf_release(&out);
    dataset_close(&d);
}

static void test_missing_values(void **state)
{
    (void)state;
    struct dataset_walk w;
    struct dataset *d = open_path(source_path("tests/cases/csv/v-cs5-missing-values.csv"));
    assert_int_equal(dataset_rows(d), 1);
    assert_int_equal(dataset_skipped(d), 4);
    assert_string_equal(first_of(&w, d)->ts, "1594512097");
    assert_non_null(strstr(log_text, "line 2: temp: 'nan', expected a finite number"));
    assert_non_null(strstr(log_text, "line 3: temp: '', expected"));
    assert_non_null(strstr(log_text, "line 4: temp: 'inf'"));
    assert_non_null(strstr(log_text, "line 6: temp: 'n/a'"));
    assert_int_equal(log_lines, 4);
    dataset_close(&d);
}

static void test_blank_lines(void **state)
{
    (void)state;
    struct dataset *d = open_path(source_path("tests/cases/csv/v-cs6-blank-lines.csv"));
    assert_int_equal(dataset_rows(d), 2);
    assert_int_equal(dataset_skipped(d), 0);
    assert_int_equal(log_lines, 0);
    dataset_close(&d);
}

static void test_real_day(void **state)
{
    (void)state;
    struct dataset_walk w;
    uint64_t begin = clock_mono_ns();
    struct dataset *d = open_path(source_path("data/telemetry-24h.csv"));
    print_message("telemetry-24h.csv: %.1f ms\n", (double)(clock_mono_ns() - begin) / 1e6);
    assert_int_equal(dataset_rows(d), 50270);
    assert_int_equal(dataset_skipped(d), 0);
    assert_int_equal(dataset_devices(d), 3);
    assert_string_equal(dataset_device(d, 0), "0e:9c:00:4c:1c:51");
    const struct reading *r = first_of(&w, d);
    assert_string_equal(r->ts, "1594598424.5023336");
    assert_true(r->co == 0.011737819751470924 && r->temp == 18.899999618530273);
    dataset_walk_init(&w, d, "f3:6b:f4:34:c0:17", 1);
    assert_false(w.fallback);
    assert_string_equal(dataset_walk_next(&w)->ts, "1594598428.441848");
    dataset_close(&d);
}

static void test_every_row_once(void **state)
{
    (void)state;
    struct dataset *d = open_path(source_path("data/telemetry-24h.csv"));
    size_t total = 0;
    for (size_t i = 0; i < dataset_devices(d); i++) {
        struct dataset_walk w;
        double before = 0;
        dataset_walk_init(&w, d, dataset_device(d, i), 0);
        const struct reading *first = dataset_walk_next(&w);
        for (const struct reading *r = first;;) {
            double ts = 0;
            assert_true(num_parse_f64(span_str(r->ts), &ts));
            assert_true(ts >= before);
            before = ts;
            total++;
            r = dataset_walk_next(&w);
            if (r == first)
                break;
        }
    }
    assert_int_equal(total, dataset_rows(d));
    dataset_close(&d);
}

static void test_fallback(void **state)
{
    (void)state;
    struct dataset_walk a, b;
    struct dataset *d = open_path(source_path("data/telemetry-24h.csv"));
    dataset_walk_init(&a, d, "küche-1", 5);
    dataset_walk_init(&b, d, "küche-1", 5);
    assert_true(a.fallback && b.fallback);
    assert_ptr_equal(dataset_walk_next(&a), dataset_walk_next(&b));
    dataset_close(&d);
}

static void test_columns_in_any_order(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf note , temp,smoke,motion,lpg,light,humidity,co,device,ts\r"
        "x, 20.5 ,0.1,YES,0.2,No,50,0.3,dev-1,7\r"
        "x,20,0.1,1,0.2,0,50,0.3,dev-2,8\r"
        "x,-20,0.1,TRUE,0.2,False,50,0.3,dev-1,9";
    struct dataset *d = NULL;
    struct dataset_walk w;
    struct err e;
    assert_int_equal(open_text(&d, text, sizeof text - 1, &e), 0);
    assert_int_equal(dataset_rows(d), 3);
    assert_int_equal(dataset_devices(d), 2);
    const struct reading *r = first_of(&w, d);
    assert_true(r->temp == 20.5 && r->smoke == 0.1 && r->motion && !r->light);
    assert_true(r->lpg == 0.2 && r->humidity == 50 && r->co == 0.3);
    assert_string_equal(dataset_walk_next(&w)->ts, "9");
    assert_string_equal(dataset_walk_next(&w)->ts, "7");
    dataset_close(&d);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"", ERR_FORMAT, "is empty"},
        {"\n\n\r\n", ERR_FORMAT, "is empty"},
        {HEADER, ERR_FORMAT, "has no usable row (0 skipped)"},
        {"ts,device,co,humidity,light,lpg,motion,smoke\n", ERR_FORMAT, "column 'temp' is missing"},
        {"ts,device,co,humidity,light,lpg,motion,smoke,temp,ts\n", ERR_FORMAT,
         "column 'ts' is there twice"},
        {"ts,device,co,humidity,light,lpg,motion,smoke,temp,x,x\n", ERR_FORMAT,
         "column 'x' is there twice"},
        {HEADER "1,d,1,1,true,1,true,1\n", ERR_FORMAT, "(1 skipped)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dataset *d = NULL;
        struct err e = {""};
        assert_int_equal(open_text(&d, cases[i].text, strlen(cases[i].text), &e), cases[i].code);
        assert_null(d);
        if (!strstr(e.text, cases[i].message) || !strstr(e.text, "/tmp/wattle-dataset-"))
            fail_msg("case %zu: '%s' lacks '%s'", i, e.text, cases[i].message);
    }
    struct dataset *d = NULL;
    struct err e = {""};
    assert_int_not_equal(dataset_open(&d, "/nonexistent/t.csv", &e), 0);
    assert_non_null(strstr(e.text, "/nonexistent/t.csv"));
}

/* Files that are no dataset, however large, are given up early. */
static void test_endless(void **state)
{
    (void)state;
    static const struct {
        const char *begin;
        off_t size; /* the rest is a hole */
        const char *message;
    } cases[] = {
        {HEADER "1,d,1,1,true,1,true,1,1\n", 100 << 20, "the line at byte 74 is longer than"},
        {"", 100 << 20, "the line at byte 0 is longer than 1048576 bytes"},
        {HEADER, 1 << 30, "larger than 268435456 bytes (it has 1073741824)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[] = "/tmp/wattle-dataset-XXXXXX";
        struct dataset *d = NULL;
        struct err e = {""};
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        ssize_t n = (ssize_t)strlen(cases[i].begin);
        assert_int_equal(write(fd, cases[i].begin, (size_t)n), n);
        assert_int_equal(ftruncate(fd, cases[i].size), 0);
        close(fd);
        int rc = dataset_open(&d, path, &e);
        unlink(path);
        assert_true(rc < 0);
        if (!strstr(e.text, cases[i].message) || !strstr(e.text, path))
            fail_msg("case %zu: '%s' lacks '%s'", i, e.text, cases[i].message);
    }
    static const char *const devices[] = {"/dev/zero", "/dev/urandom", "/dev/null"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        struct dataset *d = NULL;
        struct err e = {""};
        assert_int_equal(dataset_open(&d, devices[i], &e), ERR_FORMAT);
        if (!strstr(e.text, devices[i]))
            fail_msg("'%s' lacks '%s'", e.text, devices[i]);
    }
}

/* A line at the bound is a row like others, wherever the reads of the file cut it. */
static void test_longest_line(void **state)
{
    (void)state;
    enum { LONGEST = 1 << 20 };
    for (size_t more = 0; more < 2; more++)
        for (size_t before = 0; before < 3; before++) {
            struct buf text;
            struct dataset *d = NULL;
            struct err e = {""};
            buf_init(&text, 2 * LONGEST);
            buf_str(&text, HEADER);
            for (size_t i = 0; i < before * 7919; i++)
                buf_char(&text, '\n');
            buf_str(&text, "1,d,1,1,true,1,true,1,");
            for (size_t n = strlen("1,d,1,1,true,1,true,1,"); n < LONGEST - 1 + more; n++)
                buf_char(&text, ' ');
            buf_str(&text, "1\n2,d,1,1,true,1,true,1,1\n");
            int rc = open_text(&d, buf_cstr(&text), text.n, &e);
            assert_int_equal(rc, more ? ERR_FORMAT : 0);
            if (more)
                assert_non_null(strstr(e.text, "is longer than 1048576 bytes"));
            else
                assert_int_equal(dataset_rows(d), 2);
            dataset_close(&d);
            buf_release(&text);
        }
}

/* Each is a row that must be skipped, with what the log says of it. */
static void test_bad_rows(void **state)
{
    (void)state;
    static const struct {
        const char *row, *message;
    } cases[] = {
        {"1,d,1,1,true,1,true,1", "8 fields, expected 9"},
        {"1,d,1,1,true,1,true,1,1,1", "10 fields, expected 9"},
        {"-1,d,1,1,true,1,true,1,1", "ts: '-1', expected seconds"},
        {"1e11,d,1,1,true,1,true,1,1", "ts: '1e11'"},
        {"1594512094000,d,1,1,true,1,true,1,1", "ts: '1594512094000'"},
        {"nan,d,1,1,true,1,true,1,1", "ts: 'nan'"},
        {"1e999999999999,d,1,1,true,1,true,1,1", "ts: "},
        {"1e-9999,d,1,1,true,1,true,1,1", "ts: "},
        {",d,1,1,true,1,true,1,1", "ts: ''"},
        {"1,,1,1,true,1,true,1,1", "DEVICE_ID '': is empty"},
        {"1,a/b,1,1,true,1,true,1,1", "character '/'"},
        {"1,\xff\xfe,1,1,true,1,true,1,1", "is not UTF-8"},
        {"1,d,1e999,1,true,1,true,1,1", "co: '1e999', expected a finite number"},
        {"1,d,1,-inf,true,1,true,1,1", "humidity: '-inf'"},
        {"1,d,1,1,maybe,1,true,1,1", "light: 'maybe', expected true, false, 1, 0, yes or no"},
        {"1,d,1,1,true,0x10,true,1,1", "lpg: '0x10'"},
        {"1,d,1,1,true,1,2,1,1", "motion: '2'"},
        {"1,d,1,1,true,1,true,\"1\"\"\",1", "smoke: "},
        {"1,d,1,1,true,1,true,1,\"21,5\"", "temp: '21,5'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        struct dataset *d = NULL;
        struct err e = {""};
        start(NULL);
        int n = snprintf(text, sizeof text, HEADER "%s\n2,d,1,1,true,1,true,1,1\n", cases[i].row);
        assert_int_equal(open_text(&d, text, (size_t)n, &e), 0);
        assert_int_equal(dataset_rows(d), 1);
        assert_int_equal(dataset_skipped(d), 1);
        if (!strstr(log_text, cases[i].message) || !strstr(log_text, "line 2"))
            fail_msg("row '%s': log '%s' lacks '%s'", cases[i].row, log_text, cases[i].message);
        dataset_close(&d);
    }
}

static void test_many_bad_rows(void **state)
{
    (void)state;
    struct buf text;
    struct dataset *d = NULL;
    struct err e = {""};
    buf_init(&text, 1 << 20);
    buf_str(&text, HEADER "2,d,1,1,true,1,true,1,1\n");
    for (int i = 0; i < 500; i++)
        buf_str(&text, "x,d,1,1,true,1,true,1,1\n");
    assert_int_equal(open_text(&d, buf_cstr(&text), text.n, &e), 0);
    assert_int_equal(dataset_skipped(d), 500);
    assert_int_equal(log_lines, 11);
    assert_non_null(strstr(log_text, "490 more rows skipped"));
    dataset_close(&d);
    buf_release(&text);
}

static void test_many_devices(void **state)
{
    (void)state;
    struct buf text;
    struct dataset *d = NULL;
    struct err e = {""};
    buf_init(&text, 8 << 20);
    buf_str(&text, HEADER);
    for (int i = 0; i < 40000; i++)
        buf_printf(&text, "%d,dev-%d,1,1,true,1,true,1,1\n", i, i % 20000);
    assert_int_equal(open_text(&d, buf_cstr(&text), text.n, &e), 0);
    assert_int_equal(dataset_devices(d), 20000);
    for (int i = 0; i < 20000; i += 777) {
        struct dataset_walk w;
        char id[32], ts[32];
        snprintf(id, sizeof id, "dev-%d", i);
        snprintf(ts, sizeof ts, "%d", i + 20000);
        assert_string_equal(dataset_device(d, (size_t)i), id);
        dataset_walk_init(&w, d, id, 1);
        assert_false(w.fallback);
        assert_string_equal(dataset_walk_next(&w)->ts, ts);
    }
    dataset_close(&d);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bom, start),
        cmocka_unit_test_setup(test_booleans, start),
        cmocka_unit_test_setup(test_exponent_ts, start),
        cmocka_unit_test_setup(test_locale, start),
        cmocka_unit_test_setup(test_missing_values, start),
        cmocka_unit_test_setup(test_blank_lines, start),
        cmocka_unit_test_setup(test_real_day, start),
        cmocka_unit_test_setup(test_every_row_once, start),
        cmocka_unit_test_setup(test_fallback, start),
        cmocka_unit_test_setup(test_columns_in_any_order, start),
        cmocka_unit_test_setup(test_refused, start),
        cmocka_unit_test_setup(test_endless, start),
        cmocka_unit_test_setup(test_longest_line, start),
        cmocka_unit_test_setup(test_bad_rows, start),
        cmocka_unit_test_setup(test_many_bad_rows, start),
        cmocka_unit_test_setup(test_many_devices, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
