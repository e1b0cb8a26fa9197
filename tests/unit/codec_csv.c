/* SPDX-License-Identifier: MIT */
/* codec/csv.h: bytes in, rows out, written as "LINE:[field][field]" and "!LINE" for a bad row. */
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void describe(struct buf *out, struct span bytes)
{
    struct csv *c = NULL;
    struct csv_row row;
    struct err e;
    assert_int_equal(csv_open(&c, bytes, &e), 0);
    for (int r; (r = csv_next(c, &row, &e)) != 0;) {
        if (r < 0) {
            size_t line = 0;
            assert_int_equal(r, ERR_FORMAT);
            assert_int_equal(sscanf(e.text, "line %zu: ", &line), 1);
            buf_printf(out, "!%zu ", line);
            continue;
        }
        buf_printf(out, "%zu:", row.line);
        for (size_t i = 0; i < row.n; i++) {
            buf_char(out, row.quoted[i] ? '{' : '[');
            buf_span(out, row.fields[i]);
            buf_char(out, row.quoted[i] ? '}' : ']');
        }
        buf_char(out, ' ');
    }
    assert_int_equal(csv_next(c, &row, &e), 0); /* the end stays the end */
    csv_close(&c);
    assert_null(c);
}

static const struct {
    const char *bytes;
    size_t n;
    const char *rows;
} cases[] = {
#define CASE(bytes, rows)             \
    {                                 \
        bytes, sizeof bytes - 1, rows \
    }
    CASE("", ""),
    CASE("\n\r\n  \t\r\n\n", ""),
    CASE("a,b", "1:[a][b] "),
    CASE("a,b\n", "1:[a][b] "),
    CASE("a\nb\rc\r\nd", "1:[a] 2:[b] 3:[c] 4:[d] "),
    CASE("a,\n,b\n,\n", "1:[a][] 2:[][b] 3:[][] "),
    CASE("\xef\xbb\xbf\"ts\",x\n", "1:{ts}[x] "),
    CASE("\"a\"\"b\",\"\"\"\",\"\"\n", "1:{a\"b}{\"}{} "),
    CASE("\"x,y\"\n", "1:{x,y} "),
    CASE("\"1\n2\r\n3\r4\",b\nc\n", "1:{1\n2\r\n3\r4}[b] 5:[c] "),
    CASE("a\"b,c\n", "1:[a\"b][c] "),
    CASE("\"a\"b,c\nd\n", "!1 2:[d] "),
    CASE("a\0b\nc\n", "!1 2:[c] "),
    CASE("\0", "!1 "),
    CASE("a,\"b\nc\nd", "!1 2:[c] 3:[d] "),
    CASE("\"", "!1 "),
    CASE("\n\n\"a\n\"\"\n", "!3 4:{} "),
    CASE(" a , b \n", "1:[ a ][ b ] "),
    CASE("\xff\xfe,b\n", NULL),
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct csv *c = NULL;
        struct err e;
        if (!cases[i].rows) {
            assert_int_equal(csv_open(&c, span_of(cases[i].bytes, cases[i].n), &e), ERR_FORMAT);
            assert_null(c);
            continue;
        }
        /* bytes of their own, so that a sanitizer sees a read past the end */
        uint8_t *exact = malloc(cases[i].n ? cases[i].n : 1);
        memcpy(exact, cases[i].bytes, cases[i].n);
        struct buf out;
        buf_init(&out, 4096);
        describe(&out, span_of(exact, cases[i].n));
        assert_string_equal(buf_cstr(&out), cases[i].rows);
        buf_release(&out);
        free(exact);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct buf in, out;
    buf_init(&in, 4 << 20);
    buf_init(&out, 4096);
    for (int i = 0; i < CSV_FIELDS_MAX; i++) /* one field more than fits */
        buf_char(&in, ',');
    buf_str(&in, "\nx\n");
    for (int i = 0; i < CSV_LINE_MAX + 1; i++)
        buf_char(&in, 'y');
    buf_str(&in, "\nz\n\"");
    for (int i = 0; i < CSV_LINE_MAX + 1; i++)
        buf_char(&in, i % 1000 ? 'y' : '\n');
    describe(&out, buf_view(&in));
    assert_non_null(strstr(buf_cstr(&out), "!1 2:[x] !3 4:[z] !5 6:[yyy"));
    buf_release(&in);
    buf_release(&out);
}

static void test_real_file(void **state)
{
    (void)state;
    char path[4096];
    struct file_map m;
    struct err e;
    struct csv *c = NULL;
    struct csv_row row;
    size_t n = 0, last = 0;
    snprintf(path, sizeof path, "%s/data/telemetry-24h.csv", getenv("WATTLE_SOURCE"));
    assert_int_equal(file_map(&m, path, &e), 0);
    assert_int_equal(csv_open(&c, m.bytes, &e), 0);
    for (int r; (r = csv_next(c, &row, &e)) != 0; n++) {
        assert_int_equal(r, 1);
        assert_int_equal(row.n, 9);
        last = row.line;
    }
    assert_int_equal(n, 50271); /* 50,270 messages and the header */
    assert_int_equal(last, 50271);
    csv_close(&c);
    file_unmap(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_real_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
