/* SPDX-License-Identifier: MIT */
/* For tests of the HTTP server: one to ask, and a client that says any bytes. */
#ifndef WATTLE_TESTS_HTTP_CLIENT_H
#define WATTLE_TESTS_HTTP_CLIENT_H

#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000, ANSWER_MAX = 64 << 20 };

/* ---- what is served ---- */

static inline void answer(void *ctx, const struct http_visit *q, struct http_reply *r)
{
    (void)ctx;
    if (span_is(q->path, "/events")) {
        r->type = "text/event-stream";
        r->stream = true;
        buf_str(&r->body, "retry: 1\n\n");
    } else if (span_is(q->path, "/asset")) {
        r->etag = "\"abc\"";
        r->lasting = span_str("an asset");
    } else if (span_is(q->path, "/echo")) {
        buf_span(&r->body, q->post ? q->body : q->query);
    } else if (span_is(q->path, "/large")) {
        for (int i = 0; i < 1 << 20; i++)
            buf_str(&r->body, "sixteen bytes...");
    } else if (span_is(q->path, "/slow")) { /* as an inference would */
        poll(NULL, 0, 2500);
        buf_str(&r->body, "done");
    } else if (span_is(q->path, "/") || span_is(q->path, "/open")) {
        buf_str(&r->body, "home");
    } else {
        r->status = 404;
        buf_str(&r->body, "nothing\n");
    }
}

static inline bool is_open(void *ctx, struct span path)
{
    (void)ctx;
    return span_is(path, "/open");
}

static inline struct http_server *start(struct http_server_options o)
{
    struct http_server *s = NULL;
    struct err e;
    o.address = o.address ? o.address : "127.0.0.1";
    o.answer = answer;
    o.is_open = is_open;
    if (http_server_open(&s, &o, &e))
        fail_msg("%s", e.text);
    return s;
}

static inline int port_of_url(const char *url)
{
    const char *colon = strrchr(url, ':');
    int64_t port = 0;
    assert_true(num_parse_i64(span_of(colon + 1, strlen(colon) - 2), &port));
    return (int)port;
}

static inline int port_of(const struct http_server *s)
{
    return port_of_url(http_server_url(s));
}

/* ---- a client ---- */

static inline int dial_url(const char *url)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port_of_url(url))};
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static inline int dial(const struct http_server *s)
{
    return dial_url(http_server_url(s));
}

static inline void say(int fd, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = send(fd, (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (k <= 0)
            return; /* closed already: that is an answer too */
        at += (size_t)k;
    }
}

/* Some bytes; false: the end, in whatever way. */
static inline bool hear(int fd, struct buf *in)
{
    char some[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    ssize_t n = recv(fd, some, sizeof some, 0);
    if (n <= 0)
        return false;
    buf_put(in, some, (size_t)n);
    return true;
}

static inline void hear_until(int fd, struct buf *in, const char *text)
{
    while (!strstr(buf_cstr(in), text))
        if (!hear(fd, in))
            fail_msg("the stream ended before '%s'", text);
}

/* One request on a connection of its own; in: all that comes back. Returns the status, 0: none. */
static inline int ask_raw_url(const char *url, const void *bytes, size_t n, struct buf *in)
{
    int fd = dial_url(url);
    int64_t status = 0;
    say(fd, bytes, n);
    shutdown(fd, SHUT_WR);
    while (hear(fd, in))
        ;
    close(fd);
    if (in->n > 12 && memcmp(in->p, "HTTP/1.1 ", 9) == 0)
        assert_true(num_parse_i64(span_of(in->p + 9, 3), &status));
    return (int)status;
}

static inline int ask_raw(const struct http_server *s, const void *bytes, size_t n, struct buf *in)
{
    return ask_raw_url(http_server_url(s), bytes, n, in);
}

static inline int ask(const struct http_server *s, struct buf *in, const char *text)
{
    buf_clear(in);
    return ask_raw(s, text, strlen(text), in);
}

static inline bool has(const struct buf *in, const char *text)
{
    return strstr(buf_cstr(in), text) != NULL;
}

#define HOST "Host: localhost\r\nConnection: close\r\n"

#endif
