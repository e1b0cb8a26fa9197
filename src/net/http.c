/* SPDX-License-Identifier: MIT */
/* The HTTP client: one curl multi handle, the list of its calls, and the turn that moves them. What
 * becomes of an answer is in http_try.c. */
#include "net/http_call.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the client ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void init_once(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_library(struct err *e)
{
    pthread_once(&once, init_once);
    char why[LIBRARY_WORDS_SIZE];
    if (global_result != CURLE_OK)
        return err_set(e, ERR_IO, "libcurl does not start: %s",
                       library_words(why, curl_easy_strerror(global_result)));
    return 0;
}

/* libcurl takes lines of 100 KiB (CURL_MAX_HTTP_HEADER) and says of a longer one that it had no
 * memory. */
static bool is_long_header(CURL *easy, CURLcode code)
{
    curl_off_t first_byte_us = 0;
    curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    return code == CURLE_OUT_OF_MEMORY && first_byte_us > 0;
}

const char *http_words(char out[LIBRARY_WORDS_SIZE], CURL *easy, CURLcode code, const char *said)
{
    long error_number = 0;
    if (is_long_header(easy, code))
        return library_words(out, "a header of the answer is too long, expected at most 100 KiB");
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error_number);
    if (code == CURLE_COULDNT_CONNECT && error_number > 0) {
        snprintf(out, LIBRARY_WORDS_SIZE, "%s", strerror((int)error_number));
        return out;
    }
    return library_words(out, said[0] ? said : curl_easy_strerror(code));
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
    int rc = http_library(e);
    if (rc)
        return rc;
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
              curl_easy_setopt(y, CURLOPT_HEADERFUNCTION, call_on_header) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_HEADERDATA, c) == CURLE_OK &&
              curl_easy_setopt(y, CURLOPT_WRITEFUNCTION, call_on_bytes) == CURLE_OK &&
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

int http_check_bearer(const char *bearer, struct err *e)
{
    for (const char *p = bearer; p && *p; p++)
        if (*p <= ' ' || *p > '~')
            return err_set(e, ERR_USAGE,
                           "character %zu is a blank, a control character or no ASCII, expected a "
                           "token of letters, digits and signs",
                           (size_t)(p - bearer) + 1);
    return 0;
}

int http_start(struct http_call **out, struct http *h, const struct http_request *r, struct err *e)
{
    int rc = http_check_bearer(r->bearer, e);
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
    buf_init(&c->etag, 256);
    struct http_call **last = &h->first; /* they begin in the order in which they came */
    for (; *last; last = &(*last)->next)
        c->prev = *last;
    *last = c;
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
    buf_release(&c->etag);
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
            int rc = call_begin_try(c);
            if (rc < 0) {
                call_end(c, rc, 0);
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
            call_hop_done(c, result);
    }
    *running = 0;
    for (struct http_call *c = h->first; c; c = c->next)
        ++*running;
    return rc == CURLM_OK ? 0 : err_set(e, ERR_IO, "libcurl: %s", curl_multi_strerror(rc));
}
