/* SPDX-License-Identifier: MIT */
/* Expressions of the template language, by recursive descent.
 *
 * The grammar, with its order of binding and its oddities, is that of jinja2/parser.py (Jinja 3.1):
 * each function here is named after its production. */
#include "text/jinja_parse.h"

static struct jnode *parse_or(struct jparser *p);
static struct jnode *parse_unary(struct jparser *p, bool with_filters);
static struct jnode *parse_primary(struct jparser *p);
static struct jnode *parse_postfix(struct jparser *p, struct jnode *n);

/* ---- helpers ---- */

static struct jnode *pair(struct jparser *p, enum jnode_kind kind, uint32_t line, struct jnode *a,
                          struct jnode *b)
{
    struct jnode *n = jparse_node(p, kind, line);
    n->a = a;
    n->b = b;
    return jparse_finish(p, n);
}

static struct jnode *binary(struct jparser *p, enum jop op, uint32_t line, struct jnode *a,
                            struct jnode *b)
{
    struct jnode *n = pair(p, JN_BINARY, line, a, b);
    n->op = (uint8_t)op;
    return n;
}

static struct jnode *constant(struct jparser *p, uint32_t line, struct jvalue v)
{
    struct jnode *n = jparse_node(p, JN_CONST, line);
    n->value = v;
    return jparse_finish(p, n);
}

/* ---- literals ---- */

static unsigned hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 99;
}

/* A character given as digits of base, at most max of them from *i on; exact: all must be there. */
static bool read_code(struct span s, size_t *i, unsigned base, size_t max, bool exact, char *out,
                      size_t *n)
{
    uint32_t cp = 0;
    size_t k = 0;
    while (k < max && *i + k < s.n && hex_digit(s.p[*i + k]) < base)
        cp = cp * base + hex_digit(s.p[*i + k++]);
    if ((exact && k < max) || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return false;
    *i += k;
    *n += utf8_encode(cp, out + *n);
    return true;
}

/* Python's escapes: an unknown one stays as it is, backslash included. No escape is shorter than
 * the character it stands for, so out is as long as s. */
static bool unescape(struct span s, char *out, size_t *n)
{
    static const char letters[] = "abfnrtv\\'\"", meant[] = "\a\b\f\n\r\t\v\\'\"";
    *n = 0;
    for (size_t i = 0; i < s.n;) {
        uint8_t c = s.p[i++];
        if (c != '\\' || i == s.n) {
            out[(*n)++] = (char)c;
            continue;
        }
        c = s.p[i++];
        const char *simple = c ? strchr(letters, c) : NULL;
        bool ok = true;
        if (simple)
            out[(*n)++] = meant[simple - letters];
        else if (c == 'x')
            ok = read_code(s, &i, 16, 2, true, out, n);
        else if (c == 'u')
            ok = read_code(s, &i, 16, 4, true, out, n);
        else if (c == 'U')
            ok = read_code(s, &i, 16, 8, true, out, n);
        else if (c >= '0' && c <= '7')
            ok = (i--, read_code(s, &i, 8, 3, false, out, n));
        else if (c == 'N')
            ok = false; /* names of characters */
        else if (c != '\n') {
            out[(*n)++] = '\\';
            out[(*n)++] = (char)c;
        }
        if (!ok)
            return false;
    }
    return true;
}

/* One string, or several beside each other. */
static struct jnode *parse_string(struct jparser *p)
{
    uint32_t line = p->now.line;
    struct buf joined;
    buf_init(&joined, JINJA_SOURCE_MAX);
    while (p->now.kind == JT_STRING) {
        size_t n = 0;
        char *part = arena_alloc(&p->t->arena, p->now.text.n + 1);
        if (!part)
            jparse_fail(p, ERR_LIMIT, "the template is too large");
        else if (!unescape(p->now.text, part, &n))
            jparse_fail(p, ERR_FORMAT, "unknown escape in the string '%.*s'",
                        SPAN_FMT(p->now.text));
        else
            buf_put(&joined, part, n);
        jparse_next(p);
    }
    struct jstring *s = arena_alloc(&p->t->arena, sizeof *s);
    char *bytes = arena_strndup(&p->t->arena, buf_cstr(&joined), joined.n);
    if (!s || !bytes || joined.failed)
        jparse_fail(p, ERR_LIMIT, "the template is too large");
    if (p->rc) {
        buf_release(&joined);
        return &p->dummy;
    }
    *s = (struct jstring){bytes, joined.n, true};
    for (size_t i = 0; i < s->n; i++)
        s->ascii = s->ascii && (unsigned char)bytes[i] < 0x80;
    buf_release(&joined);
    return constant(p, line, jv_string(s));
}

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
    return rules == JTUPLE_NO_COND ? parse_or(p) : jparse_expression(p);
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
    return pair(p, JN_CALL, line, callee, parse_arguments(p));
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
        arg->a = parse_postfix(p, parse_primary(p));
        n->b = jparse_finish(p, arg);
    }
    n = jparse_finish(p, n);
    return negated ? pair(p, JN_NOT, line, n, NULL) : n;
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
            return pair(p, JN_GETITEM, line, object, index);
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
        key = pair(p, JN_TUPLE, line, items.first, NULL);
    return pair(p, JN_GETITEM, line, object, key);
}

static struct jnode *parse_postfix(struct jparser *p, struct jnode *n)
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
static struct jnode *parse_filter_expr(struct jparser *p, struct jnode *n)
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

/* ---- operators ---- */

static struct jnode *parse_primary(struct jparser *p)
{
    struct jtoken t = p->now;
    struct jnode *n;
    switch (t.kind) {
    case JT_NAME:
        return parse_name(p);
    case JT_STRING:
        return parse_string(p);
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

static struct jnode *parse_unary(struct jparser *p, bool with_filters)
{
    uint32_t line = p->now.line;
    struct jnode *n;
    if (!jparse_deeper(p))
        return &p->dummy;
    if (p->now.kind == JT_SUB || p->now.kind == JT_ADD) {
        enum jop op = p->now.kind == JT_SUB ? JOP_NEG : JOP_POS;
        jparse_next(p);
        n = pair(p, JN_UNARY, line, parse_unary(p, false), NULL);
        n->op = (uint8_t)op;
    } else {
        n = parse_primary(p);
    }
    n = parse_postfix(p, n);
    if (with_filters)
        n = parse_filter_expr(p, n);
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
    return pair(p, JN_CONCAT, line, items.first, NULL);
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
    return operands.first ? pair(p, JN_COMPARE, line, n, operands.first) : n;
}

static struct jnode *parse_not(struct jparser *p)
{
    uint32_t line = p->now.line;
    if (!jparse_is_name(p, "not"))
        return parse_compare(p);
    if (!jparse_deeper(p))
        return &p->dummy;
    jparse_next(p);
    struct jnode *n = pair(p, JN_NOT, line, parse_not(p), NULL);
    p->depth--;
    return n;
}

static struct jnode *parse_and(struct jparser *p)
{
    struct jnode *n = parse_not(p);
    while (jparse_is_name(p, "and")) {
        uint32_t line = p->now.line;
        jparse_next(p);
        n = pair(p, JN_AND, line, n, parse_not(p));
    }
    return n;
}

static struct jnode *parse_or(struct jparser *p)
{
    struct jnode *n = parse_and(p);
    while (jparse_is_name(p, "or")) {
        uint32_t line = p->now.line;
        jparse_next(p);
        n = pair(p, JN_OR, line, n, parse_and(p));
    }
    return n;
}

struct jnode *jparse_expression(struct jparser *p)
{
    if (!jparse_deeper(p))
        return &p->dummy;
    struct jnode *n = parse_or(p);
    while (jparse_is_name(p, "if")) {
        struct jnode *cond = jparse_node(p, JN_COND, p->now.line);
        jparse_next(p);
        cond->b = n;
        cond->a = parse_or(p);
        if (jparse_skip_name(p, "else"))
            cond->c = jparse_expression(p);
        n = jparse_finish(p, cond);
    }
    p->depth--;
    return n;
}
