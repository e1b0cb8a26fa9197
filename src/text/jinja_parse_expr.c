/* SPDX-License-Identifier: MIT */
/* Operators of the template language, by recursive descent: from what binds closest to the whole
 * expression.
 *
 * The grammar, with its order of binding and its oddities, is that of jinja2/parser.py (Jinja 3.1):
 * each function here is named after its production. */
#include "text/jinja_parse.h"

static struct jnode *binary(struct jparser *p, enum jop op, uint32_t line, struct jnode *a,
                            struct jnode *b)
{
    struct jnode *n = jparse_pair(p, JN_BINARY, line, a, b);
    n->op = (uint8_t)op;
    return n;
}

static struct jnode *parse_unary(struct jparser *p, bool with_filters)
{
    uint32_t line = p->now.line;
    struct jnode *n;
    if (!jparse_deeper(p))
        return &p->dummy;
    if (p->now.kind == JT_SUB || p->now.kind == JT_ADD) {
        enum jop op = p->now.kind == JT_SUB ? JOP_NEG : JOP_POS;
        jparse_next(p);
        n = jparse_pair(p, JN_UNARY, line, parse_unary(p, false), NULL);
        n->op = (uint8_t)op;
    } else {
        n = jparse_primary(p);
    }
    n = jparse_postfix(p, n);
    if (with_filters)
        n = jparse_suffixes(p, n);
    p->depth--;
    return n;
}

static struct jnode *parse_pow(struct jparser *p)
{
    struct jnode *n = parse_unary(p, true);
    while (p->now.kind == JT_POW && !p->rc) {
        uint32_t line = p->now.line;
        jparse_next(p);
        n = binary(p, JOP_POW, line, n, parse_unary(p, true));
    }
    return n;
}

static bool math2_op(enum jtoken_kind kind, enum jop *op)
{
    switch (kind) {
    case JT_MUL:
        *op = JOP_MUL;
        return true;
    case JT_DIV:
        *op = JOP_DIV;
        return true;
    case JT_FLOORDIV:
        *op = JOP_FLOORDIV;
        return true;
    case JT_MOD:
        *op = JOP_MOD;
        return true;
    default:
        return false;
    }
}

static struct jnode *parse_math2(struct jparser *p)
{
    enum jop op;
    struct jnode *n = parse_pow(p);
    while (math2_op(p->now.kind, &op) && !p->rc) {
        uint32_t line = p->now.line;
        jparse_next(p);
        n = binary(p, op, line, n, parse_pow(p));
    }
    return n;
}

static struct jnode *parse_concat(struct jparser *p)
{
    uint32_t line = p->now.line;
    struct jnode *n = parse_math2(p);
    if (p->now.kind != JT_TILDE)
        return n;
    struct jnodes items = {NULL, NULL};
    jparse_append(p, &items, n);
    while (jparse_skip(p, JT_TILDE) && !p->rc)
        jparse_append(p, &items, parse_math2(p));
    return jparse_pair(p, JN_CONCAT, line, items.first, NULL);
}

static struct jnode *parse_math1(struct jparser *p)
{
    struct jnode *n = parse_concat(p);
    while ((p->now.kind == JT_ADD || p->now.kind == JT_SUB) && !p->rc) {
        enum jop op = p->now.kind == JT_ADD ? JOP_ADD : JOP_SUB;
        uint32_t line = p->now.line;
        jparse_next(p);
        n = binary(p, op, line, n, parse_concat(p));
    }
    return n;
}

/* Takes a comparison operator that stands here. */
static bool skip_compare_op(struct jparser *p, enum jop *op)
{
    static const struct {
        enum jtoken_kind kind;
        enum jop op;
    } ops[] = {{JT_EQ, JOP_EQ}, {JT_NE, JOP_NE}, {JT_LT, JOP_LT},
               {JT_LE, JOP_LE}, {JT_GT, JOP_GT}, {JT_GE, JOP_GE}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (p->now.kind == ops[i].kind) {
            *op = ops[i].op;
            jparse_next(p);
            return true;
        }
    }
    *op = JOP_IN;
    if (jparse_skip_name(p, "in"))
        return true;
    if (!jparse_is_name(p, "not") || p->ahead.kind != JT_NAME || !span_is(p->ahead.text, "in"))
        return false;
    *op = JOP_NOT_IN;
    jparse_next(p);
    jparse_next(p);
    return true;
}

static struct jnode *parse_compare(struct jparser *p)
{
    uint32_t line = p->now.line;
    enum jop op;
    struct jnode *n = parse_math1(p);
    struct jnodes operands = {NULL, NULL};
    while (!p->rc && skip_compare_op(p, &op)) {
        struct jnode *operand = jparse_node(p, JN_OPERAND, p->now.line);
        operand->op = (uint8_t)op;
        operand->a = parse_math1(p);
        jparse_append(p, &operands, jparse_finish(p, operand));
    }
    return operands.first ? jparse_pair(p, JN_COMPARE, line, n, operands.first) : n;
}

static struct jnode *parse_not(struct jparser *p)
{
    uint32_t line = p->now.line;
    if (!jparse_is_name(p, "not"))
        return parse_compare(p);
    if (!jparse_deeper(p))
        return &p->dummy;
    jparse_next(p);
    struct jnode *n = jparse_pair(p, JN_NOT, line, parse_not(p), NULL);
    p->depth--;
    return n;
}

static struct jnode *parse_and(struct jparser *p)
{
    struct jnode *n = parse_not(p);
    while (jparse_is_name(p, "and")) {
        uint32_t line = p->now.line;
        jparse_next(p);
        n = jparse_pair(p, JN_AND, line, n, parse_not(p));
    }
    return n;
}

struct jnode *jparse_or(struct jparser *p)
{
    struct jnode *n = parse_and(p);
    while (jparse_is_name(p, "or")) {
        uint32_t line = p->now.line;
        jparse_next(p);
        n = jparse_pair(p, JN_OR, line, n, parse_and(p));
    }
    return n;
}

struct jnode *jparse_expression(struct jparser *p)
{
    if (!jparse_deeper(p))
        return &p->dummy;
    struct jnode *n = jparse_or(p);
    while (jparse_is_name(p, "if")) {
        struct jnode *cond = jparse_node(p, JN_COND, p->now.line);
        jparse_next(p);
        cond->b = n;
        cond->a = jparse_or(p);
        if (jparse_skip_name(p, "else"))
            cond->c = jparse_expression(p);
        n = jparse_finish(p, cond);
    }
    p->depth--;
    return n;
}
