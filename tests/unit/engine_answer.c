/* SPDX-License-Identifier: MIT */
/* Answers end before a stop text, however it comes in pieces, and never give out a part of one. */
#include "engine/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void collect(void *ctx, const char *text, size_t bytes)
{
    buf_put(ctx, text, bytes);
    buf_char(ctx, '|');
}

struct row {
    const char *name;
    const char *stops[3];
    const char *pieces[8];
    const char *given; /* each call's text followed by '|' */
    const char *text;
    bool stopped;
};

static const struct row rows[] = {
    {"no stop", {NULL}, {"a", "bc"}, "a|bc|", "abc", false},
    {"whole in a piece", {"END"}, {"one END two"}, "one |", "one ", true},
    {"across three pieces", {"END"}, {"x E", "N", "D y"}, "x |", "x ", true},
    {"held, then not it", {"END"}, {"x E", "N", "T"}, "x |ENT|", "x ENT", false},
    {"held at the end", {"END"}, {"x E"}, "x |E|", "x E", false},
    {"at the very beginning", {"a"}, {"abc"}, "", "", true},
    {"the first of two", {"two", "one"}, {"zero one two"}, "zero |", "zero ", true},
    {"self-overlapping", {"aab"}, {"a", "a", "a", "b"}, "a|", "a", true},
    {"one is the beginning of another", {"\n\nUser", "\n\n"}, {"x\n", "\n"}, "x|", "x", true},
    {"pieces after the stop are not taken", {"."}, {"a.", "b", "c."}, "a|", "a", true},
    {"multibyte", {"°C"}, {"21 °", "F, 3 °", "C"}, "21 |°F, 3 |", "21 °F, 3 ", true},
    {"empty pieces", {"END"}, {"", "a", "", "E", "", "ND"}, "a|", "a", true},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct buf given;
        struct answer a;
        struct err e = {""};
        buf_init(&given, 4096);
        answer_init(&a, 4096, collect, &given);
        for (size_t s = 0; r->stops[s]; s++)
            answer_stop_at(&a, span_str(r->stops[s]));
        for (size_t p = 0; r->pieces[p]; p++)
            assert_int_equal(answer_add(&a, span_str(r->pieces[p]), &e), 0);
        answer_finish(&a);
        print_message("%s\n", r->name);
        assert_string_equal(buf_cstr(&given), r->given);
        assert_string_equal(buf_cstr(&a.text), r->text);
        assert_int_equal(a.stopped, r->stopped);
        answer_release(&a);
        buf_release(&given);
    }
}

/* However a text is cut, the answer is the text before the first stop that completes. */
static void test_any_cut_gives_the_same(void **state)
{
    (void)state;
    static const char text[] = "ab abab abcab aabc\n\nUse\n\nUser: abcd";
    static const char *const stops[] = {"\n\nUser:", "abcd", "zz"};
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        struct buf given;
        struct answer a;
        struct err e = {""};
        buf_init(&given, 4096);
        answer_init(&a, 4096, collect, &given);
        for (size_t s = 0; s < 3; s++)
            answer_stop_at(&a, span_str(stops[s]));
        for (size_t at = 0; at < sizeof text - 1;) {
            size_t n = 1 + rng_below(&rng, 5);
            if (n > sizeof text - 1 - at)
                n = sizeof text - 1 - at;
            assert_int_equal(answer_add(&a, span_of(text + at, n), &e), 0);
            at += n;
        }
        answer_finish(&a);
        assert_string_equal(buf_cstr(&a.text), "ab abab abcab aabc\n\nUse");
        assert_true(a.stopped);
        size_t joined = 0;
        for (size_t i = 0; i < given.n; i++)
            if (given.p[i] != '|')
                given.p[joined++] = given.p[i];
        assert_int_equal(joined, a.text.n);
        assert_memory_equal(given.p, a.text.p, joined);
        answer_release(&a);
        buf_release(&given);
    }
}

static void test_bound(void **state)
{
    (void)state;
    struct answer a;
    struct err e = {""};
    answer_init(&a, 4, NULL, NULL);
    assert_int_equal(answer_add(&a, span_str("abcd"), &e), 0);
    assert_int_equal(answer_add(&a, span_str("e"), &e), ERR_LIMIT);
    answer_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_any_cut_gives_the_same),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
