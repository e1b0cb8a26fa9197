/* SPDX-License-Identifier: MIT */
/* Statements: text, loops, conditions, assignments, macros.
 *
 * Scopes follow Jinja2: a loop's turn, a macro's call and a with block have variables of their own
 * that end with them; an if block has none. A macro sees the variables of where it was defined. */
#include "text/jinja_ast.h"

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

static enum flow exec_list(struct jinja *j, const struct jnode *list);

/* ---- scopes ---- */

static struct jscope *new_scope(struct jinja *j, struct jscope *parent)
{
    struct jscope *s = jinja_alloc(j, 1, sizeof *s);
    if (s)
        s->parent = parent;
    return s;
}

/* Runs body with variables of its own on top of parent's; scope may hold some already. */
static enum flow exec_in(struct jinja *j, struct jscope *scope, const struct jnode *body)
{
    struct jscope *before = j->scope;
    if (!scope || j->rc)
        return FLOW_NEXT;
    j->scope = scope;
    enum flow flow = exec_list(j, body);
    j->scope = before;
    return flow;
}

/* ---- assignment ---- */

static void assign(struct jinja *j, struct jscope *scope, const struct jnode *target,
                   struct jvalue v);

static void assign_member(struct jinja *j, const struct jnode *target, struct jvalue v)
{
    struct jvalue object = jinja_eval(j, target->a);
    if (j->rc)
        return;
    if (object.kind == J_UNDEFINED)
        jinja_fail_undefined(j, object);
    else if (object.kind != J_NAMESPACE)
        jinja_fail(j, ERR_FORMAT, "cannot assign to a member of '%s', only of a namespace",
                   jinja_type_name(object.kind));
    else
        jinja_dict_set_str(j, object.dict, &j->t->symbols[target->symbol].name, v);
}

static void assign_tuple(struct jinja *j, struct jscope *scope, const struct jnode *targets,
                         struct jvalue v)
{
    struct jlist *l = jinja_to_list(j, v);
    size_t n = 0;
    for (const struct jnode *t = targets; t; t = t->next)
        n++;
    if (l && l->n != n)
        jinja_fail(j, ERR_FORMAT, "%zu values to unpack, expected %zu", l->n, n);
    for (size_t i = 0; i < n && !j->rc; i++, targets = targets->next)
        assign(j, scope, targets, l->v[i]);
}

/* The parser bounds how deep targets nest. */
static void assign(struct jinja *j, struct jscope *scope, const struct jnode *target,
                   struct jvalue v)
{
    if (j->rc)
        return;
    if (target->kind == JN_NAME)
        jinja_bind(j, scope, target->symbol, v);
    else if (target->kind == JN_MEMBER)
        assign_member(j, target, v);
    else
        assign_tuple(j, scope, target->a, v);
}

/* ---- capturing ---- */

/* What body writes, as a string. A break or continue on the way out drops it. */
static enum flow capture(struct jinja *j, const struct jnode *body, struct jvalue *text)
{
    size_t start = j->out.n;
    enum flow flow = exec_list(j, body);
    *text = jv_string(jinja_take(j, start));
    return flow;
}

static enum flow exec_set_block(struct jinja *j, const struct jnode *n)
{
    struct jvalue text;
    struct jscope *scope = j->scope, *inner = new_scope(j, scope);
    if (!inner)
        return FLOW_NEXT;
    j->scope = inner;
    enum flow flow = capture(j, n->body, &text);
    j->scope = scope;
    if (flow == FLOW_NEXT && !j->rc)
        assign(j, scope, n->a, jinja_eval_filters(j, n->b, text));
    return flow;
}

static enum flow exec_filter_block(struct jinja *j, const struct jnode *n)
{
    struct jvalue text;
    struct jscope *scope = j->scope, *inner = new_scope(j, scope);
    if (!inner)
        return FLOW_NEXT;
    j->scope = inner;
    enum flow flow = capture(j, n->body, &text);
    if (flow == FLOW_NEXT && !j->rc)
        jinja_put(j, jinja_eval_filters(j, n->b, text));
    j->scope = scope;
    return flow;
}

/* ---- loops ---- */

/* Nobody who can reach it later shall find it used again. */
static void keep_scopes(struct jscope *scope)
{
    for (; scope && !scope->kept; scope = scope->parent)
        scope->kept = true;
}

/* The items that the loop's condition lets through. */
static struct jlist *loop_items(struct jinja *j, const struct jnode *n, struct jvalue over)
{
    j->line = n->line;
    struct jlist *all = j->rc ? NULL : jinja_to_list(j, over);
    if (!all || !n->c)
        return all;
    struct jlist *kept = jinja_list(j, 0);
    struct jscope *outer = j->scope, *inner = new_scope(j, outer);
    for (size_t i = 0; i < all->n && !j->rc; i++) {
        inner->n = 0;
        assign(j, inner, n->a, all->v[i]);
        j->scope = inner;
        if (jinja_truth(jinja_eval(j, n->c)))
            jinja_push(j, kept, all->v[i]);
        j->scope = outer;
    }
    return j->rc ? NULL : kept;
}

/* j->scope is where the loop stands. */
static void run_loop(struct jinja *j, const struct jnode *n, struct jvalue over, int depth)
{
    struct jloop *loop = jinja_alloc(j, 1, sizeof *loop);
    struct jlist *items = loop_items(j, n, over);
    struct jscope *scope = NULL;
    bool whole_turn = false; /* Jinja2's else also follows turns that were all cut short */
    if (!items || !loop)
        return;
    *loop = (struct jloop){.items = items, .depth = depth};
    if (n->op) {
        loop->node = n;
        loop->scope = j->scope;
        keep_scopes(j->scope);
    }
    for (size_t i = 0; i < items->n && jinja_steps(j, 1); i++) {
        loop->at = i;
        if (!scope || scope->kept)
            scope = new_scope(j, j->scope);
        if (!scope)
            return;
        scope->n = 0;
        jinja_bind(j, scope, JSYMBOL_LOOP, (struct jvalue){.kind = J_LOOP, .loop = loop});
        assign(j, scope, n->a, items->v[i]);
        enum flow flow = exec_in(j, scope, n->body);
        whole_turn = whole_turn || flow == FLOW_NEXT;
        if (flow == FLOW_BREAK)
            break;
    }
    if (!whole_turn && n->orelse)
        exec_in(j, new_scope(j, j->scope), n->orelse);
}

struct jvalue jinja_call_loop(struct jinja *j, const struct jloop *loop, const struct jcall *call)
{
    if (!loop->node)
        return jinja_fail(j, ERR_FORMAT, "the loop has no 'recursive' and cannot be called");
    if (call->n != 1 || call->n_keywords > 0)
        return jinja_fail(j, ERR_FORMAT, "loop: %zu arguments, expected 1",
                          call->n + call->n_keywords);
    struct jscope *before = j->scope;
    uint32_t line = j->line;
    size_t start = j->out.n;
    j->scope = loop->scope;
    run_loop(j, loop->node, call->v[0], loop->depth + 1);
    j->scope = before;
    j->line = line;
    return jv_string(jinja_take(j, start));
}

static enum flow exec_block(struct jinja *j, const struct jnode *n)
{
    struct jscope *outer = j->scope;
    while (!n->op && outer->parent)
        outer = outer->parent;
    return exec_in(j, new_scope(j, outer), n->body);
}

/* ---- macros ---- */

static struct jvalue new_macro(struct jinja *j, const struct jnode *n)
{
    struct jmacro *m = jinja_alloc(j, 1, sizeof *m);
    if (!m)
        return jv_undefined();
    *m = (struct jmacro){n, j->scope};
    keep_scopes(j->scope);
    return (struct jvalue){.kind = J_MACRO, .macro = m};
}

static void exec_call_block(struct jinja *j, const struct jnode *n)
{
    struct jcall call;
    struct jvalue callee = jinja_eval(j, n->b->a);
    if (!jinja_eval_arguments(j, n->b->b, &call))
        return;
    struct jkeyword *keywords = jinja_alloc(j, call.n_keywords + 1, sizeof *keywords);
    if (!keywords)
        return;
    if (call.n_keywords > 0)
        memcpy(keywords, call.keywords, call.n_keywords * sizeof *keywords);
    keywords[call.n_keywords++] =
        (struct jkeyword){&j->t->symbols[JSYMBOL_CALLER].name, new_macro(j, n)};
    call.keywords = keywords;
    j->line = n->line;
    jinja_put(j, jinja_call(j, callee, &call));
}

static const struct jkeyword *keyword_of(const struct jinja *j, const struct jcall *call,
                                         uint32_t symbol)
{
    for (size_t i = 0; i < call->n_keywords; i++) {
        if (span_eq(jstring_span(call->keywords[i].name),
                    jstring_span(&j->t->symbols[symbol].name)))
            return &call->keywords[i];
    }
    return NULL;
}

static bool is_parameter(const struct jinja *j, const struct jnode *params, struct span name)
{
    for (; params; params = params->next) {
        if (span_eq(jstring_span(&j->t->symbols[params->symbol].name), name))
            return true;
    }
    return false;
}

/* What a call gave beyond the parameters is varargs and kwargs, for those macros that name them. */
static void bind_rest(struct jinja *j, const struct jnode *n, const struct jcall *call,
                      size_t n_params)
{
    struct jlist *rest = jinja_list(j, 0);
    struct jdict *kwargs = jinja_dict(j);
    if (call->n > n_params && !(n->op & 1 << JSYMBOL_VARARGS))
        jinja_fail(j, ERR_FORMAT, "the macro takes no more than %zu arguments", n_params);
    for (size_t i = n_params; i < call->n; i++)
        jinja_push(j, rest, call->v[i]);
    for (size_t i = 0; i < call->n_keywords && !j->rc; i++) {
        struct span name = jstring_span(call->keywords[i].name);
        if (is_parameter(j, n->a, name))
            continue;
        if (span_is(name, "caller") && n->op & 1 << JSYMBOL_CALLER)
            jinja_bind(j, j->scope, JSYMBOL_CALLER, call->keywords[i].value);
        else if (n->op & 1 << JSYMBOL_KWARGS)
            jinja_dict_set_str(j, kwargs, call->keywords[i].name, call->keywords[i].value);
        else
            jinja_fail(j, ERR_FORMAT, "the macro takes no argument '%.*s'", SPAN_FMT(name));
    }
    if (n->op & 1 << JSYMBOL_VARARGS)
        jinja_bind(j, j->scope, JSYMBOL_VARARGS, jv_sequence(J_TUPLE, rest));
    if (n->op & 1 << JSYMBOL_KWARGS)
        jinja_bind(j, j->scope, JSYMBOL_KWARGS, jv_dict(kwargs));
}

/* What was given first, then the defaults from left to right, which can use the parameters before
 * them. j->scope is the call's. */
static void bind_parameters(struct jinja *j, const struct jnode *n, const struct jcall *call)
{
    size_t i = 0;
    for (const struct jnode *p = n->a; p && jinja_steps(j, 1); p = p->next, i++) {
        const struct jkeyword *k = keyword_of(j, call, p->symbol);
        struct jvalue v = {
            .kind = J_UNDEFINED, .owner = J_UNDEFINED, .string = &j->t->symbols[p->symbol].name};
        if (i < call->n && k)
            jinja_fail(j, ERR_FORMAT, "argument '%.*s' is given twice",
                       SPAN_FMT(jstring_span(k->name)));
        if (i < call->n)
            v = call->v[i];
        else if (k)
            v = k->value;
        jinja_bind(j, j->scope, p->symbol, v);
    }
    bind_rest(j, n, call, i);
    i = 0;
    for (const struct jnode *p = n->a; p && !j->rc; p = p->next, i++) {
        if (p->a && i >= call->n && !keyword_of(j, call, p->symbol))
            jinja_bind(j, j->scope, p->symbol, jinja_eval(j, p->a));
    }
}

struct jvalue jinja_call_macro(struct jinja *j, const struct jmacro *m, const struct jcall *call)
{
    struct jscope *before = j->scope;
    uint32_t line = j->line;
    size_t start = j->out.n;
    j->scope = new_scope(j, m->scope);
    if (j->scope) {
        bind_parameters(j, m->node, call);
        exec_list(j, m->node->body);
    }
    j->scope = before;
    j->line = line;
    return jv_string(jinja_take(j, start));
}

/* ---- the walk ---- */

static enum flow exec_if(struct jinja *j, const struct jnode *branch)
{
    for (; branch && !j->rc; branch = branch->next) {
        if (!branch->a || jinja_truth(jinja_eval(j, branch->a)))
            return j->rc ? FLOW_NEXT : exec_list(j, branch->body);
    }
    return FLOW_NEXT;
}

static enum flow exec_with(struct jinja *j, const struct jnode *n)
{
    struct jscope *scope = new_scope(j, j->scope);
    for (const struct jnode *set = n->a; set && !j->rc; set = set->next) {
        struct jvalue v = jinja_eval(j, set->b); /* in the scope outside */
        assign(j, scope, set->a, v);
    }
    return exec_in(j, scope, n->body);
}

static enum flow exec_node(struct jinja *j, const struct jnode *n)
{
    switch (n->kind) {
    case JN_DATA:
        jinja_put_bytes(j, n->value.string->p, n->value.string->n);
        return FLOW_NEXT;
    case JN_PRINT:
        jinja_put(j, jinja_eval(j, n->a));
        return FLOW_NEXT;
    case JN_FOR:
        run_loop(j, n, jinja_eval(j, n->b), 1);
        return FLOW_NEXT;
    case JN_IF:
        return exec_if(j, n->a);
    case JN_SET:
        assign(j, j->scope, n->a, jinja_eval(j, n->b));
        return FLOW_NEXT;
    case JN_SET_BLOCK:
        return exec_set_block(j, n);
    case JN_MACRO:
        jinja_bind(j, j->scope, n->symbol, new_macro(j, n));
        return FLOW_NEXT;
    case JN_CALL_BLOCK:
        exec_call_block(j, n);
        return FLOW_NEXT;
    case JN_FILTER_BLOCK:
        return exec_filter_block(j, n);
    case JN_WITH:
        return exec_with(j, n);
    case JN_SCOPE:
        return exec_in(j, new_scope(j, j->scope), n->body);
    case JN_BLOCK:
        return exec_block(j, n);
    case JN_BREAK:
        return FLOW_BREAK;
    default: /* JN_CONTINUE */
        return FLOW_CONTINUE;
    }
}

static enum flow exec_list(struct jinja *j, const struct jnode *list)
{
    enum flow flow = FLOW_NEXT;
    if (!jinja_deeper(j))
        return FLOW_NEXT;
    for (; list && flow == FLOW_NEXT && jinja_steps(j, 1); list = list->next) {
        j->line = list->line;
        flow = exec_node(j, list);
    }
    j->depth--;
    return flow;
}

void jinja_exec(struct jinja *j, const struct jnode *list)
{
    exec_list(j, list);
}
