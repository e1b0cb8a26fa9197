/* SPDX-License-Identifier: MIT */
/* Characters as Python sees them: strings are counted, cut and compared by code points.
 *
 * Bytes that are no UTF-8 (they can only come in as a special token's text) count as a character
 * each and pass through unchanged. Classes of characters are utf8proc's. */
#include "text/jinja.h"

#include <utf8proc.h>

size_t jinja_char(struct span s, uint32_t *cp)
{
    size_t n = utf8_decode(s, cp);
    if (n == 0) {
        *cp = s.p[0];
        return 1;
    }
    return n;
}

size_t jinja_char_before(struct span s, uint32_t *cp)
{
    for (size_t n = 2; n <= 4 && n <= s.n; n++) {
        if (utf8_decode(span_sub(s, s.n - n, n), cp) == n)
            return n;
    }
    *cp = s.p[s.n - 1];
    return 1;
}

size_t jinja_chars(const struct jstring *s)
{
    return s->ascii ? s->n : utf8_length(jstring_span(s));
}

size_t jinja_offset(const struct jstring *s, size_t i)
{
    size_t at = 0;
    uint32_t cp;
    if (s->ascii)
        return i < s->n ? i : s->n;
    while (i-- > 0 && at < s->n)
        at += jinja_char(span_sub(jstring_span(s), at, s->n), &cp);
    return at;
}

/* Python's str.isspace, which is also \s of its regular expressions. */
bool jinja_is_space(uint32_t cp)
{
    return cp == ' ' || (cp >= 0x09 && cp <= 0x0d) || (cp >= 0x1c && cp <= 0x1f) || cp == 0x85 ||
           cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/* Where str.splitlines cuts. */
bool jinja_is_line_end(uint32_t cp)
{
    return (cp >= 0x0a && cp <= 0x0d) || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 ||
           cp == 0x2029;
}

static utf8proc_category_t category(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp);
}

bool jinja_is_printable(uint32_t cp)
{
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    case UTF8PROC_CATEGORY_ZS:
        return cp == ' ';
    default:
        return true;
    }
}

bool jinja_is_alpha(uint32_t cp)
{
    utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool jinja_is_digit(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_ND;
}

bool jinja_is_upper(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_LU;
}

bool jinja_is_lower(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_LL;
}

/* One character for one, but for the sharp s, which has no single capital in use. */
void jinja_put_cased(struct jinja *j, uint32_t cp, enum jcase c)
{
    char text[4];
    utf8proc_int32_t from = (utf8proc_int32_t)cp, to;
    if (cp == 0xdf && c != JCASE_LOWER) {
        jinja_put_bytes(j, c == JCASE_UPPER ? "SS" : "Ss", 2);
        return;
    }
    to = c == JCASE_UPPER   ? utf8proc_toupper(from)
         : c == JCASE_TITLE ? utf8proc_totitle(from)
                            : utf8proc_tolower(from);
    jinja_put_bytes(j, text, utf8_encode((uint32_t)to, text));
}

/* first for the first character, rest for all others. */
struct jvalue jinja_changed_case(struct jinja *j, const struct jstring *s, enum jcase first,
                                 enum jcase rest)
{
    size_t start = j->out.n, n;
    uint32_t cp;
    for (size_t i = 0; i < s->n && !j->rc; i += n) {
        struct span left = span_sub(jstring_span(s), i, s->n);
        n = jinja_char(left, &cp);
        if (n == 1 && cp >= 0x80)
            jinja_put_bytes(j, left.p, 1); /* no UTF-8 */
        else
            jinja_put_cased(j, cp, i == 0 ? first : rest);
    }
    return jv_string(jinja_take(j, start));
}

static bool stripped(uint32_t cp, struct span one, const struct jstring *chars)
{
    return chars ? jinja_find(jstring_span(chars), one, 0) != SIZE_MAX : jinja_is_space(cp);
}

struct span jinja_strip(struct span s, const struct jstring *chars, bool left, bool right)
{
    uint32_t cp;
    while (left && s.n > 0) {
        size_t n = jinja_char(s, &cp);
        if (!stripped(cp, span_sub(s, 0, n), chars))
            break;
        s = span_of(s.p + n, s.n - n);
    }
    while (right && s.n > 0) {
        size_t n = jinja_char_before(s, &cp);
        if (!stripped(cp, span_sub(s, s.n - n, n), chars))
            break;
        s.n -= n;
    }
    return s;
}

size_t jinja_find(struct span s, struct span needle, size_t from)
{
    if (from > s.n || needle.n > s.n - from)
        return SIZE_MAX;
    if (needle.n == 0)
        return from;
    const uint8_t *found = needle.n == 1 ? memchr(s.p + from, needle.p[0], s.n - from)
                                         : memmem(s.p + from, s.n - from, needle.p, needle.n);
    return found ? (size_t)(found - s.p) : SIZE_MAX;
}
