/* SPDX-License-Identifier: MIT */
/* Expressions: the walk over their tree.
 *
 * Each node costs a step and a level of depth, so that no template runs long or deep. A failed
 * evaluation gives an undefined value with j->rc set; everybody looks at j->rc before using one for
 * more than another evaluation. */
#include "text/jinja_ast.h"

#include <stdio.h>

/* ---- the rendering's bounds ---- */

struct jvalue jinja_fail(struct jinja *j, int code, const char *fmt, ...)
{
    char why[sizeof j->e->text]; /* not a buf: what failed may be memory */
    va_list ap;
    if (j->rc)
        return jv_undefined();
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    /* What a template itself raises is for its user, who knows no lines of it. */
    if (code == ERR_USAGE)
        j->rc = err_set(j->e, code, "%s", why);
    else
        j->rc = err_set(j->e, code, "line %u: %s", (unsigned)j->line, why);
    return jv_undefined();
}

struct jvalue jinja_fail_undefined(struct jinja *j, struct jvalue v)
{
    struct span name = v.string ? jstring_span(v.string) : span_str("that index");
    if (v.owner == J_UNDEFINED)
        return jinja_fail(j, ERR_FORMAT, "'%.*s' is undefined", SPAN_FMT(name));
    return jinja_fail(j, ERR_FORMAT, "'%s' object has no '%.*s'", jinja_type_name(v.owner),
                      SPAN_FMT(name));
}

void *jinja_alloc(struct jinja *j, size_t n, size_t size)
{
    void *p = j->rc ? NULL : arena_array(&j->arena, n, size);
    if (!p)
        jinja_fail(j, ERR_LIMIT, "the template's values need more than %d MiB, or memory is short",
                   JINJA_MEMORY_MAX >> 20);
    return p;
}

bool jinja_spend(struct jinja *j, uint64_t units)
{
    if (j->rc)
        return false;
    if (units > j->units_left) {
        jinja_fail(j, ERR_LIMIT, "the template takes more than %d steps", JINJA_STEPS_MAX);
        return false;
    }
    j->units_left -= units;
    return true;
}

bool jinja_deeper(struct jinja *j)
{
    if (j->rc)
        return false;
    if (j->depth >= JINJA_DEPTH_MAX) {
        jinja_fail(j, ERR_LIMIT, "values or calls are nested deeper than %d", JINJA_DEPTH_MAX);
        return false;
    }
    j->depth++;
    return true;
}

/* ---- variables ---- */

static struct jbinding *find_binding(struct jinja *j, struct jscope *scope, uint32_t symbol)
{
    for (size_t i = 0; i < scope->n; i++) {
        if (scope->bindings[i].symbol == symbol) {
            jinja_steps(j, i / 8);
            return &scope->bindings[i];
        }
    }
    jinja_steps(j, scope->n / 8);
    return NULL;
}

const struct jvalue *jinja_lookup(struct jinja *j, uint32_t symbol)
{
    for (struct jscope *s = j->scope; s && !j->rc; s = s->parent) {
        struct jbinding *b = find_binding(j, s, symbol);
        if (b)
            return &b->value;
    }
    return NULL;
}

void jinja_bind(struct jinja *j, struct jscope *scope, uint32_t symbol, struct jvalue v)
{
    struct jbinding *b = find_binding(j, scope, symbol);
    if (j->rc)
        return;
    if (b) {
        b->value = v;
        return;
    }
    if (scope->n == scope->cap) {
        size_t cap = scope->cap ? scope->cap * 2 : 4;
        struct jbinding *grown = jinja_alloc(j, cap, sizeof *grown);
        if (!grown)
            return;
        if (scope->n > 0)
            memcpy(grown, scope->bindings, scope->n * sizeof *grown);
        scope->bindings = grown;
        scope->cap = cap;
    }
    scope->bindings[scope->n++] = (struct jbinding){symbol, v};
}

static const struct jstring *symbol_name(const struct jinja *j, uint32_t symbol)
{
    return &j->t->symbols[symbol].name;
}

static struct jvalue eval_name(struct jinja *j, const struct jnode *n)
{
    const struct jvalue *v = jinja_lookup(j, n->symbol);
    const struct jsymbol *s = &j->t->symbols[n->symbol];
    if (v)
        return *v;
    if (s->function)
        return (struct jvalue){.kind = J_FUNCTION, .function = s->function};
    return (struct jvalue){.kind = J_UNDEFINED, .owner = J_UNDEFINED, .string = &s->name};
}

/* ---- displays ---- */

static struct jvalue eval_items(struct jinja *j, enum jkind kind, const struct jnode *items)
{
    struct jlist *l = jinja_list(j, 0);
    for (; items && !j->rc; items = items->next)
        jinja_push(j, l, jinja_eval(j, items));
    return jv_sequence(kind, l);
}

static struct jvalue eval_dict(struct jinja *j, const struct jnode *items)
{
    struct jdict *d = jinja_dict(j);
    for (; items && !j->rc; items = items->next->next) {
        struct jvalue key = jinja_eval(j, items);
        jinja_dict_set(j, d, key, jinja_eval(j, items->next));
    }
    return jv_dict(d);
}

static struct jvalue eval_concat(struct jinja *j, const struct jnode *items)
{
    struct jvalue parts = eval_items(j, J_LIST, items);
    size_t start = j->out.n;
    for (size_t i = 0; !j->rc && i < parts.list->n; i++)
        jinja_put(j, parts.list->v[i]);
    return jv_string(jinja_take(j, start));
}

/* ---- calls ---- */

static void spread(struct jinja *j, struct jlist *positional, struct jvalue v)
{
    struct jiter it;
    struct jvalue item;
    if (!jinja_iter(j, &it, v))
        return;
    while (jinja_next(j, &it, &item))
        jinja_push(j, positional, item);
}

static void add_keyword(struct jinja *j, struct jcall *call, size_t *cap,
                        const struct jstring *name, struct jvalue v)
{
    if (call->n_keywords == *cap) {
        size_t grown_cap = *cap ? *cap * 2 : 4;
        struct jkeyword *grown = jinja_alloc(j, grown_cap, sizeof *grown);
        if (!grown)
            return;
        if (call->n_keywords > 0)
            memcpy(grown, call->keywords, call->n_keywords * sizeof *grown);
        call->keywords = grown;
        *cap = grown_cap;
    }
    call->keywords[call->n_keywords++] = (struct jkeyword){name, v};
}

static void spread_keywords(struct jinja *j, struct jcall *call, size_t *cap, struct jvalue v)
{
    if (v.kind != J_DICT) {
        jinja_fail(j, ERR_FORMAT, "what follows ** is %s, expected a dict",
                   jinja_type_name(v.kind));
        return;
    }
    for (size_t i = 0; i < v.dict->n && jinja_steps(j, 1); i++) {
        if (v.dict->entries[i].key.kind != J_STRING)
            jinja_fail(j, ERR_FORMAT, "keywords must be strings");
        else
            add_keyword(j, call, cap, v.dict->entries[i].key.string, v.dict->entries[i].value);
    }
}

bool jinja_eval_arguments(struct jinja *j, const struct jnode *args, struct jcall *out)
{
    struct jlist *positional = jinja_list(j, 0);
    size_t cap = 0;
    *out = (struct jcall){NULL, 0, NULL, 0};
    for (; args && !j->rc; args = args->next) {
        struct jvalue v = jinja_eval(j, args->a);
        if (j->rc)
            break;
        switch (args->kind) {
        case JN_SPREAD:
            spread(j, positional, v);
            break;
        case JN_KEYWORD:
            add_keyword(j, out, &cap, symbol_name(j, args->symbol), v);
            break;
        case JN_SPREAD_KEYWORDS:
            spread_keywords(j, out, &cap, v);
            break;
        default: /* JN_POSITIONAL */
            jinja_push(j, positional, v);
            break;
        }
    }
    if (j->rc)
        return false;
    out->v = positional->v;
    out->n = positional->n;
    return true;
}

struct jvalue jinja_call(struct jinja *j, struct jvalue callee, const struct jcall *call)
{
    struct jvalue r;
    if (!jinja_deeper(j))
        return jv_undefined();
    switch (callee.kind) {
    case J_FUNCTION:
        r = jinja_call_builtin(j, callee.function, jv_undefined(), call);
        break;
    case J_METHOD:
        r = jinja_call_builtin(j, callee.method->builtin, callee.method->self, call);
        break;
    case J_MACRO:
        r = jinja_call_macro(j, callee.macro, call);
        break;
    case J_LOOP:
        r = jinja_call_loop(j, callee.loop, call);
        break;
    case J_JOINER:
        r = callee.joiner->used ? callee.joiner->separator : jinja_text(j, "");
        callee.joiner->used = true;
        break;
    case J_UNDEFINED:
        r = jinja_fail_undefined(j, callee);
        break;
    default:
        r = jinja_fail(j, ERR_FORMAT, "'%s' object cannot be called", jinja_type_name(callee.kind));
        break;
    }
    j->depth--;
    return r;
}

static struct jvalue eval_call(struct jinja *j, const struct jnode *n)
{
    struct jcall call;
    struct jvalue callee = jinja_eval(j, n->a);
    if (!jinja_eval_arguments(j, n->b, &call))
        return jv_undefined();
    j->line = n->line;
    return jinja_call(j, callee, &call);
}

/* The subject of the innermost filter is evaluated first, then the filters from inside out. */
static struct jvalue apply_filter(struct jinja *j, const struct jnode *n, struct jvalue subject)
{
    struct jcall call;
    if (!jinja_eval_arguments(j, n->b, &call))
        return jv_undefined();
    j->line = n->line;
    return jinja_call_builtin(j, n->builtin, subject, &call);
}

struct jvalue jinja_eval_filters(struct jinja *j, const struct jnode *n, struct jvalue subject)
{
    if (!n)
        return subject;
    return apply_filter(j, n, jinja_eval_filters(j, n->a, subject));
}

static struct jvalue eval_test(struct jinja *j, const struct jnode *n)
{
    struct jcall call;
    struct jvalue subject = jinja_eval(j, n->a);
    if (!jinja_eval_arguments(j, n->b, &call))
        return jv_undefined();
    j->line = n->line;
    return jinja_call_builtin(j, n->builtin, subject, &call);
}

/* ---- operators ---- */

static struct jvalue eval_bound(struct jinja *j, const struct jnode *n)
{
    return n ? jinja_eval(j, n) : jv_none();
}

static struct jvalue eval_getitem(struct jinja *j, const struct jnode *n)
{
    struct jvalue object = jinja_eval(j, n->a);
    if (n->b->kind == JN_SLICE) {
        struct jvalue start = eval_bound(j, n->b->a), stop = eval_bound(j, n->b->b);
        struct jvalue step = eval_bound(j, n->b->c);
        j->line = n->line;
        return j->rc ? jv_undefined() : jinja_slice(j, object, start, stop, step);
    }
    struct jvalue key = jinja_eval(j, n->b);
    j->line = n->line;
    return j->rc ? jv_undefined() : jinja_getitem(j, object, key);
}

/* a < b < c: each operand once, and no further than the first that does not hold. */
static struct jvalue eval_compare(struct jinja *j, const struct jnode *n)
{
    struct jvalue left = jinja_eval(j, n->a);
    for (const struct jnode *o = n->b; o && !j->rc; o = o->next) {
        struct jvalue right = jinja_eval(j, o->a);
        j->line = o->line;
        if (j->rc || !jinja_compare(j, (enum jop)o->op, left, right))
            return jv_bool(false);
        left = right;
    }
    return jv_bool(true);
}

static struct jvalue eval_cond(struct jinja *j, const struct jnode *n)
{
    static const struct jstring nothing = {"a value without else", 20, true};
    if (jinja_truth(jinja_eval(j, n->a)))
        return jinja_eval(j, n->b);
    if (n->c)
        return jinja_eval(j, n->c);
    return (struct jvalue){.kind = J_UNDEFINED, .owner = J_UNDEFINED, .string = &nothing};
}

static struct jvalue eval_binary(struct jinja *j, const struct jnode *n)
{
    struct jvalue a = jinja_eval(j, n->a), b = jinja_eval(j, n->b);
    j->line = n->line;
    return j->rc ? jv_undefined() : jinja_binary(j, (enum jop)n->op, a, b);
}

static struct jvalue eval_unary(struct jinja *j, const struct jnode *n)
{
    struct jvalue a = jinja_eval(j, n->a);
    j->line = n->line;
    return j->rc ? jv_undefined() : jinja_unary(j, (enum jop)n->op, a);
}

static struct jvalue eval_getattr(struct jinja *j, const struct jnode *n)
{
    struct jvalue object = jinja_eval(j, n->a);
    j->line = n->line;
    return j->rc ? jv_undefined() : jinja_getattr(j, object, symbol_name(j, n->symbol));
}

/* x and y, x or y give the operand that decided. */
static struct jvalue eval_logic(struct jinja *j, const struct jnode *n)
{
    struct jvalue a = jinja_eval(j, n->a);
    return jinja_truth(a) == (n->kind == JN_OR) ? a : jinja_eval(j, n->b);
}

static struct jvalue eval_node(struct jinja *j, const struct jnode *n)
{
    switch (n->kind) {
    case JN_CONST:
        return n->value;
    case JN_NAME:
        return eval_name(j, n);
    case JN_LIST:
        return eval_items(j, J_LIST, n->a);
    case JN_TUPLE:
        return eval_items(j, J_TUPLE, n->a);
    case JN_DICT:
        return eval_dict(j, n->a);
    case JN_GETATTR:
        return eval_getattr(j, n);
    case JN_GETITEM:
        return eval_getitem(j, n);
    case JN_CALL:
        return eval_call(j, n);
    case JN_FILTER:
        return apply_filter(j, n, jinja_eval(j, n->a));
    case JN_TEST:
        return eval_test(j, n);
    case JN_UNARY:
        return eval_unary(j, n);
    case JN_BINARY:
        return eval_binary(j, n);
    case JN_COMPARE:
        return eval_compare(j, n);
    case JN_NOT:
        return jv_bool(!jinja_truth(jinja_eval(j, n->a)));
    case JN_AND:
    case JN_OR:
        return eval_logic(j, n);
    case JN_COND:
        return eval_cond(j, n);
    case JN_CONCAT:
        return eval_concat(j, n->a);
    default:
        return jinja_fail(j, ERR_FORMAT, "a slice stands alone"); /* x[1:2, 3] */
    }
}

struct jvalue jinja_eval(struct jinja *j, const struct jnode *n)
{
    if (!jinja_steps(j, 1) || !jinja_deeper(j))
        return jv_undefined();
    j->line = n->line;
    struct jvalue v = eval_node(j, n);
    j->depth--;
    return j->rc ? jv_undefined() : v;
}
