/* SPDX-License-Identifier: MIT */
/* net/http_text.h: headers, ranges, waits and addresses as servers write them, hostile ones too. */
#include "net/http_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_headers(void **state)
{
    (void)state;
    static const char block[] =
        "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nX-Etag:b\r\nlocation:   /x \t\r\n"
        "Empty:\r\nETag: second\r\nBlank:   \r\nlast: v";
    static const struct {
        const char *name, *value;
    } cases[] = {{"etag", "\"a\""},  {"ETAG", "\"a\""}, {"X-Etag", "b"},
                 {"Location", "/x"}, {"Empty", ""},     {"Blank", ""},
                 {"Last", "v"},      {"tag", NULL},     {"HTTP/1.1 200 OK", NULL},
                 {"", NULL},         {"lastt", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span v = header_in(span_str(block), cases[i].name);
        assert_int_equal(v.p == NULL, cases[i].value == NULL);
        if (cases[i].value && !span_is(v, cases[i].value))
            fail_msg("%s: '%.*s'", cases[i].name, SPAN_FMT(v));
    }
    assert_null(header_in(span_of(NULL, 0), "x").p);
    assert_null(header_in(span_str("x"), "x").p);
}

static void test_ranges(void **state)
{
    (void)state;
    struct content_range r;
    assert_true(content_range_parse(span_str("bytes 400-999/1000"), &r));
    assert_true(r.first == 400 && r.last == 999 && r.has_total && r.total == 1000);
    assert_true(content_range_parse(span_str("bytes 0-0/*"), &r));
    assert_false(r.has_total);
    static const char *const bad[] = {"",
                                      "bytes",
                                      "bytes */1000",
                                      "bytes 5-4/10",
                                      "bytes 0-10/10",
                                      "bytes -1-4/10",
                                      "items 0-1/2",
                                      "bytes 0-1",
                                      "bytes 0-1/",
                                      "bytes 0-1/x",
                                      "bytes 0-99999999999999999999/*",
                                      "bytes 0 - 1/2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (content_range_parse(span_str(bad[i]), &r))
            fail_msg("'%s' was taken", bad[i]);
}

static void test_waits(void **state)
{
    (void)state;
    uint64_t ms = 7;
    assert_true(retry_after_parse(span_str("120"), 0, &ms));
    assert_int_equal(ms, 120000);
    /* 1994-11-06 08:49:37 */
    assert_true(retry_after_parse(span_str("Sun, 06 Nov 1994 08:49:37 GMT"), 784111767, &ms));
    assert_int_equal(ms, 10000);
    assert_true(retry_after_parse(span_str("Sun, 06 Nov 1994 08:49:37 GMT"), 784111787, &ms));
    assert_int_equal(ms, 0);
    static const char *const bad[] = {
        "", "soon", "-5", "1.5", "99999999999999999999999", "18446744073709551615"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (retry_after_parse(span_str(bad[i]), 0, &ms))
            fail_msg("'%s' was taken", bad[i]);
}

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        const char *url, *origin;
    } cases[] = {
        {"https://huggingface.co", "https://huggingface.co:443"},
        {"HTTPS://HuggingFace.co/a?b#c", "https://huggingface.co:443"},
        {"http://127.0.0.1:8080/x", "http://127.0.0.1:8080"},
        {"http://user:secret@host/x", "http://host:80"},
        {"http://[::1]:5/x", "http://[::1]:5"},
        {"ftp://host/x", NULL},
        {"file:///etc/passwd", NULL},
        {"host/x", NULL},
        {"", NULL},
        {"http://", NULL},
        {"https://a b/", NULL},
        {"http://host:99999/", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char origin[ORIGIN_SIZE] = "";
        struct err e;
        int rc = url_origin(cases[i].url, origin, &e);
        if ((rc == 0) != (cases[i].origin != NULL) ||
            (cases[i].origin && strcmp(origin, cases[i].origin) != 0))
            fail_msg("%s: %d '%s'", cases[i].url, rc, origin);
    }
    /* What may hold a password or a key is in no message. */
    static const char *const secret[] = {"http://me:hu/sh@h", "ftp://me:hush@h", "h?key=hush",
                                         "h#hush", "http://me:hush@h:99999/"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        char origin[ORIGIN_SIZE];
        struct err e;
        assert_int_equal(url_origin(secret[i], origin, &e), ERR_USAGE);
        assert_null(strstr(e.text, "hu"));
    }
}

static void test_joins(void **state)
{
    (void)state;
    static const char base[] = "https://hub.co/a/resolve/main/f?x=1";
    static const struct {
        const char *to, *url;
    } cases[] = {
        {"https://cdn.co/b?s=%2F", "https://cdn.co/b?s=%2F"},
        {"/api/x", "https://hub.co/api/x"},
        {"//other.co/y", "https://other.co/y"},
        {"g", "https://hub.co/a/resolve/main/g"},
        {"../g", "https://hub.co/a/resolve/g"},
        {"http://hub.co/x#part", "http://hub.co/x"},
        {"ftp://hub.co/x", NULL},
        {"file:///etc/passwd", NULL},
        {"javascript:alert(1)", NULL},
        {"http://", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b;
        struct err e;
        buf_init(&b, 1000);
        int rc = url_join(base, cases[i].to, &b, &e);
        if ((rc == 0) != (cases[i].url != NULL) ||
            (cases[i].url && strcmp(buf_cstr(&b), cases[i].url) != 0))
            fail_msg("%s: %d '%s'", cases[i].to, rc, buf_cstr(&b));
        buf_release(&b);
    }
    struct buf path;
    buf_init(&path, 1000);
    http_put_path(&path, "a/b c?d#e%é@+.gguf");
    assert_string_equal(buf_cstr(&path), "a/b%20c%3Fd%23e%25%C3%A9%40%2B.gguf");
    buf_release(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_ranges), cmocka_unit_test(test_waits),
        cmocka_unit_test(test_origins), cmocka_unit_test(test_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
