/* SPDX-License-Identifier: MIT */
/* Which of many equal lines are said, and how often the others are told to have come. */
#include "base/repeat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t second = 1000000000;

static void first_then_at_intervals(void **state)
{
    (void)state;
    struct repeats r = {0};
    char note[REPEAT_NOTE_SIZE];
    uint64_t now = 77 * second;
    /* Every 20 s for 3,000 s: three at once, then one in 300 s, with the 14 between. */
    int said = 0;
    for (int i = 0; i < 150; i++, now += 20 * second) {
        bool due = repeats_due(&r, "refused", now, note);
        bool expected = i < 3 || (i - 2) % 15 == 0;
        assert_int_equal(due, expected);
        assert_string_equal(note, due && i >= 3 ? " (14 times more since this was said last)" : "");
        said += due;
    }
    assert_int_equal(said, 3 + 9);
}

static void a_quiet_time_makes_it_news(void **state)
{
    (void)state;
    struct repeats r = {0};
    char note[REPEAT_NOTE_SIZE];
    for (int i = 0; i < 5; i++)
        assert_int_equal(repeats_due(&r, "lost", second, note), i < REPEAT_FIRST);
    assert_true(repeats_due(&r, "lost", 301 * second, note));
    assert_string_equal(note, " (2 times more since this was said last)");
    assert_true(repeats_due(&r, "lost", 302 * second, note) && !note[0]);
    assert_true(repeats_due(&r, "lost", 303 * second, note));
    assert_false(repeats_due(&r, "lost", 304 * second, note));
}

static void lines_are_told_apart(void **state)
{
    (void)state;
    struct repeats r = {0};
    char note[REPEAT_NOTE_SIZE], line[16];
    /* Two in turns do not make each other news. */
    for (int i = 0; i < 20; i++)
        assert_int_equal(repeats_due(&r, i % 2 ? "a" : "b", second, note), i < 2 * REPEAT_FIRST);
    /* Ever new ones are all said, and take no more room. */
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "%d", i);
        assert_true(repeats_due(&r, line, 2 * second, note));
    }
    assert_int_equal(r.n, REPEAT_LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_then_at_intervals),
        cmocka_unit_test(a_quiet_time_makes_it_news),
        cmocka_unit_test(lines_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
