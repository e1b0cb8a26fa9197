/* SPDX-License-Identifier: MIT */
/* Filters over lists and dictionaries that need no other filter or test. */
#include "text/jinja.h"

static struct jvalue filter_default(const struct jargs *c)
{
    bool missing = c->self.kind == J_UNDEFINED;
    if (jinja_arg_bool(c->a[1], false))
        missing = !jinja_truth(c->self);
    if (!missing)
        return c->self;
    return c->a[0].kind == J_ABSENT ? jinja_text(c->j, "") : c->a[0];
}

static struct jvalue filter_length(const struct jargs *c)
{
    return jv_int((int64_t)jinja_length(c->j, c->self));
}

static struct jvalue filter_list(const struct jargs *c)
{
    return jv_sequence(J_LIST, jinja_to_list(c->j, c->self));
}

static struct jvalue nothing(void)
{
    static const struct jstring what = {"an item of an empty sequence", 28, true};
    return (struct jvalue){.kind = J_UNDEFINED, .owner = J_UNDEFINED, .string = &what};
}

static struct jvalue filter_first(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v;
    if (!jinja_iter(c->j, &it, c->self))
        return jv_undefined();
    return jinja_next(c->j, &it, &v) ? v : nothing();
}

static struct jvalue filter_last(const struct jargs *c)
{
    if (c->self.kind == J_ITER)
        return jinja_fail(c->j, ERR_FORMAT, "last: a generator cannot be read backwards");
    struct jlist *l = jinja_to_list(c->j, c->self);
    if (!l)
        return jv_undefined();
    return l->n > 0 ? l->v[l->n - 1] : nothing();
}

static struct jvalue attribute_of(const struct jargs *c, struct jvalue v, struct jvalue path)
{
    if (path.kind == J_ABSENT || path.kind == J_NONE)
        return v;
    return jinja_getpath(c->j, v, path, jv_absent());
}

/* join(d='', attribute=None) */
static struct jvalue filter_join(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v;
    struct jvalue between = c->a[0].kind == J_ABSENT ? jinja_text(c->j, "") : c->a[0];
    size_t start = c->j->out.n;
    if (!jinja_iter(c->j, &it, c->self))
        return jv_undefined();
    for (bool first = true; jinja_next(c->j, &it, &v); first = false) {
        if (!first)
            jinja_put(c->j, between);
        jinja_put(c->j, attribute_of(c, v, c->a[1]));
    }
    return jv_string(jinja_take(c->j, start));
}

static struct jvalue filter_reverse(const struct jargs *c)
{
    if (c->self.kind == J_STRING)
        return jinja_slice(c->j, c->self, jv_none(), jv_none(), jv_int(-1));
    struct jlist *l = jinja_to_list(c->j, c->self);
    for (size_t i = 0; l && i < l->n / 2; i++) {
        struct jvalue v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
    return jv_sequence(J_ITER, l);
}

static struct jvalue filter_items(const struct jargs *c)
{
    struct jlist *l = jinja_list(c->j, 0);
    if (c->self.kind != J_DICT && c->self.kind != J_UNDEFINED)
        return jinja_fail(c->j, ERR_FORMAT, "items: '%s' object, expected a dict",
                          jinja_type_name(c->self.kind));
    for (size_t i = 0; c->self.kind == J_DICT && i < c->self.dict->n && jinja_steps(c->j, 1); i++)
        jinja_push(c->j, l,
                   jinja_pair(c->j, c->self.dict->entries[i].key, c->self.dict->entries[i].value));
    return jv_sequence(J_ITER, l);
}

/* ---- order ---- */

/* Strings compare without case unless asked for. */
static struct jvalue order_key(const struct jargs *c, struct jvalue v, bool case_sensitive)
{
    if (case_sensitive || v.kind != J_STRING)
        return v;
    return jinja_changed_case(c->j, v.string, JCASE_LOWER, JCASE_LOWER);
}

/* Python's keys are lists, which compare as equal where all that they hold is undefined. */
static struct jvalue sort_key_of_one(const struct jargs *c, struct jvalue key)
{
    if (key.kind != J_UNDEFINED)
        return key;
    struct jlist *keys = jinja_list(c->j, 1);
    jinja_push(c->j, keys, key);
    return jv_sequence(J_LIST, keys);
}

/* The attributes "a,b" of v, as a tuple where there are several. */
static struct jvalue sort_key(const struct jargs *c, struct jvalue v, struct jvalue path,
                              bool case_sensitive)
{
    struct jinja *j = c->j;
    if (path.kind != J_STRING ||
        jinja_find(jstring_span(path.string), span_str(","), 0) == SIZE_MAX)
        return sort_key_of_one(c, order_key(c, attribute_of(c, v, path), case_sensitive));
    struct jlist *keys = jinja_list(j, 0);
    struct span rest = jstring_span(path.string);
    for (bool more = true; more && jinja_steps(j, 1);) {
        size_t comma = jinja_find(rest, span_str(","), 0);
        struct span one = comma == SIZE_MAX ? rest : span_sub(rest, 0, comma);
        more = comma != SIZE_MAX;
        if (more)
            rest = span_of(rest.p + comma + 1, rest.n - comma - 1);
        struct jvalue part = jv_string(jinja_view(j, one.p, one.n));
        jinja_push(j, keys, order_key(c, jinja_getpath(j, v, part, jv_absent()), case_sensitive));
    }
    return jv_sequence(J_LIST, keys);
}

struct keyed {
    struct jvalue key, value;
};

/* Stable merge sort of a, with room for as many in spare. descending keeps equal ones in order
 * too. */
static void sort_keyed(struct jinja *j, struct keyed *a, struct keyed *spare, size_t n,
                       bool descending)
{
    for (size_t width = 1; width < n && !j->rc; width *= 2) {
        for (size_t low = 0; low < n && !j->rc; low += 2 * width) {
            size_t mid = low + width < n ? low + width : n;
            size_t high = mid + width < n ? mid + width : n;
            size_t l = low, r = mid;
            for (size_t k = low; k < high; k++) {
                bool right = l == mid;
                if (l < mid && r < high && jinja_steps(j, 1)) {
                    int order = jinja_order(j, a[r].key, a[l].key);
                    right = descending ? order > 0 : order < 0;
                }
                spare[k] = right ? a[r++] : a[l++];
            }
        }
        memcpy(a, spare, n * sizeof *a);
    }
}

static struct jlist *sorted(const struct jargs *c, const struct jlist *l, struct jvalue path,
                            bool case_sensitive, bool descending)
{
    struct jinja *j = c->j;
    struct keyed *a = jinja_alloc(j, l->n, sizeof *a), *spare = jinja_alloc(j, l->n, sizeof *spare);
    struct jlist *out = jinja_list(j, l->n);
    for (size_t i = 0; i < l->n && !j->rc; i++)
        a[i] = (struct keyed){sort_key(c, l->v[i], path, case_sensitive), l->v[i]};
    if (j->rc)
        return NULL;
    sort_keyed(j, a, spare, l->n, descending);
    for (size_t i = 0; i < l->n && !j->rc; i++)
        jinja_push(j, out, a[i].value);
    return j->rc ? NULL : out;
}

/* sort(reverse=false, case_sensitive=false, attribute=None) */
static struct jvalue filter_sort(const struct jargs *c)
{
    struct jlist *l = jinja_to_list(c->j, c->self);
    if (!l)
        return jv_undefined();
    return jv_sequence(J_LIST, sorted(c, l, c->a[2], jinja_arg_bool(c->a[1], false),
                                      jinja_arg_bool(c->a[0], false)));
}

/* groupby(attribute, default=None, case_sensitive=false): pairs of a key and what has it. */
static struct jvalue filter_groupby(const struct jargs *c)
{
    struct jinja *j = c->j;
    bool case_sensitive = jinja_arg_bool(c->a[2], false);
    struct jvalue otherwise = c->a[1].kind == J_NONE ? jv_absent() : c->a[1];
    struct jlist *l = jinja_to_list(j, c->self), *out = jinja_list(j, 0), *group = NULL;
    size_t n = l ? l->n : 0;
    struct keyed *a = jinja_alloc(j, n, sizeof *a), *spare = jinja_alloc(j, n, sizeof *spare);
    for (size_t i = 0; i < n && !j->rc; i++)
        a[i] = (struct keyed){
            order_key(c, jinja_getpath(j, l->v[i], c->a[0], otherwise), case_sensitive), l->v[i]};
    if (j->rc)
        return jv_undefined();
    sort_keyed(j, a, spare, n, false);
    for (size_t i = 0; i < n && !j->rc; i++) {
        if (!group || !jinja_equal(j, a[i - 1].key, a[i].key)) {
            group = jinja_list(j, 0);
            struct jvalue pair = jinja_pair(j, jinja_getpath(j, a[i].value, c->a[0], otherwise),
                                            jv_sequence(J_LIST, group));
            if (j->rc)
                break;
            pair.list->group = true;
            jinja_push(j, out, pair);
        }
        jinja_push(j, group, a[i].value);
    }
    return jv_sequence(J_LIST, out);
}

/* dictsort(case_sensitive=false, by='key', reverse=false) */
static struct jvalue filter_dictsort(const struct jargs *c)
{
    struct jlist *l = jinja_list(c->j, 0);
    bool by_value = false;
    if (c->self.kind == J_UNDEFINED)
        return jinja_fail_undefined(c->j, c->self);
    if (c->self.kind != J_DICT)
        return jinja_fail(c->j, ERR_FORMAT, "dictsort: '%s' object, expected a dict",
                          jinja_type_name(c->self.kind));
    if (c->a[1].kind != J_ABSENT) {
        struct span by = jstring_span(jinja_arg_string(c->j, c->a[1]));
        by_value = span_is(by, "value");
        if (!by_value && !span_is(by, "key"))
            jinja_fail(c->j, ERR_FORMAT, "dictsort: by must be 'key' or 'value'");
    }
    for (size_t i = 0; i < c->self.dict->n && !c->j->rc; i++)
        jinja_push(c->j, l,
                   jinja_pair(c->j, c->self.dict->entries[i].key, c->self.dict->entries[i].value));
    if (c->j->rc)
        return jv_undefined();
    return jv_sequence(J_LIST, sorted(c, l, jv_int(by_value), jinja_arg_bool(c->a[0], false),
                                      jinja_arg_bool(c->a[2], false)));
}

/* variant: 1 max. (case_sensitive=false, attribute=None) */
static struct jvalue filter_extreme(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v, best = nothing(), best_key = best;
    bool case_sensitive = jinja_arg_bool(c->a[0], false), any = false;
    if (!jinja_iter(c->j, &it, c->self))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v)) {
        struct jvalue key = order_key(c, attribute_of(c, v, c->a[1]), case_sensitive);
        int order = any && !c->j->rc ? jinja_order(c->j, key, best_key) : 0;
        if (!any || (c->builtin->variant ? order > 0 : order < 0)) {
            best = v;
            best_key = key;
        }
        any = true;
    }
    return best;
}

/* sum(attribute=None, start=0) */
static struct jvalue filter_sum(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v, total = c->a[1].kind == J_ABSENT ? jv_int(0) : c->a[1];
    if (!jinja_iter(c->j, &it, c->self))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v)) {
        v = attribute_of(c, v, c->a[0]);
        if (!c->j->rc)
            total = jinja_binary(c->j, JOP_ADD, total, v);
    }
    return total;
}

/* unique(case_sensitive=false, attribute=None) */
static struct jvalue filter_unique(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v;
    struct jdict *seen = jinja_dict(c->j);
    struct jlist *out = jinja_list(c->j, 0);
    if (!seen || !jinja_iter(c->j, &it, c->self))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v)) {
        struct jvalue key =
            order_key(c, attribute_of(c, v, c->a[1]), jinja_arg_bool(c->a[0], false));
        if (jinja_dict_get(c->j, seen, key))
            continue;
        jinja_dict_set(c->j, seen, key, jv_none());
        jinja_push(c->j, out, v);
    }
    return jv_sequence(J_ITER, out);
}

/* ---- cutting ---- */

/* batch(linecount, fill_with=None) */
static struct jvalue filter_batch(const struct jargs *c)
{
    struct jiter it;
    struct jvalue v;
    struct jlist *out = jinja_list(c->j, 0), *row = NULL;
    int64_t size = jinja_arg_int(c->j, c->a[0], 1);
    if (size < 1)
        return jinja_fail(c->j, ERR_FORMAT, "batch: %lld a row, expected 1 or more",
                          (long long)size);
    if (!jinja_iter(c->j, &it, c->self))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v)) {
        if (!row || (int64_t)row->n == size) {
            row = jinja_list(c->j, 0);
            jinja_push(c->j, out, jv_sequence(J_LIST, row));
        }
        jinja_push(c->j, row, v);
    }
    if (c->a[1].kind != J_ABSENT && c->a[1].kind != J_NONE) {
        while (row && (int64_t)row->n < size && jinja_steps(c->j, 1))
            jinja_push(c->j, row, c->a[1]);
    }
    return jv_sequence(J_ITER, out);
}

/* slice(slices, fill_with=None): columns that differ in length by at most one. */
static struct jvalue filter_slice(const struct jargs *c)
{
    struct jlist *l = jinja_to_list(c->j, c->self), *out = jinja_list(c->j, 0);
    int64_t count = jinja_arg_int(c->j, c->a[0], 1);
    if (count < 1)
        return jinja_fail(c->j, ERR_FORMAT, "slice: %lld slices, expected 1 or more",
                          (long long)count);
    if (!l || !out)
        return jv_undefined();
    size_t n = (size_t)count, at = 0;
    for (size_t i = 0; i < n && jinja_steps(c->j, 1); i++) {
        struct jlist *column = jinja_list(c->j, 0);
        size_t size = l->n / n + (i < l->n % n);
        for (size_t k = 0; k < size; k++)
            jinja_push(c->j, column, l->v[at++]);
        if (c->a[1].kind != J_ABSENT && c->a[1].kind != J_NONE && i >= l->n % n)
            jinja_push(c->j, column, c->a[1]);
        jinja_push(c->j, out, jv_sequence(J_LIST, column));
    }
    return jv_sequence(J_ITER, out);
}

static const struct jbuiltin rows[] = {
    {"default", "default_value boolean", 0, filter_default, 0},
    {"d", "default_value boolean", 0, filter_default, 0},
    {"length", "", 0, filter_length, 0},
    {"count", "", 0, filter_length, 0},
    {"list", "", 0, filter_list, 0},
    {"first", "", 0, filter_first, 0},
    {"last", "", 0, filter_last, 0},
    {"join", "d attribute", 0, filter_join, 0},
    {"reverse", "", 0, filter_reverse, 0},
    {"items", "", 0, filter_items, 0},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort, 0},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort, 0},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby, 0},
    {"min", "case_sensitive attribute", 0, filter_extreme, 0},
    {"max", "case_sensitive attribute", 0, filter_extreme, 1},
    {"sum", "attribute start", 0, filter_sum, 0},
    {"unique", "case_sensitive attribute", 0, filter_unique, 0},
    {"batch", "linecount fill_with", 1, filter_batch, 0},
    {"slice", "slices fill_with", 1, filter_slice, 0},
};

struct jbuiltin_table jinja_sequence_filters(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
