/* SPDX-License-Identifier: MIT */
/* Operators, subscripts and attributes, with Python's meaning.
 *
 * Integers are 64 bits wide: what Python would grow is an error. Attributes are looked up as
 * Jinja2's sandbox does: x.y tries the attribute first, x['y'] the item; what changes an object,
 * and Python's own insides (__class__), are refused. */
#include "text/jinja.h"

#include <math.h>

/* ---- arithmetic ---- */

static struct jvalue too_large(struct jinja *j)
{
    return jinja_fail(j, ERR_FORMAT, "an integer does not fit in 64 bits");
}

static struct jvalue wrong_operands(struct jinja *j, const char *op, struct jvalue a,
                                    struct jvalue b)
{
    if (a.kind == J_UNDEFINED || b.kind == J_UNDEFINED)
        return jinja_fail_undefined(j, a.kind == J_UNDEFINED ? a : b);
    return jinja_fail(j, ERR_FORMAT, "unsupported operands for %s: '%s' and '%s'", op,
                      jinja_type_name(a.kind), jinja_type_name(b.kind));
}

static struct jvalue add_strings(struct jinja *j, const struct jstring *a, const struct jstring *b)
{
    size_t n;
    if (a->n == 0 || b->n == 0)
        return jv_string(a->n == 0 ? b : a);
    char *p = size_add(a->n, b->n, &n) ? jinja_alloc(j, n, 1) : NULL;
    struct jstring *s = jinja_alloc(j, 1, sizeof *s);
    if (!p || !s || !jinja_bytes(j, n))
        return jv_undefined();
    memcpy(p, a->p, a->n);
    memcpy(p + a->n, b->p, b->n);
    *s = (struct jstring){p, n, a->ascii && b->ascii};
    return jv_string(s);
}

static struct jvalue add_markup(struct jinja *j, struct jvalue a, struct jvalue b)
{
    a = a.markup ? a : jinja_escaped(j, a.string);
    b = b.markup ? b : jinja_escaped(j, b.string);
    struct jvalue v = add_strings(j, a.string, b.string);
    v.markup = v.kind == J_STRING;
    return v;
}

static struct jvalue add_lists(struct jinja *j, enum jkind kind, const struct jlist *a,
                               const struct jlist *b)
{
    struct jlist *l = jinja_list(j, a->n + b->n);
    if (!l || !jinja_steps(j, (a->n + b->n) / 4))
        return jv_undefined();
    for (size_t i = 0; i < a->n; i++)
        jinja_push(j, l, a->v[i]);
    for (size_t i = 0; i < b->n; i++)
        jinja_push(j, l, b->v[i]);
    return jv_sequence(kind, l);
}

static struct jvalue repeat(struct jinja *j, struct jvalue v, int64_t times)
{
    size_t count = times > 0 ? (size_t)times : 0, n;
    if (v.kind == J_STRING) {
        char *p = size_mul(v.string->n, count, &n) ? jinja_alloc(j, n, 1) : NULL;
        if (!p || !jinja_bytes(j, n))
            return too_large(j);
        for (size_t i = 0; i < n; i += v.string->n)
            memcpy(p + i, v.string->p, v.string->n);
        return jv_string(jinja_view(j, p, n));
    }
    if (!size_mul(v.list->n, count, &n) || !jinja_steps(j, n / 4))
        return too_large(j);
    struct jlist *l = jinja_list(j, n);
    for (size_t i = 0; i < n && !j->rc; i++)
        jinja_push(j, l, v.list->v[i % v.list->n]);
    return jv_sequence(v.kind, l);
}

/* Python rounds towards minus infinity. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static struct jvalue int_power(struct jinja *j, int64_t a, int64_t b)
{
    int64_t r = 1;
    while (b > 0) {
        if ((b & 1) && __builtin_mul_overflow(r, a, &r))
            return too_large(j);
        b >>= 1;
        if (b > 0 && __builtin_mul_overflow(a, a, &a))
            return too_large(j);
    }
    return jv_int(r);
}

static struct jvalue int_binary(struct jinja *j, enum jop op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool over = false;
    if (b == 0 && (op == JOP_DIV || op == JOP_FLOORDIV || op == JOP_MOD))
        return jinja_fail(j, ERR_FORMAT, "division by zero");
    /* The one quotient that does not fit. */
    if (b == -1 && (op == JOP_FLOORDIV || op == JOP_MOD))
        return op == JOP_MOD ? jv_int(0) : jinja_unary(j, JOP_NEG, jv_int(a));
    switch (op) {
    case JOP_ADD:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case JOP_SUB:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case JOP_MUL:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case JOP_DIV:
        return jv_float((double)a / (double)b);
    case JOP_FLOORDIV:
        r = floor_div(a, b);
        break;
    case JOP_MOD:
        r = a - b * floor_div(a, b);
        break;
    default: /* JOP_POW */
        return b < 0 ? jv_float(pow((double)a, (double)b)) : int_power(j, a, b);
    }
    return over ? too_large(j) : jv_int(r);
}

static struct jvalue float_binary(struct jinja *j, enum jop op, double a, double b)
{
    if (b == 0 && (op == JOP_DIV || op == JOP_FLOORDIV || op == JOP_MOD))
        return jinja_fail(j, ERR_FORMAT, "division by zero");
    switch (op) {
    case JOP_ADD:
        return jv_float(a + b);
    case JOP_SUB:
        return jv_float(a - b);
    case JOP_MUL:
        return jv_float(a * b);
    case JOP_DIV:
        return jv_float(a / b);
    case JOP_POW:
        return jv_float(pow(a, b));
    default:
        break;
    }
    double mod = fmod(a, b);
    if (mod != 0 && (mod < 0) != (b < 0))
        mod += b;
    return jv_float(op == JOP_MOD ? mod : floor((a - mod) / b + 0.5));
}

struct jvalue jinja_binary(struct jinja *j, enum jop op, struct jvalue a, struct jvalue b)
{
    static const char *const names[] = {
        [JOP_ADD] = "+",       [JOP_SUB] = "-", [JOP_MUL] = "*",  [JOP_DIV] = "/",
        [JOP_FLOORDIV] = "//", [JOP_MOD] = "%", [JOP_POW] = "**",
    };
    if (jv_is_int(a) && jv_is_int(b))
        return int_binary(j, op, jv_to_int(a), jv_to_int(b));
    if (jv_is_number(a) && jv_is_number(b))
        return float_binary(j, op, jv_to_double(a), jv_to_double(b));
    if (op == JOP_MOD && a.kind == J_STRING)
        return jinja_percent(j, a.string, b);
    if (op == JOP_ADD && a.kind == b.kind) {
        if (a.kind == J_STRING)
            return a.markup || b.markup ? add_markup(j, a, b) : add_strings(j, a.string, b.string);
        if (a.kind == J_LIST || a.kind == J_TUPLE)
            return add_lists(j, a.kind, a.list, b.list);
    }
    if (op == JOP_MUL) {
        struct jvalue v = jv_is_int(a) ? b : a, times = jv_is_int(a) ? a : b;
        if (jv_is_int(times) && (v.kind == J_STRING || v.kind == J_LIST || v.kind == J_TUPLE))
            return repeat(j, v, jv_to_int(times));
    }
    return wrong_operands(j, names[op], a, b);
}

struct jvalue jinja_unary(struct jinja *j, enum jop op, struct jvalue a)
{
    if (a.kind == J_FLOAT)
        return jv_float(op == JOP_NEG ? -a.real : a.real);
    if (jv_is_int(a)) {
        int64_t v = jv_to_int(a);
        if (op == JOP_NEG && v == INT64_MIN)
            return too_large(j);
        return jv_int(op == JOP_NEG ? -v : v);
    }
    if (a.kind == J_UNDEFINED)
        return jinja_fail_undefined(j, a);
    return jinja_fail(j, ERR_FORMAT, "unsupported operand for unary %s: '%s'",
                      op == JOP_NEG ? "-" : "+", jinja_type_name(a.kind));
}

static bool is_nan(struct jvalue v)
{
    return v.kind == J_FLOAT && isnan(v.real);
}

bool jinja_compare(struct jinja *j, enum jop op, struct jvalue a, struct jvalue b)
{
    switch (op) {
    case JOP_EQ:
        return jinja_equal(j, a, b);
    case JOP_NE:
        return !jinja_equal(j, a, b);
    case JOP_IN:
        return jinja_contains(j, b, a);
    case JOP_NOT_IN:
        return !jinja_contains(j, b, a);
    default:
        break;
    }
    int order = jinja_order(j, a, b);
    if (is_nan(a) || is_nan(b))
        return false;
    switch (op) {
    case JOP_LT:
        return order < 0;
    case JOP_LE:
        return order <= 0;
    case JOP_GT:
        return order > 0;
    default: /* JOP_GE */
        return order >= 0;
    }
}

/* ---- subscripts ---- */

static struct jvalue missing(enum jkind owner, const struct jstring *name)
{
    return (struct jvalue){.kind = J_UNDEFINED, .owner = owner, .string = name};
}

/* Adds n to a negative index; false: out of range. */
static bool absolute(int64_t index, size_t n, size_t *out)
{
    if (index < 0)
        index += (int64_t)n;
    if (index < 0 || (uint64_t)index >= n)
        return false;
    *out = (size_t)index;
    return true;
}

static struct jvalue char_at(struct jinja *j, const struct jstring *s, int64_t index)
{
    size_t i;
    uint32_t cp;
    jinja_walk(j, s->ascii ? 0 : s->n);
    if (!absolute(index, jinja_chars(s), &i))
        return missing(J_STRING, NULL);
    struct span rest = span_sub(jstring_span(s), jinja_offset(s, i), s->n);
    return jv_string(jinja_view(j, rest.p, jinja_char(rest, &cp)));
}

/* object[index], or missing. */
static struct jvalue indexed(struct jinja *j, struct jvalue object, int64_t index)
{
    size_t i;
    switch (object.kind) {
    case J_STRING:
        return char_at(j, object.string, index);
    case J_LIST:
    case J_TUPLE:
        if (absolute(index, object.list->n, &i))
            return object.list->v[i];
        break;
    case J_RANGE:
        if (absolute(index, object.range->n, &i))
            return jv_int(object.range->start + (int64_t)i * object.range->step);
        break;
    default:
        break;
    }
    return missing(object.kind, NULL);
}

/* What Python lets an object have by that name, besides items. False: nothing. */
static bool attribute(struct jinja *j, struct jvalue object, const struct jstring *name,
                      struct jvalue *out)
{
    struct span s = jstring_span(name);
    if (s.n > 4 && memcmp(s.p, "__", 2) == 0 && memcmp(s.p + s.n - 2, "__", 2) == 0) {
        *out = jinja_fail(j, ERR_FORMAT, "attribute '%.*s' is not allowed", SPAN_FMT(s));
        return true;
    }
    if (object.kind == J_NAMESPACE) {
        const struct jvalue *v = jinja_dict_get_str(j, object.dict, s);
        if (v)
            *out = *v;
        return v != NULL;
    }
    *out = jinja_property(j, object, s);
    if (out->kind != J_ABSENT)
        return true;
    const struct jbuiltin *b = jinja_method(object.kind, s);
    if (b) {
        struct jmethod *m = jinja_alloc(j, 1, sizeof *m);
        if (m)
            *m = (struct jmethod){object, b};
        *out = m ? (struct jvalue){.kind = J_METHOD, .method = m} : jv_undefined();
        return true;
    }
    if (jinja_method_forbidden(object.kind, s)) {
        *out = jinja_fail(j, ERR_FORMAT, "method '%.*s' would change a %s, which is not allowed",
                          SPAN_FMT(s), jinja_type_name(object.kind));
        return true;
    }
    return false;
}

struct jvalue jinja_getattr(struct jinja *j, struct jvalue object, const struct jstring *name)
{
    struct jvalue v;
    if (object.kind == J_UNDEFINED)
        return jinja_fail_undefined(j, object);
    if (attribute(j, object, name, &v))
        return v;
    if (object.kind == J_DICT) {
        const struct jvalue *item = jinja_dict_get_str(j, object.dict, jstring_span(name));
        if (item)
            return *item;
    }
    return missing(object.kind, name);
}

struct jvalue jinja_getitem(struct jinja *j, struct jvalue object, struct jvalue key)
{
    struct jvalue v;
    if (object.kind == J_UNDEFINED)
        return jinja_fail_undefined(j, object);
    if (object.kind == J_DICT) {
        /* A key that cannot be hashed is a TypeError, which Jinja2 takes for "no such item". */
        const struct jvalue *item =
            key.kind == J_LIST || key.kind == J_DICT ? NULL : jinja_dict_get(j, object.dict, key);
        if (item)
            return *item;
    } else if (jv_is_int(key)) {
        return indexed(j, object, jv_to_int(key));
    }
    if (key.kind == J_STRING && attribute(j, object, key.string, &v))
        return v;
    return missing(object.kind, key.kind == J_STRING ? key.string : NULL);
}

struct jvalue jinja_getpath(struct jinja *j, struct jvalue object, struct jvalue path,
                            struct jvalue otherwise)
{
    struct span rest, part;
    if (path.kind != J_STRING)
        return jinja_getitem(j, object, path);
    rest = jstring_span(path.string);
    for (bool more = true; more && jinja_steps(j, 1);) {
        size_t dot = jinja_find(rest, span_str("."), 0);
        struct jvalue key;
        int64_t index;
        more = dot != SIZE_MAX;
        part = more ? span_sub(rest, 0, dot) : rest;
        rest = more ? span_of(rest.p + dot + 1, rest.n - dot - 1) : rest;
        if (part.n > 0 && part.p[0] >= '0' && part.p[0] <= '9' && num_parse_i64(part, &index))
            key = jv_int(index);
        else
            key = jv_string(jinja_view(j, part.p, part.n));
        object = jinja_getitem(j, object, key);
        if (object.kind == J_UNDEFINED && otherwise.kind != J_ABSENT)
            object = otherwise;
    }
    return object;
}

/* ---- slices ---- */

struct slice {
    int64_t start, step;
    size_t n;
};

static bool slice_bound(struct jinja *j, struct jvalue v, int64_t *out)
{
    if (!jv_is_int(v)) {
        jinja_fail(j, ERR_FORMAT, "a slice index is %s, expected an integer",
                   jinja_type_name(v.kind));
        return false;
    }
    *out = jv_to_int(v);
    return true;
}

static int64_t clamp(int64_t i, int64_t n, int64_t low, int64_t high)
{
    if (i < 0)
        i = i < -n ? -1 : i + n; /* below -n it cannot be told from -1 after the clamp */
    return i < low ? low : i > high ? high : i;
}

/* As Python's slice.indices. */
static bool slice_resolve(struct jinja *j, int64_t n, struct jvalue start, struct jvalue stop,
                          struct jvalue step, struct slice *out)
{
    int64_t from, to, by = 1;
    if (step.kind != J_NONE && !slice_bound(j, step, &by))
        return false;
    if (by == 0) {
        jinja_fail(j, ERR_FORMAT, "a slice step is 0");
        return false;
    }
    if (by < -n - 1)
        by = -n - 1; /* so far that one element is all there is */
    if (by > n + 1)
        by = n + 1;
    int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
    from = by < 0 ? high : low;
    to = by < 0 ? low : high;
    if (start.kind != J_NONE) {
        if (!slice_bound(j, start, &from))
            return false;
        from = clamp(from, n, low, high);
    }
    if (stop.kind != J_NONE) {
        if (!slice_bound(j, stop, &to))
            return false;
        to = clamp(to, n, low, high);
    }
    int64_t way = by < 0 ? from - to : to - from, stride = by < 0 ? -by : by;
    out->start = from;
    out->step = by;
    out->n = way > 0 ? (size_t)((way - 1) / stride + 1) : 0;
    return true;
}

static struct jvalue slice_string(struct jinja *j, const struct jstring *s, const struct slice *r)
{
    if (r->n == 0)
        return jinja_text(j, "");
    if (!jinja_walk(j, s->n))
        return jv_undefined();
    if (r->step == 1) {
        size_t from = jinja_offset(s, (size_t)r->start);
        size_t to = jinja_offset(s, (size_t)r->start + r->n);
        return jv_string(jinja_view(j, s->p + from, to - from));
    }
    /* Where each character begins. */
    size_t chars = jinja_chars(s), at = 0;
    uint32_t *offsets = jinja_alloc(j, chars + 1, sizeof *offsets), cp;
    if (!offsets || s->n > UINT32_MAX)
        return jv_undefined();
    for (size_t i = 0; i < chars; i++) {
        offsets[i] = (uint32_t)at;
        at += jinja_char(span_sub(jstring_span(s), at, s->n), &cp);
    }
    offsets[chars] = (uint32_t)at;
    size_t start = j->out.n;
    for (size_t i = 0; i < r->n && !j->rc; i++) {
        size_t k = (size_t)(r->start + (int64_t)i * r->step);
        jinja_put_bytes(j, s->p + offsets[k], offsets[k + 1] - offsets[k]);
    }
    return jv_string(jinja_take(j, start));
}

struct jvalue jinja_slice(struct jinja *j, struct jvalue object, struct jvalue start,
                          struct jvalue stop, struct jvalue step)
{
    struct slice r;
    if (object.kind == J_UNDEFINED)
        return jinja_fail_undefined(j, object);
    if (object.kind != J_STRING && object.kind != J_LIST && object.kind != J_TUPLE &&
        object.kind != J_RANGE)
        return jinja_fail(j, ERR_FORMAT, "'%s' object cannot be sliced",
                          jinja_type_name(object.kind));
    int64_t n = (int64_t)jinja_length(j, object);
    if (!slice_resolve(j, n, start, stop, step, &r) || j->rc)
        return jv_undefined();
    if (object.kind == J_STRING)
        return slice_string(j, object.string, &r);
    if (object.kind == J_RANGE) {
        struct jrange *range = jinja_alloc(j, 1, sizeof *range);
        if (!range)
            return jv_undefined();
        /* With one element or none the step says nothing, and could be too large. */
        *range = (struct jrange){object.range->start + r.start * object.range->step,
                                 r.n > 1 ? object.range->step * r.step : 1, r.n};
        return (struct jvalue){.kind = J_RANGE, .range = range};
    }
    struct jlist *l = jinja_list(j, r.n);
    if (!l || !jinja_steps(j, r.n / 4))
        return jv_undefined();
    for (size_t i = 0; i < r.n; i++)
        jinja_push(j, l, object.list->v[r.start + (int64_t)i * r.step]);
    return jv_sequence(object.kind, l);
}
