/* SPDX-License-Identifier: MIT */
/* Values as text: Python's str() and repr(), and json.dumps().
 *
 * Everything is written at the end of j->out, which also holds what a block captures; jinja_take
 * makes a string of the end and cuts it off. So captures nest without buffers of their own, and
 * the one maximum holds for all of them together. */
#include "text/jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void jinja_put_bytes(struct jinja *j, const void *p, size_t n)
{
    if (j->rc || !jinja_bytes(j, n))
        return;
    buf_put(&j->out, p, n);
    if (j->out.failed)
        jinja_fail(j, ERR_LIMIT, "the template's text needs more than %d MiB, or memory is short",
                   JINJA_OUTPUT_MAX >> 20);
}

static void put(struct jinja *j, const char *s)
{
    jinja_put_bytes(j, s, strlen(s));
}

const struct jstring *jinja_take(struct jinja *j, size_t start)
{
    const struct jstring *s = jinja_copy(j, j->out.p ? j->out.p + start : "", j->out.n - start);
    buf_truncate(&j->out, start);
    return s;
}

const struct jstring *jinja_str(struct jinja *j, struct jvalue v)
{
    if (v.kind == J_STRING)
        return v.string;
    size_t start = j->out.n;
    jinja_put(j, v);
    return jinja_take(j, start);
}

/* ---- numbers ---- */

static void put_int(struct jinja *j, int64_t v)
{
    char text[24];
    jinja_put_bytes(j, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v));
}

/* Significant digits of a positive shortest decimal text, and the place of its point: 0.d1d2… times
 * ten to the point. */
static size_t decimal_digits(const char *text, size_t n, char *digits, int *point)
{
    size_t count = 0;
    bool seen_point = false;
    int exponent = 0;
    *point = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '.') {
            seen_point = true;
        } else if (text[i] == 'e' || text[i] == 'E') {
            bool minus = text[i + 1] == '-';
            for (i++; i < n; i++) {
                if (text[i] >= '0' && text[i] <= '9')
                    exponent = exponent * 10 + (text[i] - '0');
            }
            exponent = minus ? -exponent : exponent;
        } else if (text[i] >= '0' && text[i] <= '9') {
            if (count > 0 || text[i] != '0') {
                digits[count++] = text[i];
                *point += !seen_point;
            } else {
                *point -= seen_point;
            }
        }
    }
    *point += exponent;
    while (count > 0 && digits[count - 1] == '0')
        count--;
    return count;
}

/* repr(float): exponent form below 1e-4 and from 1e16 on. */
void jinja_put_float(struct jinja *j, double v)
{
    char text[NUM_F64_SIZE], digits[NUM_F64_SIZE], out[NUM_F64_SIZE + 24];
    int point, w = 0;
    if (isnan(v) || isinf(v)) {
        put(j, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    if (signbit(v))
        put(j, "-");
    size_t n = decimal_digits(text, num_format_f64(fabs(v), text), digits, &point);
    int count = (int)n;
    if (count == 0) {
        put(j, "0.0");
        return;
    }
    if (point > 16 || point < -3) {
        w = snprintf(out, sizeof out, "%c%s%.*se%c%02d", digits[0], count > 1 ? "." : "", count - 1,
                     digits + 1, point - 1 < 0 ? '-' : '+', abs(point - 1));
    } else if (point <= 0) {
        w = snprintf(out, sizeof out, "0.%.*s%.*s", -point, "000", count, digits);
    } else if (point >= count) {
        w = snprintf(out, sizeof out, "%.*s%.*s.0", count, digits, point - count,
                     "0000000000000000");
    } else {
        w = snprintf(out, sizeof out, "%.*s.%.*s", point, digits, count - point, digits + point);
    }
    jinja_put_bytes(j, out, (size_t)w);
}

/* ---- repr ---- */

static void put_escaped_char(struct jinja *j, uint32_t cp, char quote)
{
    char text[16];
    int n;
    switch (cp) {
    case '\n':
        put(j, "\\n");
        return;
    case '\r':
        put(j, "\\r");
        return;
    case '\t':
        put(j, "\\t");
        return;
    default:
        break;
    }
    if (cp == '\\' || cp == (uint32_t)quote)
        n = snprintf(text, sizeof text, "\\%c", (char)cp);
    else if (cp < 0x100)
        n = snprintf(text, sizeof text, "\\x%02x", (unsigned)cp);
    else
        n = snprintf(text, sizeof text, cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
    jinja_put_bytes(j, text, (size_t)n);
}

static void put_repr_string(struct jinja *j, const struct jstring *s)
{
    struct span all = jstring_span(s);
    bool has_single = s->n > 0 && memchr(s->p, '\'', s->n),
         has_double = s->n > 0 && memchr(s->p, '"', s->n);
    char quote = has_single && !has_double ? '"' : '\'';
    size_t n;
    jinja_put_bytes(j, &quote, 1);
    for (size_t i = 0; i < s->n && !j->rc; i += n) {
        uint32_t cp;
        struct span rest = span_sub(all, i, s->n);
        n = jinja_char(rest, &cp);
        if (cp == '\\' || cp == (uint32_t)quote || (n == 1 && cp >= 0x80) ||
            !jinja_is_printable(cp))
            put_escaped_char(j, cp, quote);
        else
            jinja_put_bytes(j, rest.p, n);
    }
    jinja_put_bytes(j, &quote, 1);
}

static void put_items(struct jinja *j, const struct jlist *l)
{
    for (size_t i = 0; i < l->n && !j->rc; i++) {
        if (i > 0)
            put(j, ", ");
        jinja_put_repr(j, l->v[i]);
    }
}

static void put_sequence(struct jinja *j, struct jvalue v)
{
    switch (v.kind) {
    case J_LIST:
        put(j, "[");
        put_items(j, v.list);
        put(j, "]");
        break;
    case J_TUPLE:
        put(j, "(");
        put_items(j, v.list);
        put(j, v.list->n == 1 ? ",)" : ")");
        break;
    case J_VIEW:
        put(j, v.list->printed);
        put(j, "([");
        put_items(j, v.list);
        put(j, "])");
        break;
    default:
        put(j, "<generator object>");
        break;
    }
}

static void put_dict(struct jinja *j, const struct jdict *d)
{
    put(j, "{");
    for (size_t i = 0; i < d->n && !j->rc; i++) {
        if (i > 0)
            put(j, ", ");
        jinja_put_repr(j, d->entries[i].key);
        put(j, ": ");
        jinja_put_repr(j, d->entries[i].value);
    }
    put(j, "}");
}

static void put_range(struct jinja *j, const struct jrange *r)
{
    put(j, "range(");
    put_int(j, r->start);
    put(j, ", ");
    put_int(j, r->start + (int64_t)r->n * r->step);
    if (r->step != 1) {
        put(j, ", ");
        put_int(j, r->step);
    }
    put(j, ")");
}

static void put_repr_deep(struct jinja *j, struct jvalue v)
{
    switch (v.kind) {
    case J_DICT:
        put_dict(j, v.dict);
        break;
    case J_NAMESPACE:
        put(j, "<Namespace ");
        put_dict(j, v.dict);
        put(j, ">");
        break;
    case J_RANGE:
        put_range(j, v.range);
        break;
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
    case J_ITER:
        put_sequence(j, v);
        break;
    default:
        put(j, "<");
        put(j, jinja_type_name(v.kind));
        put(j, ">");
        break;
    }
}

void jinja_put_repr(struct jinja *j, struct jvalue v)
{
    switch (v.kind) {
    case J_STRING:
        put(j, v.markup ? "Markup(" : "");
        put_repr_string(j, v.string);
        put(j, v.markup ? ")" : "");
        break;
    case J_UNDEFINED:
        put(j, "Undefined");
        break;
    case J_NONE:
        put(j, "None");
        break;
    case J_BOOL:
        put(j, v.boolean ? "True" : "False");
        break;
    case J_INT:
        put_int(j, v.integer);
        break;
    case J_FLOAT:
        jinja_put_float(j, v.real);
        break;
    default:
        if (!jinja_deeper(j))
            return;
        put_repr_deep(j, v);
        j->depth--;
        break;
    }
}

void jinja_put(struct jinja *j, struct jvalue v)
{
    if (v.kind == J_STRING)
        jinja_put_bytes(j, v.string->p, v.string->n);
    else if (v.kind != J_UNDEFINED)
        jinja_put_repr(j, v);
}

/* ---- JSON ---- */

static void put_json_escape(struct jinja *j, uint32_t cp)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    char text[16];
    const char *simple = cp && cp < 0x80 ? strchr(from, (char)cp) : NULL;
    int n;
    if (simple)
        n = snprintf(text, sizeof text, "\\%c", to[simple - from]);
    else if (cp < 0x10000)
        n = snprintf(text, sizeof text, "\\u%04x", (unsigned)cp);
    else
        n = snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (cp >> 10)),
                     (unsigned)(0xdc00 + (cp & 0x3ff)));
    jinja_put_bytes(j, text, (size_t)n);
}

static void put_json_string(struct jinja *j, const struct jstring *s, bool ascii)
{
    struct span all = jstring_span(s);
    if (!jinja_walk(j, s->n))
        return;
    size_t n, plain = 0; /* plain: where the bytes begin that go out as they are */
    put(j, "\"");
    for (size_t i = 0; i < s->n && !j->rc; i += n) {
        uint32_t cp;
        n = jinja_char(span_sub(all, i, s->n), &cp);
        if (cp >= 0x20 && cp != '"' && cp != '\\' && !(ascii && cp >= 0x7f))
            continue;
        jinja_put_bytes(j, s->p + plain, i - plain);
        put_json_escape(j, cp);
        plain = i + n;
    }
    jinja_put_bytes(j, s->p + plain, s->n - plain);
    put(j, "\"");
}

static void put_json(struct jinja *j, struct jvalue v, const struct jjson_options *o, int level);

/* What stands before a list's item i, or behind the last one. */
static void put_json_gap(struct jinja *j, const struct jjson_options *o, int level, bool separated)
{
    if (separated)
        jinja_put_bytes(j, o->item_separator.p, o->item_separator.n);
    if (!o->pretty)
        return;
    put(j, "\n");
    for (int i = 0; i < level && !j->rc; i++)
        jinja_put_bytes(j, o->indent.p, o->indent.n);
}

static void put_json_list(struct jinja *j, const struct jlist *l, const struct jjson_options *o,
                          int level)
{
    put(j, "[");
    for (size_t i = 0; i < l->n && !j->rc; i++) {
        put_json_gap(j, o, level + 1, i > 0);
        put_json(j, l->v[i], o, level + 1);
    }
    if (l->n > 0)
        put_json_gap(j, o, level, false);
    put(j, "]");
}

static void put_json_number(struct jinja *j, double v)
{
    if (isnan(v) || isinf(v))
        put(j, isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
    else
        jinja_put_float(j, v);
}

static void put_json_key(struct jinja *j, struct jvalue key, const struct jjson_options *o)
{
    switch (key.kind) {
    case J_STRING:
        put_json_string(j, key.string, o->ascii);
        break;
    case J_NONE:
    case J_BOOL:
    case J_INT:
    case J_FLOAT:
        put(j, "\"");
        put_json(j, key, o, 0);
        put(j, "\"");
        break;
    default:
        jinja_fail(j, ERR_FORMAT, "tojson: a key is %s, expected a string, number or none",
                   jinja_type_name(key.kind));
        break;
    }
}

/* (key, value) by rising key. */
static struct jvalue *sorted_entries(struct jinja *j, struct jdict *d)
{
    struct jvalue case_sensitive = jv_bool(true);
    struct jcall call = {&case_sensitive, 1, NULL, 0};
    struct jvalue sorted =
        jinja_call_builtin(j, jinja_filter(span_str("dictsort")), jv_dict(d), &call);
    return j->rc ? NULL : sorted.list->v;
}

static void put_json_dict(struct jinja *j, struct jdict *d, const struct jjson_options *o,
                          int level)
{
    struct jvalue *sorted = o->sort_keys ? sorted_entries(j, d) : NULL;
    if (j->rc)
        return;
    put(j, "{");
    for (size_t i = 0; i < d->n && !j->rc; i++) {
        put_json_gap(j, o, level + 1, i > 0);
        put_json_key(j, sorted ? sorted[i].list->v[0] : d->entries[i].key, o);
        jinja_put_bytes(j, o->key_separator.p, o->key_separator.n);
        put_json(j, sorted ? sorted[i].list->v[1] : d->entries[i].value, o, level + 1);
    }
    if (d->n > 0)
        put_json_gap(j, o, level, false);
    put(j, "}");
}

static void put_json(struct jinja *j, struct jvalue v, const struct jjson_options *o, int level)
{
    if (!jinja_steps(j, 1) || !jinja_deeper(j))
        return;
    switch (v.kind) {
    case J_NONE:
        put(j, "null");
        break;
    case J_BOOL:
        put(j, v.boolean ? "true" : "false");
        break;
    case J_INT:
        put_int(j, v.integer);
        break;
    case J_FLOAT:
        put_json_number(j, v.real);
        break;
    case J_STRING:
        put_json_string(j, v.string, o->ascii);
        break;
    case J_LIST:
    case J_TUPLE:
        put_json_list(j, v.list, o, level);
        break;
    case J_DICT:
        put_json_dict(j, v.dict, o, level);
        break;
    default:
        jinja_fail(j, ERR_FORMAT, "tojson: an object of type %s cannot be written as JSON",
                   jinja_type_name(v.kind));
        break;
    }
    j->depth--;
}

void jinja_put_json(struct jinja *j, struct jvalue v, const struct jjson_options *o)
{
    put_json(j, v, o, 0);
}
