/* SPDX-License-Identifier: MIT */
/* Owns one request: its checks in order (method, target, host, token, body), the call of the
 * answering function, and the headers of what goes back. */
#include "net/http_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    REPLY_MAX = 64 << 20,
    IDLE_MS = 30000, /* between requests: libmicrohttpd ends silence by then */
};

struct request {
    char *target; /* as it came; NULL: no memory */
    bool begun, too_large;
    struct buf body;
};

static const char plain[] = "text/plain; charset=utf-8";

void http_request_free(struct request *r)
{
    if (!r)
        return;
    free(r->target);
    buf_release(&r->body);
    free(r);
}

static struct http_peer *peer_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? (struct http_peer *)i->socket_context : NULL;
}

/* libmicrohttpd would go on to make a list of the parameters in its memory; where that does not
 * suffice it says nothing and waits for what never comes (0.9.75). Nobody wants that list:
 * http_query_get reads our copy. So it is shown none: target is its own buffer, up to a NUL, which
 * it has cut at the mark only after this. */
static void hide_parameters(const char *target)
{
    char *mark = strchr((char *)(uintptr_t)target, '?');
    if (mark && mark[1])
        mark[1] = '\0';
}

/* libmicrohttpd does not complete every request that it has shown us here: one whose cookies do not
 * fit its memory goes with its connection. Hence the peer knows it too. */
void *http_on_target(void *ctx, const char *target, struct MHD_Connection *c)
{
    const struct http_server *s = (const struct http_server *)ctx;
    struct http_peer *p = peer_of(c);
    struct request *r = (struct request *)calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->target = strdup(target);
    hide_parameters(target);
    buf_init(&r->body, s->o.body_max);
    if (p) {
        http_request_free(p->request);
        p->request = r;
    }
    return r;
}

void http_peer_deadline(struct http_server *s, struct MHD_Connection *c, uint64_t ms)
{
    struct http_peer *p = peer_of(c);
    if (!p)
        return;
    pthread_mutex_lock(&s->lock);
    p->deadline_ns = ms ? clock_mono_ns() + ms * 1000000 : 0;
    pthread_mutex_unlock(&s->lock);
}

void http_on_completed(void *ctx, struct MHD_Connection *c, void **request,
                       enum MHD_RequestTerminationCode how)
{
    (void)how;
    struct http_server *s = (struct http_server *)ctx;
    struct http_peer *p = peer_of(c);
    http_peer_deadline(s, c, IDLE_MS + s->o.head_ms);
    if (p)
        p->request = NULL;
    http_request_free((struct request *)*request);
    *request = NULL;
}

/* ---- sending ---- */

/* script-src and style-src name no inline and no eval: what a device or a model wrote stays text.
 */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                             "connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
                             "form-action 'none'; frame-ancestors 'none'";

static void add_headers(struct MHD_Response *m, const char *type, const char *etag)
{
    MHD_add_response_header(m, "Content-Type", type);
    MHD_add_response_header(m, "Content-Security-Policy", policy);
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(m, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(m, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(m, "Cache-Control", etag ? "no-cache" : "no-store");
    if (etag)
        MHD_add_response_header(m, "ETag", etag);
}

static enum MHD_Result queue(struct MHD_Connection *c, int status, struct MHD_Response *m)
{
    if (!m)
        return MHD_NO;
    enum MHD_Result r = MHD_queue_response(c, (unsigned)status, m);
    MHD_destroy_response(m);
    return r;
}

static struct MHD_Response *make(struct span body, enum MHD_ResponseMemoryMode mode)
{
    return MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)(body.n ? body.p : NULL),
                                           mode);
}

/* A refusal is one line of text. */
static enum MHD_Result refuse(struct MHD_Connection *c, int status, const char *text)
{
    char line[640];
    int n = snprintf(line, sizeof line, "%s\n", text);
    struct MHD_Response *m = make(span_of(line, (size_t)n), MHD_RESPMEM_MUST_COPY);
    if (!m)
        return MHD_NO;
    add_headers(m, plain, NULL);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(m, "Allow", "GET, HEAD");
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(m, "WWW-Authenticate", "Bearer realm=\"wattle\"");
    if (status == MHD_HTTP_CONTENT_TOO_LARGE || status == MHD_HTTP_NOT_IMPLEMENTED)
        MHD_add_response_header(m, "Connection", "close");
    return queue(c, status, m);
}

static enum MHD_Result lead_home(struct MHD_Connection *c, const char *token)
{
    char cookie[HTTP_TOKEN_MAX + 128];
    struct MHD_Response *m = make(span_of(NULL, 0), MHD_RESPMEM_PERSISTENT);
    if (!m)
        return MHD_NO;
    add_headers(m, plain, NULL);
    snprintf(cookie, sizeof cookie, HTTP_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict", token);
    MHD_add_response_header(m, "Set-Cookie", cookie);
    MHD_add_response_header(m, "Location", "/");
    return queue(c, MHD_HTTP_SEE_OTHER, m);
}

static bool has_tag(const char *list, const char *etag)
{
    return list && (strcmp(list, "*") == 0 || strstr(list, etag) != NULL);
}

static enum MHD_Result send_reply(struct http_server *s, struct MHD_Connection *c,
                                  struct http_reply *r)
{
    struct MHD_Response *m;
    int status = r->status;
    if (r->body.failed)
        return refuse(c, 500, "no memory for the answer");
    if (r->stream) {
        m = http_stream_response(s, c, buf_view(&r->body));
        if (!m)
            return refuse(c, 503, "too many watchers");
        http_peer_deadline(s, c, 0);
    } else if (r->etag &&
               has_tag(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-None-Match"), r->etag)) {
        status = MHD_HTTP_NOT_MODIFIED;
        m = make(span_of(NULL, 0), MHD_RESPMEM_PERSISTENT);
    } else if (r->lasting.n) {
        m = make(r->lasting, MHD_RESPMEM_PERSISTENT);
    } else {
        size_t n = r->body.n;
        char *bytes = buf_steal(&r->body);
        m = make(span_of(bytes, n), MHD_RESPMEM_MUST_FREE);
        if (!m || n == 0)
            free(bytes);
    }
    if (m)
        add_headers(m, r->type, r->etag);
    return queue(c, status, m);
}

/* ---- checks ---- */

static const char *header(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static bool is_let_in(const struct http_server *s, struct MHD_Connection *c)
{
    return http_bearer_is(header(c, "Authorization"), s->token) ||
           http_cookie_is(header(c, "Cookie"), s->token);
}

static bool is_head_too_large(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    int fields = MHD_get_connection_values(c, MHD_HEADER_KIND, NULL, NULL) +
                 MHD_get_connection_values(c, MHD_COOKIE_KIND, NULL, NULL);
    return (i && i->header_size > HTTP_HEAD_MAX) || fields > HTTP_FIELDS_MAX;
}

/* 1: an answer is due; otherwise *out is the outcome of what was sent. */
static int check(struct http_server *s, struct MHD_Connection *c, const char *method,
                 const struct request *r, struct http_visit *q, enum MHD_Result *out)
{
    struct err e;
    struct buf shown;
    q->post = strcmp(method, "POST") == 0;
    bool read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!read && !(q->post && s->o.body_max)) {
        *out = refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered here");
        return 0;
    }
    if (http_target_split(span_str(r->target), &q->path, &q->query, &e)) {
        *out = refuse(c, MHD_HTTP_BAD_REQUEST, e.text);
        return 0;
    }
    if (s->loopback && !s->token[0] && !http_host_is_ours(header(c, "Host"), s->address)) {
        *out = refuse(c, 421,
                      "the Host header names another machine: open the address that wattle "
                      "printed");
        return 0;
    }
    if (!s->token[0] || is_let_in(s, c) || (s->o.is_open && s->o.is_open(s->o.ctx, q->path)))
        return 1;
    buf_init(&shown, HTTP_TOKEN_MAX);
    bool home = span_is(q->path, "/") && http_query_get(q->query, "token", &shown, NULL) == 1 &&
                http_secret_is(buf_view(&shown), s->token);
    buf_release(&shown);
    *out = home ? lead_home(c, s->token)
                : refuse(c, MHD_HTTP_UNAUTHORIZED,
                         "a token is needed: open /?token=TOKEN, or send Authorization: Bearer "
                         "TOKEN");
    return 0;
}

/* A token in the address is put into the cookie also where it was not needed any more: it must not
 * stay in the address. */
static bool carries_token(const struct http_server *s, const struct http_visit *q)
{
    struct buf shown;
    buf_init(&shown, HTTP_TOKEN_MAX);
    bool there = s->token[0] && span_is(q->path, "/") &&
                 http_query_get(q->query, "token", &shown, NULL) == 1 &&
                 http_secret_is(buf_view(&shown), s->token);
    buf_release(&shown);
    return there;
}

static enum MHD_Result answer(struct http_server *s, struct MHD_Connection *c, const char *method,
                              struct request *r)
{
    struct http_visit q = {.body = buf_view(&r->body)};
    struct http_reply reply = {.status = 200, .type = plain};
    enum MHD_Result result = MHD_NO;
    if (!check(s, c, method, r, &q, &result))
        return result;
    if (carries_token(s, &q))
        return lead_home(c, s->token);
    buf_init(&reply.body, REPLY_MAX);
    /* An inference may take minutes; the visitor is not to blame for that. */
    http_peer_deadline(s, c, 0);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    s->o.answer(s->o.ctx, &q, &reply);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)s->o.silence_s);
    http_peer_deadline(s, c, s->o.send_ms);
    result = send_reply(s, c, &reply);
    buf_release(&reply.body);
    return result;
}

enum MHD_Result http_on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_bytes, void **request)
{
    struct http_server *s = (struct http_server *)ctx;
    struct request *r = (struct request *)*request;
    (void)url;
    if (!r || !r->target)
        return MHD_NO;
    if (!r->begun) {
        r->begun = true;
        http_peer_deadline(s, c, s->o.send_ms);
        if (strcmp(version, "HTTP/1.1") == 0 && !header(c, "Host"))
            return refuse(c, MHD_HTTP_BAD_REQUEST, "a Host header is needed");
        if (is_head_too_large(c))
            return refuse(c, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large");
        /* Any other is read, by libmicrohttpd, as a body without an end. */
        const char *coding = header(c, "Transfer-Encoding");
        if (coding && strcasecmp(coding, "chunked") != 0)
            return refuse(c, MHD_HTTP_NOT_IMPLEMENTED, "no transfer coding but chunked is read");
        const char *length = header(c, "Content-Length");
        uint64_t n = 0;
        if (length && num_parse_u64(span_str(length), &n) && n > s->o.body_max) {
            struct http_visit q;
            enum MHD_Result result = MHD_NO;
            return check(s, c, method, r, &q, &result)
                       ? refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large")
                       : result;
        }
        return MHD_YES;
    }
    if (*data_bytes) { /* of a chunked body the length shows only now */
        if (*data_bytes > r->body.max - r->body.n)
            r->too_large = true;
        else
            buf_put(&r->body, data, *data_bytes);
        *data_bytes = 0;
        return MHD_YES;
    }
    if (r->too_large)
        return refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    return answer(s, c, method, r);
}
