/* SPDX-License-Identifier: MIT */
/* The state of one call of the HTTP client. Private to net/.
 *
 * A call is a row of tries; a try is a row of hops (redirects, followed here and not by libcurl, so
 * that who gets the token is decided in one place: send_hop). position is the byte of the whole
 * that comes next: what on_body has got lies before it. Invariant: a call is either in the multi
 * handle (busy) or waits for due_ns. */
#ifndef WATTLE_NET_HTTP_CALL_H
#define WATTLE_NET_HTTP_CALL_H

#include "net/http_text.h"

#include <curl/curl.h>

enum { URL_BYTES_MAX = 16 << 10 /* signed addresses of content networks have a few KiB */ };

/* What the last response of a try is taken for. */
enum reading { READ_NOTHING, READ_BODY, READ_REDIRECT, READ_REFUSAL };

struct http_call {
    struct http_call *next, *prev;
    struct http *owner;
    struct http_request r; /* texts are our own */
    char *url_text, *bearer_text, *accept_text;
    char origin[ORIGIN_SIZE];

    CURL *easy;
    struct curl_slist *headers;
    char curl_error[CURL_ERROR_SIZE];
    bool busy;
    uint64_t due_ns;

    struct buf url; /* of this hop */
    bool own_hop;   /* it is of the origin */
    struct buf hops[HTTP_HOPS_MAX];
    struct http_head head;
    enum reading reading;
    size_t drained;
    struct buf text; /* of a refusal */
    struct buf etag; /* what the bytes so far are of; empty: not said */
    uint64_t position;
    uint64_t furthest; /* that any try but the present one has come to */
    bool from_start;   /* ranges did not work: the whole is asked for */
    int tries, failures;
    int code; /* of a call back, or of our own refusal to go on */
    struct err error;
};

struct http {
    CURLM *multi;
    struct http_options o;
    char *user_agent, *ca_file;
    struct http_call *first;
    struct rng rng;
};

/* For libcurl: a line of the headers, bytes of the body; ctx is the call. */
size_t call_on_header(char *p, size_t one, size_t n, void *ctx);
size_t call_on_bytes(char *p, size_t one, size_t n, void *ctx);

int call_begin_try(struct http_call *c); /* 0, or why not in c->error */
/* libcurl is through with a hop: the next hop, a pause, or the end, after which c is gone. */
void call_hop_done(struct http_call *c, CURLcode result);
void call_end(struct http_call *c, int code, uint64_t retry_after_ms); /* c is gone */

/* http.c: what every client of ours begins with. */
int http_library(struct err *e); /* libcurl is ready */
/* Why a transfer failed, in our words where libcurl's mislead; said: of CURLOPT_ERRORBUFFER. */
const char *http_words(char out[LIBRARY_WORDS_SIZE], CURL *easy, CURLcode code, const char *said);

#endif
