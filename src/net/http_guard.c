/* SPDX-License-Identifier: MIT */
/* Owns the question who may ask: tokens, cookies and host names of requests. */
#include "net/http_serve.h"

#include <ctype.h>
#include <strings.h>

bool http_is_loopback(const char *text)
{
    return strncmp(text, "127.", 4) == 0 || strcmp(text, "::1") == 0 ||
           strncmp(text, "::ffff:127.", 11) == 0;
}

/* It travels in headers and in a cookie (RFC 6265: no blank, quote, comma, semicolon, backslash).
 */
int http_check_token(const char *token, struct err *e)
{
    size_t n = strlen(token);
    if (n < HTTP_TOKEN_MIN || n > HTTP_TOKEN_MAX)
        return err_set(e, ERR_USAGE, "the token has %zu %s, expected %d to %d", n,
                       plural(n, "character", "characters"), HTTP_TOKEN_MIN, HTTP_TOKEN_MAX);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)token[i];
        if (!isalnum(c) && !strchr("-._~+/=", c))
            return err_set(
                e, ERR_USAGE,
                "the token's character %zu is none of letters, digits and -._~+/=", i + 1);
    }
    return 0;
}

bool http_secret_is(struct span text, const char *secret)
{
    size_t n = strlen(secret);
    unsigned differ = text.n != n;
    for (size_t i = 0; i < text.n; i++)
        differ |= (unsigned)(text.p[i] ^ (uint8_t)secret[n ? i % n : 0]);
    return differ == 0 && n > 0;
}

static bool same_name(struct span a, const char *b)
{
    return a.n == strlen(b) && strncasecmp((const char *)a.p, b, a.n) == 0;
}

bool http_host_is_ours(const char *host, const char *address)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    struct span h = span_str(host);
    if (h.n && h.p[0] == '[') {
        const uint8_t *end = span_find(h, ']');
        if (!end)
            return false;
        size_t n = (size_t)(end - h.p);
        struct span port = span_sub(h, n + 1, h.n);
        if (port.n && port.p[0] != ':')
            return false;
        h = span_sub(h, 1, n - 1);
    } else {
        const uint8_t *colon = span_find(h, ':');
        h = span_sub(h, 0, colon ? (size_t)(colon - h.p) : h.n);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (h.n && same_name(h, names[i]))
            return true;
    return h.n && same_name(h, address);
}

bool http_bearer_is(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    return http_secret_is(span_str(authorization + sizeof scheme - 1), token);
}

bool http_cookie_is(const char *cookie, const char *token)
{
    static const char name[] = HTTP_COOKIE "=";
    for (struct span rest = span_str(cookie); rest.n;) {
        while (rest.n && (rest.p[0] == ' ' || rest.p[0] == ';'))
            rest = span_sub(rest, 1, rest.n);
        const uint8_t *end = span_find(rest, ';');
        size_t n = end ? (size_t)(end - rest.p) : rest.n;
        struct span one = span_sub(rest, 0, n);
        /* A browser may hold an older one beside it, for another path. */
        if (one.n >= sizeof name - 1 && memcmp(one.p, name, sizeof name - 1) == 0 &&
            http_secret_is(span_sub(one, sizeof name - 1, one.n), token))
            return true;
        rest = span_sub(rest, n, rest.n);
    }
    return false;
}
