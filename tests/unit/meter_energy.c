/* SPDX-License-Identifier: MIT */
/* Energy sources on made-up machines, with times that are given and not waited for. */
#include "meter/energy.h"

#include "meter_tree.h"

#include <math.h>
#include <sys/wait.h>

static const uint64_t second = 1000000000;
static struct tree tree;

static int set_up(void **state)
{
    (void)state;
    tree_make(&tree);
    log_keep();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void open_energy(struct energy *en)
{
    struct err e = {""};
    if (energy_open(en, tree.root, 5, 15, NULL, &e) != 0)
        fail_msg("%s", e.text);
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fmax(1, fabs(expected))))
        fail_msg("%.12g is not %.12g", value, expected);
}

static void check_case(const char *name, enum energy_source source, double seconds)
{
    struct json *doc = case_open(name);
    struct energy en;
    double joules = NAN;
    tree_fill(&tree, doc, 0);
    open_energy(&en);
    assert_int_equal(en.source, source);
    energy_begin(&en, 7 * second);
    tree_fill(&tree, doc, 1);
    enum energy_source used = energy_end(&en, 7 * second + (uint64_t)(seconds * 1e9), 0.5, &joules);
    assert_int_equal(used, source);
    const struct json *expect = json_get(doc, "expect");
    assert_near(joules * 1e6, json_number(json_get(expect, "energy_uj")));
    energy_close(&en);
    json_close(&doc);
}

static void test_counter_that_wraps(void **state)
{
    (void)state;
    check_case("energy/v-en2-wrap.json", ENERGY_RAPL, 1);
    assert_int_equal(log_lines, 0);
}

static void test_psys_and_core_are_not_added(void **state)
{
    (void)state;
    check_case("energy/v-en3-psys-and-core.json", ENERGY_RAPL, 1);
}

static void test_board_sensor(void **state)
{
    (void)state;
    check_case("energy/v-en4-hwmon-power.json", ENERGY_HWMON, 2);
    /* That RAPL is absent, and what is used instead. */
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "no RAPL counter"));
    assert_non_null(strstr(log_text, "hwmon2/power1_input"));
}

static void test_amd(void **state)
{
    (void)state;
    check_case("energy/v-en5-amd.json", ENERGY_RAPL, 1);
}

/* The assertions of v-en1, in a process that may not read the counter. Returns an exit code, since
 * cmocka does not live in a child. */
static int unreadable_is_an_estimate(void)
{
    struct energy en;
    double joules = 0;
    if (energy_open(&en, tree.root, 5, 15, NULL, NULL) != 0 || en.source != ENERGY_ESTIMATE)
        return 10;
    energy_begin(&en, 0);
    energy_tick(&en, second / 2);
    if (energy_end(&en, 2 * second, 0.5, &joules) != ENERGY_ESTIMATE || fabs(joules - 20) > 1e-9)
        return 11;
    energy_close(&en);
    if (log_lines != 1)
        return 12;
    if (!strstr(log_text, "intel-rapl:0/energy_uj: permission denied"))
        return 13;
    if (!strstr(log_text, "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"))
        return 14;
    return strstr(log_text, "estimated from CPU use between 5 W and 15 W") ? 0 : 15;
}

static void test_unreadable_counter(void **state)
{
    (void)state;
    struct json *doc = case_open("energy/v-en1-unreadable.json");
    tree_fill(&tree, doc, 0);
    json_close(&doc);
    /* Root reads everything: the check runs as nobody. Who is not root owns the file and has no
     * permission for it all the same. */
    tree_chmod(&tree, "sys/class/powercap/intel-rapl:0/energy_uj", geteuid() == 0 ? 0400 : 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(20);
        _exit(unreadable_is_an_estimate());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_absent_is_told_apart(void **state)
{
    (void)state;
    struct energy en;
    double joules;
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_ESTIMATE);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "this machine shows no RAPL counter"));
    assert_non_null(strstr(log_text, "no power sensor"));
    assert_null(strstr(log_text, "permission"));
    /* The seed's sample: 1.2345 s at 78.5 % are 15,864 mJ. */
    energy_begin(&en, 0);
    assert_int_equal(energy_end(&en, 1234500000, 0.785, &joules), ENERGY_ESTIMATE);
    assert_near(joules, (5 + 10 * 0.785) * 1.2345);
    /* At rest the idle power stays in. */
    energy_begin(&en, 0);
    energy_end(&en, second, 0, &joules);
    assert_near(joules, 5);
    energy_close(&en);
}

static void test_hidden_zones_are_told_apart(void **state)
{
    (void)state;
    struct energy en;
    char link[512];
    tree_write(&tree, "sys/class/powercap/x", "");
    snprintf(link, sizeof link, "%s/sys/class/powercap/intel-rapl:0", tree.root);
    assert_int_equal(symlink("../../devices/virtual/powercap/intel-rapl/intel-rapl:0", link), 0);
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_ESTIMATE);
    assert_non_null(strstr(log_text, "are hidden"));
    energy_close(&en);
}

static void write_package(int zone, const char *name, const char *counter)
{
    char path[128];
    snprintf(path, sizeof path, "sys/class/powercap/intel-rapl:%d/name", zone);
    tree_write(&tree, path, name);
    snprintf(path, sizeof path, "sys/class/powercap/intel-rapl:%d/energy_uj", zone);
    tree_write(&tree, path, counter);
    snprintf(path, sizeof path, "sys/class/powercap/intel-rapl:%d/max_energy_range_uj", zone);
    tree_write(&tree, path, "1000000\n");
}

static void test_two_packages_and_two_wraps(void **state)
{
    (void)state;
    struct energy en;
    double joules;
    write_package(0, "package-0\n", "900000\n");
    write_package(1, "package-1\n", "100\n");
    write_package(2, "dram\n", "0\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl-mmio:0/name", "package-0\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl-mmio:0/energy_uj", "5\n");
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_RAPL);
    assert_int_equal(en.rapl.n, 2);
    energy_begin(&en, 0);
    /* Package 0 wraps twice: a sample between both keeps either. */
    write_package(0, "package-0\n", "100000\n");
    energy_tick(&en, second);
    write_package(0, "package-0\n", "950000\n");
    energy_tick(&en, 2 * second);
    write_package(0, "package-0\n", "50000\n");
    write_package(1, "package-1\n", "200\n");
    assert_int_equal(energy_end(&en, 3 * second, 0.5, &joules), ENERGY_RAPL);
    assert_near(joules * 1e6, 200000 + 850000 + 100000 + 100);
    energy_close(&en);
}

static void test_one_unreadable_package_spoils_all(void **state)
{
    (void)state;
    struct energy en;
    write_package(0, "package-0\n", "1\n");
    write_package(1, "package-1\n", "many\n");
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_ESTIMATE);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "intel-rapl:1/energy_uj holds no number"));
    energy_close(&en);
}

/* Values of one counter at begin, in between and at the end that are no measurement. */
static void test_useless_counters_become_estimates(void **state)
{
    (void)state;
    static const struct {
        const char *first, *between, *last;
    } rows[] = {
        {"5000000\n", "5000000\n", "7\n"}, /* went back from beyond its range */
        {"5\n", "5\n", "5\n"},             /* stands still */
        {"5\n", "what\n", "900000\n"},
        {"5\n", "6\n", ""},
        {"5\n", "-1\n", "7\n"},
        {"5\n", "99999999999999999999999999\n", "7\n"},
    };
    struct energy en;
    double joules;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_package(0, "package-0\n", rows[i].first);
        log_keep();
        open_energy(&en);
        assert_int_equal(en.source, ENERGY_RAPL);
        for (int span = 0; span < 2; span++) {
            write_package(0, "package-0\n", rows[i].first);
            energy_begin(&en, 0);
            write_package(0, "package-0\n", rows[i].between);
            energy_tick(&en, second);
            write_package(0, "package-0\n", rows[i].last);
            assert_int_equal(energy_end(&en, 2 * second, 0.5, &joules), ENERGY_ESTIMATE);
            assert_near(joules, 20);
        }
        assert_int_equal(log_lines, 1); /* once, not for each span */
        /* A good span after it is measured again. */
        write_package(0, "package-0\n", "1\n");
        energy_begin(&en, 0);
        write_package(0, "package-0\n", "3\n");
        assert_int_equal(energy_end(&en, 2 * second, 0.5, &joules), ENERGY_RAPL);
        assert_near(joules * 1e6, 2);
        energy_close(&en);
    }
}

static void test_power_is_integrated(void **state)
{
    (void)state;
    struct energy en;
    double joules;
    tree_write(&tree, "sys/class/hwmon/hwmon0/name", "amdgpu\n");
    tree_write(&tree, "sys/class/hwmon/hwmon0/power1_average", "90000000\n");
    tree_write(&tree, "sys/class/hwmon/hwmon3/name", "ina226\n");
    tree_write(&tree, "sys/class/hwmon/hwmon3/power1_input", "2000000\n");
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_HWMON);
    energy_begin(&en, 0);
    tree_write(&tree, "sys/class/hwmon/hwmon3/power1_input", "4000000\n");
    energy_tick(&en, second); /* 3 J */
    tree_unlink(&tree, "sys/class/hwmon/hwmon3/power1_input");
    energy_tick(&en, 2 * second); /* no reading */
    tree_write(&tree, "sys/class/hwmon/hwmon3/power1_input", "8000000\n");
    energy_tick(&en, 3 * second); /* 6 W for 2 s: 12 J */
    tree_unlink(&tree, "sys/class/hwmon/hwmon3/power1_input");
    assert_int_equal(energy_end(&en, 4 * second, 0.5, &joules), ENERGY_HWMON); /* 8 J */
    assert_near(joules, 3 + 12 + 8);
    /* Never a reading: the estimate, and it says so. */
    log_keep();
    energy_begin(&en, 0);
    assert_int_equal(energy_end(&en, 2 * second, 0.5, &joules), ENERGY_ESTIMATE);
    assert_near(joules, 20);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "hwmon"));
    energy_close(&en);
}

static void test_whole_machine_before_a_rail(void **state)
{
    (void)state;
    struct energy en;
    tree_write(&tree, "sys/class/hwmon/hwmon0/name", "ina219\n");
    tree_write(&tree, "sys/class/hwmon/hwmon0/power1_input", "1\n");
    tree_write(&tree, "sys/class/hwmon/hwmon10/name", "power_meter\n");
    tree_write(&tree, "sys/class/hwmon/hwmon10/power1_average", "300000000\n");
    open_energy(&en);
    assert_non_null(strstr(log_text, "hwmon10/power1_average"));
    energy_close(&en);
    tree_unlink(&tree, "sys/class/hwmon/hwmon10/power1_average");
    tree_write(&tree, "sys/class/hwmon/hwmon0/power1_input", "a lot\n");
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_ESTIMATE);
    energy_close(&en);
}

/* Things in the place of files: nothing may hang or be followed out of its place. */
static void test_odd_trees(void **state)
{
    (void)state;
    struct energy en;
    char path[512];
    tree_write(&tree, "sys/class/powercap/intel-rapl:0/name", "package-0\n");
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0/energy_uj", tree.root);
    assert_int_equal(mkfifo(path, 0644), 0);
    tree_write(&tree, "sys/class/powercap/intel-rapl:1/name/x", "a folder\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl:99999999999999999999999/name", "package-1\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl:/name", "package-1\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl:-1/name", "package-1\n");
    tree_write(&tree, "sys/class/hwmon/hwmon0", "a file\n");
    open_energy(&en);
    assert_int_equal(en.source, ENERGY_ESTIMATE);
    assert_int_equal(log_lines, 1);
    energy_close(&en);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(energy_source_name(ENERGY_RAPL), "rapl");
    assert_string_equal(energy_source_name(ENERGY_HWMON), "hwmon");
    assert_string_equal(energy_source_name(ENERGY_ESTIMATE), "estimate");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unreadable_counter),
        TEST(test_counter_that_wraps),
        TEST(test_psys_and_core_are_not_added),
        TEST(test_board_sensor),
        TEST(test_amd),
        TEST(test_absent_is_told_apart),
        TEST(test_hidden_zones_are_told_apart),
        TEST(test_two_packages_and_two_wraps),
        TEST(test_one_unreadable_package_spoils_all),
        TEST(test_useless_counters_become_estimates),
        TEST(test_power_is_integrated),
        TEST(test_whole_machine_before_a_rail),
        TEST(test_odd_trees),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
