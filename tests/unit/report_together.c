/* SPDX-License-Identifier: MIT */
/* together: which orders of time are turns, and what agreement comes to. */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

static struct compared *add(struct comparison *c, const char *name, uint64_t bytes)
{
    struct compared *m = NULL;
    struct err e;
    assert_int_equal(comparison_add(c, &m, name, name, &e), 0);
    m->model_bytes = bytes;
    return m;
}

static struct compared_sample *answer(struct compared *m, uint64_t request, double utc_s,
                                      enum compared_verdict verdict)
{
    struct err e;
    struct compared_sample s = {
        .request = request, .utc_s = utc_s, .verdict = verdict, .time_ms = 1, .agreement = NAN};
    assert_int_equal(compared_add(m, &s, &e), 0);
    return &m->samples[m->n - 1];
}

static const struct {
    const char *name;
    const char *of[3]; /* one model each: its requests by time, '.' where another's turn is */
    bool turns;
} orders[] = {
    {"in turns", {"a.b.c.", ".a.b.c"}, true},
    {"order goes round", {"a...bc..", ".a.b..c.", "..a.b..c"}, true},
    {"two runs of the same requests", {"abc...", "...abc"}, false},
    {"the second begins early", {"abc...", "..abc."}, false},
    {"one is late", {"a.b..c.", ".a..c.b"}, false},
    {"two blocks of four", {"abcd....efgh....", "....abcd....efgh"}, true},
    {"the last block is short", {"abcd....ef..gh", "....abcd..ef.."}, false},
    {"a block and a half", {"abcd......ef", "....abcdef.."}, false},
    {"three blocks, the last short", {"abcd........efghi.", "....abcdefgh.....i"}, true},
    {"one block alone", {"abcd....", "....abcd"}, false},
    {"other requests", {"a.b.c.", ".a.b.d"}, false},
    {"another order", {"a.b.c.", ".b.a.c"}, false},
    {"fewer", {"a.b.c.", ".a.b.."}, false},
    {"one reading", {"a.", ".a"}, false},
    {"one model", {"abc"}, false},
    {"one request twice", {"a.a.b.", ".a.a.b"}, true},
    {"numbers alone", {"A.B.C.", ".A.B.C"}, false}, /* capital: no stamp */
};

static void test_turns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct comparison c;
        struct err e = {""};
        comparison_init(&c);
        c.alternated = true; /* it says no, too */
        for (size_t k = 0; k < 3 && orders[i].of[k]; k++) {
            struct compared *m = add(&c, orders[i].name, 1);
            for (const char *p = orders[i].of[k]; *p; p++)
                if (*p >= 'a')
                    answer(m, (uint64_t)*p, 1.7e9 + (double)(p - orders[i].of[k]) * 1e-3, 0);
                else if (*p != '.')
                    answer(m, (uint64_t)*p, NAN, 0);
        }
        assert_int_equal(comparison_find_turns(&c, &e), 0);
        if (c.alternated != orders[i].turns)
            fail_msg("%s: %d", orders[i].name, c.alternated);
        comparison_release(&c);
    }
}

static enum compared_verdict verdict_of(char c)
{
    return c == 'n'   ? COMPARED_NORMAL
           : c == 'u' ? COMPARED_UNUSUAL
           : c == '-' ? COMPARED_NONE
                      : COMPARED_UNKNOWN;
}

/* x: failed; ' ' not asked. Request k is at place k, from `first` on. */
static void answers(struct compared *m, uint64_t first, const char *verdicts)
{
    for (size_t i = 0; verdicts[i]; i++)
        answer(m, first + i, 1.7e9, verdict_of(verdicts[i]))->failed = verdicts[i] == 'x';
}

/* As digits; '?' not known. */
static void agreement_is(const struct compared *m, const char *expected)
{
    char got[64] = "";
    for (size_t i = 0; i < m->n; i++)
        got[i] = isnan(m->samples[i].agreement) ? '?' : m->samples[i].agreement > 0 ? '1' : '0';
    assert_string_equal(got, expected);
}

static void test_agreement(void **state)
{
    (void)state;
    struct comparison c;
    struct err e = {""};
    comparison_init(&c);
    struct compared *small = add(&c, "small", 5), *large = add(&c, "large", 9);
    struct compared *other = add(&c, "other", 9);
    answers(small, 11, "nun-xnu");
    answers(large, 11, "nnu-nxu");
    answers(other, 13, "u-nnn"); /* from request 13 on: paired by request, not by place */
    assert_int_equal(comparison_largest(&c), 1);
    assert_int_equal(comparison_agree(&c, 1, false, &e), 0);
    assert_int_equal(c.reference, 1);
    assert_string_equal(c.no_agreement, "");
    agreement_is(small, "100??"
                        "?1");
    agreement_is(large, "111?1?1");
    agreement_is(other, "1?1?0");
    small->parameters = 7;
    assert_int_equal(comparison_largest(&c), 1); /* by parameters only where all have them */
    large->parameters = 6;
    other->parameters = 5;
    assert_int_equal(comparison_largest(&c), 0);
    comparison_release(&c);
}

static const struct {
    const char *verdicts[2];
    uint64_t first[2];
    int reference;
    bool asked_for;
    int expected;
    const char *agreement; /* of the first */
    const char *why;
} reasons[] = {
    {{"nnn", "---"}, {1, 1}, 1, false, -1, "???", "'m1', the largest, gives a verdict in less"},
    {{"nnn", "-n-"}, {1, 1}, 1, true, 1, "?1?", ""},
    {{"nnn", "xxx"}, {1, 1}, 1, false, -1, "???", "'m1', the largest, gives a verdict in less"},
    {{"nnn", "nnn"}, {1, 4}, 0, false, -1, "???", "'m1' and 'm0' answered no request in common"},
    {{"nnn", "nnn"}, {1, 4}, 0, true, 0, "111", "'m1' and 'm0' answered no request in common"},
    {{"nnn", "   "}, {1, 1}, 0, false, -1, "???", "the files of 'm1' have no verdicts"},
    {{"nnn", "   "}, {1, 1}, 1, false, -1, "???", "the files of 'm1' have no verdicts"},
    {{"   ", "   "}, {1, 1}, 0, false, -1, "???", ""},
    {{"   ", "   "}, {1, 1}, 0, true, 0, "???", ""},
    {{"nnn", "nnn"}, {1, 1}, -1, true, -1, "???", ""}, /* --reference none */
    {{"nnn", "nnn"}, {1, 1}, -1, false, -1, "???", "--reference names one"},
};

static void test_reasons(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct comparison c;
        struct err e = {""};
        comparison_init(&c);
        for (size_t k = 0; k < 2; k++) {
            char name[8];
            snprintf(name, sizeof name, "m%zu", k);
            answers(add(&c, name, 1), reasons[i].first[k], reasons[i].verdicts[k]);
        }
        assert_int_equal(comparison_agree(&c, reasons[i].reference, reasons[i].asked_for, &e), 0);
        if (c.reference != reasons[i].expected || !strstr(c.no_agreement, reasons[i].why) ||
            (c.no_agreement[0] != '\0') != (reasons[i].why[0] != '\0'))
            fail_msg("row %zu: reference %d, '%s'", i, c.reference, c.no_agreement);
        agreement_is(&c.models[0], reasons[i].agreement);
        comparison_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
