/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

size_t utf8_decode(struct span s, uint32_t *cp)
{
    if (s.n == 0)
        return 0;
    const uint8_t *p = s.p;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < len)
        return 0;
    uint32_t v = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *cp = v;
    return len;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

bool utf8_valid(struct span s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t len = utf8_decode(span_sub(s, i, 4), &cp);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

size_t utf8_length(struct span s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.n; count++) {
        uint32_t cp;
        size_t len = utf8_decode(span_sub(s, i, 4), &cp);
        i += len ? len : 1;
    }
    return count;
}

/* Whether p[0..n) could be completed: decode it with the least and the greatest continuation. */
static bool could_complete(const uint8_t *p, size_t n)
{
    for (int fill = 0x80; fill <= 0xbf; fill += 0x3f) {
        uint8_t whole[4] = {0};
        size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
        if (p[0] < 0xc2 || p[0] > 0xf4 || n >= len)
            return false;
        memcpy(whole, p, n);
        memset(whole + n, fill, len - n);
        uint32_t cp;
        if (utf8_decode(span_of(whole, len), &cp))
            return true;
    }
    return false;
}

size_t utf8_incomplete_tail(struct span s)
{
    for (size_t n = 1; n <= 3 && n <= s.n; n++) {
        const uint8_t *p = s.p + s.n - n;
        if ((*p & 0xc0) == 0x80)
            continue; /* a continuation byte: its beginning is further left */
        return *p >= 0x80 && could_complete(p, n) ? n : 0;
    }
    return 0;
}
