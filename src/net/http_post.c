/* SPDX-License-Identifier: MIT */
/* One curl easy handle with fixed options; what changes with a request is its body and where the
 * answer goes. */
#include "net/http_post.h"

#include "net/http_call.h"

#include <stdlib.h>

struct http_poster {
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    bool (*keep_going)(void *ctx);
    void *ctx;
    struct buf *text; /* of the request that runs */
};

static size_t on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct http_poster *p = ctx;
    buf_put(p->text, bytes, size * n);
    return p->text->failed ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t all_down, curl_off_t down, curl_off_t all_up,
                       curl_off_t up)
{
    const struct http_poster *p = ctx;
    (void)all_down, (void)down, (void)all_up, (void)up;
    return p->keep_going && !p->keep_going(p->ctx);
}

static bool add_header(struct http_poster *p, const char *line)
{
    struct curl_slist *longer = curl_slist_append(p->headers, line);
    if (longer)
        p->headers = longer;
    return longer != NULL;
}

static bool set_headers(struct http_poster *p, const char *bearer)
{
    struct buf line;
    buf_init(&line, URL_BYTES_MAX);
    buf_printf(&line, "Authorization: Bearer %s", bearer ? bearer : "");
    /* Expect: a server that doesn't answer 100 would cost a second. */
    bool ok = !line.failed && add_header(p, "Content-Type: application/json") &&
              add_header(p, "Accept: application/json") && add_header(p, "Expect:") &&
              (!bearer || !bearer[0] || add_header(p, buf_cstr(&line)));
    buf_release(&line);
    return ok;
}

static bool set_options(struct http_poster *p, const struct http_post_options *o)
{
    CURL *y = p->easy;
    curl_easy_setopt(y, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(y, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(y, CURLOPT_POST, 1L);
    curl_easy_setopt(y, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(y, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_ms ? o->connect_ms : 10000));
    curl_easy_setopt(y, CURLOPT_TIMEOUT_MS, (long)(o->answer_ms ? o->answer_ms : 600000));
    return curl_easy_setopt(y, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_USERAGENT, "wattle/" WATTLE_VERSION) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_URL, o->url) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_HTTPHEADER, p->headers) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_ERRORBUFFER, p->error) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_WRITEDATA, p) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(y, CURLOPT_XFERINFODATA, p) == CURLE_OK &&
           (!o->ca_file || !o->ca_file[0] ||
            curl_easy_setopt(y, CURLOPT_CAINFO, o->ca_file) == CURLE_OK);
}

int http_poster_open(struct http_poster **out, const struct http_post_options *o, struct err *e)
{
    int rc = http_library(e);
    if (!rc)
        rc = http_check_bearer(o->bearer, e);
    struct http_poster *p = rc ? NULL : calloc(1, sizeof *p);
    if (rc)
        return rc;
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for an HTTP client");
    p->keep_going = o->keep_going;
    p->ctx = o->ctx;
    char origin[ORIGIN_SIZE];
    rc = url_origin(o->url, origin, e);
    p->easy = curl_easy_init();
    if (!rc && (!p->easy || !set_headers(p, o->bearer) || !set_options(p, o)))
        rc = err_set(e, ERR_NOMEM, "no memory for an HTTP client");
    if (rc) {
        http_poster_close(&p);
        return rc;
    }
    *out = p;
    return 0;
}

void http_poster_close(struct http_poster **p)
{
    if (!*p)
        return;
    if ((*p)->easy)
        curl_easy_cleanup((*p)->easy);
    curl_slist_free_all((*p)->headers);
    free(*p);
    *p = NULL;
}

int http_post_json(struct http_poster *p, struct span json, struct http_answer *answer,
                   struct buf *text, struct err *e)
{
    long status = 0;
    char why[LIBRARY_WORDS_SIZE];
    curl_off_t retry_after_s = 0;
    p->text = text;
    p->error[0] = '\0';
    if (curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json.n) != CURLE_OK ||
        curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, json.n ? (const char *)json.p : "") !=
            CURLE_OK)
        return err_set(e, ERR_NOMEM, "no memory for a request");
    CURLcode code = curl_easy_perform(p->easy);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(e, ERR_CANCELLED, "cancelled");
    if (code == CURLE_WRITE_ERROR && text->failed)
        return err_set(e, ERR_LIMIT, "the answer is longer than %zu bytes", text->max);
    if (code != CURLE_OK)
        return err_set(e, ERR_IO, "%s", http_words(why, p->easy, code, p->error));
    curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    *answer = (struct http_answer){(int)status, retry_after_s > 0 && retry_after_s < 86400
                                                    ? (uint64_t)retry_after_s * 1000
                                                    : 0};
    return 0;
}
