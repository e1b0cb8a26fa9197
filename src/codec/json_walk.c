/* SPDX-License-Identifier: MIT */
/* json_walk: see json_walk.h. Values are skipped by their brackets and quotes; whoever reads one
 * has it checked by json_parse. */
#include "codec/json_walk.h"

static uint8_t peek(const struct json_walk *w)
{
    return w->at < w->text.n ? w->text.p[w->at] : 0;
}

static void skip_blanks(struct json_walk *w)
{
    while (w->at < w->text.n && memchr(" \t\r\n", w->text.p[w->at], 4))
        w->at++;
}

static int malformed(const struct json_walk *w, const char *expected, struct err *e)
{
    if (w->at >= w->text.n)
        return err_set(e, ERR_FORMAT, "%s: cut off at byte %zu, expected %s", w->what, w->at,
                       expected);
    return err_set(e, ERR_FORMAT, "%s: byte %zu is '%c', expected %s", w->what, w->at,
                   (char)w->text.p[w->at], expected);
}

int json_walk_init(struct json_walk *w, struct span text, enum json_type type, const char *what,
                   struct err *e)
{
    struct json_walk r = {.text = text, .what = what, .close = type == JSON_OBJECT ? '}' : ']'};
    skip_blanks(&r);
    if (peek(&r) != (type == JSON_OBJECT ? '{' : '['))
        return malformed(&r, json_type_name(type), e);
    r.at++;
    *w = r;
    return 0;
}

static int skip_string(struct json_walk *w, struct err *e)
{
    for (w->at++; w->at < w->text.n; w->at++) {
        if (w->text.p[w->at] == '\\') {
            w->at++;
        } else if (w->text.p[w->at] == '"') {
            w->at++;
            return 0;
        }
    }
    w->at = w->text.n; /* a backslash at the very end has stepped over it */
    return malformed(w, "a closing quote", e);
}

/* To the byte behind the value. Which bracket closes which is json_parse's to check. */
static int skip_value(struct json_walk *w, struct err *e)
{
    size_t start = w->at, depth = 0;
    while (w->at < w->text.n) {
        uint8_t ch = w->text.p[w->at];
        bool ends = ch == ',' || ch == ']' || ch == '}' || memchr(" \t\r\n", ch, 4);
        if (depth == 0 && ends)
            break;
        if (ch == '"') {
            int r = skip_string(w, e);
            if (r < 0)
                return r;
            continue;
        }
        if (ch == '[' || ch == '{')
            depth++;
        else if (ch == ']' || ch == '}')
            depth--;
        w->at++;
        if (depth == 0 && (ch == ']' || ch == '}'))
            break;
    }
    if (depth > 0)
        return malformed(w, "a closing bracket", e);
    return w->at > start ? 0 : malformed(w, "a value", e);
}

/* The comma before a value, or the end of all: 1, 0, or malformed. */
static int next_or_end(struct json_walk *w, struct err *e)
{
    skip_blanks(w);
    if (peek(w) == w->close) {
        w->at++;
        skip_blanks(w);
        return w->at == w->text.n ? 0 : malformed(w, "the end", e);
    }
    if (w->started) {
        if (peek(w) != ',')
            return malformed(w, "a comma or a closing bracket", e);
        w->at++;
        skip_blanks(w);
    }
    w->started = true;
    return 1;
}

int json_walk_next(struct json_walk *w, struct span *key, struct span *value, struct err *e)
{
    struct span k = {NULL, 0};
    int r = next_or_end(w, e);
    if (r <= 0)
        return r;
    if (w->close == '}') {
        size_t start = w->at;
        if (peek(w) != '"')
            return malformed(w, "a key in quotes", e);
        r = skip_string(w, e);
        if (r < 0)
            return r;
        k = span_sub(w->text, start, w->at - start);
        skip_blanks(w);
        if (peek(w) != ':')
            return malformed(w, "a colon", e);
        w->at++;
        skip_blanks(w);
    }
    size_t start = w->at;
    r = skip_value(w, e);
    if (r < 0)
        return r;
    if (key)
        *key = k;
    *value = span_sub(w->text, start, w->at - start);
    return 1;
}
