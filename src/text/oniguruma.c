/* SPDX-License-Identifier: MIT */
/* Oniguruma's syntax (Ruby's, as the `tokenizers` library has it) in PCRE2's.
 *
 * Where the two agree, text is copied. They differ in classes and sets (oniguruma_sets.c), \b,
 * `{n,m}+` (no possessive there), `{,n}`, and (?m) (the dot takes newlines). Source: Oniguruma's
 * doc/RE. What has no counterpart is refused. */
#include "text/oniguruma.h"
#include "text/regex.h"

static int put_escape(struct translation *t, struct err *e)
{
    t->atom = t->out->n;
    t->at++;
    int got = onig_escape(t, NULL, e);
    if (got)
        return got < 0 ? got : 0;
    int ch = onig_peek(t, 0);
    switch (ch) {
    case -1:
        return onig_fail(t, "a backslash at the end", e);
    case 'b':
        buf_str(t->out, "(?:(?<=[" ONIG_WORD "])(?![" ONIG_WORD "])|(?<![" ONIG_WORD
                        "])(?=[" ONIG_WORD "]))");
        break;
    case 'B':
        buf_str(t->out, "(?:(?<=[" ONIG_WORD "])(?=[" ONIG_WORD "])|(?<![" ONIG_WORD
                        "])(?![" ONIG_WORD "]))");
        break;
    case 'v':
        buf_str(t->out, "\\x0b");
        break;
    case 'N':
        buf_str(t->out, "[^\\n]");
        break;
    case 'O':
        buf_str(t->out, "(?s:.)");
        break;
    case 'C':
    case 'M':
    case 'c':
    case 'y':
    case 'Y':
    case 'K':
        return onig_fail(t, "an escape that is not supported", e);
    default:
        buf_printf(t->out, "\\%c", ch);
    }
    t->at++;
    /* The name of a group. */
    if ((ch == 'k' || ch == 'g') && onig_peek(t, 0) == '<')
        for (bool more = true; more && onig_peek(t, 0) >= 0; t->at++) {
            more = onig_peek(t, 0) != '>';
            buf_char(t->out, (char)onig_peek(t, 0));
        }
    return 0;
}

/* (?imx-imx) and (?imx-imx: : m is PCRE2's s, and PCRE2's own m always holds. */
static int put_options(struct translation *t, struct err *e)
{
    bool on = true;
    buf_str(t->out, "(?");
    t->at += 2;
    for (;; t->at++) {
        int ch = onig_peek(t, 0);
        if (ch == '-')
            on = false;
        if (ch == 'x')
            t->extended = on;
        if (ch == ':' || ch == ')') {
            t->at++;
            buf_char(t->out, (char)ch);
            return 0;
        }
        if (ch < 0 || !strchr("imx-", ch))
            return onig_fail(t, "a group that is not supported", e);
        buf_char(t->out, ch == 'm' ? 's' : (char)ch);
    }
}

static int put_group(struct translation *t, struct err *e)
{
    static const char *const kinds[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    if (onig_looks_at(t, "(?#")) {
        while (onig_peek(t, 0) >= 0 && onig_peek(t, 0) != ')')
            t->at++;
        t->at++;
        return t->at > t->s.n ? onig_fail(t, "a comment without )", e) : 0;
    }
    if (onig_looks_at(t, "(*"))
        return onig_fail(t, "a group that is not supported", e);
    if (onig_peek(t, 1) != '?') {
        buf_char(t->out, '(');
        t->at++;
        return 0;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (onig_looks_at(t, kinds[i])) {
            buf_str(t->out, kinds[i]);
            t->at += strlen(kinds[i]);
            return 0;
        }
    }
    if (onig_looks_at(t, "(?<")) {
        for (bool more = true; more && onig_peek(t, 0) >= 0; t->at++) {
            more = onig_peek(t, 0) != '>';
            buf_char(t->out, (char)onig_peek(t, 0));
        }
        return 0;
    }
    return put_options(t, e);
}

/* {n}, {n,}, {n,m}, {,m}; false: the brace is a character. */
static bool put_interval(struct translation *t)
{
    size_t i = 1;
    size_t low = 0;
    size_t high = 0;
    while (onig_peek(t, i) >= '0' && onig_peek(t, i) <= '9')
        low++, i++;
    bool comma = onig_peek(t, i) == ',';
    if (comma)
        for (i++; onig_peek(t, i) >= '0' && onig_peek(t, i) <= '9'; i++)
            high++;
    if (onig_peek(t, i) != '}' || low + high == 0)
        return false;
    bool again = onig_peek(t, i + 1) == '+'; /* nothing possessive: the whole is repeated */
    if (again && t->atom != SIZE_MAX && !t->out->failed) {
        size_t n = t->out->n - t->atom;
        buf_str(t->out, "(?:");
        if (!t->out->failed) {
            memmove(t->out->p + t->atom + 3, t->out->p + t->atom, n);
            memcpy(t->out->p + t->atom, "(?:", 3);
        }
    }
    buf_str(t->out, low ? "{" : "{0");
    buf_span(t->out, span_sub(t->s, t->at + 1, i));
    t->at += i + 1;
    if (again && t->atom != SIZE_MAX)
        buf_char(t->out, ')');
    return true;
}

/* One step; groups[depth] are where the open ones began in out. */
static int step(struct translation *t, size_t *groups, bool *extended, struct err *e)
{
    int ch = onig_peek(t, 0);
    int rc = 0;
    if (ch == '\\')
        return put_escape(t, e);
    if (ch == '[') {
        t->atom = t->out->n;
        return onig_bracket(t, t->out, e);
    }
    if (ch == '(') {
        if (t->depth >= ONIG_DEPTH_MAX)
            return onig_fail(t, "groups are nested too deep", e);
        bool before = t->extended;
        size_t began = t->out->n;
        rc = put_group(t, e);
        /* (?i) and comments open nothing. */
        if (!rc && t->out->n > began && t->out->p && t->out->p[t->out->n - 1] != ')') {
            groups[t->depth] = began;
            extended[t->depth++] = before;
        }
        t->atom = SIZE_MAX;
        return rc;
    }
    if (ch == '{' && put_interval(t))
        return 0;
    if (ch == ')') {
        if (t->depth == 0)
            return onig_fail(t, ") without (", e);
        t->atom = groups[--t->depth];
        t->extended = extended[t->depth];
    } else if (t->extended && ch == '#') {
        while (onig_peek(t, 0) >= 0 && onig_peek(t, 0) != '\n')
            t->at++;
        return 0;
    } else if (!strchr("*+?|^$", ch)) {
        if ((ch & 0xc0) != 0x80)
            t->atom = t->out->n;
    }
    if (ch == '{')
        buf_char(t->out, '\\');
    buf_char(t->out, (char)ch);
    t->at++;
    return 0;
}

int oniguruma_translate(struct span expression, struct buf *out, struct err *e)
{
    size_t groups[ONIG_DEPTH_MAX];
    bool extended[ONIG_DEPTH_MAX];
    struct translation t = {.s = expression, .out = out, .atom = SIZE_MAX};
    int rc = 0;
    if (span_find(expression, 0))
        return onig_fail(&t, "a NUL", e);
    /* It is searched for at every place of a run of blanks, each time to the run's end. Only its
     * beginning can match: what the longest match leaves of a run has no end of line in it. */
    if (span_is(expression, "\\s+$"))
        buf_str(out, "(?<![" ONIG_SPACE "])");
    while (!rc && t.at < expression.n)
        rc = step(&t, groups, extended, e);
    return rc ? rc : buf_check(out, "expression", e);
}
