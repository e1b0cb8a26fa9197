/* SPDX-License-Identifier: MIT */
/* Global functions, and what lists, dictionaries, loops and cyclers offer. */
#include "text/jinja_ast.h"

/* ---- functions ---- */

/* range(stop), range(start, stop), range(start, stop, step) */
static struct jvalue function_range(const struct jargs *c)
{
    enum { BOUND_BITS = 53 }; /* so that no sum or product below overflows */
    const int64_t far = INT64_C(1) << BOUND_BITS;
    bool one = c->a[1].kind == J_ABSENT;
    int64_t start = one ? 0 : jinja_arg_int(c->j, c->a[0], 0);
    int64_t stop = jinja_arg_int(c->j, one ? c->a[0] : c->a[1], 0);
    int64_t step = jinja_arg_int(c->j, c->a[2], 1);
    struct jrange *r = jinja_alloc(c->j, 1, sizeof *r);
    if (step == 0)
        return jinja_fail(c->j, ERR_FORMAT, "range: the step is 0");
    if (start < -far || start > far || stop < -far || stop > far || step < -far || step > far)
        return jinja_fail(c->j, ERR_LIMIT, "range: a number is beyond 2^%d", BOUND_BITS);
    if (!r)
        return jv_undefined();
    int64_t way = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    *r = (struct jrange){start, step, way > 0 ? (size_t)((way - 1) / stride + 1) : 0};
    if (r->n > JINJA_RANGE_MAX)
        return jinja_fail(c->j, ERR_LIMIT, "range: %zu items, expected at most %d", r->n,
                          JINJA_RANGE_MAX);
    return (struct jvalue){.kind = J_RANGE, .range = r};
}

/* A dict from a mapping or pairs, then keywords. */
static struct jdict *make_dict(const struct jargs *c)
{
    struct jinja *j = c->j;
    struct jdict *d = jinja_dict(j);
    struct jiter it;
    struct jvalue v;
    if (c->call->n > 1)
        jinja_fail(j, ERR_FORMAT, "%s: %zu arguments, expected at most 1", c->builtin->name,
                   c->call->n);
    if (c->call->n == 1 && c->call->v[0].kind == J_DICT) {
        const struct jdict *from = c->call->v[0].dict;
        for (size_t i = 0; i < from->n && jinja_steps(j, 1); i++)
            jinja_dict_set(j, d, from->entries[i].key, from->entries[i].value);
    } else if (c->call->n == 1 && jinja_iter(j, &it, c->call->v[0])) {
        while (jinja_next(j, &it, &v)) {
            struct jlist *pair = jinja_to_list(j, v);
            if (pair && pair->n == 2)
                jinja_dict_set(j, d, pair->v[0], pair->v[1]);
            else
                jinja_fail(j, ERR_FORMAT, "%s: an item is no pair", c->builtin->name);
        }
    }
    for (size_t i = 0; i < c->call->n_keywords && !j->rc; i++)
        jinja_dict_set_str(j, d, c->call->keywords[i].name, c->call->keywords[i].value);
    return j->rc ? NULL : d;
}

static struct jvalue function_dict(const struct jargs *c)
{
    return jv_dict(make_dict(c));
}

static struct jvalue function_namespace(const struct jargs *c)
{
    struct jdict *d = make_dict(c);
    return d ? (struct jvalue){.kind = J_NAMESPACE, .dict = d} : jv_undefined();
}

static struct jvalue function_raise_exception(const struct jargs *c)
{
    struct span text = jstring_span(jinja_str(c->j, c->a[0]));
    if (text.n == 0)
        text = span_str("the template refuses the conversation without saying why");
    return jinja_fail(c->j, ERR_USAGE, "%.*s", (int)(text.n < 400 ? text.n : 400),
                      (const char *)text.p);
}

static struct jvalue function_strftime_now(const struct jargs *c)
{
    size_t start = c->j->out.n;
    jinja_put_time(c->j, jinja_arg_string(c->j, c->a[0]));
    return jv_string(jinja_take(c->j, start));
}

static struct jvalue function_joiner(const struct jargs *c)
{
    struct jjoiner *joiner = jinja_alloc(c->j, 1, sizeof *joiner);
    if (!joiner)
        return jv_undefined();
    joiner->separator = c->a[0].kind == J_ABSENT ? jinja_text(c->j, ", ") : c->a[0];
    return (struct jvalue){.kind = J_JOINER, .joiner = joiner};
}

static struct jvalue function_cycler(const struct jargs *c)
{
    struct jcycler *cycler = jinja_alloc(c->j, 1, sizeof *cycler);
    struct jlist *items = jinja_list(c->j, c->call->n);
    for (size_t i = 0; i < c->call->n; i++)
        jinja_push(c->j, items, c->call->v[i]);
    if (c->call->n == 0)
        jinja_fail(c->j, ERR_FORMAT, "cycler: no items");
    if (c->j->rc)
        return jv_undefined();
    cycler->items = items;
    return (struct jvalue){.kind = J_CYCLER, .cycler = cycler};
}

static const struct jbuiltin functions[] = {
    {"range", "start stop step", 1, function_range, 0},
    {"dict", NULL, 0, function_dict, 0},
    {"namespace", NULL, 0, function_namespace, 0},
    {"raise_exception", "message", 1, function_raise_exception, 0},
    {"strftime_now", "format", 1, function_strftime_now, 0},
    {"joiner", "sep", 0, function_joiner, 0},
    {"cycler", NULL, 0, function_cycler, 0},
};

struct jbuiltin_table jinja_functions(void)
{
    return (struct jbuiltin_table){functions, sizeof functions / sizeof *functions};
}

/* ---- lists and tuples ---- */

static struct jvalue list_count(const struct jargs *c)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->self.list->n && !c->j->rc; i++)
        n += jinja_equal(c->j, c->self.list->v[i], c->a[0]);
    return jv_int(n);
}

static struct jvalue list_index(const struct jargs *c)
{
    for (size_t i = 0; i < c->self.list->n && !c->j->rc; i++) {
        if (jinja_equal(c->j, c->self.list->v[i], c->a[0]))
            return jv_int((int64_t)i);
    }
    return jinja_fail(c->j, ERR_FORMAT, "index: the value is not in the %s",
                      jinja_type_name(c->self.kind));
}

static struct jvalue list_copy(const struct jargs *c)
{
    return jv_sequence(J_LIST, jinja_to_list(c->j, c->self));
}

static const struct jbuiltin list_methods[] = {
    {"count", "value", 1, list_count, 0},
    {"index", "value", 1, list_index, 0},
    {"copy", "", 0, list_copy, 0},
};

/* ---- dictionaries ---- */

static struct jvalue dict_get(const struct jargs *c)
{
    const struct jvalue *v = jinja_dict_get(c->j, c->self.dict, c->a[0]);
    if (v)
        return *v;
    return c->a[1].kind == J_ABSENT ? jv_none() : c->a[1];
}

/* variant: 1 keys, 2 values, 3 items. */
static struct jvalue dict_view(const struct jargs *c)
{
    static const char *const printed[] = {"", "dict_keys", "dict_values", "dict_items"};
    const struct jdict *d = c->self.dict;
    struct jlist *l = jinja_list(c->j, d->n);
    for (size_t i = 0; i < d->n && jinja_steps(c->j, 1); i++) {
        const struct jentry *e = &d->entries[i];
        jinja_push(c->j, l,
                   c->builtin->variant == 1   ? e->key
                   : c->builtin->variant == 2 ? e->value
                                              : jinja_pair(c->j, e->key, e->value));
    }
    if (l)
        l->printed = printed[c->builtin->variant];
    return jv_sequence(J_VIEW, l);
}

static struct jvalue dict_copy(const struct jargs *c)
{
    struct jvalue self = c->self;
    struct jcall call = {&self, 1, NULL, 0};
    return jinja_call_builtin(c->j, jinja_function(span_str("dict")), jv_undefined(), &call);
}

static const struct jbuiltin dict_methods[] = {
    {"get", "key default", 1, dict_get, 0}, {"keys", "", 0, dict_view, 1},
    {"values", "", 0, dict_view, 2},        {"items", "", 0, dict_view, 3},
    {"copy", "", 0, dict_copy, 0},
};

/* ---- loops and cyclers ---- */

static struct jvalue loop_cycle(const struct jargs *c)
{
    if (c->call->n == 0)
        return jinja_fail(c->j, ERR_FORMAT, "cycle: no items");
    return c->call->v[c->self.loop->at % c->call->n];
}

static struct jvalue loop_changed(const struct jargs *c)
{
    struct jloop *loop = c->self.loop;
    struct jlist *now = jinja_list(c->j, c->call->n);
    for (size_t i = 0; i < c->call->n; i++)
        jinja_push(c->j, now, c->call->v[i]);
    struct jvalue v = jv_sequence(J_TUPLE, now);
    if (loop->changed_used && jinja_equal(c->j, loop->last_changed, v))
        return jv_bool(false);
    loop->changed_used = true;
    loop->last_changed = v;
    return jv_bool(true);
}

static const struct jbuiltin loop_methods[] = {
    {"cycle", NULL, 0, loop_cycle, 0},
    {"changed", NULL, 0, loop_changed, 0},
};

static struct jvalue cycler_next(const struct jargs *c)
{
    struct jcycler *cycler = c->self.cycler;
    struct jvalue v = cycler->items->v[cycler->at];
    cycler->at = (cycler->at + 1) % cycler->items->n;
    return v;
}

static struct jvalue cycler_reset(const struct jargs *c)
{
    c->self.cycler->at = 0;
    return jv_none();
}

static const struct jbuiltin cycler_methods[] = {
    {"next", "", 0, cycler_next, 0},
    {"reset", "", 0, cycler_reset, 0},
};

struct jbuiltin_table jinja_object_methods(enum jkind kind)
{
    switch (kind) {
    case J_LIST:
        return (struct jbuiltin_table){list_methods, 3};
    case J_TUPLE:
        return (struct jbuiltin_table){list_methods, 2};
    case J_DICT:
        return (struct jbuiltin_table){dict_methods, 5};
    case J_LOOP:
        return (struct jbuiltin_table){loop_methods, 2};
    case J_CYCLER:
        return (struct jbuiltin_table){cycler_methods, 2};
    default:
        return (struct jbuiltin_table){NULL, 0};
    }
}

static struct jvalue neighbour(const struct jloop *loop, bool exists, size_t i)
{
    static const struct jstring what = {"the item beside the loop's end", 30, true};
    if (exists)
        return loop->items->v[i];
    return (struct jvalue){.kind = J_UNDEFINED, .owner = J_UNDEFINED, .string = &what};
}

static struct jvalue loop_property(const struct jloop *loop, struct span name)
{
    int64_t at = (int64_t)loop->at, n = (int64_t)loop->items->n;
    if (span_is(name, "index"))
        return jv_int(at + 1);
    if (span_is(name, "index0"))
        return jv_int(at);
    if (span_is(name, "first"))
        return jv_bool(at == 0);
    if (span_is(name, "last"))
        return jv_bool(at == n - 1);
    if (span_is(name, "length"))
        return jv_int(n);
    if (span_is(name, "revindex"))
        return jv_int(n - at);
    if (span_is(name, "revindex0"))
        return jv_int(n - at - 1);
    if (span_is(name, "depth"))
        return jv_int(loop->depth);
    if (span_is(name, "depth0"))
        return jv_int(loop->depth - 1);
    if (span_is(name, "previtem"))
        return neighbour(loop, at > 0, loop->at - 1);
    if (span_is(name, "nextitem"))
        return neighbour(loop, at + 1 < n, loop->at + 1);
    return jv_absent();
}

static struct jvalue macro_property(struct jinja *j, const struct jmacro *m, struct span name)
{
    if (span_is(name, "name"))
        return m->node->kind == JN_MACRO ? jv_string(&j->t->symbols[m->node->symbol].name)
                                         : jv_none();
    if (span_is(name, "catch_kwargs"))
        return jv_bool(m->node->op & 1 << JSYMBOL_KWARGS);
    if (span_is(name, "catch_varargs"))
        return jv_bool(m->node->op & 1 << JSYMBOL_VARARGS);
    if (span_is(name, "caller"))
        return jv_bool(m->node->op & 1 << JSYMBOL_CALLER);
    if (!span_is(name, "arguments"))
        return jv_absent();
    struct jlist *l = jinja_list(j, 0);
    for (const struct jnode *p = m->node->a; p && jinja_steps(j, 1); p = p->next)
        jinja_push(j, l, jv_string(&j->t->symbols[p->symbol].name));
    return jv_sequence(J_TUPLE, l);
}

struct jvalue jinja_property(struct jinja *j, struct jvalue object, struct span name)
{
    if (object.kind == J_LOOP)
        return loop_property(object.loop, name);
    if (object.kind == J_TUPLE && object.list->group && span_is(name, "grouper"))
        return object.list->v[0];
    if (object.kind == J_TUPLE && object.list->group && span_is(name, "list"))
        return object.list->v[1];
    if (object.kind == J_MACRO)
        return macro_property(j, object.macro, name);
    if (object.kind == J_CYCLER && span_is(name, "current"))
        return object.cycler->items->v[object.cycler->at];
    return jv_absent();
}
