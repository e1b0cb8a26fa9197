/* SPDX-License-Identifier: MIT */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_plural(void **state)
{
    (void)state;
    assert_string_equal(plural(0, "entry", "entries"), "entries");
    assert_string_equal(plural(1, "entry", "entries"), "entry");
    assert_string_equal(plural(2, "entry", "entries"), "entries");
    assert_string_equal(plural(UINT64_MAX, "entry", "entries"), "entries");
}

static void test_library_words(void **state)
{
    static const struct {
        const char *said, *expected;
    } cases[] = {
        {"The client is not currently connected.", "the client is not currently connected"},
        {"Couldn't connect to server", "couldn't connect to server"},
        {"SSL certificate problem: self-signed certificate\n",
         "SSL certificate problem: self-signed certificate"},
        {"OpenSSL SSL_connect: Connection reset by peer",
         "OpenSSL SSL_connect: Connection reset by peer"},
        {"X509 is wrong.", "X509 is wrong"},
        {"file is not a database", "file is not a database"},
        {" Out of memory... ", "out of memory"},
        {"two\r\nlines\tand\n", "two lines and"},
        {"A", "A"},
        {"...", ""},
        {"", "no reason given"},
        {"\n", "no reason given"},
        {NULL, "no reason given"},
    };
    char out[LIBRARY_WORDS_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(library_words(out, cases[i].said), cases[i].expected);
}

static void test_long_words_are_cut(void **state)
{
    char said[3 * LIBRARY_WORDS_SIZE], out[LIBRARY_WORDS_SIZE];
    (void)state;
    memset(said, 'a', sizeof said);
    said[sizeof said - 1] = '\0';
    assert_int_equal(strlen(library_words(out, said)), LIBRARY_WORDS_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plural),
        cmocka_unit_test(test_library_words),
        cmocka_unit_test(test_long_words_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
