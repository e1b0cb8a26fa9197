/* SPDX-License-Identifier: MIT */
/* JSON lines in and out: order, cases, bad lines, ends of lines, bounds, output that fails. */
#include "lab/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Answers with the sum of "n"; 13 is refused after something was written. */
static int add_up(void *ctx, const struct json *in, struct json_writer *w, FILE *out, struct err *e)
{
    (void)out;
    int64_t *sum = ctx, n = 0;
    int rc = line_int(in, "n", 0, 1000, 0, &n, e);
    if (rc)
        return rc;
    json_write_key(w, "sum");
    json_write_int(w, *sum += n);
    return n == 13 ? err_set(e, ERR_USAGE, "n: 13 is \"unlucky\"") : 0;
}

static void test_lines(void **state)
{
    (void)state;
    static const char input[] = "{\"case\":1,\"n\":2}\n"
                                "\n"
                                "  \r\n"
                                "{\"n\":3,\"case\":{\"a\":[true,null,1.5]}}\r\n"
                                "{\"case\":\"x\",\"n\":13}\n"
                                "{\"case\":\"y\",\"n\":\"1\"}\n"
                                "{\"case\":\"z\",\"n\":1001}\n"
                                "{\"case\":\n"
                                "{}\n"
                                "{\"case\":7}";
    static const char expected[] =
        "{\"case\":1,\"sum\":2}\n"
        "{\"case\":{\"a\":[true,null,1.5]},\"sum\":5}\n"
        "{\"case\":\"x\",\"error\":\"n: 13 is \\\"unlucky\\\"\"}\n"
        "{\"case\":\"y\",\"error\":\"n: a string, expected an integer\"}\n"
        "{\"case\":\"z\",\"error\":\"n: 1001, expected 0 to 1000\"}\n"
        "{\"case\":null,\"error\":\"line 8 of 'in'";
    char *got = NULL;
    size_t n = 0;
    int64_t sum = 0;
    struct err e = {""};
    FILE *in = fmemopen((void *)(uintptr_t)input, sizeof input - 1, "r");
    FILE *out = open_memstream(&got, &n);
    assert_int_equal(lines_run(in, "in", out, add_up, &sum, &e), 0);
    fclose(in);
    fclose(out);
    assert_memory_equal(got, expected, sizeof expected - 1);
    static const char end[] = "{\"case\":null,\"sum\":18}\n{\"case\":7,\"sum\":18}\n";
    assert_true(n > sizeof end);
    assert_string_equal(got + n - (sizeof end - 1), end);
    free(got);
}

/* A stream of one line that is longer than a line may be, and a good one behind it. */
struct long_line {
    size_t left;
    const char *rest;
};

static ssize_t read_long(void *cookie, char *buffer, size_t size)
{
    struct long_line *l = cookie;
    size_t n = l->left ? (l->left < size ? l->left : size) : strnlen(l->rest, size);
    if (l->left) {
        memset(buffer, ' ', n);
        l->left -= n;
    } else {
        memcpy(buffer, l->rest, n);
        l->rest += n;
    }
    return (ssize_t)n;
}

static void test_long_line(void **state)
{
    (void)state;
    struct long_line l = {(size_t)LINE_BYTES_MAX + 1, "\n{\"case\":2}\n"};
    cookie_io_functions_t functions = {.read = read_long};
    char *got = NULL;
    size_t n = 0;
    int64_t sum = 0;
    struct err e = {""};
    FILE *in = fopencookie(&l, "r", functions);
    FILE *out = open_memstream(&got, &n);
    assert_int_equal(lines_run(in, "in", out, add_up, &sum, &e), 0);
    fclose(in);
    fclose(out);
    static const char begin[] = "{\"case\":null,\"error\":\"";
    static const char end[] = "\"}\n{\"case\":2,\"sum\":0}\n";
    assert_memory_equal(got, begin, sizeof begin - 1);
    assert_string_equal(got + n - (sizeof end - 1), end);
    free(got);
}

static void test_output_fails(void **state)
{
    (void)state;
    static const char input[] = "{\"n\":1}\n{\"n\":1}\n";
    int64_t sum = 0;
    struct err e = {""};
    FILE *in = fmemopen((void *)(uintptr_t)input, sizeof input - 1, "r");
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    assert_int_equal(lines_run(in, "in", out, add_up, &sum, &e), ERR_IO);
    assert_non_null(strstr(e.text, "write"));
    assert_int_equal(sum, 1); /* and no line is answered in vain */
    fclose(in);
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_output_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
