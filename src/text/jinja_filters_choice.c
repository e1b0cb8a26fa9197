/* SPDX-License-Identifier: MIT */
/* Filters that apply other filters and tests to each item: map, select, reject and their kin; and
 * attr. */
#include "text/jinja.h"

/* The arguments after the first n. */
static struct jcall rest_of(const struct jcall *call, size_t n)
{
    struct jcall rest = *call;
    rest.v = call->n > n ? call->v + n : NULL;
    rest.n = call->n > n ? call->n - n : 0;
    return rest;
}

static const struct jkeyword *keyword(const struct jcall *call, const char *name)
{
    for (size_t i = 0; i < call->n_keywords; i++) {
        if (span_is(jstring_span(call->keywords[i].name), name))
            return &call->keywords[i];
    }
    return NULL;
}

/* Jinja2 gives nothing for what is not true, be it something to go through or not. */
static bool start(const struct jargs *c, struct jiter *it)
{
    return jinja_iter(c->j, it, jinja_truth(c->self) ? c->self : jv_undefined());
}

static struct jvalue map_attribute(const struct jargs *c, struct jvalue path)
{
    const struct jkeyword *otherwise = keyword(c->call, "default");
    struct jlist *out = jinja_list(c->j, 0);
    struct jiter it;
    struct jvalue v;
    if (!start(c, &it))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v)) {
        v = jinja_getpath(c->j, v, path, otherwise ? otherwise->value : jv_absent());
        jinja_push(c->j, out, v);
    }
    return jv_sequence(J_ITER, out);
}

/* map('filter', arguments…) or map(attribute='a.b', default=…) */
static struct jvalue filter_map(const struct jargs *c)
{
    const struct jkeyword *attribute = keyword(c->call, "attribute");
    struct jiter it;
    struct jvalue v;
    if (c->call->n == 0 && attribute)
        return map_attribute(c, attribute->value);
    if (c->call->n == 0)
        return jinja_fail(c->j, ERR_FORMAT, "map: the name of a filter is missing");
    struct span name = jstring_span(jinja_arg_string(c->j, c->call->v[0]));
    const struct jbuiltin *filter = jinja_filter(name);
    struct jcall rest = rest_of(c->call, 1);
    struct jlist *out = jinja_list(c->j, 0);
    if (!filter)
        return jinja_fail(c->j, ERR_FORMAT, "no filter named '%.*s'", SPAN_FMT(name));
    if (!start(c, &it))
        return jv_undefined();
    while (jinja_next(c->j, &it, &v))
        jinja_push(c->j, out, jinja_call_builtin(c->j, filter, v, &rest));
    return jv_sequence(J_ITER, out);
}

enum { CHOOSE_REJECT = 1, CHOOSE_ATTRIBUTE = 2 };

/* variant: CHOOSE_REJECT, CHOOSE_ATTRIBUTE. select('test', arguments…),
 * selectattr('a.b', 'test', arguments…); without a test it is by truth. */
static struct jvalue filter_choose(const struct jargs *c)
{
    struct jinja *j = c->j;
    bool reject = c->builtin->variant & CHOOSE_REJECT;
    size_t skip = c->builtin->variant & CHOOSE_ATTRIBUTE ? 1 : 0;
    const struct jbuiltin *test = NULL;
    struct jlist *out = jinja_list(j, 0);
    struct jiter it;
    struct jvalue v;
    if (c->call->n < skip)
        return jinja_fail(j, ERR_FORMAT, "%s: the attribute is missing", c->builtin->name);
    if (c->call->n > skip) {
        struct span name = jstring_span(jinja_arg_string(j, c->call->v[skip]));
        test = jinja_test(name);
        if (!test)
            return jinja_fail(j, ERR_FORMAT, "no test named '%.*s'", SPAN_FMT(name));
    }
    struct jcall rest = rest_of(c->call, skip + 1);
    if (!start(c, &it))
        return jv_undefined();
    while (jinja_next(j, &it, &v)) {
        struct jvalue what = skip ? jinja_getpath(j, v, c->call->v[0], jv_absent()) : v;
        if (test)
            what = jinja_call_builtin(j, test, what, &rest);
        if (jinja_truth(what) != reject)
            jinja_push(j, out, v);
    }
    return jv_sequence(J_ITER, out);
}

/* Only what is an attribute, never an item. */
static struct jvalue filter_attr(const struct jargs *c)
{
    const struct jstring *name = jinja_arg_string(c->j, c->a[0]);
    if (c->self.kind == J_DICT) {
        struct jdict *empty = jinja_dict(c->j);
        return c->j->rc ? jv_undefined() : jinja_getattr(c->j, jv_dict(empty), name);
    }
    return c->j->rc ? jv_undefined() : jinja_getattr(c->j, c->self, name);
}

static const struct jbuiltin rows[] = {
    {"map", NULL, 0, filter_map, 0},
    {"select", NULL, 0, filter_choose, 0},
    {"reject", NULL, 0, filter_choose, CHOOSE_REJECT},
    {"selectattr", NULL, 0, filter_choose, CHOOSE_ATTRIBUTE},
    {"rejectattr", NULL, 0, filter_choose, CHOOSE_ATTRIBUTE | CHOOSE_REJECT},
    {"attr", "name", 1, filter_attr, 0},
};

struct jbuiltin_table jinja_choice_filters(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
