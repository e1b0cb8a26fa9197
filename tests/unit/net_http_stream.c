/* SPDX-License-Identifier: MIT */
/* The HTTP server's streams, and that nobody who is slow or silent keeps others from being
 * answered. */
#include "http_client.h"

/* ---- streams ---- */

static int open_stream(const struct http_server *s, struct buf *in)
{
    int fd = dial(s);
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    say(fd, request, sizeof request - 1);
    hear_until(fd, in, "retry: 1");
    return fd;
}

static void wait_for_streams(struct http_server *s, size_t n)
{
    uint64_t until = clock_mono_ns() + (uint64_t)PATIENCE_MS * 1000000;
    while (http_server_streams(s) != n && clock_mono_ns() < until) {
        http_server_post(s, span_str(":\n\n")); /* who is gone is noticed by writing */
        poll(NULL, 0, 5);
    }
    assert_int_equal(http_server_streams(s), n);
}

static void a_stream_gets_what_is_posted(void **state)
{
    (void)state;
    struct buf in[3];
    int fd[3];
    char text[64];
    struct http_server *s = start((struct http_server_options){.port = 0});
    for (int i = 0; i < 3; i++) {
        buf_init(&in[i], ANSWER_MAX);
        fd[i] = open_stream(s, &in[i]);
    }
    assert_int_equal(http_server_streams(s), 3);
    for (int k = 0; k < 200; k++) {
        snprintf(text, sizeof text, "data: <%d>\n\n", k);
        http_server_post(s, span_str(text));
    }
    for (int i = 0; i < 3; i++) {
        hear_until(fd[i], &in[i], "<199>");
        const char *at = buf_cstr(&in[i]);
        for (int k = 0; k < 200; k++) {
            snprintf(text, sizeof text, "<%d>", k);
            at = strstr(at, text);
            assert_non_null(at); /* all, in order */
        }
    }
    close(fd[0]);
    wait_for_streams(s, 2);
    http_server_close(&s); /* ends the two others */
    for (int i = 1; i < 3; i++) {
        while (hear(fd[i], &in[i]))
            ;
        assert_true(str_ends_with(buf_cstr(&in[i]), "0\r\n\r\n")); /* the end of a chunked body */
        close(fd[i]);
    }
    for (int i = 0; i < 3; i++)
        buf_release(&in[i]);
}

/* Somebody who does not read loses what waits, not the others' time nor our memory; once reading
 * again, the renewal comes. */
static void who_does_not_read_is_left_behind(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20 };
    struct buf slow_in, quick_in;
    struct http_server *s = start((struct http_server_options){.port = 0});
    buf_init(&slow_in, ANSWER_MAX);
    buf_init(&quick_in, 1 << 30);
    int slow = open_stream(s, &slow_in), quick = open_stream(s, &quick_in);
    char *large = (char *)malloc(LARGE);
    char mark[64];
    assert_non_null(large);
    memset(large, 'x', LARGE);
    for (int i = 0; i < 40; i++) {
        snprintf(mark, sizeof mark, "<%d>\n\n", i);
        http_server_post(s, span_of(large, LARGE));
        http_server_post(s, span_str(mark));
        hear_until(quick, &quick_in, mark);
        buf_clear(&quick_in);
    }
    while (!http_server_wants_renewal(s))
        assert_true(hear(slow, &slow_in));
    assert_false(has(&slow_in, "<39>"));
    http_server_renew(s, span_str("<renewed>"));
    hear_until(slow, &slow_in, "<renewed>");
    http_server_post(s, span_str("<after>"));
    hear_until(slow, &slow_in, "<after>");
    hear_until(quick, &quick_in, "<after>");
    assert_false(has(&quick_in, "<renewed>"));
    assert_false(http_server_wants_renewal(s));
    close(slow);
    close(quick);
    free(large);
    buf_release(&slow_in);
    buf_release(&quick_in);
    http_server_close(&s);
}

static void watchers_are_limited(void **state)
{
    (void)state;
    struct buf in;
    int fd[HTTP_STREAMS_MAX + 1];
    struct http_server *s = start((struct http_server_options){.port = 0});
    buf_init(&in, ANSWER_MAX);
    for (int i = 0; i < HTTP_STREAMS_MAX; i++) {
        buf_clear(&in);
        fd[i] = open_stream(s, &in);
    }
    assert_int_equal(ask(s, &in, "GET /events HTTP/1.1\r\n" HOST "\r\n"), 503);
    assert_int_equal(ask(s, &in, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    for (int i = 0; i < HTTP_STREAMS_MAX; i++)
        close(fd[i]);
    wait_for_streams(s, 0);
    assert_int_equal(ask(s, &in, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    buf_release(&in);
    http_server_close(&s);
}

/* ---- the slow and the silent ---- */

static void a_head_must_come_in_time(void **state)
{
    (void)state;
    struct buf in;
    struct http_server *s = start((struct http_server_options){.head_ms = 300});
    static const char head[] = "GET / HTTP/1.1\r\nX-Slow: ";
    buf_init(&in, ANSWER_MAX);
    int fd = dial(s);
    uint64_t from = clock_mono_ns();
    say(fd, head, sizeof head - 1);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 20) == 0) /* a byte now and then */
        send(fd, "x", 1, MSG_NOSIGNAL);
    while (hear(fd, &in))
        ;
    uint64_t ms = (clock_mono_ns() - from) / 1000000;
    assert_in_range(ms, 250, PATIENCE_MS);
    assert_false(has(&in, "200 OK"));
    close(fd);
    buf_release(&in);
    http_server_close(&s);
}

static void a_reply_must_be_taken_in_time(void **state)
{
    (void)state;
    struct buf in;
    struct http_server *s = start((struct http_server_options){.send_ms = 300});
    static const char request[] = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    buf_init(&in, ANSWER_MAX);
    int fd = dial(s);
    say(fd, request, sizeof request - 1);
    uint64_t until = clock_mono_ns() + (uint64_t)PATIENCE_MS * 1000000;
    while (http_server_connections(s) == 0 && clock_mono_ns() < until)
        poll(NULL, 0, 5);
    while (http_server_connections(s) > 0 && clock_mono_ns() < until)
        poll(NULL, 0, 5);
    assert_int_equal(http_server_connections(s), 0);
    while (hear(fd, &in))
        ;
    assert_true(in.n < 16 << 20); /* cut */
    close(fd);
    buf_release(&in);
    http_server_close(&s);
}

static void silent_connections_make_room(void **state)
{
    (void)state;
    enum { MANY = 400 };
    struct buf in;
    int fd[MANY];
    struct http_server *s = start((struct http_server_options){.head_ms = 300});
    buf_init(&in, ANSWER_MAX);
    for (int i = 0; i < MANY; i++)
        fd[i] = dial(s);
    assert_int_equal(ask(s, &in, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_true(http_server_connections(s) <= HTTP_CONNECTIONS_MAX);
    for (int i = 0; i < MANY; i++)
        close(fd[i]);
    buf_release(&in);
    http_server_close(&s);
}

static void who_never_reads_is_dropped(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20 };
    struct buf in;
    struct http_server *s = start((struct http_server_options){.silence_s = 1});
    char *large = (char *)calloc(1, LARGE);
    buf_init(&in, ANSWER_MAX);
    assert_non_null(large);
    int fd = open_stream(s, &in);
    uint64_t until = clock_mono_ns() + (uint64_t)PATIENCE_MS * 1000000;
    while (http_server_streams(s) > 0 && clock_mono_ns() < until) {
        http_server_post(s, span_of(large, LARGE));
        poll(NULL, 0, 20);
    }
    assert_int_equal(http_server_streams(s), 0);
    close(fd);
    free(large);
    buf_release(&in);
    http_server_close(&s);
}

static void work_may_take_its_time(void **state)
{
    (void)state;
    struct buf in;
    struct http_server *s =
        start((struct http_server_options){.head_ms = 300, .send_ms = 300, .silence_s = 1});
    buf_init(&in, ANSWER_MAX);
    assert_int_equal(ask(s, &in, "GET /slow HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_true(has(&in, "done"));
    buf_release(&in);
    http_server_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_gets_what_is_posted),
        cmocka_unit_test(who_does_not_read_is_left_behind),
        cmocka_unit_test(watchers_are_limited),
        cmocka_unit_test(a_head_must_come_in_time),
        cmocka_unit_test(a_reply_must_be_taken_in_time),
        cmocka_unit_test(silent_connections_make_room),
        cmocka_unit_test(who_never_reads_is_dropped),
        cmocka_unit_test(work_may_take_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
