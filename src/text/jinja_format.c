/* SPDX-License-Identifier: MIT */
/* Python's two ways to format: "%s is %d" % (a, b) and "{} is {n:>5}".format(a, n=b).
 *
 * Both end in one description of a field (struct spec) and one function that writes it. Of
 * str.format there are no attributes, subscripts or nested fields: the sandbox's door stays shut.
 */
#include "text/jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIELD_WIDTH_MAX = 10000, FIELD_PRECISION_MAX = 100 };

struct spec {
    struct span fill; /* one character */
    char align;       /* '<', '>', '^', '=' or 0: as the type has it */
    char sign;        /* '+', ' ' or 0 */
    bool alternate;   /* # */
    bool grouped;     /* , */
    int width;
    int precision; /* -1: none */
    char type;     /* 0: none */
};

static const struct spec plain_spec = {.fill = {(const uint8_t *)" ", 1}, .precision = -1};

/* Digits at *i as a number, -1 if there are none; too large fails. */
static int read_int(struct jinja *j, struct span s, size_t *i, int max)
{
    int v = -1;
    for (; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9'; ++*i) {
        v = (v < 0 ? 0 : v) * 10 + (s.p[*i] - '0');
        if (v > max) {
            jinja_fail(j, ERR_LIMIT, "a width or precision in a format is larger than %d", max);
            return 0;
        }
    }
    return v;
}

/* Writes body in its field. n_sign: bytes of body in front of which zeros must not go. */
static void put_field(struct jinja *j, const struct spec *o, struct span body, size_t n_sign,
                      char align)
{
    size_t chars = utf8_length(body),
           room = (size_t)o->width > chars ? (size_t)o->width - chars : 0;
    if (o->align)
        align = o->align;
    size_t before = align == '>' || align == '=' ? room : align == '^' ? room / 2 : 0;
    if (align == '=')
        jinja_put_bytes(j, body.p, n_sign);
    for (size_t i = 0; i < before; i++)
        jinja_put_bytes(j, o->fill.p, o->fill.n);
    if (align == '=')
        jinja_put_bytes(j, body.p + n_sign, body.n - n_sign);
    else
        jinja_put_bytes(j, body.p, body.n);
    for (size_t i = before; i < room; i++)
        jinja_put_bytes(j, o->fill.p, o->fill.n);
}

static void put_text(struct jinja *j, const struct spec *o, const struct jstring *s, char align)
{
    struct span body = jstring_span(s);
    if (o->precision >= 0)
        body.n = jinja_offset(s, (size_t)o->precision);
    put_field(j, o, body, 0, align);
}

/* Puts commas between groups of three of the digits in text[from, to). */
static int group(char *text, int from, int to)
{
    char grouped[512];
    int w = 0;
    for (int i = from; i < to; i++) {
        if (i > from && (to - i) % 3 == 0)
            grouped[w++] = ',';
        grouped[w++] = text[i];
    }
    memmove(text + from + w, text + to, strlen(text + to) + 1);
    memcpy(text + from, grouped, (size_t)w);
    return w - (to - from);
}

static void put_number(struct jinja *j, const struct spec *o, char *text, bool negative)
{
    char body[1024];
    int digits = (int)strspn(text, "0123456789");
    if (o->grouped)
        group(text, 0, digits);
    const char *sign = negative ? "-" : o->sign == '+' ? "+" : o->sign == ' ' ? " " : "";
    int n = snprintf(body, sizeof body, "%s%s", sign, text);
    put_field(j, o, span_of(body, (size_t)n), strlen(sign), '>');
}

static void put_int(struct jinja *j, const struct spec *o, int64_t v)
{
    char text[512], base[72];
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    const char *prefix = "";
    int n = 0;
    switch (o->type) {
    case 'x':
    case 'X':
        prefix = o->type == 'x' ? "0x" : "0X";
        snprintf(base, sizeof base, o->type == 'x' ? "%llx" : "%llX", (unsigned long long)u);
        break;
    case 'o':
        prefix = "0o";
        snprintf(base, sizeof base, "%llo", (unsigned long long)u);
        break;
    case 'b':
        prefix = "0b";
        for (int bit = 63; bit >= 0; bit--) {
            if (n > 0 || (u >> bit & 1) || bit == 0)
                base[n++] = (char)('0' + (u >> bit & 1));
        }
        base[n] = '\0';
        break;
    default:
        snprintf(base, sizeof base, "%llu", (unsigned long long)u);
        break;
    }
    n = (int)strlen(base);
    int zeros = o->precision > n ? o->precision - n : 0;
    snprintf(text, sizeof text, "%s%.*s%s", o->alternate ? prefix : "", zeros,
             "00000000000000000000000000000000000000000000000000"
             "00000000000000000000000000000000000000000000000000",
             base);
    put_number(j, o, text, v < 0);
}

/* Whatever the locale has for a point becomes one. */
static void fix_point(char *text)
{
    for (char *c = text; *c; c++) {
        if (!strchr("0123456789+-eEinfaINFA%", *c))
            *c = '.';
    }
}

static void put_float(struct jinja *j, const struct spec *o, double v)
{
    char text[512], format[16];
    char type = o->type == '%' ? 'f' : o->type;
    int precision = o->precision < 0 ? 6 : o->precision;
    if (o->type == '%')
        v *= 100;
    if (isnan(v) || isinf(v)) {
        snprintf(text, sizeof text, "%s", isnan(v) ? "nan" : "inf");
    } else {
        snprintf(format, sizeof format, "%%%s.*%c", o->alternate ? "#" : "", type);
        /* The format is one of a few that were put together above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text - 2, format, precision, fabs(v));
#pragma GCC diagnostic pop
        fix_point(text);
    }
    if (o->type == '%')
        strncat(text, "%", sizeof text - strlen(text) - 1);
    put_number(j, o, text, signbit(v) && !isnan(v));
}

static bool is_float_type(char type)
{
    return type && strchr("eEfFgG%", type) != NULL;
}

static bool is_int_type(char type)
{
    return type && strchr("dxXob", type) != NULL;
}

/* ---- "%" ---- */

struct percent {
    struct jvalue v; /* right of the operator */
    size_t next;     /* which of a tuple's comes next */
    bool named;      /* %(name)s was used */
};

static struct jvalue percent_next(struct jinja *j, struct percent *p)
{
    bool tuple = p->v.kind == J_TUPLE;
    if (p->next == (tuple ? p->v.list->n : 1))
        return jinja_fail(j, ERR_FORMAT, "not enough arguments for the format");
    return tuple ? p->v.list->v[p->next++] : (p->next++, p->v);
}

static void put_percent(struct jinja *j, const struct spec *spec, struct jvalue v)
{
    struct spec o = *spec;
    size_t start = j->out.n;
    int64_t i;
    switch (o.type) {
    case 's':
        put_text(j, &o, jinja_str(j, v), '>');
        return;
    case 'r':
    case 'a':
        jinja_put_repr(j, v);
        put_text(j, &o, jinja_take(j, start), '>');
        return;
    case 'c':
        if (v.kind == J_STRING && jinja_chars(v.string) == 1)
            put_text(j, &o, v.string, '>');
        else
            jinja_fail(j, ERR_FORMAT, "%%c needs one character");
        return;
    case 'i':
    case 'u':
        o.type = 'd';
        break;
    default:
        break;
    }
    if (v.kind == J_UNDEFINED)
        jinja_fail_undefined(j, v);
    else if (!jv_is_number(v))
        jinja_fail(j, ERR_FORMAT, "%%%c needs a number, not '%s'", o.type, jinja_type_name(v.kind));
    else if (is_float_type(o.type))
        put_float(j, &o, jv_to_double(v));
    else if (!is_int_type(o.type))
        jinja_fail(j, ERR_FORMAT, "unsupported format character '%c'", o.type);
    else if (v.kind == J_FLOAT && (o.type != 'd' || !(fabs(v.real) < 9e18)))
        jinja_fail(j, ERR_FORMAT, "%%%c needs an integer", o.type);
    else {
        i = v.kind == J_FLOAT ? (int64_t)v.real : jv_to_int(v);
        put_int(j, &o, i);
    }
}

/* Flags, width and precision at *i (past "%"), up to the type. */
static struct spec percent_spec(struct jinja *j, struct span s, size_t *i)
{
    struct spec o = plain_spec;
    bool left = false, zero = false;
    for (; *i < s.n && s.p[*i] && strchr("-+ 0#", s.p[*i]); ++*i) {
        uint8_t c = s.p[*i];
        left = left || c == '-';
        zero = zero || c == '0';
        o.alternate = o.alternate || c == '#';
        if (c == '+' || (c == ' ' && !o.sign))
            o.sign = (char)c;
    }
    int width = read_int(j, s, i, FIELD_WIDTH_MAX);
    o.width = width < 0 ? 0 : width;
    if (*i < s.n && s.p[*i] == '.') {
        ++*i;
        int precision = read_int(j, s, i, FIELD_PRECISION_MAX);
        o.precision = precision < 0 ? 0 : precision;
    }
    while (*i < s.n && s.p[*i] && strchr("hlL", s.p[*i]))
        ++*i;
    o.type = *i < s.n ? (char)s.p[(*i)++] : 0;
    if (zero && !left && o.type && strchr("diuxXoeEfFgG", o.type)) {
        o.align = '=';
        o.fill = span_str("0");
    }
    if (left)
        o.align = '<';
    return o;
}

static struct jvalue percent_argument(struct jinja *j, struct percent *p, struct span s, size_t *i)
{
    if (*i >= s.n || s.p[*i] != '(')
        return jv_none(); /* taken when the type is known */
    size_t close = jinja_find(s, span_str(")"), *i);
    if (close == SIZE_MAX || p->v.kind != J_DICT)
        return jinja_fail(j, ERR_FORMAT, "a named field in a format needs a dict and ')'");
    const struct jvalue *v = jinja_dict_get_str(j, p->v.dict, span_sub(s, *i + 1, close - *i - 1));
    if (!v)
        return jinja_fail(j, ERR_FORMAT, "no '%.*s' for the format",
                          SPAN_FMT(span_sub(s, *i + 1, close - *i - 1)));
    *i = close + 1;
    p->named = true;
    return *v;
}

struct jvalue jinja_percent(struct jinja *j, const struct jstring *format, struct jvalue v)
{
    struct percent p = {.v = v};
    struct span s = jstring_span(format);
    size_t start = j->out.n;
    for (size_t i = 0; i < s.n && jinja_steps(j, 1);) {
        size_t percent = jinja_find(s, span_str("%"), i);
        jinja_put_bytes(j, s.p + i, (percent == SIZE_MAX ? s.n : percent) - i);
        if (percent == SIZE_MAX)
            break;
        i = percent + 1;
        size_t before = i;
        struct jvalue arg = percent_argument(j, &p, s, &i);
        bool has_name = i != before;
        struct spec o = percent_spec(j, s, &i);
        if (o.type == '%') {
            jinja_put_bytes(j, "%", 1);
            continue;
        }
        if (!o.type)
            jinja_fail(j, ERR_FORMAT, "a format ends within a field");
        if (!j->rc && !has_name)
            arg = percent_next(j, &p);
        if (!j->rc)
            put_percent(j, &o, arg);
    }
    bool all = p.named || v.kind == J_DICT || v.kind == J_LIST ||
               p.next == (v.kind == J_TUPLE ? v.list->n : 1);
    if (!all)
        jinja_fail(j, ERR_FORMAT, "not all arguments were used by the format");
    return jv_string(jinja_take(j, start));
}

/* ---- str.format ---- */

static bool is_align(uint8_t c)
{
    return c == '<' || c == '>' || c == '^' || c == '=';
}

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static struct spec format_spec(struct jinja *j, struct span s)
{
    struct spec o = plain_spec;
    size_t i = 0;
    uint32_t cp;
    size_t fill = s.n > 0 ? jinja_char(s, &cp) : 0;
    if (fill > 0 && fill < s.n && is_align(s.p[fill])) {
        o.fill = span_sub(s, 0, fill);
        o.align = (char)s.p[fill];
        i = fill + 1;
    } else if (s.n > 0 && is_align(s.p[0])) {
        o.align = (char)s.p[i++];
    }
    if (i < s.n && (s.p[i] == '+' || s.p[i] == ' ' || s.p[i] == '-')) {
        o.sign = s.p[i] == '-' ? 0 : (char)s.p[i];
        i++;
    }
    if (i < s.n && s.p[i] == '#') {
        o.alternate = true;
        i++;
    }
    if (i < s.n && s.p[i] == '0' && !o.align) {
        o.align = '=';
        o.fill = span_str("0");
        i++;
    }
    int width = read_int(j, s, &i, FIELD_WIDTH_MAX);
    o.width = width < 0 ? 0 : width;
    if (i < s.n && s.p[i] == ',') {
        o.grouped = true;
        i++;
    }
    if (i < s.n && s.p[i] == '.') {
        i++;
        o.precision = read_int(j, s, &i, FIELD_PRECISION_MAX);
        if (o.precision < 0)
            jinja_fail(j, ERR_FORMAT, "a format has a point without a precision");
    }
    if (i < s.n)
        o.type = (char)s.p[i++];
    if (i != s.n)
        jinja_fail(j, ERR_FORMAT, "unsupported format '%.*s'", SPAN_FMT(s));
    return o;
}

static void put_formatted(struct jinja *j, struct span spec, struct jvalue v)
{
    struct spec o = format_spec(j, spec);
    if (j->rc)
        return;
    if (spec.n == 0) {
        jinja_put(j, v);
    } else if (v.kind == J_STRING && (!o.type || o.type == 's')) {
        put_text(j, &o, v.string, '<');
    } else if (jv_is_int(v) && (!o.type || is_int_type(o.type)) && o.precision < 0) {
        put_int(j, &o, jv_to_int(v));
    } else if (jv_is_number(v) && is_float_type(o.type)) {
        put_float(j, &o, jv_to_double(v));
    } else if (v.kind == J_FLOAT && !o.type && o.precision < 0) {
        char text[64];
        size_t start = j->out.n;
        jinja_put_float(j, fabs(v.real));
        const struct jstring *s = jinja_take(j, start);
        snprintf(text, sizeof text, "%.*s", (int)s->n, s->p);
        put_number(j, &o, text, signbit(v.real));
    } else {
        jinja_fail(j, ERR_FORMAT, "unsupported format '%.*s' for '%s'", SPAN_FMT(spec),
                   jinja_type_name(v.kind));
    }
}

/* The argument that a field's name means; *next counts those without a name. */
static struct jvalue format_argument(struct jinja *j, const struct jcall *call, struct span name,
                                     size_t *next)
{
    int64_t index;
    if (name.n == 0)
        index = (int64_t)(*next)++;
    else if (!num_parse_i64(name, &index))
        index = -1;
    if (index >= 0 && (uint64_t)index < call->n)
        return call->v[index];
    for (size_t i = 0; i < call->n_keywords && index < 0; i++) {
        if (span_eq(jstring_span(call->keywords[i].name), name))
            return call->keywords[i].value;
    }
    return jinja_fail(j, ERR_FORMAT, "format: no argument '%.*s'", SPAN_FMT(name));
}

/* One field, past its "{"; returns where it ends. */
static size_t put_braces(struct jinja *j, struct span s, size_t i, const struct jcall *call,
                         size_t *next)
{
    size_t close = jinja_find(s, span_str("}"), i);
    if (close == SIZE_MAX) {
        jinja_fail(j, ERR_FORMAT, "format: '{' without '}'");
        return s.n;
    }
    struct span field = span_sub(s, i, close - i);
    size_t colon = jinja_find(field, span_str(":"), 0);
    struct span spec = {NULL, 0}, name = field;
    if (colon != SIZE_MAX) {
        spec = span_of(field.p + colon + 1, field.n - colon - 1);
        name = span_sub(field, 0, colon);
    }
    bool as_repr = name.n >= 2 && name.p[name.n - 2] == '!' && name.p[name.n - 1] == 'r';
    if (name.n >= 2 && name.p[name.n - 2] == '!' && (as_repr || name.p[name.n - 1] == 's'))
        name.n -= 2;
    struct jvalue v = format_argument(j, call, name, next);
    if (as_repr && !j->rc) {
        size_t start = j->out.n;
        jinja_put_repr(j, v);
        v = jv_string(jinja_take(j, start));
    }
    if (!j->rc)
        put_formatted(j, spec, v);
    return close + 1;
}

struct jvalue jinja_format(struct jinja *j, const struct jstring *format, const struct jcall *call)
{
    struct span s = jstring_span(format);
    size_t start = j->out.n, next = 0;
    for (size_t i = 0; i < s.n && jinja_steps(j, 1);) {
        uint8_t c = s.p[i++];
        if (c != '{' && c != '}')
            jinja_put_bytes(j, &c, 1);
        else if (i < s.n && s.p[i] == c)
            jinja_put_bytes(j, &s.p[i++], 1);
        else if (c == '}')
            jinja_fail(j, ERR_FORMAT, "format: a single '}'");
        else
            i = put_braces(j, s, i, call, &next);
    }
    return jv_string(jinja_take(j, start));
}
