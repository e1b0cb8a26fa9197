/* SPDX-License-Identifier: MIT */
/* Alarms: when one begins and ends, what is said of it. */
#include "telemetry/telemetry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct alarm_limits no_limits(void)
{
    struct alarm_limits l;
    for (int i = 0; i < ALARM_FIELDS; i++)
        l.min[i] = l.max[i] = NAN;
    return l;
}

static void test_begins_once_and_ends_after_three(void **state)
{
    (void)state;
    /* temp of each reading and what it says: '+' raised above, '-' raised below, 'o' over, '.' none
     */
    static const struct {
        double min, max, temps[12];
        const char *says;
    } cases[] = {
        {NAN, 60, {59, 60, 60.1, 70, 59, 59, 59, 59}, "..+...o."},
        {NAN, 60, {61, 59, 59, 61, 59, 59, 61, 59, 59, 59}, "+........o"}, /* flickers */
        {5, 60, {61, 4, 4, 61, 20, 20, 20}, "+-.+..o"},                    /* leaps across */
        {5, NAN, {5, 4.999, 1000, 1000, 1000, 4}, ".-..o-"},
        {0, NAN, {0, -0.1, 0, 0, 0}, ".-..o"}, /* a limit of 0 has no margin to speak of */
        {NAN, NAN, {-1e300, 1e300, 0}, "..."},
        {20, 20, {20, 20.1, 19.9, 20, 20, 20}, ".+-..o"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct alarm_limits l = no_limits();
        struct alarm_state s = {.side = {0}};
        char says[16] = "";
        l.min[ALARM_TEMP] = cases[c].min;
        l.max[ALARM_TEMP] = cases[c].max;
        size_t n = strlen(cases[c].says);
        for (size_t i = 0; i < n; i++) {
            struct reading r = {.ts = "1", .temp = cases[c].temps[i]};
            struct alarm_change change;
            alarm_take(&s, &l, &r, &change);
            assert_int_equal(change.any_raised, change.raised[ALARM_TEMP] != 0);
            assert_int_equal(change.any_over, change.over[ALARM_TEMP] != 0);
            assert_int_equal(change.severity > 0, change.any_raised);
            says[i] = change.raised[ALARM_TEMP] > 0   ? '+'
                      : change.raised[ALARM_TEMP] < 0 ? '-'
                      : change.any_over               ? 'o'
                                                      : '.';
        }
        assert_string_equal(says, cases[c].says);
    }
}

static void test_severity(void **state)
{
    (void)state;
    static const struct {
        double value, min, max;
        int severity;
    } cases[] = {
        {60, NAN, 60, 0},    {60.1, NAN, 60, 1}, {66.1, NAN, 60, 2}, {119, NAN, 60, 10},
        {1e300, 0, 60, 10},  {31, 20, 30, 2},    {30.5, 20, 30, 1},  {19.5, 20, 30, 1},
        {18.9, 20, 30, 2},   {0.05, NAN, 0, 1},  {0.95, NAN, 0, 10}, {-1, -1, NAN, 0},
        {-2.5, -1, NAN, 10}, {1, NAN, NAN, 0},   {21, 20, 20, 1},    {1e308, NAN, 1e-300, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(alarm_severity(cases[i].value, cases[i].min, cases[i].max),
                         cases[i].severity);
}

static void test_words(void **state)
{
    (void)state;
    struct alarm_limits l = no_limits();
    struct reading r = {.ts = "1", .temp = 61.200000762939453, .humidity = 80, .co = 0.004955938};
    struct buf b;
    buf_init(&b, 4096);
    assert_false(alarm_limits_any(&l));
    alarm_words(&b, &l, &r);
    assert_string_equal(buf_cstr(&b), "none");
    l.max[ALARM_TEMP] = 60;
    l.min[ALARM_HUMIDITY] = 90.5;
    l.max[ALARM_CO] = 0.004;
    assert_true(alarm_limits_any(&l));
    buf_clear(&b);
    alarm_words(&b, &l, &r);
    assert_string_equal(buf_cstr(&b), "temp 61.2 above 60, humidity 80 below 90.5, "
                                      "co 0.00495594 above 0.004");
    /* Rounding does not bring a value back inside. */
    r = (struct reading){.ts = "1", .temp = 60.00000001, .humidity = 95};
    buf_clear(&b);
    alarm_words(&b, &l, &r);
    assert_string_equal(buf_cstr(&b), "temp 60.00000001 above 60");
    /* Behind what is there already. */
    buf_clear(&b);
    buf_str(&b, "Now: ");
    alarm_words(&b, &l, &r);
    assert_string_equal(buf_cstr(&b), "Now: temp 60.00000001 above 60");
    buf_release(&b);
}

static void test_message(void **state)
{
    (void)state;
    struct alarm_limits l = no_limits();
    struct alarm_state s = {.side = {0}};
    struct alarm_change c;
    struct reading r = {.ts = "1594512094.3859746", .temp = 61.2, .humidity = 10};
    struct buf b;
    struct json *j = NULL;
    buf_init(&b, 4096);
    l.max[ALARM_TEMP] = 60;
    l.min[ALARM_HUMIDITY] = 20;
    alarm_take(&s, &l, &r, &c);
    alarm_write(&b, &c, false, &l, &r, "a\"b", "2025-10-07T10:30:15.123456", 7);
    assert_string_equal(
        buf_cstr(&b),
        "{\"device_id\":\"a\\\"b\",\"timestamp\":\"2025-10-07T10:30:15.123456\",\"verdict\":"
        "\"anomaly\",\"severity\":6,\"fields\":[\"temp\",\"humidity\"],\"reason\":\"temp 61.2 "
        "above "
        "60, humidity 10 below 20\",\"source\":\"threshold\",\"ts\":1594512094.3859746,\"seq\":7}");
    assert_int_equal(json_parse(&j, buf_view(&b), 4096, "alarm", NULL), 0);
    json_close(&j);
    r.temp = 22.5;
    for (int i = 0; i < ALARM_CALM; i++)
        alarm_take(&s, &l, &r, &c);
    assert_true(c.any_over && !c.any_raised);
    buf_clear(&b);
    alarm_write(&b, &c, true, &l, &r, "d", "t", 10);
    assert_string_equal(
        buf_cstr(&b),
        "{\"device_id\":\"d\",\"timestamp\":\"t\",\"verdict\":\"normal\",\"severity\":"
        "0,\"fields\":[\"temp\"],\"reason\":\"temp 22.5 no longer above 60\","
        "\"source\":\"threshold\",\"ts\":1594512094.3859746,\"seq\":10}");
    buf_release(&b);
}

static void test_prompt_says_them(void **state)
{
    (void)state;
    struct alarm_limits l = no_limits();
    struct reading r = {.ts = "1", .temp = 61.2, .humidity = 50};
    struct prompt *p = NULL;
    struct buf system, user;
    struct err e = {""};
    buf_init(&system, 1 << 16);
    buf_init(&user, 1 << 16);
    l.max[ALARM_TEMP] = 60;
    assert_int_equal(prompt_open_texts(&p, "", "", true, &e), 0);
    assert_int_equal(prompt_render(p, &r, "d", &l, &system, &user, &e), 0);
    assert_non_null(strstr(buf_cstr(&user), "\nLimits exceeded: temp 61.2 above 60"));
    prompt_close(&p);
    assert_int_equal(prompt_open_texts(&p, "", "", false, &e), 0);
    assert_int_equal(prompt_render(p, &r, "d", &l, &system, &user, &e), 0);
    assert_null(strstr(buf_cstr(&user), "Limits"));
    prompt_close(&p);
    assert_int_equal(prompt_open_texts(&p, "Be {{device_id}}.\n", "---\n{{alarms}}!\n", true, &e),
                     0);
    assert_int_equal(prompt_render(p, &r, "d", NULL, &system, &user, &e), 0);
    assert_string_equal(buf_cstr(&system), "Be d.");
    assert_string_equal(buf_cstr(&user), "---\nnone!");
    prompt_close(&p);
    buf_release(&system);
    buf_release(&user);
}

static void test_prompt_texts_refused(void **state)
{
    (void)state;
    static const struct {
        const char *system, *user, *message;
    } cases[] = {
        {"a\n{{x}}", "u", "LLM_PROMPT_SYSTEM: line 2: unknown placeholder '{{x}}'"},
        {"s\ns\n", "\n{{alarm}}", "LLM_PROMPT_USER: line 2: unknown placeholder '{{alarm}}'"},
        {"", "\n\n", "LLM_PROMPT_USER: only empty lines, expected a text"},
        {"\xc3", "u", "LLM_PROMPT_SYSTEM: is not UTF-8 text"},
        {"s", "\xa9", "LLM_PROMPT_USER: is not UTF-8 text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct prompt *p = NULL;
        struct err e = {""};
        assert_int_equal(prompt_open_texts(&p, cases[i].system, cases[i].user, false, &e),
                         ERR_USAGE);
        assert_null(p);
        if (strncmp(e.text, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("'%s' instead of '%s'", e.text, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_once_and_ends_after_three),
        cmocka_unit_test(test_severity),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_prompt_says_them),
        cmocka_unit_test(test_prompt_texts_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
