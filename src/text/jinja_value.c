/* SPDX-License-Identifier: MIT */
/* Values of the template language: how they are made, compared, searched and gone through.
 *
 * Behaviour is Python's: 1 == 1.0 == True, a list never equals a tuple, what cannot be compared is
 * an error. Everything that takes time in proportion to its input pays for it in steps. */
#include "text/jinja.h"

#include <math.h>

/* ---- making ---- */

static bool is_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] >= 0x80)
            return false;
    }
    return true;
}

static const struct jstring empty_string = {"", 0, true};

const struct jstring *jinja_view(struct jinja *j, const void *p, size_t n)
{
    struct jstring *s = jinja_alloc(j, 1, sizeof *s);
    if (!s || !jinja_bytes(j, n))
        return &empty_string;
    *s = (struct jstring){n ? p : "", n, is_ascii(p, n)};
    return s;
}

const struct jstring *jinja_copy(struct jinja *j, const void *p, size_t n)
{
    char *bytes = jinja_alloc(j, n, 1);
    if (!bytes)
        return &empty_string;
    if (n > 0)
        memcpy(bytes, p, n);
    return jinja_view(j, bytes, n);
}

struct jvalue jinja_text(struct jinja *j, const char *literal)
{
    return jv_string(jinja_view(j, literal, strlen(literal)));
}

struct jlist *jinja_list(struct jinja *j, size_t room)
{
    struct jlist *l = jinja_alloc(j, 1, sizeof *l);
    if (!l || (room > 0 && !(l->v = jinja_alloc(j, room, sizeof *l->v))))
        return NULL;
    l->cap = room;
    return l;
}

void jinja_push(struct jinja *j, struct jlist *l, struct jvalue v)
{
    if (!l || j->rc)
        return;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        struct jvalue *grown = jinja_alloc(j, cap, sizeof *grown);
        if (!grown)
            return;
        if (l->n > 0)
            memcpy(grown, l->v, l->n * sizeof *grown);
        l->v = grown;
        l->cap = cap;
    }
    l->v[l->n++] = v;
}

struct jvalue jinja_pair(struct jinja *j, struct jvalue a, struct jvalue b)
{
    struct jlist *l = jinja_list(j, 2);
    jinja_push(j, l, a);
    jinja_push(j, l, b);
    return jv_sequence(J_TUPLE, l);
}

/* ---- numbers ---- */

bool jinja_whole(double d, int64_t *out)
{
    /* 2^63 itself does not fit. */
    if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0) || d != floor(d))
        return false;
    *out = (int64_t)d;
    return true;
}

/* Exact, also where a double cannot hold the integer. NaN is unordered: *ordered is false. */
static int order_numbers(struct jvalue a, struct jvalue b, bool *ordered)
{
    *ordered = true;
    if (jv_is_int(a) && jv_is_int(b)) {
        int64_t x = jv_to_int(a), y = jv_to_int(b);
        return (x > y) - (x < y);
    }
    double x = jv_to_double(a), y = jv_to_double(b);
    int64_t i, k;
    *ordered = !isnan(x) && !isnan(y);
    if (*ordered && a.kind != b.kind) {
        bool a_whole = jv_is_int(a) ? (i = jv_to_int(a), true) : jinja_whole(x, &i);
        bool b_whole = jv_is_int(b) ? (k = jv_to_int(b), true) : jinja_whole(y, &k);
        if (a_whole && b_whole)
            return (i > k) - (i < k);
    }
    return (x > y) - (x < y);
}

/* ---- equality and order ---- */

static bool equal_dicts(struct jinja *j, const struct jdict *a, const struct jdict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n && !j->rc; i++) {
        const struct jvalue *other = jinja_dict_get(j, b, a->entries[i].key);
        if (!other || !jinja_equal(j, a->entries[i].value, *other))
            return false;
    }
    return true;
}

static bool equal_lists(struct jinja *j, const struct jlist *a, const struct jlist *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n && !j->rc; i++) {
        if (!jinja_equal(j, a->v[i], b->v[i]))
            return false;
    }
    return true;
}

static bool equal_deep(struct jinja *j, struct jvalue a, struct jvalue b)
{
    switch (a.kind) {
    case J_LIST:
    case J_TUPLE:
        return a.list == b.list || equal_lists(j, a.list, b.list);
    case J_DICT:
        return a.dict == b.dict || equal_dicts(j, a.dict, b.dict);
    case J_RANGE:
        return a.range->n == b.range->n &&
               (a.range->n == 0 || (a.range->start == b.range->start &&
                                    (a.range->n == 1 || a.range->step == b.range->step)));
    default:
        return a.list == b.list; /* identity, whatever the pointer is */
    }
}

bool jinja_equal(struct jinja *j, struct jvalue a, struct jvalue b)
{
    bool ordered, r;
    if (!jinja_steps(j, 1))
        return false;
    if (jv_is_number(a) && jv_is_number(b))
        return order_numbers(a, b, &ordered) == 0 && ordered;
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case J_UNDEFINED:
    case J_NONE:
        return true;
    case J_STRING:
        return jinja_bytes(j, a.string->n) &&
               span_eq(jstring_span(a.string), jstring_span(b.string));
    default:
        if (!jinja_deeper(j))
            return false;
        r = equal_deep(j, a, b);
        j->depth--;
        return r;
    }
}

static int order_strings(struct jinja *j, const struct jstring *a, const struct jstring *b)
{
    /* The order of UTF-8's bytes is that of its code points. */
    jinja_bytes(j, a->n < b->n ? a->n : b->n);
    return span_compare(span_of(a->p, a->n), span_of(b->p, b->n));
}

static int order_lists(struct jinja *j, const struct jlist *a, const struct jlist *b)
{
    for (size_t i = 0; i < a->n && i < b->n && !j->rc; i++) {
        if (!jinja_equal(j, a->v[i], b->v[i]))
            return jinja_order(j, a->v[i], b->v[i]);
    }
    return (a->n > b->n) - (a->n < b->n);
}

int jinja_order(struct jinja *j, struct jvalue a, struct jvalue b)
{
    bool ordered;
    if (jv_is_number(a) && jv_is_number(b))
        return order_numbers(a, b, &ordered);
    if (a.kind == J_STRING && b.kind == J_STRING)
        return order_strings(j, a.string, b.string);
    if (a.kind == b.kind && (a.kind == J_LIST || a.kind == J_TUPLE)) {
        if (!jinja_deeper(j))
            return 0;
        int r = order_lists(j, a.list, b.list);
        j->depth--;
        return r;
    }
    if (a.kind == J_UNDEFINED || b.kind == J_UNDEFINED)
        jinja_fail_undefined(j, a.kind == J_UNDEFINED ? a : b);
    jinja_fail(j, ERR_FORMAT, "'%s' and '%s' cannot be ordered", jinja_type_name(a.kind),
               jinja_type_name(b.kind));
    return 0;
}

/* ---- looking ---- */

const char *jinja_type_name(enum jkind k)
{
    static const char *const names[] = {
        [J_UNDEFINED] = "Undefined", [J_NONE] = "NoneType",
        [J_BOOL] = "bool",           [J_INT] = "int",
        [J_FLOAT] = "float",         [J_STRING] = "str",
        [J_LIST] = "list",           [J_TUPLE] = "tuple",
        [J_VIEW] = "dict view",      [J_ITER] = "generator",
        [J_RANGE] = "range",         [J_DICT] = "dict",
        [J_NAMESPACE] = "Namespace", [J_LOOP] = "LoopContext",
        [J_MACRO] = "Macro",         [J_FUNCTION] = "function",
        [J_METHOD] = "method",       [J_CYCLER] = "Cycler",
        [J_JOINER] = "Joiner",       [J_ABSENT] = "absent value",
    };
    return names[k];
}

bool jinja_truth(struct jvalue v)
{
    switch (v.kind) {
    case J_UNDEFINED:
    case J_NONE:
    case J_ABSENT:
        return false;
    case J_BOOL:
        return v.boolean;
    case J_INT:
        return v.integer != 0;
    case J_FLOAT:
        return v.real != 0;
    case J_STRING:
        return v.string->n > 0;
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
        return v.list->n > 0;
    case J_RANGE:
        return v.range->n > 0;
    case J_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

size_t jinja_length(struct jinja *j, struct jvalue v)
{
    switch (v.kind) {
    case J_UNDEFINED:
        return 0;
    case J_STRING:
        jinja_walk(j, v.string->ascii ? 0 : v.string->n);
        return jinja_chars(v.string);
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
        return v.list->n;
    case J_RANGE:
        return v.range->n;
    case J_DICT:
        return v.dict->n;
    default:
        jinja_fail(j, ERR_FORMAT, "object of type '%s' has no length", jinja_type_name(v.kind));
        return 0;
    }
}

bool jinja_contains(struct jinja *j, struct jvalue container, struct jvalue item)
{
    struct jiter it;
    struct jvalue v;
    if (container.kind == J_STRING) {
        if (item.kind == J_UNDEFINED)
            jinja_fail_undefined(j, item);
        else if (item.kind != J_STRING)
            jinja_fail(j, ERR_FORMAT, "'in <string>' requires a string as its left side, not '%s'",
                       jinja_type_name(item.kind));
        if (j->rc || !jinja_bytes(j, container.string->n))
            return false;
        return jinja_find(jstring_span(container.string), jstring_span(item.string), 0) != SIZE_MAX;
    }
    if (container.kind == J_DICT)
        return jinja_dict_get(j, container.dict, item) != NULL;
    if (!jinja_iter(j, &it, container))
        return false;
    while (jinja_next(j, &it, &v)) {
        if (jinja_equal(j, v, item))
            return true;
    }
    return false;
}

bool jinja_iter(struct jinja *j, struct jiter *it, struct jvalue v)
{
    *it = (struct jiter){v, 0};
    switch (v.kind) {
    case J_UNDEFINED:
    case J_STRING:
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
    case J_ITER:
    case J_RANGE:
    case J_DICT:
        return !j->rc;
    default:
        jinja_fail(j, ERR_FORMAT, "'%s' object is not iterable", jinja_type_name(v.kind));
        return false;
    }
}

static bool next_char(struct jinja *j, struct jiter *it, struct jvalue *out)
{
    struct span rest = jstring_span(it->v.string);
    uint32_t cp;
    if (it->i == rest.n)
        return false;
    rest = span_sub(rest, it->i, rest.n);
    size_t n = jinja_char(rest, &cp);
    *out = jv_string(jinja_view(j, rest.p, n));
    it->i += n;
    return !j->rc;
}

bool jinja_next(struct jinja *j, struct jiter *it, struct jvalue *out)
{
    if (!jinja_steps(j, 1))
        return false;
    switch (it->v.kind) {
    case J_STRING:
        return next_char(j, it, out);
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
        if (it->i == it->v.list->n)
            return false;
        *out = it->v.list->v[it->i++];
        return true;
    case J_ITER:
        if (it->v.list->taken == it->v.list->n)
            return false;
        *out = it->v.list->v[it->v.list->taken++];
        return true;
    case J_RANGE:
        if (it->i == it->v.range->n)
            return false;
        *out = jv_int(it->v.range->start + (int64_t)it->i++ * it->v.range->step);
        return true;
    case J_DICT:
        if (it->i == it->v.dict->n)
            return false;
        *out = it->v.dict->entries[it->i++].key;
        return true;
    default:
        return false;
    }
}

struct jlist *jinja_to_list(struct jinja *j, struct jvalue v)
{
    struct jiter it;
    struct jvalue item;
    struct jlist *l = jinja_list(j, jv_is_sequence(v) ? v.list->n : 0);
    if (!l || !jinja_iter(j, &it, v))
        return NULL;
    while (jinja_next(j, &it, &item))
        jinja_push(j, l, item);
    return j->rc ? NULL : l;
}
