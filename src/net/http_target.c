/* SPDX-License-Identifier: MIT */
/* Owns the reading of a request's target: path, query, percent escapes (RFC 3986; '+' as HTML forms
 * write a blank). Bytes come from whoever can connect. */
#include "net/http_server.h"

int http_target_split(struct span target, struct span *path, struct span *query, struct err *e)
{
    if (target.n == 0 || target.p[0] != '/' || target.n > HTTP_TARGET_MAX)
        return err_set(e, ERR_FORMAT, "target '%.*s': expected a path of at most %d bytes",
                       SPAN_FMT(target), HTTP_TARGET_MAX);
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] >= 0x7f)
            return err_set(e, ERR_FORMAT, "target '%.*s': byte %zu must be escaped",
                           SPAN_FMT(target), i);
    const uint8_t *mark = span_find(target, '?');
    size_t n = mark ? (size_t)(mark - target.p) : target.n;
    *path = span_sub(target, 0, n);
    *query = span_sub(target, n + 1, target.n);
    return 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One decoded byte at *at, which moves on; -1: a bad escape. */
static int next_byte(struct span s, size_t *at)
{
    uint8_t c = s.p[(*at)++];
    if (c != '%')
        return c == '+' ? ' ' : c;
    if (s.n - *at < 2)
        return -1;
    int high = hex_digit(s.p[*at]), low = hex_digit(s.p[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_named(struct span key, const char *name)
{
    size_t at = 0, n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (at >= key.n || next_byte(key, &at) != (uint8_t)name[i])
            return false;
    return at == key.n;
}

static int decode(struct span s, const char *name, struct buf *out, struct err *e)
{
    size_t from = out->n;
    for (size_t at = 0; at < s.n;) {
        int c = next_byte(s, &at);
        if (c < 0x20 || c == 0x7f) {
            buf_truncate(out, from);
            return err_set(e, ERR_FORMAT, "query: %s: '%.*s': %s", name, SPAN_FMT(s),
                           c < 0 ? "a bad escape" : "a control character");
        }
        buf_char(out, (char)c);
    }
    if (out->failed)
        return err_set(e, ERR_LIMIT, "query: %s: longer than %zu bytes", name, out->max);
    if (!utf8_valid(span_sub(buf_view(out), from, out->n))) {
        buf_truncate(out, from);
        return err_set(e, ERR_FORMAT, "query: %s: '%.*s': no UTF-8", name, SPAN_FMT(s));
    }
    return 1;
}

int http_query_get(struct span query, const char *name, struct buf *out, struct err *e)
{
    while (query.n) {
        const uint8_t *end = span_find(query, '&');
        size_t n = end ? (size_t)(end - query.p) : query.n;
        struct span pair = span_sub(query, 0, n);
        const uint8_t *equals = span_find(pair, '=');
        size_t key = equals ? (size_t)(equals - pair.p) : pair.n;
        if (is_named(span_sub(pair, 0, key), name))
            return decode(span_sub(pair, key + 1, pair.n), name, out, e);
        query = span_sub(query, n + 1, query.n);
    }
    return 0;
}
