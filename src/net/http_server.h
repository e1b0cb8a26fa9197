/* SPDX-License-Identifier: MIT */
/* An HTTP/1.1 server for few pages and many watchers: requests are answered by one function, and a
 * reply may be a stream of server-sent events (WHATWG HTML, 9.2) to which any thread posts. Knows
 * no payload. libmicrohttpd inside, on threads of its own: nothing here holds up the caller's.
 *
 * Everything is bounded: 256 connections, of which 128 streams; 32 KiB and 256 fields and cookies
 * of a request's head (431, 414; where libmicrohttpd is left without memory for a reply it closes
 * the connection instead, at once); its body (413); 15 s for a head to come, 60 s for a body to
 * come and the reply to go; what waits for a slow watcher (HTTP_STREAM_…). Every reply carries a
 * strict Content-Security-Policy, nosniff, and no-store unless it has an ETag.
 *
 * Who may ask. With a token: whoever shows it as "Authorization: Bearer TOKEN", or opens /?token=
 * TOKEN once, which sets a cookie (HttpOnly, SameSite=Strict) and leads on to the address without
 * it. Without one: on a loopback address only requests whose Host names this machine, so that a
 * foreign page cannot read us through a name that it points here. */
#ifndef WATTLE_NET_HTTP_SERVER_H
#define WATTLE_NET_HTTP_SERVER_H

#include "base/base.h"

enum {
    HTTP_TARGET_MAX = 8 << 10, /* bytes of path and query */
    HTTP_HEAD_MAX = 32 << 10,
    HTTP_FIELDS_MAX = 256,
    HTTP_CONNECTIONS_MAX = 256,
    HTTP_STREAMS_MAX = 128,
    HTTP_STREAM_POSTS_MAX = 256,     /* that wait for one watcher, … */
    HTTP_STREAM_BYTES_MAX = 4 << 20, /* … and their bytes, unless it is one post */
    HTTP_TOKEN_MIN = 8,              /* characters */
    HTTP_TOKEN_MAX = 512,
};

struct http_visit {
    struct span path;  /* as it came: percent escapes stand */
    struct span query; /* behind '?': http_query_get */
    struct span body;  /* of a POST */
    bool post;         /* else GET; HEAD is a GET whose body is not sent */
};

struct http_reply {
    int status;          /* 200 at first */
    const char *type;    /* Content-Type; borrowed for ever */
    struct span lasting; /* a body that outlives the server; else */
    struct buf body;     /* its own, without limit at first */
    const char *etag;    /* with its quotes, borrowed for ever; NULL: none, and not to be stored */
    bool stream;         /* 200, and from now on what is posted; body comes first */
};

struct http_server;

struct http_server_options {
    const char *address; /* "127.0.0.1", "::", "localhost" */
    int port;            /* 0: a free one */
    const char *token;   /* NULL or empty: none */
    size_t body_max;     /* 0: no POST */
    /* How long a head may take, a body and (apart) the reply on its way, and silence; 0: 15, 60 and
     * 30 s. The time that answer() takes does not count. */
    uint64_t head_ms, send_ms, silence_s;
    /* An answer may take long: each connection has a thread of its own, and none can be a stream.
     */
    bool slow;
    /* Whether a path is answered to whoever asks. NULL: none is. */
    bool (*is_open)(void *ctx, struct span path);
    /* Fills r; on several threads at once. */
    void (*answer)(void *ctx, const struct http_visit *q, struct http_reply *r);
    void *ctx;
};

/* ERR_USAGE: an address beyond loopback without a token, a token that cannot be one; ERR_IO: the
 * address is taken. Its threads take no signals. */
int http_server_open(struct http_server **out, const struct http_server_options *o, struct err *e);
/* Streams end, what is being sent is cut, the port is free. */
void http_server_close(struct http_server **s);
/* "http://127.0.0.1:8080/"; valid until close. Where every address is listened on: of this machine.
 */
const char *http_server_url(const struct http_server *s);
size_t http_server_connections(struct http_server *s);

/* ---- streams; any thread ---- */

size_t http_server_streams(struct http_server *s);
/* To all. Of who has not taken the earlier ones in time everything that waits is dropped, and
 * nothing comes until http_server_renew. */
void http_server_post(struct http_server *s, struct span bytes);
/* Whether somebody is left behind who could take a renewal now. */
bool http_server_wants_renewal(struct http_server *s);
/* To those only, who are not left behind any longer: what makes up for all that they missed. */
void http_server_renew(struct http_server *s, struct span bytes);

/* ---- request targets: http_target.c ---- */

/* Splits at the first '?'. ERR_FORMAT: not a path, or a byte that no target may have. */
int http_target_split(struct span target, struct span *path, struct span *query, struct err *e);
/* The first value of name in a=b&c=d, '+' and percent escapes undone, appended to out: 1; 0: it is
 * not there; ERR_FORMAT: a bad escape, no UTF-8, or a control character; ERR_LIMIT: too long for
 * out. */
int http_query_get(struct span query, const char *name, struct buf *out, struct err *e);

#endif
