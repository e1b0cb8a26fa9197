/* SPDX-License-Identifier: MIT */
/* The tries of a call: what is asked, what the answer is taken for, whether another try can help.
 */
#include "net/http_call.h"

#include <stdio.h>

enum {
    TRIES_MAX = 1000,     /* of one call, whatever it gains */
    DRAIN_MAX = 64 << 10, /* body bytes of a redirect or refusal that are read to keep the
                             connection */
    CONNECT_TRIES = 3,    /* an address that nobody answers at is given up sooner */
};

/* ---- a response comes ---- */

static int stop_call(struct http_call *c, int code)
{
    c->code = code;
    return 0; /* bytes taken: libcurl ends the transfer */
}

/* Where the body that begins now lies in the whole; false: not where it was asked for. */
static bool place_body(struct http_call *c)
{
    struct http_head *h = &c->head;
    struct span range = http_header(h, h->n_hops - 1, "Content-Range");
    struct span length = http_header(h, h->n_hops - 1, "Content-Length");
    uint64_t n;
    h->offset = 0;
    h->has_total = false;
    if (h->status == 206) {
        struct content_range r;
        if (!range.p || !content_range_parse(range, &r) || r.first != c->position)
            return false;
        h->offset = r.first;
        h->has_total = r.has_total;
        h->total = r.total;
    } else if (length.p && num_parse_u64(length, &n)) {
        h->has_total = true;
        h->total = n;
    }
    return true;
}

static bool is_strong(const struct buf *etag)
{
    return etag->n >= 2 && etag->p[0] == '"';
}

/* false: the bytes so far are of something else. */
static bool keep_etag(struct http_call *c)
{
    struct span etag = http_header(&c->head, c->head.n_hops - 1, "ETag");
    bool other = c->etag.n > 0 && etag.n > 0 && !span_eq(buf_view(&c->etag), etag);
    if (other && c->r.same_etag && c->head.offset > 0)
        return false;
    buf_clear(&c->etag);
    if (etag.n < 200)
        buf_span(&c->etag, etag);
    return true;
}

/* All headers of the last hop are there. */
static bool on_headers(struct http_call *c)
{
    struct http_head *h = &c->head;
    int s = h->status;
    if (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) {
        c->reading = READ_REDIRECT;
        return true;
    }
    if (s != 200 && s != 206) {
        c->reading = READ_REFUSAL;
        return true;
    }
    if (!place_body(c) || !keep_etag(c)) {
        c->from_start = true;
        stop_call(c, 0);
        return false;
    }
    c->reading = READ_BODY;
    c->position = h->offset;
    int code = c->r.on_head ? c->r.on_head(c->r.ctx, h, &c->error) : 0;
    if (code)
        stop_call(c, code);
    return code == 0;
}

size_t call_on_header(char *p, size_t one, size_t n, void *ctx)
{
    struct http_call *c = ctx;
    struct buf *block = &c->hops[c->head.n_hops - 1];
    (void)one;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) { /* after a 100 a second block comes */
        buf_clear(block);
        return n;
    }
    if (n > 2 || (n > 0 && p[0] != '\r' && p[0] != '\n')) {
        buf_put(block, p, n);
        if (!block->failed)
            return n;
        return (size_t)stop_call(c, err_set(&c->error, ERR_LIMIT,
                                            "%s answers with more than %d bytes of headers",
                                            c->origin, HTTP_HEADERS_MAX));
    }
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return n;
    c->head.status = (int)status;
    return on_headers(c) ? n : 0;
}

size_t call_on_bytes(char *p, size_t one, size_t n, void *ctx)
{
    struct http_call *c = ctx;
    (void)one;
    if (c->reading != READ_BODY) {
        size_t room = c->text.max - c->text.n;
        buf_put(&c->text, p, n < room ? n : room);
        c->drained += n;
        return c->drained <= DRAIN_MAX ? n : (size_t)stop_call(c, 0);
    }
    int code = c->r.on_body(c->r.ctx, span_of(p, n), &c->error);
    if (code)
        return (size_t)stop_call(c, code);
    c->position += n;
    return n;
}

struct span http_header(const struct http_head *h, int hop, const char *name)
{
    if (hop < 0 || hop >= h->n_hops)
        return (struct span){NULL, 0};
    return header_in(buf_view(&h->hops[hop]), name);
}

/* ---- a hop is sent ---- */

static int add_header(struct http_call *c, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, URL_BYTES_MAX);
    buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *more = line.failed ? NULL : curl_slist_append(c->headers, buf_cstr(&line));
    buf_release(&line);
    if (!more)
        return ERR_NOMEM;
    c->headers = more;
    return 0;
}

static int set_headers(struct http_call *c)
{
    char range[40];
    curl_slist_free_all(c->headers);
    c->headers = NULL;
    int rc =
        add_header(c, "Accept-Encoding", "identity"); /* its bytes, not a packed form of them */
    if (rc == 0 && c->accept_text[0])
        rc = add_header(c, "Accept", c->accept_text);
    if (rc == 0 && c->own_hop && c->bearer_text[0]) {
        struct buf value;
        buf_init(&value, URL_BYTES_MAX);
        buf_printf(&value, "Bearer %s", c->bearer_text);
        rc = value.failed ? ERR_NOMEM : add_header(c, "Authorization", buf_cstr(&value));
        buf_release(&value);
    }
    if (rc == 0 && c->position > 0) {
        snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)c->position);
        rc = add_header(c, "Range", range);
        /* a weak one does not promise the same bytes */
        if (rc == 0 && is_strong(&c->etag))
            rc = add_header(c, "If-Range", buf_cstr(&c->etag));
    }
    return rc;
}

/* Into the multi handle with c->url. */
static int send_hop(struct http_call *c)
{
    char origin[ORIGIN_SIZE];
    int rc = url_origin(buf_cstr(&c->url), origin, &c->error);
    if (rc < 0)
        return rc;
    /* once it has left it does not come back: what a foreign host says of ours is not asked with
     * our token */
    c->own_hop = strcmp(origin, c->origin) == 0 && c->head.n_own == c->head.n_hops;
    buf_clear(&c->hops[c->head.n_hops]);
    c->head.n_hops++;
    c->head.n_own += c->own_hop;
    c->head.status = 0;
    c->reading = READ_NOTHING;
    c->drained = 0;
    buf_clear(&c->text);
    c->curl_error[0] = '\0';
    if (set_headers(c) < 0 ||
        curl_easy_setopt(c->easy, CURLOPT_URL, buf_cstr(&c->url)) != CURLE_OK ||
        curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers) != CURLE_OK ||
        curl_multi_add_handle(c->owner->multi, c->easy) != CURLM_OK)
        return err_set(&c->error, ERR_NOMEM, "no memory for a request");
    c->busy = true;
    return 0;
}

int call_begin_try(struct http_call *c)
{
    c->tries++;
    c->head.n_hops = c->head.n_own = 0;
    c->code = 0;
    if (c->from_start) {
        c->position = 0;
        c->from_start = false;
    }
    buf_clear(&c->url);
    buf_str(&c->url, c->url_text);
    int rc = buf_check(&c->url, "an address", &c->error);
    return rc < 0 ? rc : send_hop(c);
}

/* ---- a hop has ended ---- */

void call_end(struct http_call *c, int code, uint64_t retry_after_ms)
{
    struct http_end end = {
        .status = c->head.status,
        .head = c->head.status ? &c->head : NULL,
        .text = buf_view(&c->text),
        .retry_after_ms = retry_after_ms,
    };
    void (*on_end)(void *, int, const struct http_end *, const struct err *) = c->r.on_end;
    on_end(c->r.ctx, code, &end, &c->error);
    http_cancel(&c);
}

static int redirect(struct http_call *c)
{
    struct http_head *h = &c->head;
    struct span to = http_header(h, h->n_hops - 1, "Location");
    struct buf location, next;
    buf_init(&location, URL_BYTES_MAX);
    buf_init(&next, URL_BYTES_MAX);
    buf_span(&location, to);
    int rc = 0;
    if (!to.p || to.n == 0 || span_find(to, 0))
        rc = err_set(&c->error, ERR_FORMAT, "%s answers %d without saying where to", c->origin,
                     h->status);
    else if (h->n_hops >= HTTP_HOPS_MAX)
        rc = err_set(&c->error, ERR_LIMIT, "%s: more than %d redirects", c->origin,
                     HTTP_HOPS_MAX - 1);
    if (rc == 0)
        rc = buf_check(&location, "the address of a redirect", &c->error);
    if (rc == 0)
        rc = url_join(buf_cstr(&c->url), buf_cstr(&location), &next, &c->error);
    if (rc == 0 && strncmp(buf_cstr(&c->url), "https:", 6) == 0 &&
        strncmp(buf_cstr(&next), "https:", 6) != 0)
        rc = err_set(&c->error, ERR_FORMAT,
                     "%s leads from https to http, which is not followed: anyone on the way could "
                     "change what comes",
                     c->origin);
    if (rc == 0) {
        buf_clear(&c->url);
        buf_append(&c->url, &next);
        rc = buf_check(&c->url, "the address of a redirect", &c->error);
    }
    buf_release(&next);
    buf_release(&location);
    return rc < 0 ? rc : send_hop(c);
}

/* After a try that failed: again after a while, or the end with the text in c->error. */
static void try_again(struct http_call *c, const char *reason, int most, uint64_t after_ms)
{
    const struct http_options *o = &c->owner->o;
    /* what is fetched a second time, from a server that starts over each time, is no gain */
    c->failures = c->position > c->furthest ? 0 : c->failures + 1;
    if (c->position > c->furthest)
        c->furthest = c->position;
    if (c->failures >= most || c->tries >= TRIES_MAX || after_ms > o->retry_after_max_ms) {
        call_end(c, ERR_IO, after_ms);
        return;
    }
    uint64_t wait = o->backoff_min_ms;
    for (int i = 1; i < c->failures && wait < o->backoff_max_ms; i++)
        wait *= 2;
    if (wait > o->backoff_max_ms)
        wait = o->backoff_max_ms;
    /* three quarters to five quarters: those who were cut together do not come back together */
    wait = wait * 3 / 4 + rng_below(&c->owner->rng, wait / 2 + 1);
    if (wait < after_ms)
        wait = after_ms;
    if (c->r.on_retry)
        c->r.on_retry(c->r.ctx, reason, wait);
    c->due_ns = clock_mono_ns() + wait * 1000000;
}

static bool is_passing_status(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}

static void on_refusal(struct http_call *c)
{
    struct http_head *h = &c->head;
    char reason[32];
    uint64_t after_ms = 0;
    snprintf(reason, sizeof reason, "HTTP %d", h->status);
    err_set(&c->error, ERR_IO, "%s answers with HTTP %d", c->origin, h->status);
    if (h->status == 416 && c->position > 0) {
        /* what we have is as long as the whole or longer: it is something else */
        c->from_start = true;
        try_again(c, reason, c->owner->o.tries, 0);
        return;
    }
    if (!is_passing_status(h->status)) {
        call_end(c, ERR_IO, 0);
        return;
    }
    struct span after = http_header(h, h->n_hops - 1, "Retry-After");
    if (after.p && !retry_after_parse(after, clock_utc_us() / 1000000, &after_ms))
        after_ms = 0;
    try_again(c, reason, c->owner->o.tries, after_ms);
}

/* Failures that another try would only repeat. */
static bool is_lasting(CURLcode r)
{
    return r == CURLE_PEER_FAILED_VERIFICATION || r == CURLE_SSL_CACERT_BADFILE ||
           r == CURLE_URL_MALFORMAT || r == CURLE_UNSUPPORTED_PROTOCOL ||
           r == CURLE_OUT_OF_MEMORY || r == CURLE_SSL_CERTPROBLEM || r == CURLE_SSL_CIPHER;
}

static bool is_unreachable(CURLcode r)
{
    return r == CURLE_COULDNT_RESOLVE_HOST || r == CURLE_COULDNT_RESOLVE_PROXY ||
           r == CURLE_COULDNT_CONNECT;
}

/* The hop's own host: an address of a content network has its keys in the rest. */
static void describe(struct http_call *c, const char *why)
{
    char origin[ORIGIN_SIZE];
    struct err ignored;
    if (url_origin(buf_cstr(&c->url), origin, &ignored) < 0)
        snprintf(origin, sizeof origin, "%s", c->origin);
    err_set(&c->error, ERR_IO, "%s: %s", origin, why);
}

void call_hop_done(struct http_call *c, CURLcode result)
{
    c->busy = false;
    curl_multi_remove_handle(c->owner->multi, c->easy);
    if (c->code) {
        call_end(c, c->code, 0);
        return;
    }
    if (c->from_start) {
        err_set(&c->error, ERR_IO, "%s: the range that was asked for did not come", c->origin);
        try_again(c, "another range came than was asked for", c->owner->o.tries, 0);
        return;
    }
    bool whole = result == CURLE_OK || result == CURLE_WRITE_ERROR; /* ours: DRAIN_MAX */
    if (whole && c->reading == READ_REDIRECT) {
        int rc = redirect(c);
        if (rc < 0)
            call_end(c, rc, 0);
        return;
    }
    if (whole && c->reading == READ_REFUSAL) {
        on_refusal(c);
        return;
    }
    if (result == CURLE_OK && c->reading == READ_BODY) {
        if (c->r.total == 0 || c->position >= c->r.total) {
            call_end(c, 0, 0);
            return;
        }
        result = CURLE_PARTIAL_FILE;
        snprintf(c->curl_error, sizeof c->curl_error, "the connection ended at byte %llu of %llu",
                 (unsigned long long)c->position, (unsigned long long)c->r.total);
    }
    char words[LIBRARY_WORDS_SIZE];
    const char *why = http_words(words, c->easy, result, c->curl_error);
    describe(c, why);
    if (is_lasting(result)) {
        call_end(c, ERR_IO, 0);
        return;
    }
    int most = c->owner->o.tries;
    if (is_unreachable(result) && most > CONNECT_TRIES)
        most = CONNECT_TRIES;
    try_again(c, why, most, 0);
}
