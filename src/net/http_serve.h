/* SPDX-License-Identifier: MIT */
/* The HTTP server's inside. Private to net/. */
#ifndef WATTLE_NET_HTTP_SERVE_H
#define WATTLE_NET_HTTP_SERVE_H

#include "net/http_server.h"

#include <microhttpd.h>
#include <pthread.h>

struct http_message;
struct http_stream;
struct request;

/* One connection, from accept to close: so that none can be held open by sending or reading a byte
 * now and then. */
struct http_peer {
    struct http_peer *next, *previous;
    int fd;
    uint64_t deadline_ns;    /* CLOCK_MONOTONIC; 0: none, a stream */
    struct request *request; /* not completed yet; only the connection's thread touches it */
};

struct http_server {
    struct http_server_options o;
    char *address, *token;
    char url[128];
    int port, fd;
    bool loopback;
    struct MHD_Daemon *daemon;

    pthread_mutex_t lock; /* of all below; nothing of libmicrohttpd waits for us with its own lock
                             held, so its functions may be called with this one held */
    pthread_cond_t changed;
    struct http_peer *peers;
    size_t n_peers;
    struct http_stream *streams;
    size_t n_streams;
    bool closing;

    pthread_t reaper;
    bool has_reaper;
};

/* ---- http_guard.c: who may ask ---- */

/* Whether an address is one of this machine's own. text: as inet_ntop gives it. */
bool http_is_loopback(const char *text);
int http_check_token(const char *token, struct err *e);
/* host: the header's value; NULL: none. address: what we listen on, as it was given. */
bool http_host_is_ours(const char *host, const char *address);
/* The value of an Authorization header; NULL: none. */
bool http_bearer_is(const char *authorization, const char *token);
/* A Cookie header; NULL: none. */
bool http_cookie_is(const char *cookie, const char *token);
/* Takes the same time for every text of given length. */
bool http_secret_is(struct span text, const char *secret);
#define HTTP_COOKIE "wattle_token"

/* ---- http_reply.c ---- */

void *http_on_target(void *ctx, const char *target, struct MHD_Connection *c);
enum MHD_Result http_on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_bytes, void **request);
void http_on_completed(void *ctx, struct MHD_Connection *c, void **request,
                       enum MHD_RequestTerminationCode how);
void http_request_free(struct request *r); /* NULL is fine */
void http_peer_deadline(struct http_server *s, struct MHD_Connection *c, uint64_t ms);

/* ---- http_stream.c ---- */

/* NULL: too many, or no memory. first: sent at the beginning. */
struct MHD_Response *http_stream_response(struct http_server *s, struct MHD_Connection *c,
                                          struct span first);
/* All end. */
void http_streams_end(struct http_server *s);

#endif
