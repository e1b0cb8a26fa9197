/* SPDX-License-Identifier: MIT */
/* What DATASET_PATH stands for: a file, a folder with one .csv, a folder that Docker made. */
#include "fleet/state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void touch(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void found(const char *given, const char *expected)
{
    bool ours = false;
    struct buf path;
    struct err e = {""};
    buf_init(&path, 8192);
    assert_int_equal(fleet_find_dataset(given, &path, &ours, &e), 0);
    assert_int_equal(ours, strcmp(expected, "data/telemetry-24h.csv") == 0);
    assert_string_equal(buf_cstr(&path), expected);
    buf_release(&path);
}

static void named(void **state)
{
    (void)state;
    char dir[] = "/tmp/wattle-dataset-XXXXXX", path[256];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(getenv("WATTLE_SOURCE")), 0);
    found("", "data/telemetry-24h.csv");
    found("/nowhere/x.csv", "/nowhere/x.csv");
    found(dir, "data/telemetry-24h.csv"); /* empty: ours, without a warning */
    touch(dir, "readme.txt");
    touch(dir, ".hidden.csv");
    touch(dir, ".csv");
    found(dir, "data/telemetry-24h.csv");
    touch(dir, "Mine.CSV");
    snprintf(path, sizeof path, "%s/Mine.CSV", dir);
    found(dir, path);
    touch(dir, "b.csv");
    bool ours;
    struct buf out;
    struct err e = {""};
    buf_init(&out, 8192);
    assert_int_equal(fleet_find_dataset(dir, &out, &ours, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "Mine.CSV"));
    assert_non_null(strstr(e.text, "b.csv"));
    buf_release(&out);
    static const char *const names[] = {"readme.txt", ".hidden.csv", ".csv", "Mine.CSV", "b.csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
