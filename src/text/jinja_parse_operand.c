/* SPDX-License-Identifier: MIT */
/* Operands: literals, names, tuples, and what follows them (calls, subscripts, filters, tests). The
 * grammar is that of jinja2/parser.py (Jinja 3.1). */
#include "text/jinja_parse.h"

struct jnode *jparse_pair(struct jparser *p, enum jnode_kind kind, uint32_t line, struct jnode *a,
                          struct jnode *b)
{
    struct jnode *n = jparse_node(p, kind, line);
    n->a = a;
    n->b = b;
    return jparse_finish(p, n);
}

static struct jnode *constant(struct jparser *p, uint32_t line, struct jvalue v)
{
    struct jnode *n = jparse_node(p, JN_CONST, line);
    n->value = v;
    return jparse_finish(p, n);
}

/* ---- literals ---- */

static struct jnode *parse_list(struct jparser *p)
{
    struct jnode *n = jparse_node(p, JN_LIST, p->now.line);
    struct jnodes items = {NULL, NULL};
    jparse_expect(p, JT_LBRACKET);
    while (p->now.kind != JT_RBRACKET && !p->rc) {
        if (items.first)
            jparse_expect(p, JT_COMMA);
        if (p->now.kind == JT_RBRACKET)
            break;
        jparse_append(p, &items, jparse_expression(p));
    }
    jparse_expect(p, JT_RBRACKET);
    n->a = items.first;
    return jparse_finish(p, n);
}

static struct jnode *parse_dict(struct jparser *p)
{
    struct jnode *n = jparse_node(p, JN_DICT, p->now.line);
    struct jnodes items = {NULL, NULL};
    jparse_expect(p, JT_LBRACE);
    while (p->now.kind != JT_RBRACE && !p->rc) {
        if (items.first)
            jparse_expect(p, JT_COMMA);
        if (p->now.kind == JT_RBRACE)
            break;
        jparse_append(p, &items, jparse_expression(p));
        jparse_expect(p, JT_COLON);
        jparse_append(p, &items, jparse_expression(p));
    }
    jparse_expect(p, JT_RBRACE);
    n->a = items.first;
    return jparse_finish(p, n);
}

/* ---- names ---- */

static bool name_constant(struct span name, struct jvalue *v)
{
    if (span_is(name, "true") || span_is(name, "True"))
        *v = jv_bool(true);
    else if (span_is(name, "false") || span_is(name, "False"))
        *v = jv_bool(false);
    else if (span_is(name, "none") || span_is(name, "None"))
        *v = jv_none();
    else
        return false;
    return true;
}

static struct jnode *parse_name(struct jparser *p)
{
    struct jvalue v;
    uint32_t line = p->now.line;
    struct span name = p->now.text;
    jparse_next(p);
    if (name_constant(name, &v))
        return constant(p, line, v);
    struct jnode *n = jparse_node(p, JN_NAME, line);
    n->symbol = jparse_symbol(p, name);
    if (n->symbol < JSYMBOLS_OWN)
        p->named |= (uint8_t)(1 << n->symbol);
    return jparse_finish(p, n);
}

/* A name that can be assigned to, or with_members a namespace's member. */
static struct jnode *parse_target_name(struct jparser *p, bool with_members)
{
    struct jvalue v;
    if (p->now.kind != JT_NAME) {
        jparse_fail_token(p, "a name to assign to");
        return &p->dummy;
    }
    if (name_constant(p->now.text, &v)) {
        jparse_fail(p, ERR_FORMAT, "cannot assign to '%.*s'", SPAN_FMT(p->now.text));
        return &p->dummy;
    }
    struct jnode *n = parse_name(p);
    if (!with_members || p->now.kind != JT_DOT)
        return n;
    jparse_next(p);
    struct jnode *member = jparse_node(p, JN_MEMBER, p->now.line);
    member->a = n;
    member->symbol = jparse_symbol(p, p->now.text);
    jparse_expect(p, JT_NAME);
    return jparse_finish(p, member);
}

/* ---- tuples ---- */

static bool tuple_ends(const struct jparser *p, enum jtuple_rules rules)
{
    if (p->rc || p->now.kind == JT_PRINT_END || p->now.kind == JT_BLOCK_END ||
        p->now.kind == JT_RPAREN)
        return true;
    if (rules == JTUPLE_TARGET)
        return jparse_is_name(p, "in") || p->now.kind == JT_ASSIGN;
    return rules == JTUPLE_NO_COND && jparse_is_name(p, "recursive");
}

static struct jnode *tuple_item(struct jparser *p, enum jtuple_rules rules, bool members)
{
    if (rules == JTUPLE_TARGET) {
        if (p->now.kind != JT_LPAREN)
            return parse_target_name(p, members);
        if (!jparse_deeper(p))
            return &p->dummy;
        jparse_next(p);
        struct jnode *n = jparse_target(p, members);
        jparse_expect(p, JT_RPAREN);
        p->depth--;
        return n;
    }
    return rules == JTUPLE_NO_COND ? jparse_or(p) : jparse_expression(p);
}

static struct jnode *tuple_of(struct jparser *p, enum jtuple_rules rules, bool parenthesized,
                              bool members)
{
    uint32_t line = p->now.line;
    struct jnodes items = {NULL, NULL};
    bool is_tuple = false;
    for (;;) {
        if (items.first)
            jparse_expect(p, JT_COMMA);
        if (tuple_ends(p, rules))
            break;
        jparse_append(p, &items, tuple_item(p, rules, members));
        if (p->now.kind != JT_COMMA)
            break;
        is_tuple = true;
    }
    if (!is_tuple && items.first)
        return items.first;
    if (!is_tuple && !parenthesized)
        jparse_fail_token(p, "an expression");
    struct jnode *n = jparse_node(p, JN_TUPLE, line);
    n->a = items.first;
    return jparse_finish(p, n);
}

struct jnode *jparse_tuple(struct jparser *p, enum jtuple_rules rules, bool parenthesized)
{
    return tuple_of(p, rules, parenthesized, false);
}

struct jnode *jparse_target(struct jparser *p, bool with_members)
{
    return tuple_of(p, JTUPLE_TARGET, false, with_members);
}

/* ---- calls, filters, tests ---- */

static struct jnode *parse_argument(struct jparser *p, bool *keywords)
{
    struct jnode *n;
    uint32_t line = p->now.line;
    if (jparse_skip(p, JT_MUL)) {
        n = jparse_node(p, JN_SPREAD, line);
    } else if (jparse_skip(p, JT_POW)) {
        *keywords = true;
        n = jparse_node(p, JN_SPREAD_KEYWORDS, line);
    } else if (p->now.kind == JT_NAME && p->ahead.kind == JT_ASSIGN) {
        *keywords = true;
        n = jparse_node(p, JN_KEYWORD, line);
        n->symbol = jparse_symbol(p, p->now.text);
        jparse_next(p);
        jparse_next(p);
    } else {
        if (*keywords)
            jparse_fail(p, ERR_FORMAT, "an argument without a name follows one with a name");
        n = jparse_node(p, JN_POSITIONAL, line);
    }
    n->a = jparse_expression(p);
    return jparse_finish(p, n);
}

static struct jnode *parse_arguments(struct jparser *p)
{
    struct jnodes args = {NULL, NULL};
    bool keywords = false;
    jparse_expect(p, JT_LPAREN);
    while (p->now.kind != JT_RPAREN && !p->rc) {
        if (args.first)
            jparse_expect(p, JT_COMMA);
        if (p->now.kind == JT_RPAREN)
            break;
        jparse_append(p, &args, parse_argument(p, &keywords));
    }
    jparse_expect(p, JT_RPAREN);
    return args.first;
}

static struct jnode *parse_call(struct jparser *p, struct jnode *callee)
{
    uint32_t line = p->now.line;
    return jparse_pair(p, JN_CALL, line, callee, parse_arguments(p));
}

struct jnode *jparse_filters(struct jparser *p, struct jnode *subject, bool first)
{
    while (first || p->now.kind == JT_PIPE) {
        if (!first)
            jparse_next(p);
        first = false;
        struct jnode *n = jparse_node(p, JN_FILTER, p->now.line);
        struct span name = p->now.text;
        n->builtin = p->now.kind == JT_NAME ? jinja_filter(name) : NULL;
        if (p->now.kind == JT_NAME && !n->builtin)
            jparse_fail(p, ERR_FORMAT, "no filter named '%.*s'", SPAN_FMT(name));
        jparse_expect(p, JT_NAME);
        n->a = subject;
        if (p->now.kind == JT_LPAREN)
            n->b = parse_arguments(p);
        subject = jparse_finish(p, n);
        if (p->rc)
            break;
    }
    return subject;
}

/* Whether an argument without parentheses can begin here: x is divisibleby 3. */
static bool bare_argument(const struct jparser *p)
{
    switch (p->now.kind) {
    case JT_NAME:
        return !jparse_is_name(p, "else") && !jparse_is_name(p, "or") && !jparse_is_name(p, "and");
    case JT_STRING:
    case JT_INT:
    case JT_FLOAT:
    case JT_LPAREN:
    case JT_LBRACKET:
    case JT_LBRACE:
        return true;
    default:
        return false;
    }
}

static struct jnode *parse_test(struct jparser *p, struct jnode *subject)
{
    uint32_t line = p->now.line;
    jparse_next(p); /* is */
    bool negated = jparse_skip_name(p, "not");
    struct jnode *n = jparse_node(p, JN_TEST, line);
    struct span name = p->now.text;
    n->builtin = p->now.kind == JT_NAME ? jinja_test(name) : NULL;
    if (p->now.kind == JT_NAME && !n->builtin)
        jparse_fail(p, ERR_FORMAT, "no test named '%.*s'", SPAN_FMT(name));
    jparse_expect(p, JT_NAME);
    n->a = subject;
    if (p->now.kind == JT_LPAREN) {
        n->b = parse_arguments(p);
    } else if (bare_argument(p)) {
        if (jparse_is_name(p, "is"))
            jparse_fail(p, ERR_FORMAT, "tests cannot be chained with 'is'");
        struct jnode *arg = jparse_node(p, JN_POSITIONAL, p->now.line);
        arg->a = jparse_postfix(p, jparse_primary(p));
        n->b = jparse_finish(p, arg);
    }
    n = jparse_finish(p, n);
    return negated ? jparse_pair(p, JN_NOT, line, n, NULL) : n;
}

/* ---- subscripts ---- */

static bool subscript_ends(const struct jparser *p)
{
    return p->now.kind == JT_COLON || p->now.kind == JT_RBRACKET || p->now.kind == JT_COMMA ||
           p->rc;
}

static struct jnode *parse_subscribed(struct jparser *p)
{
    uint32_t line = p->now.line;
    struct jnode *start = NULL;
    if (p->now.kind != JT_COLON) {
        start = jparse_expression(p);
        if (p->now.kind != JT_COLON)
            return start;
    }
    struct jnode *n = jparse_node(p, JN_SLICE, line);
    n->a = start;
    jparse_expect(p, JT_COLON);
    if (!subscript_ends(p))
        n->b = jparse_expression(p);
    if (jparse_skip(p, JT_COLON) && !subscript_ends(p))
        n->c = jparse_expression(p);
    return jparse_finish(p, n);
}

static struct jnode *parse_subscript(struct jparser *p, struct jnode *object)
{
    uint32_t line = p->now.line;
    if (jparse_skip(p, JT_DOT)) {
        if (p->now.kind == JT_INT) {
            struct jnode *index = constant(p, line, jv_int(p->now.integer));
            jparse_next(p);
            return jparse_pair(p, JN_GETITEM, line, object, index);
        }
        struct jnode *n = jparse_node(p, JN_GETATTR, line);
        n->a = object;
        n->symbol = jparse_symbol(p, p->now.text);
        jparse_expect(p, JT_NAME);
        return jparse_finish(p, n);
    }
    struct jnodes items = {NULL, NULL};
    jparse_expect(p, JT_LBRACKET);
    do
        jparse_append(p, &items, parse_subscribed(p));
    while (jparse_skip(p, JT_COMMA) && !p->rc);
    jparse_expect(p, JT_RBRACKET);
    struct jnode *key = items.first;
    if (items.first != items.last)
        key = jparse_pair(p, JN_TUPLE, line, items.first, NULL);
    return jparse_pair(p, JN_GETITEM, line, object, key);
}

struct jnode *jparse_postfix(struct jparser *p, struct jnode *n)
{
    while (!p->rc) {
        if (p->now.kind == JT_DOT || p->now.kind == JT_LBRACKET)
            n = parse_subscript(p, n);
        else if (p->now.kind == JT_LPAREN)
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* Calls may follow filters and tests too: x|attr('y')(). */
struct jnode *jparse_suffixes(struct jparser *p, struct jnode *n)
{
    while (!p->rc) {
        if (p->now.kind == JT_PIPE)
            n = jparse_filters(p, n, false);
        else if (jparse_is_name(p, "is"))
            n = parse_test(p, n);
        else if (p->now.kind == JT_LPAREN)
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

struct jnode *jparse_primary(struct jparser *p)
{
    struct jtoken t = p->now;
    struct jnode *n;
    switch (t.kind) {
    case JT_NAME:
        return parse_name(p);
    case JT_STRING:
        return jparse_string(p);
    case JT_INT:
        jparse_next(p);
        return constant(p, t.line, jv_int(t.integer));
    case JT_FLOAT:
        jparse_next(p);
        return constant(p, t.line, jv_float(t.real));
    case JT_LPAREN:
        jparse_next(p);
        n = jparse_tuple(p, JTUPLE_ANY, true);
        jparse_expect(p, JT_RPAREN);
        return n;
    case JT_LBRACKET:
        return parse_list(p);
    case JT_LBRACE:
        return parse_dict(p);
    default:
        jparse_fail_token(p, "an expression");
        return &p->dummy;
    }
}
