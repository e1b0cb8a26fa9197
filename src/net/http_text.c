/* SPDX-License-Identifier: MIT */
/* Reading what servers write in headers (RFC 9110), and joining URLs (RFC 3986, by libcurl). */
#include "net/http_text.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

struct span header_in(struct span block, const char *name)
{
    size_t n = strlen(name);
    while (block.n > 0) {
        const uint8_t *end = span_find(block, '\n');
        struct span line = end ? span_of(block.p, (size_t)(end - block.p)) : block;
        block = span_sub(block, line.n + 1, block.n);
        if (line.n <= n || line.p[n] != ':' || strncasecmp((const char *)line.p, name, n) != 0)
            continue;
        struct span value = span_sub(line, n + 1, line.n);
        if (value.n == 0)
            return span_of("", 0);
        while (value.n > 0 && (value.p[0] == ' ' || value.p[0] == '\t'))
            value = span_sub(value, 1, value.n);
        while (value.n > 0 && strchr(" \t\r", value.p[value.n - 1]))
            value.n--;
        return value.n ? value : span_of("", 0);
    }
    return (struct span){NULL, 0};
}

/* Up to c, which is taken too; false if c does not come. */
static bool take_until(struct span *s, char c, struct span *out)
{
    const uint8_t *at = s->n ? memchr(s->p, c, s->n) : NULL;
    if (!at)
        return false;
    *out = span_of(s->p, (size_t)(at - s->p));
    *s = span_sub(*s, out->n + 1, s->n);
    return true;
}

bool content_range_parse(struct span value, struct content_range *out)
{
    struct span unit, first, last;
    struct content_range r = {0};
    if (!take_until(&value, ' ', &unit) || !span_is(unit, "bytes") ||
        !take_until(&value, '-', &first) || !take_until(&value, '/', &last) ||
        !num_parse_u64(first, &r.first) || !num_parse_u64(last, &r.last) || r.last < r.first)
        return false;
    r.has_total = !span_is(value, "*");
    if (r.has_total && (!num_parse_u64(value, &r.total) || r.last >= r.total))
        return false;
    *out = r;
    return true;
}

bool retry_after_parse(struct span value, uint64_t now_s, uint64_t *wait_ms)
{
    char text[64];
    uint64_t seconds;
    if (num_parse_u64(value, &seconds))
        return u64_mul(seconds, 1000, wait_ms);
    if (value.n == 0 || value.n >= sizeof text)
        return false;
    span_copy(text, value);
    text[value.n] = '\0';
    time_t at = curl_getdate(text, NULL);
    if (at < 0)
        return false;
    *wait_ms = (uint64_t)at > now_s ? ((uint64_t)at - now_s) * 1000 : 0;
    return true;
}

static bool is_web(const char *scheme)
{
    return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
}

/* An address as a message may show it: not what can hold a password or a key. */
static const char *shown(const char *url)
{
    return strpbrk(url, "@?#") ? "(not shown: it has '@', '?' or '#')" : url;
}

int url_origin(const char *url, char origin[ORIGIN_SIZE], struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLUcode got = u ? curl_url_set(u, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    int rc = 0;
    if (got == CURLUE_OK)
        got = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    if (got == CURLUE_OK)
        got = curl_url_get(u, CURLUPART_HOST, &host, 0);
    if (got == CURLUE_OK)
        got = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (got == CURLUE_OUT_OF_MEMORY)
        rc = err_set(e, ERR_NOMEM, "no memory for an address");
    else if (got != CURLUE_OK || !is_web(scheme))
        rc =
            err_set(e, ERR_USAGE, "'%s' is no address, expected http://… or https://…", shown(url));
    if (rc == 0) {
        int n = snprintf(origin, ORIGIN_SIZE, "%s://%s:%s", scheme, host, port);
        if (n < 0 || n >= ORIGIN_SIZE)
            rc = err_set(e, ERR_USAGE, "the host of '%s' is too long", shown(url));
    }
    for (char *p = origin; rc == 0 && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 'a' - 'A');
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return rc;
}

int http_check_url(const char *url, struct err *e)
{
    char origin[ORIGIN_SIZE];
    return url_origin(url, origin, e);
}

int url_join(const char *base, const char *location, struct buf *out, struct err *e)
{
    CURLU *u = curl_url();
    char *url = NULL, *scheme = NULL;
    int rc = 0;
    if (!u || curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK ||
        curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK || !is_web(scheme) ||
        curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_URL, &url, 0) != CURLUE_OK)
        rc = err_set(e, ERR_FORMAT, "leads to '%s', expected http://… or https://…", location);
    if (rc == 0) {
        buf_str(out, url);
        rc = buf_check(out, "the address of a redirect", e);
    }
    curl_free(url);
    curl_free(scheme);
    curl_url_cleanup(u);
    return rc;
}

void http_put_path(struct buf *url, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-._~/", *p);
        if (plain)
            buf_char(url, *p);
        else
            buf_printf(url, "%%%02X", (unsigned char)*p);
    }
}
