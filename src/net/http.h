/* SPDX-License-Identifier: MIT */
/* An HTTP client for large files: many GETs at once on one thread, each followed through redirects,
 * tried again where that can help, and gone on with where it was cut. Knows no payload.
 *
 * A bearer token goes to the scheme, host and port of the request's own URL and nowhere else; no
 * redirect leads from https to http. Proxies are taken from the environment as curl does
 * (https_proxy, no_proxy, …). Nothing is decompressed. libcurl inside. */
#ifndef WATTLE_NET_HTTP_H
#define WATTLE_NET_HTTP_H

#include "base/base.h"

enum {
    HTTP_HOPS_MAX = 10,           /* responses of one try, redirects included */
    HTTP_HEADERS_MAX = 64 << 10,  /* bytes of one response's headers */
    HTTP_ERROR_TEXT_MAX = 4 << 10 /* bytes kept of the body of a refusal */
};

/* Whether a bearer token can stand in a header; NULL is fine. ERR_USAGE: what is wrong with it, for
 * the caller to say whose token it is. */
int http_check_bearer(const char *bearer, struct err *e);

/* ERR_USAGE: no http or https URL with a host. */
int http_check_url(const char *url, struct err *e);

struct http; /* one thread */

struct http_options {
    const char *user_agent;
    const char *ca_file;         /* NULL or empty: the system's */
    uint64_t connect_ms;         /* 0: 10 s */
    uint64_t stall_ms;           /* without a byte, then it counts as cut; 0: 10 s */
    int tries;                   /* in a row without a byte gained; 0: 5 */
    uint64_t backoff_min_ms;     /* before the second try, doubled each time, jittered; 0: 500 */
    uint64_t backoff_max_ms;     /* 0: 30 s */
    uint64_t retry_after_max_ms; /* longest Retry-After that is waited for; 0: 60 s */
};
int http_open(struct http **out, const struct http_options *o, struct err *e);
void http_close(struct http **h); /* ends what runs, without a call back */

/* The responses of a try: hop 0 is the URL's own, the last one the one with the body. */
struct http_head {
    int status; /* of the last */
    int n_hops;
    int n_own;       /* how many of the first came from the URL's own scheme, host and port */
    uint64_t offset; /* where the first byte of the body lies in the whole */
    bool has_total;
    uint64_t total;   /* bytes of the whole, if has_total */
    struct buf *hops; /* [n_hops] header lines */
};
/* The value of the header of that name (any case) in one hop; p == NULL: it has none. Valid in the
 * call back that gave the head. */
struct span http_header(const struct http_head *h, int hop, const char *name);

struct http_end {
    int status;                   /* of the last response; 0: none came */
    const struct http_head *head; /* NULL: no response came */
    struct span text;             /* how the body of a refusal begins */
    uint64_t retry_after_ms;      /* that a 429 or 503 asked for; 0: none */
};

/* on_retry and on_end may start and cancel calls; no call back may turn or close the client. */
struct http_request {
    const char *url;
    const char *bearer; /* NULL or empty: none */
    const char *accept; /* NULL: any */
    uint64_t offset;    /* the body is wanted from this byte on */
    uint64_t total; /* bytes of the whole, by which a short body is known as cut; 0: not known */
    /* Nobody will check the whole: a cut transfer goes on only under the ETag that it began with,
     * else it starts over. */
    bool same_etag;
    /* The body begins (status 200 or 206); comes again when a cut transfer goes on. offset in it is
     * where: what was asked for, what was reached, or 0 when the server starts over. Not 0 ends
     * the call with that code. May be NULL. */
    int (*on_head)(void *ctx, const struct http_head *h, struct err *e);
    int (*on_body)(void *ctx, struct span bytes, struct err *e);
    /* Before a pause; may be NULL. */
    void (*on_retry)(void *ctx, const char *reason, uint64_t wait_ms);
    /* Once, last: 0, or the code of a call back, or ERR_IO with one line in e (of a refusal by
     * status: end->status says which). */
    void (*on_end)(void *ctx, int code, const struct http_end *end, const struct err *e);
    void *ctx;
};

struct http_call;
/* Texts are copied. Nothing happens before http_turn. ERR_USAGE: a URL or token that is none. */
int http_start(struct http_call **out, struct http *h, const struct http_request *r, struct err *e);
void http_cancel(struct http_call **c); /* without a call back; NULL is fine */

/* Does what there is to do, and waits at most wait_ms for something. *running: calls that have not
 * ended. */
int http_turn(struct http *h, int wait_ms, size_t *running, struct err *e);

/* text, in a URL's path: whatever is no letter, digit, "-._~/" becomes %XX. */
void http_put_path(struct buf *url, const char *text);

#endif
