/* SPDX-License-Identifier: MIT */
/* The HTTP client: one curl multi handle, and a state a call.
 *
 * A call is a row of tries; a try is a row of hops (redirects, followed here and not by libcurl, so
 * that who gets the token is decided in one place: set_up). position is the byte of the whole that
 * comes next: what on_body has got lies before it. Invariant: a call is either in the multi handle
 * (busy) or waits for due_ns. */
#include "net/http_text.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    URL_BYTES_MAX = 16 << 10, /* signed addresses of content networks have a few KiB */
    TRIES_MAX = 1000,         /* of one call, whatever it gains */
    DRAIN_MAX = 64 << 10,     /* body bytes of a redirect or refusal that are read to keep the
                                 connection */
    CONNECT_TRIES = 3,        /* an address that nobody answers at is given up sooner */
};

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
    struct buf text;     /* of a refusal */
    struct buf if_range; /* the ETag of what the bytes so far are of; empty: none */
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

/* ---- the client ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void init_once(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static uint64_t or_default(uint64_t v, uint64_t fallback)
{
    return v ? v : fallback;
}

static char *copy_text(const char *s)
{
    return strdup(s ? s : "");
}

int http_open(struct http **out, const struct http_options *o, struct err *e)
{
    pthread_once(&once, init_once);
    if (global_result != CURLE_OK)
        return err_set(e, ERR_IO, "libcurl does not start: %s", curl_easy_strerror(global_result));
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return err_set(e, ERR_NOMEM, "no memory for an HTTP client");
    h->o = *o;
    h->o.connect_ms = or_default(o->connect_ms, 10000);
    h->o.stall_ms = or_default(o->stall_ms, 10000);
    h->o.tries = o->tries > 0 ? o->tries : 5;
    h->o.backoff_min_ms = or_default(o->backoff_min_ms, 500);
    h->o.backoff_max_ms = or_default(o->backoff_max_ms, 30000);
    h->o.retry_after_max_ms = or_default(o->retry_after_max_ms, 60000);
    h->user_agent = copy_text(o->user_agent);
    h->ca_file = copy_text(o->ca_file);
    h->multi = curl_multi_init();
    rng_seed(&h->rng, rng_entropy());
    if (!h->user_agent || !h->ca_file || !h->multi) {
        http_close(&h);
        return err_set(e, ERR_NOMEM, "no memory for an HTTP client");
    }
    *out = h;
    return 0;
}

void http_close(struct http **h)
{
    if (!*h)
        return;
    while ((*h)->first) {
        struct http_call *c = (*h)->first;
        http_cancel(&c);
    }
    if ((*h)->multi)
        curl_multi_cleanup((*h)->multi);
    free((*h)->user_agent);
    free((*h)->ca_file);
    free(*h);
    *h = NULL;
}

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

/* Strong ones only: a weak one does not promise the same bytes. */
static void keep_etag(struct http_call *c)
{
    struct span etag = http_header(&c->head, c->head.n_hops - 1, "ETag");
    buf_clear(&c->if_range);
    if (etag.n >= 2 && etag.n < 200 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
        buf_span(&c->if_range, etag);
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
    if (!place_body(c)) {
        c->from_start = true;
        stop_call(c, 0);
        return false;
    }
    c->reading = READ_BODY;
    keep_etag(c);
    c->position = h->offset;
    int code = c->r.on_head ? c->r.on_head(c->r.ctx, h, &c->error) : 0;
    if (code)
        stop_call(c, code);
    return code == 0;
}

static size_t on_header_line(char *p, size_t one, size_t n, void *ctx)
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

static size_t on_bytes(char *p, size_t one, size_t n, void *ctx)
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
        if (rc == 0 && c->if_range.n)
            rc = add_header(c, "If-Range", buf_cstr(&c->if_range));
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

static int begin_try(struct http_call *c)
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

static void end_call(struct http_call *c, int code, uint64_t retry_after_ms)
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
    if (!to.p || to.n == 0 || memchr(to.p, 0, to.n))
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
        end_call(c, ERR_IO, after_ms);
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
        end_call(c, ERR_IO, 0);
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
static void describe(struct http_call *c, CURLcode result)
{
    char origin[ORIGIN_SIZE];
    const char *why = c->curl_error[0] ? c->curl_error : curl_easy_strerror(result);
    struct err ignored;
    if (url_origin(buf_cstr(&c->url), origin, &ignored) < 0)
        snprintf(origin, sizeof origin, "%s", c->origin);
    err_set(&c->error, ERR_IO, "%s: %s", origin, why);
}

static void on_hop_done(struct http_call *c, CURLcode result)
{
    c->busy = false;
    curl_multi_remove_handle(c->owner->multi, c->easy);
    if (c->code) {
        end_call(c, c->code, 0);
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
            end_call(c, rc, 0);
        return;
    }
    if (whole && c->reading == READ_REFUSAL) {
        on_refusal(c);
        return;
    }
    if (result == CURLE_OK && c->reading == READ_BODY) {
        if (c->r.total == 0 || c->position >= c->r.total) {
            end_call(c, 0, 0);
            return;
        }
        result = CURLE_PARTIAL_FILE;
        snprintf(c->curl_error, sizeof c->curl_error, "the connection ended at byte %llu of %llu",
                 (unsigned long long)c->position, (unsigned long long)c->r.total);
    }
    describe(c, result);
    if (is_lasting(result)) {
        end_call(c, ERR_IO, 0);
        return;
    }
    int most = c->owner->o.tries;
    if (is_unreachable(result) && most > CONNECT_TRIES)
        most = CONNECT_TRIES;
    const char *why = c->curl_error[0] ? c->curl_error : curl_easy_strerror(result);
    try_again(c, why, most, 0);
}

/* ---- calls ---- */

static bool set_options(struct http_call *c)
{
    const struct http *h = c->owner;
    CURL *y = c->easy;
    long stall_s = (long)((h->o.stall_ms + 999) / 1000);
    bool ok = curl_easy_setopt(y, CURLOPT_PRIVATE, c) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_ERRORBUFFER, c->curl_error) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_USERAGENT, h->user_agent) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_HEADERFUNCTION, on_header_line) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_HEADERDATA, c) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_WRITEDATA, c) == CURLE_OK;
    if (!ok)
        return false;
    curl_easy_setopt(y, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(y, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(y, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(y, CURLOPT_CONNECTTIMEOUT_MS, (long)h->o.connect_ms);
    curl_easy_setopt(y, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(y, CURLOPT_LOW_SPEED_TIME, stall_s);
    /* a connection a file: with HTTP/2 all would share the window of one */
    curl_easy_setopt(y, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return !h->ca_file[0] || curl_easy_setopt(y, CURLOPT_CAINFO, h->ca_file) == CURLE_OK;
}

static int check_bearer(const char *bearer, struct err *e)
{
    for (const char *p = bearer; p && *p; p++)
        if (*p <= ' ' || *p > '~')
            return err_set(e, ERR_USAGE,
                           "the access token has a blank or a character that is no ASCII, expected "
                           "one as hf_…");
    return 0;
}

int http_start(struct http_call **out, struct http *h, const struct http_request *r, struct err *e)
{
    int rc = check_bearer(r->bearer, e);
    if (rc < 0)
        return rc;
    struct http_call *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_NOMEM, "no memory for a request");
    c->owner = h;
    c->r = *r;
    c->position = c->furthest = r->offset;
    c->head.hops = c->hops;
    for (int i = 0; i < HTTP_HOPS_MAX; i++)
        buf_init(&c->hops[i], HTTP_HEADERS_MAX);
    buf_init(&c->url, URL_BYTES_MAX);
    buf_init(&c->text, HTTP_ERROR_TEXT_MAX);
    buf_init(&c->if_range, 256);
    c->next = h->first;
    if (h->first)
        h->first->prev = c;
    h->first = c;
    c->url_text = copy_text(r->url);
    c->bearer_text = copy_text(r->bearer);
    c->accept_text = copy_text(r->accept);
    c->easy = curl_easy_init();
    rc = url_origin(r->url, c->origin, e);
    if (rc == 0 &&
        (!c->url_text || !c->bearer_text || !c->accept_text || !c->easy || !set_options(c)))
        rc = err_set(e, ERR_NOMEM, "no memory for a request");
    if (rc < 0) {
        http_cancel(&c);
        return rc;
    }
    if (out)
        *out = c;
    return 0;
}

void http_cancel(struct http_call **call)
{
    struct http_call *c = *call;
    if (!c)
        return;
    if (c->busy)
        curl_multi_remove_handle(c->owner->multi, c->easy);
    if (c->prev)
        c->prev->next = c->next;
    else
        c->owner->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->headers);
    for (int i = 0; i < HTTP_HOPS_MAX; i++)
        buf_release(&c->hops[i]);
    buf_release(&c->url);
    buf_release(&c->text);
    buf_release(&c->if_range);
    free(c->url_text);
    free(c->bearer_text);
    free(c->accept_text);
    free(c);
    *call = NULL;
}

/* Begins what is due; how many milliseconds until the next one is, at most wait_ms. */
static int begin_due(struct http *h, int wait_ms)
{
    uint64_t now = clock_mono_ns();
    struct http_call *next;
    for (struct http_call *c = h->first; c; c = next) {
        next = c->next;
        if (c->busy)
            continue;
        if (c->due_ns <= now) {
            int rc = begin_try(c);
            if (rc < 0) {
                end_call(c, rc, 0);
                next = h->first; /* its call back may have ended any other */
            }
            continue;
        }
        uint64_t left_ms = (c->due_ns - now) / 1000000 + 1;
        if (left_ms < (uint64_t)wait_ms)
            wait_ms = (int)left_ms;
    }
    return wait_ms;
}

int http_turn(struct http *h, int wait_ms, size_t *running, struct err *e)
{
    int n_busy = 0, left = 0;
    wait_ms = begin_due(h, wait_ms);
    CURLMcode rc = curl_multi_perform(h->multi, &n_busy);
    if (rc == CURLM_OK)
        rc = curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
    if (rc == CURLM_OK)
        rc = curl_multi_perform(h->multi, &n_busy);
    for (CURLMsg *m; rc == CURLM_OK && (m = curl_multi_info_read(h->multi, &left)) != NULL;) {
        struct http_call *c = NULL;
        CURLcode result = m->data.result; /* m goes with the handle */
        if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c) == 0)
            on_hop_done(c, result);
    }
    *running = 0;
    for (struct http_call *c = h->first; c; c = c->next)
        ++*running;
    return rc == CURLM_OK ? 0 : err_set(e, ERR_IO, "libcurl: %s", curl_multi_strerror(rc));
}
