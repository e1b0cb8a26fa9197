/* SPDX-License-Identifier: MIT */
/* String literals: Python's escapes, and literals beside each other that make one string. */
#include "text/jinja_parse.h"

static unsigned hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 99;
}

/* A character given as digits of base, at most max of them from *i on; exact: all must be there. */
static bool read_code(struct span s, size_t *i, unsigned base, size_t max, bool exact, char *out,
                      size_t *n)
{
    uint32_t cp = 0;
    size_t k = 0;
    while (k < max && *i + k < s.n && hex_digit(s.p[*i + k]) < base)
        cp = cp * base + hex_digit(s.p[*i + k++]);
    if ((exact && k < max) || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return false;
    *i += k;
    *n += utf8_encode(cp, out + *n);
    return true;
}

/* Python's escapes: an unknown one stays as it is, backslash included. No escape is shorter than
 * the character it stands for, so out is as long as s. */
static bool unescape(struct span s, char *out, size_t *n)
{
    static const char letters[] = "abfnrtv\\'\"", meant[] = "\a\b\f\n\r\t\v\\'\"";
    *n = 0;
    for (size_t i = 0; i < s.n;) {
        uint8_t c = s.p[i++];
        if (c != '\\' || i == s.n) {
            out[(*n)++] = (char)c;
            continue;
        }
        c = s.p[i++];
        const char *simple = c ? strchr(letters, c) : NULL;
        bool ok = true;
        if (simple)
            out[(*n)++] = meant[simple - letters];
        else if (c == 'x')
            ok = read_code(s, &i, 16, 2, true, out, n);
        else if (c == 'u')
            ok = read_code(s, &i, 16, 4, true, out, n);
        else if (c == 'U')
            ok = read_code(s, &i, 16, 8, true, out, n);
        else if (c >= '0' && c <= '7')
            ok = (i--, read_code(s, &i, 8, 3, false, out, n));
        else if (c == 'N')
            ok = false; /* names of characters */
        else if (c != '\n') {
            out[(*n)++] = '\\';
            out[(*n)++] = (char)c;
        }
        if (!ok)
            return false;
    }
    return true;
}

struct jnode *jparse_string(struct jparser *p)
{
    uint32_t line = p->now.line;
    struct buf joined;
    buf_init(&joined, JINJA_SOURCE_MAX);
    while (p->now.kind == JT_STRING) {
        size_t n = 0;
        char *part = arena_alloc(&p->t->arena, p->now.text.n + 1);
        if (!part)
            jparse_fail(p, ERR_NOMEM, "the template is too large, or memory is short");
        else if (!unescape(p->now.text, part, &n))
            jparse_fail(p, ERR_FORMAT, "unknown escape in the string '%.*s'",
                        SPAN_FMT(p->now.text));
        else
            buf_put(&joined, part, n);
        jparse_next(p);
    }
    struct jstring *s = arena_alloc(&p->t->arena, sizeof *s);
    char *bytes = arena_strndup(&p->t->arena, buf_cstr(&joined), joined.n);
    if (!s || !bytes || joined.failed)
        jparse_fail(p, ERR_NOMEM, "the template is too large, or memory is short");
    if (p->rc) {
        buf_release(&joined);
        return &p->dummy;
    }
    *s = (struct jstring){bytes, joined.n, true};
    for (size_t i = 0; i < s->n; i++)
        s->ascii = s->ascii && (unsigned char)bytes[i] < 0x80;
    buf_release(&joined);
    struct jnode *n = jparse_node(p, JN_CONST, line);
    n->value = jv_string(s);
    return jparse_finish(p, n);
}
