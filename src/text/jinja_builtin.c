/* SPDX-License-Identifier: MIT */
/* Finding built-in filters and methods by name, and fitting a call's arguments to them. */
#include "text/jinja.h"

static const struct jbuiltin *find(struct jbuiltin_table t, struct span name)
{
    for (size_t i = 0; i < t.n; i++) {
        if (span_is(name, t.rows[i].name))
            return &t.rows[i];
    }
    return NULL;
}

const struct jbuiltin *jinja_filter(struct span name)
{
    const struct jbuiltin *b = find(jinja_text_filters(), name);
    if (!b)
        b = find(jinja_sequence_filters(), name);
    if (!b)
        b = find(jinja_markup_filters(), name);
    return b ? b : find(jinja_choice_filters(), name);
}

const struct jbuiltin *jinja_test(struct span name)
{
    return find(jinja_tests(), name);
}

const struct jbuiltin *jinja_function(struct span name)
{
    return find(jinja_functions(), name);
}

const struct jbuiltin *jinja_method(enum jkind kind, struct span name)
{
    if (kind == J_STRING) {
        const struct jbuiltin *b = find(jinja_string_methods(), name);
        return b ? b : find(jinja_search_methods(), name);
    }
    return find(jinja_object_methods(kind), name);
}

bool jinja_method_forbidden(enum jkind kind, struct span name)
{
    static const char *const of_list[] = {"append", "clear",  "extend",  "insert",
                                          "pop",    "remove", "reverse", "sort"};
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    const char *const *names = kind == J_LIST ? of_list : of_dict;
    size_t n = kind == J_LIST ? sizeof of_list / sizeof *of_list : sizeof of_dict / sizeof *of_dict;
    for (size_t i = 0; i < n && (kind == J_LIST || kind == J_DICT); i++) {
        if (span_is(name, names[i]))
            return true;
    }
    return false;
}

/* The i-th of blank-separated names, or an empty span. */
static struct span parameter(const char *params, size_t i)
{
    while (i-- > 0 && *params) {
        params += strcspn(params, " ");
        params += *params == ' ';
    }
    return span_of(params, strcspn(params, " "));
}

static void place_keyword(struct jargs *c, const struct jkeyword *k)
{
    const struct jbuiltin *b = c->builtin;
    struct span name = jstring_span(k->name), param;
    size_t i = 0;
    while (i < JARGS_MAX && (param = parameter(b->params, i)).n > 0 && !span_eq(param, name))
        i++;
    if (i == JARGS_MAX || param.n == 0)
        jinja_fail(c->j, ERR_FORMAT, "%s: no argument '%.*s'", b->name, SPAN_FMT(name));
    else if (c->a[i].kind != J_ABSENT)
        jinja_fail(c->j, ERR_FORMAT, "%s: argument '%.*s' is given twice", b->name, SPAN_FMT(name));
    else
        c->a[i] = k->value;
}

static void place_arguments(struct jargs *c)
{
    const struct jbuiltin *b = c->builtin;
    for (size_t i = 0; i < c->call->n; i++) {
        if (i == JARGS_MAX || parameter(b->params, i).n == 0) {
            jinja_fail(c->j, ERR_FORMAT, "%s: %zu arguments, expected at most %zu", b->name,
                       c->call->n, i);
            return;
        }
        c->a[i] = c->call->v[i];
    }
    for (size_t i = 0; i < c->call->n_keywords && !c->j->rc; i++)
        place_keyword(c, &c->call->keywords[i]);
    for (size_t i = 0; i < b->required && !c->j->rc; i++) {
        if (c->a[i].kind == J_ABSENT)
            jinja_fail(c->j, ERR_FORMAT, "%s: argument '%.*s' is missing", b->name,
                       SPAN_FMT(parameter(b->params, i)));
    }
}

struct jvalue jinja_call_builtin(struct jinja *j, const struct jbuiltin *b, struct jvalue self,
                                 const struct jcall *call)
{
    struct jargs c = {.j = j, .builtin = b, .self = self, .call = call};
    struct jvalue r = jv_undefined();
    if (!jinja_deeper(j))
        return r;
    for (size_t i = 0; i < JARGS_MAX; i++)
        c.a[i] = jv_absent();
    if (b->params)
        place_arguments(&c);
    if (!j->rc)
        r = b->fn(&c);
    j->depth--;
    return r;
}

/* ---- arguments as C values ---- */

bool jinja_arg_bool(struct jvalue a, bool otherwise)
{
    return a.kind == J_ABSENT ? otherwise : jinja_truth(a);
}

int64_t jinja_arg_int(struct jinja *j, struct jvalue a, int64_t otherwise)
{
    if (a.kind == J_ABSENT)
        return otherwise;
    if (jv_is_int(a))
        return jv_to_int(a);
    if (a.kind == J_UNDEFINED)
        jinja_fail_undefined(j, a);
    jinja_fail(j, ERR_FORMAT, "an argument is %s, expected an integer", jinja_type_name(a.kind));
    return otherwise;
}

const struct jstring *jinja_arg_string(struct jinja *j, struct jvalue a)
{
    static const struct jstring empty = {"", 0, true};
    if (a.kind == J_STRING)
        return a.string;
    if (a.kind == J_UNDEFINED)
        jinja_fail_undefined(j, a);
    jinja_fail(j, ERR_FORMAT, "an argument is %s, expected a string", jinja_type_name(a.kind));
    return &empty;
}
