/* SPDX-License-Identifier: MIT */
/* The processors that a cgroup leaves us, and what 100 % means under a quota. */
#include "meter/span_cpu.h"
#include "meter_tree.h"

#include <math.h>

static struct tree tree;

static int set_up(void **state)
{
    (void)state;
    tree_make(&tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static struct cpu_limits limits_of(const struct json *doc)
{
    struct cpu_limits l;
    tree_fill(&tree, doc, 0);
    cpu_limits_read_cgroup(&l, tree.root, (int)json_int(json_get(doc, "online")));
    return l;
}

static void test_v2_quota(void **state)
{
    (void)state;
    struct json *doc = case_open("cgroup/v-cm1-v2-cpu-max.json");
    const struct json *expect = json_get(doc, "expect");
    struct cpu_limits l = limits_of(doc);
    assert_true(l.usable == json_number(json_get(expect, "usable_cpus")));
    assert_int_equal(l.threads, json_int(json_get(expect, "threads")));
    assert_int_equal(l.online, 8);
    assert_int_equal(l.memory_bytes, 0);
    /* 1.5 CPU seconds a second are all that we get. */
    struct span_cpu c;
    span_cpu_begin(&c, 0, 0, l.usable);
    span_cpu_sample(&c, 1000000000, 1500000000);
    assert_true(fabs(span_cpu_average(&c) -
                     json_number(json_get(expect, "busy_cpu_seconds_per_second_1.5_is_percent"))) <
                1e-9);
    json_close(&doc);
}

static void test_v1_unlimited(void **state)
{
    (void)state;
    struct json *doc = case_open("cgroup/v-cm4-v1-unlimited.json");
    struct cpu_limits l = limits_of(doc);
    assert_true(l.usable == json_number(json_get(json_get(doc, "expect"), "usable_cpus")));
    assert_true(l.quota == 0);
    assert_int_equal(l.memory_bytes, 0); /* 9223372036854771712 is "no limit" */
    json_close(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_v2_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_v1_unlimited, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
