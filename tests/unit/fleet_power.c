/* SPDX-License-Identifier: MIT */
/* What the energy estimate goes by. */
#include "fleet/fleet.h"
#include "meter/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const enum setting_id ids[] = {SET_POWER_PROFILE, SET_POWER_IDLE_W, SET_POWER_MAX_W, SET_N};
static const struct command_spec spec = {
    .name = "test", .usage = "test", .summary = "test", .settings = ids};

static int power_of(char *const *words, int n, struct fleet_power *out, struct err *e)
{
    struct settings *s = NULL;
    struct buf text;
    char *nothing[] = {NULL}, *argv[4] = {NULL};
    for (int i = 0; i < n; i++)
        argv[i] = words[i];
    buf_init(&text, 1 << 16);
    int rc = settings_parse(&s, &spec, n, argv, nothing, &text, e);
    if (rc == 0)
        rc = fleet_power(s, out, e);
    settings_free(&s);
    buf_release(&text);
    return rc;
}

static void chooses_watts(void **state)
{
    static const struct {
        char *words[3];
        int n;
        double idle_w, max_w;
        const char *board; /* the beginning of its name */
    } cases[] = {
        {{NULL}, 0, 5, 15, NULL},
        {{"--power-max-w=25"}, 1, 5, 25, NULL},
        {{"--power-profile=pi5"}, 1, 2.8, 9.7, "Raspberry Pi 5"},
        {{"--power-profile=pi5", "--power-idle-w=1.5"}, 2, 1.5, 9.7, "Raspberry Pi 5"},
        {{"--power-profile=pi4", "--power-max-w=3"}, 2, 1.6, 3, "Raspberry Pi 4"},
        {{"--power-profile=pi4", "--power-max-w=9", "--power-idle-w=8"}, 3, 8, 9, NULL},
        {{"--power-profile=pi3b+"}, 1, 3.1, 5.6, "Raspberry Pi 3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fleet_power p;
        struct err e = {""};
        if (power_of(cases[i].words, cases[i].n, &p, &e))
            fail_msg("case %zu: %s", i, e.text);
        assert_true(p.idle_w == cases[i].idle_w && p.max_w == cases[i].max_w);
        assert_int_equal(p.board != NULL, cases[i].board != NULL);
        if (p.board)
            assert_memory_equal(p.board, cases[i].board, strlen(cases[i].board));
    }
}

static void refuses(void **state)
{
    static const struct {
        char *words[2];
        int n;
        const char *part;
    } cases[] = {
        {{"--power-profile=pi55"}, 1, "did you mean 'pi5'? expected cm4, cm5, "},
        {{"--power-profile=toaster"}, 1, "no such board, expected cm4"},
        {{"--power-profile=pi5", "--power-max-w=2"}, 2, "2 W is less than the 2.8 W"},
        {{"--power-profile=pi5", "--power-idle-w=10"}, 2, "9.7 W is less than the 10 W"},
        {{"--power-max-w=2"}, 1, "less than the 5 W"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fleet_power p;
        struct err e = {""};
        assert_int_equal(power_of(cases[i].words, cases[i].n, &p, &e), ERR_USAGE);
        if (!strstr(e.text, cases[i].part))
            fail_msg("case %zu: '%s' lacks '%s'", i, e.text, cases[i].part);
    }
}

static void the_table_is_sound(void **state)
{
    (void)state;
    assert_true(power_profile_count() >= 10);
    for (size_t i = 0; i < power_profile_count(); i++) {
        const struct power_profile *p = power_profile_at(i);
        double idle_w, max_w;
        assert_true(p->idle_w > 0 && p->idle_w < p->max_w && p->max_w < 100);
        assert_true(strlen(p->name) < 32);
        assert_true(i == 0 || strcmp(power_profile_at(i - 1)->name, p->name) < 0);
        assert_true(power_profile_find(p->name, &idle_w, &max_w));
        assert_true(idle_w == p->idle_w && max_w == p->max_w);
    }
    assert_null(power_profile_named("PI5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chooses_watts), cmocka_unit_test(refuses),
                                       cmocka_unit_test(the_table_is_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
