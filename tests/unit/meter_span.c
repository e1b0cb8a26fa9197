/* SPDX-License-Identifier: MIT */
/* A span from begin to end: samples, CPU share, memory, throttling, what it costs itself. */
#include "meter/meter.h"

#include "meter/span_cpu.h"
#include "meter_tree.h"

#include <math.h>
#include <sys/mman.h>

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

static struct meter *open_meter(const char *root)
{
    struct meter *m = NULL;
    struct err e = {""};
    const struct meter_options o = {.sysroot = root, .idle_w = 5, .max_w = 15};
    if (meter_open(&m, &o, &e) != 0)
        fail_msg("%s", e.text);
    return m;
}

/* Uses one processor for so much of its time. */
static void work_ms(uint64_t ms)
{
    uint64_t until = clock_cpu_ns() + ms * 1000000;
    volatile uint64_t x = 1;
    while (clock_cpu_ns() < until)
        for (int i = 0; i < 1000; i++)
            x = x * 2862933555777941757u + 3037000493u;
}

static void test_samples_and_cpu_share(void **state)
{
    (void)state;
    struct meter *m = open_meter("/");
    struct meter_sample s;
    for (int round = 0; round < 3; round++) {
        meter_begin(m);
        work_ms(170);
        meter_end(m, &s);
        assert_true(s.seconds >= 0.169);
        /* One every 50 ms and one at the end; a busy machine may swallow some beats, not most. */
        assert_true(s.cpu_percent_samples >= 3);
        assert_true(s.cpu_percent_samples <= (int)(s.seconds / 0.05) + 1);
        /* 170 ms of one processor, as a share of those that we may use. */
        double expected = 100 * 0.17 / (s.seconds * meter_cpus(m)->usable);
        assert_true(s.cpu_percent_avg >= fmin(100, expected) * 0.98);
        assert_true(s.cpu_percent_avg <= fmin(100, expected * 1.15 + 2));
        assert_true(s.cpu_percent_max >= s.cpu_percent_avg * 0.99 && s.cpu_percent_max <= 100);
        if (s.energy_source == ENERGY_ESTIMATE)
            assert_true(fabs(s.energy_j - (5 + 10 * s.cpu_percent_avg / 100) * s.seconds) < 1e-9);
        assert_true(s.energy_j > 0);
        assert_true(s.rss_bytes > 0);
        assert_true(s.private_bytes + s.shared_bytes == s.rss_bytes);
    }
    meter_close(&m);
    assert_null(m);
    meter_close(&m);
}

static void test_short_spans_have_a_sample(void **state)
{
    (void)state;
    struct meter *m = open_meter("/");
    struct meter_sample s;
    for (int i = 0; i < 50; i++) {
        meter_begin(m);
        meter_end(m, &s);
        assert_true(s.cpu_percent_samples >= 1);
        assert_true(s.cpu_percent_avg >= 0 && s.cpu_percent_avg <= 100);
        assert_true(s.energy_j >= 0 && s.throttled_ms >= 0);
    }
    meter_close(&m);
}

static void test_waiting_costs_no_cpu(void **state)
{
    (void)state;
    /* 100 of the time and 0 of the CPU: a made-up pair of clocks, no sleep. */
    struct span_cpu c;
    span_cpu_begin(&c, 1000, 500, 2);
    span_cpu_sample(&c, 1000 + 50000000, 500);
    assert_int_equal(c.samples, 1);
    assert_true(span_cpu_average(&c) == 0);
    span_cpu_sample(&c, 1000 + 100000000, 500 + 100000000); /* two processors for 50 ms */
    assert_true(c.max_percent == 100);
    assert_true(span_cpu_average(&c) == 50);
    /* A last stretch of a microsecond does not make a maximum. */
    span_cpu_begin(&c, 0, 0, 1);
    span_cpu_sample(&c, 50000000, 10000000);
    span_cpu_sample(&c, 50001000, 10001000);
    assert_true(c.max_percent == 20);
    assert_int_equal(c.samples, 2);
    /* More than is allowed is 100. */
    span_cpu_begin(&c, 0, 0, 1.5);
    span_cpu_sample(&c, 1000000000, 1600000000);
    assert_true(span_cpu_average(&c) == 100);
    span_cpu_begin(&c, 0, 0, 1.5);
    span_cpu_sample(&c, 0, 0);
    assert_true(span_cpu_average(&c) == 0);
}

static void test_peak_of_private_memory(void **state)
{
    (void)state;
    const size_t size = 64 << 20;
    struct meter *m = open_meter("/");
    struct meter_sample s;
    meter_begin(m);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    memset(p, 1, size);
    work_ms(120); /* two beats: one of them sees it */
    munmap(p, size);
    meter_end(m, &s);
    assert_true(s.peak_growth_bytes >= size * 9 / 10);
    assert_true(s.peak_growth_bytes <= size * 3 / 2);
    meter_begin(m);
    meter_end(m, &s);
    assert_true(s.peak_growth_bytes < size / 4);
    meter_close(&m);
}

static void test_made_up_machine(void **state)
{
    (void)state;
    long page = sysconf(_SC_PAGESIZE);
    struct meter_sample s;
    tree_write(&tree, "proc/self/statm", "9000 1000 300 1 0 500 0\n");
    tree_write(&tree, "proc/self/cgroup", "0::/app.slice/unit\n");
    tree_write(&tree, "sys/fs/cgroup/app.slice/unit/cpu.stat",
               "usage_usec 9\nthrottled_usec 1000\n");
    tree_write(&tree, "sys/fs/cgroup/app.slice/cpu.stat", "throttled_usec 5000000\n");
    tree_write(&tree, "sys/fs/cgroup/cpu.stat", "usage_usec 9\n");
    tree_write(&tree, "sys/devices/system/cpu/online", "0-3\n");
    tree_write(&tree, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1000000\n");
    tree_write(&tree, "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "2000000\n");
    tree_write(&tree, "sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq", "unknown\n");
    tree_write(&tree, "sys/devices/system/cpu/cpufreq/x", "no processor\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone0/temp", "45500\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone1/temp", "61250\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone2/temp", "-274000\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone3/temp", "2147483647\n");
    tree_write(&tree, "sys/class/thermal/cooling_device0/temp", "99000\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl:0/name", "package-0\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl:0/energy_uj", "1000\n");
    struct meter *m = open_meter(tree.root);
    assert_int_equal(meter_energy_source(m), ENERGY_RAPL);
    assert_true(meter_cpus(m)->usable == 4);
    meter_begin(m);
    tree_write(&tree, "sys/fs/cgroup/app.slice/unit/cpu.stat", "throttled_usec 1250\n");
    tree_write(&tree, "sys/fs/cgroup/app.slice/cpu.stat", "throttled_usec 5012500\n");
    tree_write(&tree, "proc/self/statm", "9000 1500 300 1 0 500 0\n");
    tree_write(&tree, "sys/class/powercap/intel-rapl:0/energy_uj", "2501000\n");
    meter_end(m, &s);
    assert_true(fabs(s.energy_j - 2.5) < 1e-9);
    assert_int_equal(s.energy_source, ENERGY_RAPL);
    assert_true(fabs(s.throttled_ms - 12.5) < 1e-9);
    assert_int_equal(s.rss_bytes, 1500 * page);
    assert_int_equal(s.private_bytes, 1200 * page);
    assert_int_equal(s.shared_bytes, 300 * page);
    assert_int_equal(s.peak_growth_bytes, 500 * page);
    assert_true(s.frequency_mhz == 1500);
    assert_true(s.temperature_c == 61.25);
    meter_close(&m);
}

static void test_throttling_of_v1(void **state)
{
    (void)state;
    struct meter_sample s;
    tree_write(&tree, "proc/self/cgroup",
               "9:name=systemd:/\n4:cpuset:/a\n3:cpu,cpuacct:/docker/x\n");
    tree_write(&tree, "sys/fs/cgroup/cpu,cpuacct/cpu.stat",
               "nr_periods 0\nnr_throttled 0\nthrottled_time 7000000\n");
    tree_write(&tree, "sys/fs/cgroup/cpuset/a/cpu.stat", "throttled_time 0\n");
    struct meter *m = open_meter(tree.root);
    meter_begin(m);
    tree_write(&tree, "sys/fs/cgroup/cpu,cpuacct/cpu.stat", "throttled_time 9500000\n");
    tree_write(&tree, "sys/fs/cgroup/cpuset/a/cpu.stat", "throttled_time 900000000\n");
    meter_end(m, &s);
    assert_true(fabs(s.throttled_ms - 2.5) < 1e-9);
    assert_true(s.frequency_mhz == 0);
    assert_true(isnan(s.temperature_c));
    meter_close(&m);
}

/* What /proc should never hold, but a made-up tree may. */
static void test_texts_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const statm[] = {"",
                                        "\n",
                                        "1 2\n",
                                        "1 x 3\n",
                                        "9000 18446744073709551615 300\n",
                                        "9000 100 300 0\n",
                                        "- - -",
                                        "1  2  3"};
    static const char *const cgroup[] = {
        "",           ":",        "::",        "0::",     "0::/../../../../etc\n",
        "1:cpu",      "1:cpu:\n", "1:cpu,:/x", "0::////", "\n\n\n0::/",
        "9:cpux:/x\n"};
    struct meter_sample s;
    for (size_t i = 0; i < sizeof statm / sizeof statm[0]; i++) {
        tree_write(&tree, "proc/self/statm", statm[i]);
        struct meter *m = open_meter(tree.root);
        meter_begin(m);
        meter_end(m, &s);
        assert_true(s.private_bytes + s.shared_bytes == s.rss_bytes);
        meter_close(&m);
    }
    tree_write(&tree, "sys/fs/cgroup/cpu.stat", "throttled_usec\nthrottled_usec x\n");
    for (size_t i = 0; i < sizeof cgroup / sizeof cgroup[0]; i++) {
        tree_write(&tree, "proc/self/cgroup", cgroup[i]);
        struct meter *m = open_meter(tree.root);
        meter_begin(m);
        meter_end(m, &s);
        assert_true(s.throttled_ms == 0);
        meter_close(&m);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_measuring_is_cheap(void **state)
{
    (void)state;
    enum { ROUNDS = 201 };
    struct meter *m = open_meter("/");
    struct meter_sample s;
    double ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t from = clock_mono_ns();
        meter_begin(m);
        meter_end(m, &s);
        ms[i] = (double)(clock_mono_ns() - from) / 1e6;
    }
    qsort(ms, ROUNDS, sizeof ms[0], by_value);
    print_message("begin and end: median %.3f ms\n", ms[ROUNDS / 2]);
    /* 0.2 ms is the aim; sanitizers and a busy machine are allowed for. */
    assert_true(ms[ROUNDS / 2] < 2);
    meter_close(&m);
}

static void test_opening_and_closing_many(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct meter *m = open_meter(i % 2 ? tree.root : "/");
        struct meter_sample s;
        if (i % 3) {
            meter_begin(m);
            meter_end(m, &s);
        }
        meter_close(&m);
    }
}

/* A root that is not there would measure nothing, and say so nowhere. */
static void test_root_is_a_folder(void **state)
{
    (void)state;
    static const char *const roots[] = {"/nope", "/etc/passwd", ""};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        struct meter *m = NULL;
        struct err e = {""};
        const struct meter_options o = {.sysroot = roots[i], .idle_w = 5, .max_w = 15};
        assert_int_equal(meter_open(&m, &o, &e), ERR_USAGE);
        assert_null(m);
        assert_non_null(strstr(e.text, "WATTLE_SYSROOT '"));
        assert_non_null(strstr(e.text, roots[i]));
        assert_non_null(strstr(e.text, "folder"));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_samples_and_cpu_share),    TEST(test_short_spans_have_a_sample),
        TEST(test_waiting_costs_no_cpu),     TEST(test_peak_of_private_memory),
        TEST(test_made_up_machine),          TEST(test_throttling_of_v1),
        TEST(test_texts_that_make_no_sense), TEST(test_measuring_is_cheap),
        TEST(test_opening_and_closing_many), TEST(test_root_is_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
