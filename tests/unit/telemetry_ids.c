/* SPDX-License-Identifier: MIT */
/* Device ids and names, time stamps as text, and the ids of a fleet. */
#include "telemetry/telemetry.h"
#include "telemetry/ts.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void test_cases_file(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct buf text;
    struct err e = {""};
    int lines = 0;
    buf_init(&text, 1 << 20);
    snprintf(path, sizeof path, "%s/tests/cases/mqtt/device-ids.jsonl", getenv("WATTLE_SOURCE"));
    assert_int_equal(file_read(path, &text, &e), 0);
    struct span rest = buf_view(&text);
    while (rest.n > 0) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t n = end ? (size_t)(end - rest.p) : rest.n;
        struct json *doc = NULL;
        assert_int_equal(json_parse(&doc, span_sub(rest, 0, n), 1 << 16, "case", &e), 0);
        const char *id = (const char *)json_string(json_get(doc, "DEVICE_ID")).p;
        const char *name = (const char *)json_string(json_get(doc, "DEVICE_NAME")).p;
        const char *expect = (const char *)json_string(json_get(doc, "expect")).p;
        assert_int_equal(device_name_check(name, &e), 0);
        if (strncmp(expect, "refused", 7) == 0) {
            assert_int_equal(device_id_check(id, &e), ERR_USAGE);
            assert_non_null(strstr(e.text, "DEVICE_ID"));
            assert_non_null(strstr(e.text, "'+'"));
            assert_null(strchr(e.text, '\n'));
        } else {
            assert_int_equal(device_id_check(id, &e), 0);
        }
        json_close(&doc);
        lines++;
        rest = span_sub(rest, n + 1, rest.n);
    }
    assert_int_equal(lines, 3);
    buf_release(&text);
}

static void test_ids(void **state)
{
    (void)state;
    char longest[DEVICE_ID_MAX + 2];
    struct err e = {""};
    memset(longest, 'x', sizeof longest);
    longest[DEVICE_ID_MAX + 1] = '\0';
    const struct {
        const char *id;
        bool good;
        const char *message;
    } cases[] = {
        {"00:0f:00:70:91:0a", true, NULL},
        {"küche-1", true, NULL},
        {"<|im_start|> $x \"q\"", true, NULL},
        {"", false, "is empty"},
        {"a#", false, "'#'"},
        {"a/b", false, "'/'"},
        {"a\nb", false, "U+000A"},
        {"a\x7f", false, "U+007F"},
        {"\xc2\x85", false, "U+0085"},
        {"\xef\xbf\xbf", false, "U+FFFF"},
        {"\xff", false, "0xff"},
        {"\xed\xa0\x80", false, "is not UTF-8"},
        {longest, false, "has 129 bytes"},
        {longest + 1, true, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc = device_id_check(cases[i].id, &e);
        assert_int_equal(rc, cases[i].good ? 0 : ERR_USAGE);
        if (rc && (!strstr(e.text, cases[i].message) || !strstr(e.text, "DEVICE_ID")))
            fail_msg("'%s' lacks '%s'", e.text, cases[i].message);
    }
    assert_int_equal(device_id_check(NULL, &e), ERR_USAGE);
    assert_int_equal(device_name_check("a \"q\" \\ \t \x01 b/#+", &e), 0);
    assert_int_equal(device_name_check("", &e), ERR_USAGE);
    assert_int_equal(device_name_check("\xff", &e), ERR_USAGE);
    assert_int_equal(device_name_check(longest, &e), ERR_USAGE);
}

static void test_ts(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {
        {"1594512094.3859746", "1594512094.3859746"},
        {"1.5945120943859746E9", "1594512094.3859746"},
        {"1.594512095E+09", "1594512095"},
        {"15945120943859746e-7", "1594512094.3859746"},
        {"1594512094.0", "1594512094.0"},
        {"1594512094.", "1594512094"},
        {"0", "0"},
        {"00007", "7"},
        {"0.5", "0.5"},
        {".5", "0.5"},
        {"5e-3", "0.005"},
        {"0.0001e3", "0.1"},
        {"0e99", "0"},
        {"7e0", "7"},
        {"1.50e1", "15.0"},
        {"99999999999.9", "99999999999.9"},
        {"1e10", "10000000000"},
        {"000000000000000000000000000000000000000000001.5", "1.5"},
        {"0.00000000000000000000000000001", "0.00000000000000000000000000001"},
        {"0.000000000000000000000000000001", NULL}, /* 32 characters */
        {"1e-30", NULL},
        {"100000000000", NULL},
        {"1e11", NULL},
        {"1e99", NULL},
        {"1e100", NULL},
        {"1e99999999999999999999", NULL},
        {"1e-99999999999999999999", NULL},
        {"-1", NULL},
        {"+1", NULL},
        {"", NULL},
        {".", NULL},
        {"e5", NULL},
        {"1e", NULL},
        {"1e+", NULL},
        {"1.2.3", NULL},
        {"1 ", NULL},
        {"nan", NULL},
        {"0x10", NULL},
        {"1,5", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[TS_SIZE] = "untouched";
        bool ok = ts_plain(span_str(cases[i].in), out);
        const char *expected = cases[i].out ? cases[i].out : "untouched";
        if (ok != (cases[i].out != NULL) || strcmp(out, expected) != 0)
            fail_msg("'%s' gave '%s', expected '%s'", cases[i].in, out, expected);
    }
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, 18);
}

enum { FLEET = 100000 };

static void test_fleet_ids(void **state)
{
    (void)state;
    char(*ids)[18] = malloc(FLEET * sizeof *ids);
    char id[DEVICE_ID_MAX + 1];
    assert_non_null(ids);
    for (size_t i = 0; i < FLEET; i++) {
        fleet_device_id(NULL, i + 1, id);
        assert_int_equal(strlen(id), 17);
        assert_memory_equal(id, "02:", 3);
        memcpy(ids[i], id, 18);
    }
    fleet_device_id(NULL, 1, id);
    assert_string_equal(id, ids[0]);
    qsort(ids, FLEET, sizeof *ids, compare_ids);
    for (size_t i = 1; i < FLEET; i++)
        assert_true(compare_ids(ids[i - 1], ids[i]) != 0);
    free(ids);
}

/* A dataset whose own id is the one that number 2 would have been given. */
static void test_fleet_ids_beside_dataset(void **state)
{
    (void)state;
    char path[] = "/tmp/wattle-ids-XXXXXX", taken[DEVICE_ID_MAX + 1], id[DEVICE_ID_MAX + 1],
         again[DEVICE_ID_MAX + 1];
    struct dataset *d = NULL;
    struct err e = {""};
    fleet_device_id(NULL, 2, taken);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "ts,device,co,humidity,light,lpg,motion,smoke,temp\n1,%s,1,1,0,1,0,1,1\n", taken);
    close(fd);
    assert_int_equal(dataset_open(&d, path, &e), 0);
    unlink(path);
    fleet_device_id(d, 1, id);
    assert_string_equal(id, taken);
    fleet_device_id(d, 2, id);
    assert_string_not_equal(id, taken);
    assert_memory_equal(id, "02:", 3);
    fleet_device_id(d, 2, again);
    assert_string_equal(id, again);
    dataset_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_file),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_ts),
        cmocka_unit_test(test_fleet_ids),
        cmocka_unit_test(test_fleet_ids_beside_dataset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
