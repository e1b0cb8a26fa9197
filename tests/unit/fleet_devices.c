/* SPDX-License-Identifier: MIT */
/* --llm-devices: which devices of a fleet have the language model. */
#include "fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5 };

static void lists(void **state)
{
    (void)state;
    static const struct {
        const char *list, *on, *wrong;
    } cases[] = {
        {"1", "10000", NULL},
        {"1,3,5", "10101", NULL},
        {"5, 1 ,5", "10001", NULL},
        {"6", NULL, "'6'"},
        {"0", NULL, "'0'"},
        {"-1", NULL, "'-1'"},
        {"1,,2", NULL, "''"},
        {"1,", NULL, "''"},
        {"", NULL, "''"},
        {"1;3", NULL, "'1;3'"},
        {"1-3", NULL, "'1-3'"},
        {"all", NULL, "'all'"},
        {"1,99999999999999999999", NULL, "'99999999999999999999'"},
        {"1,\x1b[31m", NULL, "\\x1b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char on[N] = {0};
        char text[N + 1] = "";
        struct err e = {""};
        int rc = fleet_parse_devices(cases[i].list, N, on, &e);
        assert_int_equal(fleet_parse_devices(cases[i].list, N, NULL, NULL), rc);
        for (size_t j = 0; j < N; j++)
            text[j] = on[j] ? '1' : '0';
        if (cases[i].on) {
            assert_int_equal(rc, 0);
            assert_string_equal(text, cases[i].on);
        } else {
            assert_int_equal(rc, ERR_USAGE);
            assert_non_null(strstr(e.text, "--llm-devices"));
            assert_non_null(strstr(e.text, cases[i].wrong));
            assert_non_null(strstr(e.text, "1 to 5"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
