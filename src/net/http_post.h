/* SPDX-License-Identifier: MIT */
/* Short JSON requests to one server, one after the other: a client that waits for its answer. No
 * redirect is followed, so that neither token nor body go elsewhere. Proxies as http.h. */
#ifndef WATTLE_NET_HTTP_POST_H
#define WATTLE_NET_HTTP_POST_H

#include "base/base.h"

struct http_poster; /* one thread at a time; keeps its connection */

struct http_post_options {
    const char *url;     /* of every request */
    const char *bearer;  /* NULL or empty: none */
    const char *ca_file; /* NULL or empty: the system's */
    uint64_t connect_ms; /* 0: 10 s */
    uint64_t answer_ms;  /* the whole of a request; 0: 600 s */
    /* Asked at least every second; false ends the call with ERR_CANCELLED. NULL: never asked. */
    bool (*keep_going)(void *ctx);
    void *ctx;
};

/* Texts are copied; nothing is sent. ERR_USAGE: a URL or a token that is none. */
int http_poster_open(struct http_poster **out, const struct http_post_options *o, struct err *e);
void http_poster_close(struct http_poster **p);

struct http_answer {
    int status;
    uint64_t retry_after_ms; /* that a 429 or 503 asked for; 0: none */
};
/* Any status is an answer; its body is appended to text, whose maximum bounds it. ERR_IO: none
 * came; ERR_LIMIT: longer than text may be. The line of a failure does not name the server: the
 * caller knows what its user calls it. */
int http_post_json(struct http_poster *p, struct span json, struct http_answer *answer,
                   struct buf *text, struct err *e);

#endif
