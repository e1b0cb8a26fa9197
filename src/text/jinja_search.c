/* SPDX-License-Identifier: MIT */
/* Methods of strings that search, cut, replace and join. */
#include "text/jinja.h"

static struct jvalue piece(struct jinja *j, const uint8_t *p, size_t n)
{
    return jv_string(jinja_view(j, p, n));
}

/* ---- windows: the optional start and end of find, count, startswith ---- */

struct window {
    size_t from; /* in characters */
    struct span s;
    bool valid; /* false: start is past the end, where not even "" is found */
};

static int64_t bound(struct jinja *j, struct jvalue a, int64_t n, int64_t otherwise)
{
    int64_t i = a.kind == J_NONE ? otherwise : jinja_arg_int(j, a, otherwise);
    if (i < 0)
        i = i < -n ? 0 : i + n;
    return i;
}

static struct window window_of(const struct jargs *c, struct jvalue start, struct jvalue end)
{
    const struct jstring *s = c->self.string;
    struct window w = {0, jstring_span(s), true};
    jinja_walk(c->j, s->ascii ? s->n / 8 : s->n);
    if (start.kind == J_ABSENT && end.kind == J_ABSENT)
        return w;
    int64_t n = (int64_t)jinja_chars(s);
    int64_t from = bound(c->j, start, n, 0), to = bound(c->j, end, n, n);
    if (to > n)
        to = n;
    if (from > to) {
        w.valid = false;
        return w;
    }
    size_t a = jinja_offset(s, (size_t)from), b = jinja_offset(s, (size_t)to);
    w.from = (size_t)from;
    w.s = span_of(s->p + a, b - a);
    return w;
}

/* ---- searching ---- */

/* There is no memmem that goes backwards: each place costs a look, and the needle's length where
 * its first byte is right. */
static size_t find_last(struct jinja *j, struct span s, struct span needle)
{
    if (needle.n > s.n)
        return SIZE_MAX;
    for (size_t i = s.n - needle.n; jinja_spend(j, 1); i--) {
        if (needle.n == 0)
            return i;
        if (s.p[i] == needle.p[0] && jinja_bytes(j, needle.n) &&
            memcmp(s.p + i, needle.p, needle.n) == 0)
            return i;
        if (i == 0)
            break;
    }
    return SIZE_MAX;
}

enum { FIND_LAST = 1, FIND_OR_FAIL = 2 };

/* variant: FIND_LAST, FIND_OR_FAIL. */
static struct jvalue method_find(const struct jargs *c)
{
    struct span needle = jstring_span(jinja_arg_string(c->j, c->a[0]));
    struct window w = window_of(c, c->a[1], c->a[2]);
    size_t at = SIZE_MAX;
    if (w.valid && c->builtin->variant & FIND_LAST)
        at = find_last(c->j, w.s, needle);
    else if (w.valid)
        at = jinja_find(w.s, needle, 0);
    if (at != SIZE_MAX)
        return jv_int((int64_t)(w.from + utf8_length(span_sub(w.s, 0, at))));
    if (c->builtin->variant & FIND_OR_FAIL)
        return jinja_fail(c->j, ERR_FORMAT, "%s: substring not found", c->builtin->name);
    return jv_int(-1);
}

static struct jvalue method_count(const struct jargs *c)
{
    struct span needle = jstring_span(jinja_arg_string(c->j, c->a[0]));
    struct window w = window_of(c, c->a[1], c->a[2]);
    int64_t n = 0;
    if (!w.valid)
        return jv_int(0);
    if (needle.n == 0)
        return jv_int((int64_t)utf8_length(w.s) + 1);
    for (size_t at = 0; (at = jinja_find(w.s, needle, at)) != SIZE_MAX; at += needle.n)
        n++;
    return jv_int(n);
}

static bool affix(const struct jargs *c, struct span s, struct jvalue a)
{
    struct span x = jstring_span(jinja_arg_string(c->j, a));
    if (x.n > s.n)
        return false;
    return span_eq(span_of(c->builtin->variant ? s.p + s.n - x.n : s.p, x.n), x);
}

/* variant: 1 endswith. The argument is a string or a tuple of them. */
static struct jvalue method_affix(const struct jargs *c)
{
    struct window w = window_of(c, c->a[1], c->a[2]);
    if (!w.valid)
        return jv_bool(false);
    if (c->a[0].kind != J_TUPLE)
        return jv_bool(affix(c, w.s, c->a[0]));
    for (size_t i = 0; i < c->a[0].list->n && !c->j->rc; i++) {
        if (affix(c, w.s, c->a[0].list->v[i]))
            return jv_bool(true);
    }
    return jv_bool(false);
}

/* ---- replacing ---- */

/* An empty old stands before each character and at the end. */
static void replace_empty(struct jinja *j, struct span s, struct span new, int64_t count)
{
    for (; count != 0 && !j->rc; count--) {
        uint32_t cp;
        jinja_put_bytes(j, new.p, new.n);
        if (s.n == 0 || !jinja_steps(j, 1))
            return;
        size_t n = jinja_char(s, &cp);
        jinja_put_bytes(j, s.p, n);
        s = span_of(s.p + n, s.n - n);
    }
    jinja_put_bytes(j, s.p, s.n);
}

struct jvalue jinja_replace(struct jinja *j, const struct jstring *string,
                            const struct jstring *old, const struct jstring *new, int64_t count)
{
    struct span s = jstring_span(string), o = jstring_span(old);
    size_t start = j->out.n, from = 0, at;
    if (old->n == 0) {
        replace_empty(j, s, jstring_span(new), count);
        return jv_string(jinja_take(j, start));
    }
    for (; count != 0 && jinja_steps(j, 1) && (at = jinja_find(s, o, from)) != SIZE_MAX; count--) {
        jinja_put_bytes(j, s.p + from, at - from);
        jinja_put_bytes(j, new->p, new->n);
        from = at + o.n;
    }
    if (from == 0)
        return jv_string(string);
    jinja_put_bytes(j, s.p + from, s.n - from);
    return jv_string(jinja_take(j, start));
}

static struct jvalue method_replace(const struct jargs *c)
{
    const struct jstring *old = jinja_arg_string(c->j, c->a[0]);
    const struct jstring *new = jinja_arg_string(c->j, c->a[1]);
    jinja_bytes(c->j, c->self.string->n);
    return jinja_replace(c->j, c->self.string, old, new, jinja_arg_int(c->j, c->a[2], -1));
}

/* ---- cutting ---- */

/* At runs of white space; at most max cuts, from the left. */
static void split_space(struct jinja *j, struct span s, int64_t max, struct jlist *out)
{
    uint32_t cp;
    s = jinja_strip(s, NULL, true, false);
    while (s.n > 0 && !j->rc) {
        size_t n = 0, step;
        while (n < s.n) {
            step = jinja_char(span_sub(s, n, s.n), &cp);
            if (max != 0 && jinja_is_space(cp))
                break;
            n += step;
        }
        jinja_push(j, out, piece(j, s.p, n));
        s = jinja_strip(span_of(s.p + n, s.n - n), NULL, true, false);
        max--;
    }
}

/* The same from the right; the pieces come last first. */
static void rsplit_space(struct jinja *j, struct span s, int64_t max, struct jlist *out)
{
    uint32_t cp;
    s = jinja_strip(s, NULL, false, true);
    while (s.n > 0 && !j->rc) {
        size_t n = s.n, step;
        while (n > 0) {
            step = jinja_char_before(span_sub(s, 0, n), &cp);
            if (max != 0 && jinja_is_space(cp))
                break;
            n -= step;
        }
        jinja_push(j, out, piece(j, s.p + n, s.n - n));
        s = jinja_strip(span_sub(s, 0, n), NULL, false, true);
        max--;
    }
}

static void split_at(struct jinja *j, struct span s, struct span sep, int64_t max,
                     struct jlist *out)
{
    size_t at;
    for (; max != 0 && !j->rc && (at = jinja_find(s, sep, 0)) != SIZE_MAX; max--) {
        jinja_push(j, out, piece(j, s.p, at));
        s = span_of(s.p + at + sep.n, s.n - at - sep.n);
    }
    jinja_push(j, out, piece(j, s.p, s.n));
}

static void rsplit_at(struct jinja *j, struct span s, struct span sep, int64_t max,
                      struct jlist *out)
{
    size_t at;
    for (; max != 0 && !j->rc && (at = find_last(j, s, sep)) != SIZE_MAX; max--) {
        jinja_push(j, out, piece(j, s.p + at + sep.n, s.n - at - sep.n));
        s.n = at;
    }
    jinja_push(j, out, piece(j, s.p, s.n));
}

static void reverse(struct jlist *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        struct jvalue v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
}

/* variant: 1 rsplit. */
static struct jvalue method_split(const struct jargs *c)
{
    struct jlist *out = jinja_list(c->j, 0);
    struct span s = jstring_span(c->self.string);
    int64_t max = jinja_arg_int(c->j, c->a[1], -1);
    bool right = c->builtin->variant == 1;
    if (!out || !jinja_walk(c->j, s.n))
        return jv_undefined();
    if (max < 0)
        max = -1;
    if (c->a[0].kind == J_ABSENT || c->a[0].kind == J_NONE) {
        (right ? rsplit_space : split_space)(c->j, s, max, out);
    } else {
        struct span sep = jstring_span(jinja_arg_string(c->j, c->a[0]));
        if (sep.n == 0)
            return jinja_fail(c->j, ERR_FORMAT, "%s: empty separator", c->builtin->name);
        (right ? rsplit_at : split_at)(c->j, s, sep, max, out);
    }
    if (right)
        reverse(out);
    return jv_sequence(J_LIST, out);
}

static struct jvalue method_splitlines(const struct jargs *c)
{
    struct jlist *out = jinja_list(c->j, 0);
    struct span s = jstring_span(c->self.string);
    bool keep = jinja_arg_bool(c->a[0], false);
    jinja_walk(c->j, s.n);
    while (s.n > 0 && !c->j->rc) {
        size_t n = 0, end = 0;
        uint32_t cp;
        while (n < s.n && end == 0) {
            size_t step = jinja_char(span_sub(s, n, s.n), &cp);
            if (jinja_is_line_end(cp))
                end = step + (cp == '\r' && n + 1 < s.n && s.p[n + 1] == '\n');
            else
                n += step;
        }
        jinja_push(c->j, out, piece(c->j, s.p, keep ? n + end : n));
        s = span_of(s.p + n + end, s.n - n - end);
    }
    return jv_sequence(J_LIST, out);
}

/* variant: 1 rpartition. (before, separator, after) */
static struct jvalue method_partition(const struct jargs *c)
{
    struct span s = jstring_span(c->self.string);
    struct span sep = jstring_span(jinja_arg_string(c->j, c->a[0]));
    struct jlist *out = jinja_list(c->j, 3);
    bool right = c->builtin->variant == 1;
    struct jvalue empty = jinja_text(c->j, "");
    if (sep.n == 0)
        return jinja_fail(c->j, ERR_FORMAT, "%s: empty separator", c->builtin->name);
    jinja_bytes(c->j, s.n);
    size_t at = right ? find_last(c->j, s, sep) : jinja_find(s, sep, 0);
    bool found = at != SIZE_MAX;
    jinja_push(c->j, out, found ? piece(c->j, s.p, at) : right ? empty : c->self);
    jinja_push(c->j, out, found ? c->a[0] : empty);
    jinja_push(c->j, out,
               found   ? piece(c->j, s.p + at + sep.n, s.n - at - sep.n)
               : right ? c->self
                       : empty);
    return jv_sequence(J_TUPLE, out);
}

/* ---- joining ---- */

static struct jvalue method_join(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v;
    size_t start = c->j->out.n;
    bool first = true;
    if (!jinja_iter(c->j, &it, c->a[0]))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v)) {
        if (v.kind != J_STRING)
            return jinja_fail(c->j, ERR_FORMAT, "join: an item is %s, expected a string",
                              jinja_type_name(v.kind));
        if (!first)
            jinja_put(c->j, c->self);
        jinja_put(c->j, v);
        first = false;
    }
    return jv_string(jinja_take(c->j, start));
}

static const struct jbuiltin rows[] = {
    {"find", "sub start end", 1, method_find, 0},
    {"rfind", "sub start end", 1, method_find, FIND_LAST},
    {"index", "sub start end", 1, method_find, FIND_OR_FAIL},
    {"rindex", "sub start end", 1, method_find, FIND_LAST | FIND_OR_FAIL},
    {"count", "sub start end", 1, method_count, 0},
    {"startswith", "prefix start end", 1, method_affix, 0},
    {"endswith", "suffix start end", 1, method_affix, 1},
    {"replace", "old new count", 2, method_replace, 0},
    {"split", "sep maxsplit", 0, method_split, 0},
    {"rsplit", "sep maxsplit", 0, method_split, 1},
    {"splitlines", "keepends", 0, method_splitlines, 0},
    {"partition", "sep", 1, method_partition, 0},
    {"rpartition", "sep", 1, method_partition, 1},
    {"join", "iterable", 1, method_join, 0},
};

struct jbuiltin_table jinja_search_methods(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
