/* SPDX-License-Identifier: MIT */
/* A container's memory limit beside what a model needs: enough, slow, or not at all. */
#include "fleet/memory_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static void keep_line(void *ctx, enum log_level level, const char *line)
{
    (void)level;
    snprintf(ctx, 512, "%s", line);
}

static void judged(void **state)
{
    (void)state;
    const struct memory_need real = {8 * MIB, 3 * MIB, 22 * MIB + 1, 94 * MIB};
    const struct memory_need huge = {UINT64_MAX, 1, 1, 1}, exact = {MIB, 0, 0, 0};
    const struct {
        const struct memory_need *need;
        uint64_t limit;
        const char *error, *warning; /* NULL: none */
    } cases[] = {
        {&real, 0, NULL, NULL},
        {&real, 128ULL * MIB, NULL, NULL},
        {&real, 127ULL * MIB, NULL, "memory limit of 127 MiB: less than the 128 MiB"},
        {&real, 34ULL * MIB, NULL, "memory limit of 34 MiB: less than the 128 MiB"},
        {&real, 33ULL * MIB,
         "memory limit of 33 MiB: 34 MiB are needed beside the model's file, 23 MiB of them for "
         "LLM_MAX_LENGTH; expected a limit of 128 MiB for all",
         NULL},
        {&huge, UINT64_MAX - 1, "memory limit of", NULL},
        {&exact, MIB, NULL, NULL},
        {&exact, MIB - 1, "1 MiB are needed", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        char line[512] = "";
        log_set_sink(keep_line, line, LOG_LEVEL_DEBUG);
        int rc = memory_limit_check(cases[i].need, cases[i].limit, &e);
        log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
        assert_int_equal(rc, cases[i].error ? ERR_LIMIT : 0);
        if (cases[i].error)
            assert_non_null(strstr(e.text, cases[i].error));
        if (cases[i].warning)
            assert_non_null(strstr(line, cases[i].warning));
        else
            assert_string_equal(line, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
