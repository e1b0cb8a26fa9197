/* SPDX-License-Identifier: MIT */
/* json_unescape: one string of a JSON text as bytes, without a tree.
 *
 * Source: RFC 8259, section 7. Strict: control characters, unknown escapes, halves of surrogate
 * pairs and invalid UTF-8 are refused, as json_parse refuses them. */
#include "codec/json.h"

static int hex_digit(uint8_t ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* The four digits behind \u at byte at of s; false if they are none. */
static bool hex4(struct span s, size_t at, uint32_t *unit)
{
    uint32_t v = 0;
    if (at > s.n || s.n - at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(s.p[at + i]);
        if (digit < 0)
            return false;
        v = v << 4 | (uint32_t)digit;
    }
    *unit = v;
    return true;
}

/* The code point of \uXXXX, or of the pair of them, at byte at of s; its length, 0 if wrong. */
static size_t escaped_unicode(struct span s, size_t at, uint32_t *cp)
{
    uint32_t low;
    if (!hex4(s, at + 2, cp))
        return 0;
    if (*cp < 0xd800 || *cp > 0xdfff)
        return 6;
    if (*cp > 0xdbff || s.n - at < 12 || s.p[at + 6] != '\\' || s.p[at + 7] != 'u' ||
        !hex4(s, at + 8, &low) || low < 0xdc00 || low > 0xdfff)
        return 0;
    *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

/* Appends what the escape at byte at of s stands for; its length, 0 if wrong. */
static size_t escape(struct span s, size_t at, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s.n - at < 2)
        return 0;
    const char *known = memchr(from, s.p[at + 1], sizeof from - 1);
    if (known) {
        buf_char(out, to[known - from]);
        return 2;
    }
    uint32_t cp;
    size_t n = s.p[at + 1] == 'u' ? escaped_unicode(s, at, &cp) : 0;
    if (n > 0) {
        char utf8[4];
        buf_put(out, utf8, utf8_encode(cp, utf8));
    }
    return n;
}

int json_unescape(struct span quoted, struct buf *out, const char *what, struct err *e)
{
    if (quoted.n < 2 || quoted.p[0] != '"' || quoted.p[quoted.n - 1] != '"')
        return err_set(e, ERR_FORMAT, "%s: '%.*s', expected a string in quotes", what,
                       SPAN_FMT(quoted));
    struct span s = span_sub(quoted, 1, quoted.n - 2);
    size_t before = out->n, plain = 0; /* first byte that is not written yet */
    for (size_t i = 0; i < s.n;) {
        uint8_t ch = s.p[i];
        uint32_t cp;
        size_t n = ch >= 0x80 ? utf8_decode(span_sub(s, i, 4), &cp) : 1;
        if (ch < 0x20 || ch == '"')
            n = 0;
        if (n > 0 && ch == '\\') {
            buf_span(out, span_sub(s, plain, i - plain));
            n = escape(s, i, out);
            plain = i + n;
        }
        if (n == 0) {
            buf_truncate(out, before);
            return err_set(e, ERR_FORMAT, "%s: string %.*s: byte %zu, expected %s", what,
                           SPAN_FMT(quoted), i + 1,
                           ch == '\\' ? "a known escape" : "a character of UTF-8");
        }
        i += n;
    }
    buf_span(out, span_sub(s, plain, s.n - plain));
    return buf_check(out, what, e);
}
