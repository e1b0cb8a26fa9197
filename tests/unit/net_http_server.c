/* SPDX-License-Identifier: MIT */
/* The HTTP server over real sockets: where it listens, what it answers, whom it refuses. */
#include "http_client.h"

static const char token[] = "correct-horse-battery";

/* ---- opening ---- */

static void who_may_listen(void **state)
{
    static const struct {
        const char *address, *token, *error;
    } cases[] = {
        {"0.0.0.0", NULL, "'0.0.0.0' can be reached from other machines"},
        {"::", "", "'::' can be reached from other machines"},
        {"0.0.0.0", "short", "the token has 5 characters, expected 8 to 512"},
        {"127.0.0.1", "with a blank", "the token's character 5"},
        {"127.0.0.1", "semi;colon!", "the token's character 5"},
        {"no such host.invalid", NULL, "'no such host.invalid' is no address to listen on"},
        {"192.0.2.1", "long-enough", "cannot listen on 192.0.2.1, port 0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_server *s = NULL;
        struct err e = {""};
        struct http_server_options o = {
            .address = cases[i].address, .token = cases[i].token, .answer = answer};
        assert_true(http_server_open(&s, &o, &e) < 0);
        assert_null(s);
        assert_non_null(strstr(e.text, cases[i].error));
    }
}

static void the_port_is_free_again(void **state)
{
    (void)state;
    struct err e;
    struct http_server *s = start((struct http_server_options){.port = 0}), *other = NULL;
    struct http_server_options o = {.address = "127.0.0.1", .port = port_of(s), .answer = answer};
    assert_int_equal(http_server_open(&other, &o, &e), ERR_IO);
    assert_non_null(strstr(e.text, "Address already in use"));
    http_server_close(&s);
    assert_null(s);
    assert_int_equal(http_server_open(&other, &o, &e), 0);
    http_server_close(&other);
}

/* ---- answers ---- */

static void answers(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *has, *lacks;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", 200, "\r\n\r\nhome", "Set-Cookie"},
        {"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 200, "home", NULL},
        {"HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 4\r\n", "home"},
        {"GET /echo?a=b%20c HTTP/1.1\r\n" HOST "\r\n", 200, "\r\n\r\na=b%20c", NULL},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "no-store", NULL},
        {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 405, "Allow: GET, HEAD", NULL},
        {"DELETE / HTTP/1.1\r\n" HOST "\r\n", 405, NULL, NULL},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 405, NULL, NULL},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, NULL, "home"},
        {"GET /\xff HTTP/1.1\r\n" HOST "\r\n", 400, NULL, "home"},
        {"GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL, "home"},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 413, NULL, "home"},
        {"GET /asset HTTP/1.1\r\n" HOST "\r\n", 200, "ETag: \"abc\"", "no-store"},
        {"GET /asset HTTP/1.1\r\n" HOST "If-None-Match: \"x\", \"abc\"\r\n\r\n", 304, "ETag",
         "an asset"},
        {"GET /asset HTTP/1.1\r\n" HOST "If-None-Match: \"x\"\r\n\r\n", 200, "an asset", NULL},
        {"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421, NULL, "home"},
        {"GET / HTTP/1.1\r\nHost: localhost.evil.example:80\r\nConnection: close\r\n\r\n", 421,
         NULL, "home"},
        {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\n", 200, "home", NULL},
        {"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n", 200, "home", NULL},
        {"GET / HTTP/1.1\r\nHost: LOCALHOST\r\nConnection: close\r\n\r\n", 200, "home", NULL},
        {"GET / HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n", 421, NULL, "home"},
        {"GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", 421, NULL, "home"},
    };
    struct buf in;
    struct http_server *s = start((struct http_server_options){.port = 0});
    (void)state;
    buf_init(&in, ANSWER_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = ask(s, &in, cases[i].request);
        if (status != cases[i].status || (cases[i].has && !has(&in, cases[i].has)) ||
            (cases[i].lacks && has(&in, cases[i].lacks)))
            fail_msg("%s: got %d, expected %d; %s", cases[i].request, status, cases[i].status,
                     buf_cstr(&in));
        if (status >= 200 && status != 400)
            assert_true(has(&in, "Content-Security-Policy: default-src 'none'") &&
                        has(&in, "X-Content-Type-Options: nosniff") &&
                        has(&in, "Referrer-Policy: no-referrer"));
    }
    buf_release(&in);
    http_server_close(&s);
}

static void heads_and_bodies_have_limits(void **state)
{
    (void)state;
    struct buf in, text;
    struct http_server *s = start((struct http_server_options){.body_max = 16});
    buf_init(&in, ANSWER_MAX);
    buf_init(&text, 1 << 20);
    assert_int_equal(
        ask(s, &in, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 16\r\n\r\n0123456789abcdef"),
        200);
    assert_true(has(&in, "\r\n\r\n0123456789abcdef"));
    assert_int_equal(
        ask(s, &in, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n0123456789abcdefg"),
        413);
    assert_int_equal(ask(s, &in,
                         "POST /echo HTTP/1.1\r\n" HOST
                         "Transfer-Encoding: chunked\r\n\r\nc\r\n0123456789ab\r\n"
                         "c\r\n0123456789ab\r\n0\r\n\r\n"),
                     413);
    buf_str(&text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "X-%d: 0123456789\r\n", i);
    buf_str(&text, "\r\n");
    assert_int_equal(ask(s, &in, buf_cstr(&text)), 431);
    buf_clear(&text);
    buf_str(&text, "GET /");
    for (int i = 0; i < 9000; i++)
        buf_char(&text, 'a');
    buf_str(&text, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(ask(s, &in, buf_cstr(&text)), 400);
    assert_int_equal(ask(s, &in, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    buf_release(&in);
    buf_release(&text);
    http_server_close(&s);
}

static void garbage_changes_nothing(void **state)
{
    (void)state;
    struct rng r;
    struct buf in;
    char bytes[2048];
    struct http_server *s = start((struct http_server_options){.head_ms = 50});
    buf_init(&in, ANSWER_MAX);
    rng_seed(&r, 7);
    for (int i = 0; i < 100; i++) {
        size_t n = 1 + rng_u64(&r) % sizeof bytes;
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)rng_u64(&r);
        if (i % 2)
            memcpy(bytes, "GET /?a=", n < 8 ? n : 8);
        buf_clear(&in);
        int status = ask_raw(s, bytes, n, &in);
        assert_true(status == 0 || status >= 400);
    }
    assert_int_equal(ask(s, &in, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    buf_release(&in);
    http_server_close(&s);
}

/* What libmicrohttpd has no memory for, or would read without an end, waits for no time limit: the
 * client does not hang up, and is answered, or at least let go, at once. */
struct flood {
    const char *before, *piece, *behind;
    int n, status; /* 0: any refusal, or closed without a word */
};

static int status_at_once(const struct http_server *s, const struct flood *f)
{
    struct buf in, text;
    int64_t status = 0;
    buf_init(&in, ANSWER_MAX);
    buf_init(&text, 1 << 20);
    buf_str(&text, f->before);
    for (int i = 0; i < f->n; i++)
        buf_str(&text, f->piece);
    buf_str(&text, f->behind);
    uint64_t before_ns = clock_mono_ns();
    int fd = dial(s);
    say(fd, text.p, text.n);
    while (hear(fd, &in))
        ;
    close(fd);
    assert_true(clock_mono_ns() - before_ns < (uint64_t)5 * 1000000000); /* head_ms is 15 s */
    if (in.n > 12)
        assert_true(num_parse_i64(span_of(in.p + 9, 3), &status));
    buf_release(&in);
    buf_release(&text);
    return (int)status;
}

static void floods_are_answered_at_once(void **state)
{
#define TO    "GET / HTTP/1.1\r\n" HOST
#define QUERY " HTTP/1.1\r\n" HOST "\r\n"
    static const struct flood floods[] = {
        {"GET /?", "a=1&", QUERY, 500, 200},
        {"GET /?", "&", QUERY, 8000, 200},
        {"GET /?", "a&", " HTTP/1.1\r\n" HOST "X: y\r\nX: y\r\nX: y\r\n\r\n", 4000, 200},
        {"GET /?", "a=1&", QUERY, 3000, 400},
        {"GET /", "a", QUERY, 40000, 431},
        {"GET /", "a", QUERY, 80000, 414},
        {TO, "a: b\r\n", "\r\n", 250, 200},
        {TO, "a: b\r\n", "\r\n", 300, 431},
        {TO "Cookie: ", "a=1;", "\r\n\r\n", 250, 200},
        {TO "Cookie: ", "a=1;", "\r\n\r\n", 300, 431},
        {TO "Cookie: ", "a=1;", "\r\n\r\n", 4000, 0},
        {TO "X: ", "a", "\r\n\r\n", 40000, 431},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "a", "", 1, 501},
    };
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct http_server *s = start((struct http_server_options){.slow = slow, .body_max = 16});
        for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
            int status = status_at_once(s, &floods[i]);
            if (floods[i].status ? status != floods[i].status : status && status < 400)
                fail_msg("flood %zu: got %d, expected %d", i, status, floods[i].status);
        }
        http_server_close(&s);
    }
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    struct buf in;
    struct http_server *s = start((struct http_server_options){.port = 0});
    buf_init(&in, ANSWER_MAX);
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = dial(s);
    for (int i = 0; i < 50; i++) {
        buf_clear(&in);
        say(fd, request, sizeof request - 1);
        hear_until(fd, &in, "home");
    }
    close(fd);
    buf_release(&in);
    http_server_close(&s);
}

/* ---- tokens ---- */

static void tokens(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *has;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", 401, "WWW-Authenticate: Bearer"},
        {"GET /open HTTP/1.1\r\n" HOST "\r\n", 200, "home"},
        {"GET / HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n"
         "Authorization: Bearer correct-horse-battery\r\n\r\n",
         200, "home"},
        {"GET / HTTP/1.1\r\n" HOST "Authorization: bearer correct-horse-battery\r\n\r\n", 200, ""},
        {"GET / HTTP/1.1\r\n" HOST "Authorization: Bearer correct-horse-batterz\r\n\r\n", 401, ""},
        {"GET / HTTP/1.1\r\n" HOST "Authorization: Bearer correct-horse-batter\r\n\r\n", 401, ""},
        {"GET / HTTP/1.1\r\n" HOST "Authorization: Bearer \r\n\r\n", 401, ""},
        {"GET / HTTP/1.1\r\n" HOST "Authorization: Basic correct-horse-battery\r\n\r\n", 401, ""},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: wattle_token=correct-horse-battery\r\n\r\n", 200, ""},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: a=b; wattle_token=x; "
         "wattle_token=correct-horse-battery\r\n\r\n",
         200, ""},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: xwattle_token=correct-horse-battery\r\n\r\n", 401, ""},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: wattle_token=\r\n\r\n", 401, ""},
        {"GET /?token=correct-horse-battery HTTP/1.1\r\n" HOST "\r\n", 303,
         "Set-Cookie: wattle_token=correct-horse-battery; Path=/; HttpOnly; SameSite=Strict"},
        {"GET /?token=correct%2Dhorse-battery HTTP/1.1\r\n" HOST "\r\n", 303, "Location: /\r\n"},
        {"GET /?token=correct-horse-battery HTTP/1.1\r\n" HOST
         "Cookie: wattle_token=correct-horse-battery\r\n\r\n",
         303, "Location: /\r\n"},
        {"GET /?token=wrong-horse-battery HTTP/1.1\r\n" HOST "\r\n", 401, ""},
        {"GET /?token= HTTP/1.1\r\n" HOST "\r\n", 401, ""},
        {"GET /echo?token=correct-horse-battery HTTP/1.1\r\n" HOST "\r\n", 401, ""},
        {"GET /events HTTP/1.1\r\n" HOST "\r\n", 401, ""},
        {"PUT / HTTP/1.1\r\n" HOST "\r\n", 405, ""},
    };
    struct buf in;
    struct http_server *s = start((struct http_server_options){.token = token});
    (void)state;
    buf_init(&in, ANSWER_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = ask(s, &in, cases[i].request);
        if (status != cases[i].status || !has(&in, cases[i].has))
            fail_msg("%s: got %d, expected %d; %s", cases[i].request, status, cases[i].status,
                     buf_cstr(&in));
    }
    buf_release(&in);
    http_server_close(&s);
}

/* ---- targets ---- */

static void queries(void **state)
{
    static const struct {
        const char *query, *name;
        int result;
        const char *value;
    } cases[] = {
        {"a=1&b=2", "a", 1, "1"},
        {"a=1&b=2", "b", 1, "2"},
        {"a=1&b=2", "c", 0, ""},
        {"a=1&a=2", "a", 1, "1"},
        {"a", "a", 1, ""},
        {"a=", "a", 1, ""},
        {"", "a", 0, ""},
        {"&&&a=x&&", "a", 1, "x"},
        {"=x", "a", 0, ""},
        {"aa=x", "a", 0, ""},
        {"a=b=c", "a", 1, "b=c"},
        {"a=00%3A0f%3a00", "a", 1, "00:0f:00"},
        {"%61=x", "a", 1, "x"},
        {"a=x+y%2Bz", "a", 1, "x y+z"},
        {"a=%C3%A9", "a", 1, "\xc3\xa9"},
        {"a=%C3", "a", ERR_FORMAT, ""},
        {"a=%ff", "a", ERR_FORMAT, ""},
        {"a=%", "a", ERR_FORMAT, ""},
        {"a=%4", "a", ERR_FORMAT, ""},
        {"a=%4g", "a", ERR_FORMAT, ""},
        {"a=%00", "a", ERR_FORMAT, ""},
        {"a=%0a", "a", ERR_FORMAT, ""},
        {"a=0123456789", "a", ERR_LIMIT, ""},
        {"%zz=1&a=2", "a", 1, "2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        struct err e;
        buf_init(&out, 9);
        assert_int_equal(http_query_get(span_str(cases[i].query), cases[i].name, &out, &e),
                         cases[i].result);
        if (cases[i].result >= 0)
            assert_string_equal(buf_cstr(&out), cases[i].value);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_listen),
        cmocka_unit_test(the_port_is_free_again),
        cmocka_unit_test(answers),
        cmocka_unit_test(heads_and_bodies_have_limits),
        cmocka_unit_test(garbage_changes_nothing),
        cmocka_unit_test(floods_are_answered_at_once),
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(tokens),
        cmocka_unit_test(queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
