/* SPDX-License-Identifier: MIT */
/* Filters that give texts or numbers. */
#include "text/jinja.h"

#include <math.h>
#include <stdio.h>

static const struct jstring *self_string(const struct jargs *c)
{
    return jinja_str(c->j, c->self);
}

/* ---- case and white space ---- */

static struct jvalue filter_upper(const struct jargs *c)
{
    return jinja_changed_case(c->j, self_string(c), JCASE_UPPER, JCASE_UPPER);
}

static struct jvalue filter_lower(const struct jargs *c)
{
    return jinja_changed_case(c->j, self_string(c), JCASE_LOWER, JCASE_LOWER);
}

static struct jvalue filter_capitalize(const struct jargs *c)
{
    return jinja_changed_case(c->j, self_string(c), JCASE_TITLE, JCASE_LOWER);
}

/* A capital after white space and - ( { [ <, unlike Python's str.title. */
static struct jvalue filter_title(const struct jargs *c)
{
    struct span s = jstring_span(self_string(c));
    size_t start = c->j->out.n;
    bool first = true;
    while (s.n > 0 && !c->j->rc) {
        uint32_t cp;
        size_t n = jinja_char(s, &cp);
        if (n == 1 && cp >= 0x80)
            jinja_put_bytes(c->j, s.p, 1);
        else
            jinja_put_cased(c->j, cp, first ? JCASE_UPPER : JCASE_LOWER);
        first = jinja_is_space(cp) || (cp && cp < 0x80 && strchr("-({[<", (int)cp));
        s = span_of(s.p + n, s.n - n);
    }
    return jv_string(jinja_take(c->j, start));
}

static struct jvalue filter_trim(const struct jargs *c)
{
    const struct jstring *s = self_string(c), *chars = NULL;
    if (c->a[0].kind != J_ABSENT && c->a[0].kind != J_NONE)
        chars = jinja_arg_string(c->j, c->a[0]);
    struct span r = jinja_strip(jstring_span(s), chars, true, true);
    jinja_walk(c->j, s->n - r.n);
    return jv_string(r.n == s->n ? s : jinja_view(c->j, r.p, r.n));
}

static struct jvalue filter_string(const struct jargs *c)
{
    if (c->self.kind == J_STRING)
        return c->self;
    return jv_string(self_string(c));
}

static struct jvalue filter_replace(const struct jargs *c)
{
    const struct jstring *s = self_string(c), *old = jinja_str(c->j, c->a[0]);
    const struct jstring *new = jinja_str(c->j, c->a[1]);
    int64_t count = c->a[2].kind == J_NONE ? -1 : jinja_arg_int(c->j, c->a[2], -1);
    jinja_bytes(c->j, s->n);
    return jinja_replace(c->j, s, old, new, count);
}

/* The line at the front of *rest, which loses it with its end. */
static struct span take_line(struct span *rest)
{
    struct span all = *rest;
    uint32_t cp = 0;
    size_t n = 0, step = 0;
    while (n < all.n) {
        step = jinja_char(span_sub(all, n, all.n), &cp);
        if (jinja_is_line_end(cp))
            break;
        n += step;
    }
    size_t end = n;
    if (n < all.n)
        end += step + (cp == '\r' && n + 1 < all.n && all.p[n + 1] == '\n');
    *rest = span_of(all.p + end, all.n - end);
    return span_sub(all, 0, n);
}

/* Whether a newline behind s begins a line of its own: after a carriage return it does not. */
static bool ends_line(struct span s)
{
    uint32_t cp;
    if (s.n == 0)
        return false;
    jinja_char_before(s, &cp);
    return jinja_is_line_end(cp) && cp != '\r';
}

/* indent(width=4, first=false, blank=false): width blanks, or width itself if it is a string,
 * before every line but the first and (unless blank) the empty ones. */
static struct jvalue filter_indent(const struct jargs *c)
{
    struct jinja *j = c->j;
    struct span rest = jstring_span(jinja_arg_string(j, c->self)); /* no str() here */
    jinja_walk(j, rest.n);
    struct jvalue width = c->a[0].kind == J_ABSENT ? jv_int(4) : c->a[0];
    const struct jstring *by;
    size_t start = j->out.n;
    if (width.kind == J_STRING)
        by = width.string;
    else
        by = jinja_str(j, jinja_binary(j, JOP_MUL, jinja_text(j, " "), width));
    for (bool first = true; (first || rest.n > 0) && jinja_steps(j, 1); first = false) {
        bool last_ended = ends_line(rest);
        struct span line = take_line(&rest);
        bool indented =
            first ? jinja_arg_bool(c->a[1], false) : line.n > 0 || jinja_arg_bool(c->a[2], false);
        if (!first)
            jinja_put_bytes(j, "\n", 1);
        if (indented)
            jinja_put(j, jv_string(by));
        jinja_put_bytes(j, line.p, line.n);
        if (rest.n == 0 && last_ended) {
            /* The text ended in a newline, so an empty line follows. */
            jinja_put_bytes(j, "\n", 1);
            if (jinja_arg_bool(c->a[2], false))
                jinja_put(j, jv_string(by));
        }
    }
    return jv_string(jinja_take(j, start));
}

static struct jvalue filter_center(const struct jargs *c)
{
    struct jvalue width = c->a[0].kind == J_ABSENT ? jv_int(80) : c->a[0];
    struct jcall call = {&width, 1, NULL, 0};
    return jinja_call_builtin(c->j, jinja_method(J_STRING, span_str("center")),
                              jv_string(self_string(c)), &call);
}

/* truncate(length=255, killwords=false, end='...', leeway=5) */
static struct jvalue filter_truncate(const struct jargs *c)
{
    struct jinja *j = c->j;
    const struct jstring *s = self_string(c);
    struct jvalue end = c->a[2].kind == J_ABSENT ? jinja_text(j, "...") : c->a[2];
    int64_t length = jinja_arg_int(j, c->a[0], 255), leeway = jinja_arg_int(j, c->a[3], 5);
    int64_t end_chars = (int64_t)jinja_chars(jinja_arg_string(j, end)), kept = length - end_chars;
    jinja_walk(j, s->n);
    if (jv_is_number(c->self) || c->self.kind == J_NONE)
        jinja_length(j, c->self); /* fails, and says why */
    if (kept < 0 || leeway < 0)
        return jinja_fail(j, ERR_FORMAT, "truncate: length %lld is too small", (long long)length);
    if (j->rc || (int64_t)jinja_chars(s) - leeway <= length)
        return jv_string(s);
    struct span head = span_sub(jstring_span(s), 0, jinja_offset(s, (size_t)kept));
    if (!jinja_arg_bool(c->a[1], false)) {
        size_t n = head.n;
        while (n > 0 && head.p[n - 1] != ' ')
            n--;
        if (n > 0)
            head.n = n - 1;
    }
    return jinja_binary(j, JOP_ADD, jv_string(jinja_view(j, head.p, head.n)), end);
}

static struct jvalue filter_wordcount(const struct jargs *c)
{
    struct span s = jstring_span(self_string(c));
    int64_t n = 0;
    bool in_word = false;
    jinja_walk(c->j, s.n);
    while (s.n > 0) {
        uint32_t cp;
        size_t step = jinja_char(s, &cp);
        bool word = cp == '_' || jinja_is_alpha(cp) || jinja_is_digit(cp);
        n += word && !in_word;
        in_word = word;
        s = span_of(s.p + step, s.n - step);
    }
    return jv_int(n);
}

/* ---- JSON ---- */

static struct jvalue filter_tojson(const struct jargs *c)
{
    /* ensure_ascii indent separators sort_keys, in the order that transformers has them */
    struct jinja *j = c->j;
    struct jjson_options o = {
        .ascii = jinja_arg_bool(c->a[0], false),
        .sort_keys = jinja_arg_bool(c->a[3], false),
        .pretty = c->a[1].kind != J_ABSENT && c->a[1].kind != J_NONE,
        .item_separator = span_str(", "),
        .key_separator = span_str(": "),
    };
    if (o.pretty) {
        o.item_separator = span_str(",");
        struct jvalue indent = c->a[1];
        if (indent.kind != J_STRING)
            indent = jinja_binary(j, JOP_MUL, jinja_text(j, " "), indent);
        o.indent = jstring_span(jinja_arg_string(j, indent));
    }
    if (c->a[2].kind != J_ABSENT && c->a[2].kind != J_NONE) {
        struct jlist *pair = jinja_to_list(j, c->a[2]);
        if (pair && pair->n != 2)
            jinja_fail(j, ERR_FORMAT, "tojson: separators must be two strings");
        if (j->rc)
            return jv_undefined();
        o.item_separator = jstring_span(jinja_arg_string(j, pair->v[0]));
        o.key_separator = jstring_span(jinja_arg_string(j, pair->v[1]));
    }
    size_t start = j->out.n;
    jinja_put_json(j, c->self, &o);
    return jv_string(jinja_take(j, start));
}

/* ---- numbers ---- */

/* int('  12_000 ', base); false: not one. One that has no room in 64 bits fails. */
static bool parse_int(struct jinja *j, const struct jstring *s, int64_t base, int64_t *out)
{
    struct span t = jinja_strip(jstring_span(s), NULL, true, true);
    bool negative = t.n > 0 && t.p[0] == '-';
    bool over = false;
    uint64_t v = 0;
    if (t.n > 0 && (t.p[0] == '-' || t.p[0] == '+'))
        t = span_of(t.p + 1, t.n - 1);
    if (t.n > 2 && t.p[0] == '0') {
        uint8_t letter = t.p[1] | 0x20;
        int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
        if (named && named == base)
            t = span_of(t.p + 2, t.n - 2);
    }
    bool digit_before = false;
    for (size_t i = 0; i < t.n; i++) {
        uint8_t c = t.p[i], lower = c | 0x20;
        int64_t d = c >= '0' && c <= '9'           ? c - '0'
                    : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10
                                                   : 99;
        if (c == '_' && digit_before && i + 1 < t.n) {
            digit_before = false;
            continue;
        }
        if (d >= base)
            return false;
        over = over || v > ((uint64_t)INT64_MAX - (uint64_t)d) / (uint64_t)base;
        v = v * (uint64_t)base + (uint64_t)d;
        digit_before = true;
    }
    if (digit_before && over) {
        jinja_fail(j, ERR_FORMAT, "int: '%.*s' does not fit in 64 bits", SPAN_FMT(t));
        return false;
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return digit_before;
}

/* float('-Infinity') */
static bool parse_special(struct span t, double *out)
{
    static const struct {
        const char *name;
        double value;
    } names[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    bool negative = t.n > 0 && t.p[0] == '-';
    if (negative)
        t = span_of(t.p + 1, t.n - 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (t.n != strlen(names[i].name))
            continue;
        size_t same = 0;
        while (same < t.n && (t.p[same] | 0x20) == names[i].name[same])
            same++;
        if (same == t.n) {
            *out = negative ? -names[i].value : names[i].value;
            return true;
        }
    }
    return false;
}

static bool parse_float(const struct jstring *s, double *out)
{
    struct span t = jinja_strip(jstring_span(s), NULL, true, true);
    if (t.n > 0 && t.p[0] == '+')
        t = span_of(t.p + 1, t.n - 1);
    return num_parse_f64(t, out) || parse_special(t, out);
}

static bool truncated(struct jinja *j, double d, int64_t *out)
{
    if (isnan(d) || isinf(d))
        return false;
    if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0)) {
        jinja_fail(j, ERR_FORMAT, "int: %g does not fit in 64 bits", d);
        return false;
    }
    *out = (int64_t)d;
    return true;
}

/* int(default=0, base=10): what cannot be converted gives the default. */
static struct jvalue filter_int(const struct jargs *c)
{
    struct jvalue otherwise = c->a[0].kind == J_ABSENT ? jv_int(0) : c->a[0];
    int64_t base = jinja_arg_int(c->j, c->a[1], 10), i;
    double d;
    if (c->self.kind == J_UNDEFINED)
        return jinja_fail_undefined(c->j, c->self);
    if (base < 2 || base > 36)
        return jinja_fail(c->j, ERR_FORMAT, "int: base %lld, expected 2 to 36", (long long)base);
    if (jv_is_int(c->self))
        return jv_int(jv_to_int(c->self));
    if (c->self.kind == J_FLOAT)
        return truncated(c->j, c->self.real, &i) ? jv_int(i) : otherwise;
    if (c->self.kind != J_STRING)
        return otherwise;
    if (parse_int(c->j, c->self.string, base, &i) ||
        (!c->j->rc && parse_float(c->self.string, &d) && truncated(c->j, d, &i)))
        return jv_int(i);
    return otherwise;
}

static struct jvalue filter_float(const struct jargs *c)
{
    double d;
    if (c->self.kind == J_UNDEFINED)
        return jinja_fail_undefined(c->j, c->self);
    if (jv_is_number(c->self))
        return jv_float(jv_to_double(c->self));
    if (c->self.kind == J_STRING && parse_float(c->self.string, &d))
        return jv_float(d);
    return c->a[0].kind == J_ABSENT ? jv_float(0) : c->a[0];
}

static struct jvalue filter_abs(const struct jargs *c)
{
    if (c->self.kind == J_FLOAT)
        return jv_float(fabs(c->self.real));
    if (jv_is_int(c->self) && jv_to_int(c->self) >= 0)
        return jv_int(jv_to_int(c->self));
    return jinja_unary(c->j, JOP_NEG, c->self);
}

enum { ROUND_DIGITS_MAX = 300 };

/* Python's round(): half to even of what the double really is, which is how printf rounds too. */
static double round_common(double v, int digits)
{
    char text[400];
    double r = v;
    if (digits < 0) {
        double scale = pow(10, -digits);
        return nearbyint(v / scale) * scale;
    }
    int n = snprintf(text, sizeof text, "%.*f", digits, v);
    if (n <= 0 || (size_t)n >= sizeof text)
        return v;
    for (int i = 0; i < n; i++) {
        if (text[i] != '-' && (text[i] < '0' || text[i] > '9'))
            text[i] = '.'; /* the locale's point */
    }
    return num_parse_f64(span_of(text, (size_t)n), &r) ? r : v;
}

/* round(precision=0, method='common') */
static struct jvalue filter_round(const struct jargs *c)
{
    int64_t digits = jinja_arg_int(c->j, c->a[0], 0);
    struct span method = c->a[1].kind == J_ABSENT ? span_str("common")
                                                  : jstring_span(jinja_arg_string(c->j, c->a[1]));
    bool ceiling = span_is(method, "ceil"), flooring = span_is(method, "floor");
    if (!jv_is_number(c->self))
        return jinja_unary(c->j, JOP_POS, c->self); /* fails, and says why */
    if (!ceiling && !flooring && !span_is(method, "common"))
        return jinja_fail(c->j, ERR_FORMAT, "round: method must be common, ceil or floor");
    if (digits > ROUND_DIGITS_MAX || digits < -ROUND_DIGITS_MAX)
        return jinja_fail(c->j, ERR_FORMAT, "round: precision %lld is too large",
                          (long long)digits);
    double v = jv_to_double(c->self), scale = pow(10, (double)digits);
    if (ceiling || flooring)
        return jv_float((ceiling ? ceil(v * scale) : floor(v * scale)) / scale);
    if (isnan(v) || isinf(v))
        return c->self;
    if (jv_is_int(c->self))
        return digits >= 0 ? jv_int(jv_to_int(c->self))
                           : jv_int((int64_t)round_common(v, (int)digits));
    return jv_float(round_common(v, (int)digits));
}

static struct jvalue filter_format(const struct jargs *c)
{
    struct jdict *named = jinja_dict(c->j);
    if (c->call->n > 0 && c->call->n_keywords > 0)
        return jinja_fail(c->j, ERR_FORMAT, "format: arguments with and without names");
    for (size_t i = 0; i < c->call->n_keywords && !c->j->rc; i++)
        jinja_dict_set_str(c->j, named, c->call->keywords[i].name, c->call->keywords[i].value);
    if (c->call->n_keywords > 0)
        return jinja_percent(c->j, self_string(c), jv_dict(named));
    struct jlist *args = jinja_list(c->j, c->call->n);
    for (size_t i = 0; i < c->call->n; i++)
        jinja_push(c->j, args, c->call->v[i]);
    return jinja_percent(c->j, self_string(c), jv_sequence(J_TUPLE, args));
}

static const struct jbuiltin rows[] = {
    {"upper", "", 0, filter_upper, 0},
    {"lower", "", 0, filter_lower, 0},
    {"capitalize", "", 0, filter_capitalize, 0},
    {"title", "", 0, filter_title, 0},
    {"trim", "chars", 0, filter_trim, 0},
    {"string", "", 0, filter_string, 0},
    {"replace", "old new count", 2, filter_replace, 0},
    {"indent", "width first blank", 0, filter_indent, 0},
    {"center", "width", 0, filter_center, 0},
    {"truncate", "length killwords end leeway", 0, filter_truncate, 0},
    {"wordcount", "", 0, filter_wordcount, 0},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, filter_tojson, 0},
    {"int", "default base", 0, filter_int, 0},
    {"float", "default", 0, filter_float, 0},
    {"abs", "", 0, filter_abs, 0},
    {"round", "precision method", 0, filter_round, 0},
    {"format", NULL, 0, filter_format, 0},
};

struct jbuiltin_table jinja_text_filters(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
