/* SPDX-License-Identifier: MIT */
/* What LLM_ENDPOINT's servers answer, right and wrong: a thread that says canned bytes. */
#include "fleet/remote.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the server ---- */

struct canned {
    int fd;
    char url[64];
    struct buf bytes;
    pthread_t thread;
};

/* Reads until the request's body, which ends with its last brace, is there. */
static void *serve_once(void *ctx)
{
    struct canned *c = (struct canned *)ctx;
    char request[16384];
    size_t n = 0, sent = 0;
    int fd = accept(c->fd, NULL, NULL);
    while (n < sizeof request - 1) {
        ssize_t got = read(fd, request + n, sizeof request - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        request[n] = '\0';
        const char *body = strstr(request, "\r\n\r\n");
        if (body && body[4] && request[n - 1] == '}')
            break;
    }
    while (sent < c->bytes.n) {
        ssize_t put = send(fd, c->bytes.p + sent, c->bytes.n - sent, MSG_NOSIGNAL);
        if (put <= 0)
            break;
        sent += (size_t)put;
    }
    close(fd);
    return NULL;
}

static void canned_open(struct canned *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(c->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(c->fd, 1), 0);
    assert_int_equal(getsockname(c->fd, (struct sockaddr *)&a, &size), 0);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d", ntohs(a.sin_port));
    buf_init(&c->bytes, 1 << 20);
}

static int ask(const char *url, struct remote_answer *a, struct err *e)
{
    struct wattle_message message = {.role = "user", .content = "hello"};
    struct wattle_request q;
    struct remote *r = NULL;
    wattle_request_init(&q);
    q.messages = &message;
    q.n_messages = 1;
    assert_int_equal(remote_open(&r,
                                 &(struct remote_options){
                                     .endpoint = url, .api_key = "", .ca_file = "", .model = "m"},
                                 e),
                     0);
    int rc = remote_generate(r, &q, a, e);
    remote_close(&r);
    return rc;
}

/* Asks for one answer of status with these headers and that body. */
static int ask_canned(const char *status, const char *headers, const char *body, char url[64],
                      struct remote_answer *a, struct err *e)
{
    struct canned c;
    canned_open(&c);
    buf_printf(&c.bytes, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
               status, headers, strlen(body), body);
    assert_false(c.bytes.failed);
    pthread_create(&c.thread, NULL, serve_once, &c);
    int rc = ask(c.url, a, e);
    pthread_join(c.thread, NULL);
    close(c.fd);
    buf_release(&c.bytes);
    memcpy(url, c.url, 64);
    return rc;
}

/* ---- tests ---- */

static void test_answers_that_are_none(void **state)
{
    static const struct {
        const char *status, *body, *expected; /* behind "LLM_ENDPOINT 'URL': " */
    } cases[] = {
        {"200 OK", "{}",
         "its answer: choices: is missing, expected an array, as chat completions of OpenAI have "
         "it"},
        {"200 OK", "[1]",
         "its answer: the whole: is an array, expected an object, as chat completions of OpenAI "
         "have it"},
        {"200 OK", "{\"choices\":{}}",
         "its answer: choices: is an object, expected an array, as chat completions of OpenAI have "
         "it"},
        {"200 OK", "{\"choices\":[]}",
         "its answer: choices[0]: is missing, expected an object, as chat completions of OpenAI "
         "have it"},
        {"200 OK", "{\"choices\":[7]}",
         "its answer: choices[0]: is an integer, expected an object, as chat completions of OpenAI "
         "have it"},
        {"200 OK", "{\"choices\":[{\"text\":\"old\"}]}",
         "its answer: choices[0].message: is missing, expected an object, as chat completions of "
         "OpenAI have it"},
        {"200 OK", "{\"choices\":[{\"message\":{}}]}",
         "its answer: choices[0].message.content: is missing, expected a string, as chat "
         "completions of OpenAI have it"},
        {"200 OK", "{\"choices\":[{\"message\":{\"content\":null}}]}",
         "its answer: choices[0].message.content: is null, expected a string, as chat completions "
         "of OpenAI have it"},
        {"404 Not Found", "<html>nothing</html>",
         "HTTP status 404 for POST …/chat/completions, expected 200"},
        {"301 Moved Permanently", "", "HTTP status 301 for POST …/chat/completions, expected 200"},
        {"401 Unauthorized", "{\"error\":{\"message\":\"Wrong key.\\n\"}}",
         "HTTP status 401: wrong key"},
        {"400 Bad Request", "{\"error\":\"model 'm' not found\"}",
         "HTTP status 400: model 'm' not found"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct remote_answer a;
        struct err e;
        char url[64], line[sizeof e.text];
        assert_true(ask_canned(cases[i].status, "", cases[i].body, url, &a, &e) < 0);
        snprintf(line, sizeof line, "LLM_ENDPOINT '%s': %s", url, cases[i].expected);
        assert_string_equal(e.text, line);
    }
}

static void test_no_json(void **state)
{
    struct remote_answer a;
    struct err e;
    char url[64];
    (void)state;
    assert_int_equal(ask_canned("200 OK", "", "<html>", url, &a, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "': its answer: "));
    assert_null(strchr(e.text, '\n'));
}

static void test_an_answer(void **state)
{
    struct remote_answer a;
    struct err e;
    char url[64];
    (void)state;
    if (ask_canned("200 OK", "",
                   "{\"choices\":[{\"message\":{\"content\":\"calm\"},\"finish_reason\":\"stop\"}],"
                   "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}",
                   url, &a, &e))
        fail_msg("%s", e.text);
    assert_string_equal(a.result.text, "calm");
    assert_int_equal(a.result.usage.prompt_tokens, 9);
    assert_false(a.measured);
    wattle_result_release(&a.result);
}

/* libcurl calls that "Out of memory". */
static void test_a_header_without_end(void **state)
{
    char *headers = malloc(200001 + 10), url[64], line[512];
    struct remote_answer a;
    struct err e;
    (void)state;
    memset(headers, 'a', 200000);
    memcpy(headers, "X: ", 3);
    memcpy(headers + 200000, "\r\n", 3);
    assert_true(ask_canned("200 OK", headers, "{}", url, &a, &e) < 0);
    snprintf(line, sizeof line,
             "LLM_ENDPOINT '%s': a header of the answer is too long, expected at most 100 KiB",
             url);
    assert_string_equal(e.text, line);
    free(headers);
}

static void test_nobody_there(void **state)
{
    struct canned c;
    struct remote_answer a;
    struct err e;
    char line[sizeof e.text];
    (void)state;
    canned_open(&c);
    close(c.fd);
    assert_int_equal(ask(c.url, &a, &e), ERR_IO);
    snprintf(line, sizeof line, "LLM_ENDPOINT '%s': Connection refused", c.url);
    assert_string_equal(e.text, line);
}

static void test_no_address(void **state)
{
    static const char *const urls[] = {"ftp://here", "http://", "://", "http://a b", "no\nurl"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct remote *r = NULL;
        struct err e;
        assert_int_equal(
            remote_open(&r,
                        &(struct remote_options){
                            .endpoint = urls[i], .api_key = "", .ca_file = "", .model = "m"},
                        &e),
            ERR_USAGE);
        assert_non_null(strstr(e.text, "' is no address, expected http://… or https://…"));
        assert_null(strstr(e.text, "completions"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_a_header_without_end),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
