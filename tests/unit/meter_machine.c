/* SPDX-License-Identifier: MIT */
/* What a made-up machine says of itself, and the fixed calculation. */
#include "meter/meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "meter_tree.h"

static struct tree tree;

static void describes_a_pc_and_a_board(void **state)
{
    struct buf b;
    (void)state;
    tree_make(&tree);
    tree_write(&tree, "proc/cpuinfo",
               "processor\t: 0\nmodel\t\t: 8\nmodel name\t: Frobnicator 9000\n");
    tree_write(&tree, "proc/meminfo", "MemTotal:       4194304 kB\nMemAvailable:   1048576 kB\n");
    buf_init(&b, 4096);
    machine_describe(&b, tree.root);
    assert_memory_equal(buf_cstr(&b), "Frobnicator 9000, ", 18);
    assert_non_null(strstr(buf_cstr(&b), ", 4.0 GiB of memory, Linux "));
    assert_true(machine_memory_available(tree.root) == UINT64_C(1) << 30);
    buf_clear(&b);
    tree_write(&tree, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0");
    machine_describe(&b, tree.root);
    assert_memory_equal(buf_cstr(&b), "Raspberry Pi 5 Model B Rev 1.0, ", 32);
    buf_release(&b);
    tree_remove(&tree);
}

static void a_machine_that_says_nothing(void **state)
{
    static const char *const texts[] = {"",
                                        "cpu",
                                        "cpu ",
                                        "cpu  1 2 3\n",
                                        "cpu  a b c d e f g h\n",
                                        "cpu  18446744073709551616 0 0 0 0 0 0 0\n"};
    struct buf b;
    (void)state;
    tree_make(&tree);
    buf_init(&b, 4096);
    machine_describe(&b, tree.root);
    assert_memory_equal(buf_cstr(&b), "unknown processor, ", 19);
    assert_true(machine_memory_available(tree.root) == 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct load_probe p;
        struct load load;
        tree_write(&tree, "proc/stat", texts[i]);
        assert_int_equal(load_open(&p, tree.root, NULL), 0);
        load_begin(&p);
        load_end(&p, &load);
        assert_true(isnan(load.others) && isnan(load.steal));
        load_close(&p);
    }
    buf_release(&b);
    tree_remove(&tree);
}

/* 100 ticks more, 60 of them work, 10 stolen. */
static void counts_others_and_steal(void **state)
{
    struct load_probe p;
    struct load load;
    (void)state;
    tree_make(&tree);
    tree_write(&tree, "proc/stat", "cpu  100 0 50 1000 7 1 1 20 0 0\ncpu0 1 2 3\n");
    assert_int_equal(load_open(&p, tree.root, NULL), 0);
    load_begin(&p);
    p.start_ns -= 1000000000; /* a second ago */
    tree_write(&tree, "proc/stat", "cpu  150 0 60 1030 7 1 1 30 0 0\n");
    load_end(&p, &load);
    assert_true(fabs(load.steal - 0.1) < 1e-9);
    assert_true(load.others > 0.3 && load.others < 0.61); /* at 100 ticks a second 0.6 */
    load_close(&p);
    tree_remove(&tree);
}

static void the_calculation_is_fixed(void **state)
{
    struct noise_probe p;
    (void)state;
    assert_int_equal(noise_open(&p, 5, NULL), 0);
    uint64_t rounds = p.rounds;
    assert_true(rounds >= 1);
    double fastest = 1e9;
    for (int i = 0; i < 5; i++) {
        double ms = noise_measure(&p);
        fastest = ms < fastest ? ms : fastest;
    }
    assert_true(p.rounds == rounds);
    assert_true(fastest > 0.5 && fastest < 200); /* about 5, whatever else runs */
    noise_close(&p);
    noise_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_a_pc_and_a_board), cmocka_unit_test(a_machine_that_says_nothing),
        cmocka_unit_test(counts_others_and_steal), cmocka_unit_test(the_calculation_is_fixed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
