/* SPDX-License-Identifier: MIT */
/* Statements of the template language, and the parser's common parts. Expressions are
 * jinja_parse_expr.c's.
 *
 * After jinja_parse every name, filter and test is resolved or known to be a variable, nesting and
 * height of the tree are within their bounds. */
#include "text/jinja_parse.h"

#include <stdio.h>

/* ---- common parts ---- */

void jparse_fail(struct jparser *p, int code, const char *fmt, ...)
{
    va_list ap;
    char why[sizeof p->e->text]; /* not a buf: what failed may be memory */
    if (p->rc)
        return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    p->rc = err_set(p->e, code, "line %u: %s", (unsigned)p->now.line, why);
    p->now.kind = p->ahead.kind = JT_EOF;
}

void jparse_fail_token(struct jparser *p, const char *expected)
{
    if (p->now.kind == JT_NAME)
        jparse_fail(p, ERR_FORMAT, "unexpected '%.*s', expected %s", SPAN_FMT(p->now.text),
                    expected);
    else
        jparse_fail(p, ERR_FORMAT, "unexpected %s, expected %s", jinja_token_name(p->now.kind),
                    expected);
}

void jparse_next(struct jparser *p)
{
    if (p->rc)
        return;
    p->now = p->ahead;
    p->rc = jinja_lex_next(&p->lexer, &p->ahead, p->e);
    if (p->rc)
        p->now.kind = p->ahead.kind = JT_EOF;
}

bool jparse_is_name(const struct jparser *p, const char *name)
{
    return p->now.kind == JT_NAME && span_is(p->now.text, name);
}

bool jparse_skip(struct jparser *p, enum jtoken_kind kind)
{
    if (p->now.kind != kind || p->rc)
        return false;
    jparse_next(p);
    return true;
}

bool jparse_skip_name(struct jparser *p, const char *name)
{
    if (!jparse_is_name(p, name))
        return false;
    jparse_next(p);
    return true;
}

void jparse_skip_name_of(struct jparser *p, struct span name)
{
    if (p->now.kind == JT_NAME && span_eq(p->now.text, name))
        jparse_next(p);
}

void jparse_expect(struct jparser *p, enum jtoken_kind kind)
{
    if (!jparse_skip(p, kind))
        jparse_fail_token(p, jinja_token_name(kind));
}

bool jparse_deeper(struct jparser *p)
{
    if (p->rc)
        return false;
    if (p->depth >= JINJA_NESTING_MAX) {
        jparse_fail(p, ERR_LIMIT, "nested deeper than %d", JINJA_NESTING_MAX);
        return false;
    }
    p->depth++;
    return true;
}

struct jnode *jparse_node(struct jparser *p, enum jnode_kind kind, uint32_t line)
{
    struct jnode *n = p->rc ? NULL : arena_alloc(&p->t->arena, sizeof *n);
    if (!n) {
        jparse_fail(p, ERR_NOMEM, "the template needs more than %d MiB, or memory is short",
                    JINJA_TREE_MAX >> 20);
        /* Whoever writes to it or links to it does no harm: nobody reads it again. */
        n = &p->dummy;
        *n = (struct jnode){0};
    }
    n->kind = (uint8_t)kind;
    n->line = line;
    return n;
}

void jparse_append(struct jparser *p, struct jnodes *list, struct jnode *n)
{
    if (p->rc)
        return;
    if (list->last)
        list->last->next = n;
    else
        list->first = n;
    list->last = n;
}

static uint16_t highest(const struct jnode *list)
{
    uint16_t h = 0;
    for (; list; list = list->next)
        h = list->height > h ? list->height : h;
    return h;
}

struct jnode *jparse_finish(struct jparser *p, struct jnode *n)
{
    if (p->rc)
        return &p->dummy;
    const struct jnode *const lists[] = {n->a, n->b, n->c, n->body, n->orelse};
    uint16_t h = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        uint16_t one = highest(lists[i]);
        h = one > h ? one : h;
    }
    n->height = (uint16_t)(h + 1);
    if (n->height > JINJA_HEIGHT_MAX)
        jparse_fail(p, ERR_LIMIT, "an expression or block has more than %d levels",
                    JINJA_HEIGHT_MAX);
    return n;
}

/* ---- statements ---- */

static struct jnode *parse_body(struct jparser *p, const char *const *ends);

/* The rest of a tag, then statements up to (not including) one of the names in ends. */
static struct jnode *parse_statements(struct jparser *p, const char *const *ends)
{
    jparse_skip(p, JT_COLON); /* Jinja2 lets it stand, as Python has it */
    jparse_expect(p, JT_BLOCK_END);
    return parse_body(p, ends);
}

/* The same for a block with one end, whose name is taken too. */
static struct jnode *parse_block(struct jparser *p, const char *end)
{
    const char *const ends[] = {end, NULL};
    struct jnode *body = parse_statements(p, ends);
    jparse_next(p);
    return body;
}

static struct jnode *parse_for(struct jparser *p, struct jnode *n)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    n->a = jparse_target(p, false);
    if (!p->rc && n->a->kind == JN_NAME && n->a->symbol == JSYMBOL_LOOP)
        jparse_fail(p, ERR_FORMAT, "'loop' cannot be what a loop assigns to");
    if (!jparse_skip_name(p, "in"))
        jparse_fail_token(p, "'in'");
    n->b = jparse_tuple(p, JTUPLE_NO_COND, false);
    if (jparse_skip_name(p, "if"))
        n->c = jparse_expression(p);
    n->op = jparse_skip_name(p, "recursive");
    p->loops++;
    n->body = parse_statements(p, ends);
    p->loops--;
    if (jparse_is_name(p, "else")) {
        jparse_next(p);
        n->orelse = parse_block(p, "endfor");
    } else {
        jparse_next(p);
    }
    return jparse_finish(p, n);
}

static struct jnode *parse_if(struct jparser *p, struct jnode *n)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct jnodes branches = {NULL, NULL};
    for (bool more = true; more && !p->rc;) {
        struct jnode *branch = jparse_node(p, JN_BRANCH, p->now.line);
        branch->a = jparse_tuple(p, JTUPLE_NO_COND, false);
        branch->body = parse_statements(p, ends);
        jparse_append(p, &branches, jparse_finish(p, branch));
        more = jparse_is_name(p, "elif");
        if (jparse_skip_name(p, "else")) {
            branch = jparse_node(p, JN_BRANCH, p->now.line);
            branch->body = parse_block(p, "endif");
            jparse_append(p, &branches, jparse_finish(p, branch));
        } else {
            jparse_next(p); /* elif or endif */
        }
    }
    n->a = branches.first;
    return jparse_finish(p, n);
}

static struct jnode *parse_set(struct jparser *p, struct jnode *n)
{
    n->a = jparse_target(p, true);
    if (jparse_skip(p, JT_ASSIGN)) {
        n->b = jparse_tuple(p, JTUPLE_ANY, false);
        return jparse_finish(p, n);
    }
    n->kind = JN_SET_BLOCK;
    n->b = jparse_filters(p, NULL, false);
    n->body = parse_block(p, "endset");
    return jparse_finish(p, n);
}

/* (a, b=1): the parameters of a macro. */
static struct jnode *parse_signature(struct jparser *p)
{
    struct jnodes params = {NULL, NULL};
    bool defaults = false;
    jparse_expect(p, JT_LPAREN);
    while (p->now.kind != JT_RPAREN && !p->rc) {
        if (params.first)
            jparse_expect(p, JT_COMMA);
        struct jnode *n = jparse_node(p, JN_PARAMETER, p->now.line);
        n->symbol = jparse_symbol(p, p->now.text);
        for (const struct jnode *other = params.first; other && !p->rc; other = other->next) {
            if (other->symbol == n->symbol)
                jparse_fail(p, ERR_FORMAT, "parameter '%.*s' is there twice",
                            SPAN_FMT(p->now.text));
        }
        jparse_expect(p, JT_NAME);
        if (jparse_skip(p, JT_ASSIGN)) {
            defaults = true;
            n->a = jparse_expression(p);
        } else if (defaults) {
            jparse_fail(p, ERR_FORMAT, "a parameter without default follows one with a default");
        }
        jparse_append(p, &params, jparse_finish(p, n));
    }
    jparse_expect(p, JT_RPAREN);
    return params.first;
}

/* A body that becomes a function: the loops around it are out of its reach. */
static struct jnode *parse_function_body(struct jparser *p, const char *end)
{
    int loops = p->loops;
    p->loops = 0;
    struct jnode *body = parse_block(p, end);
    p->loops = loops;
    return body;
}

/* The same for one that is called: which of varargs, kwargs and caller it names decides what it may
 * be given. */
static void parse_callable_body(struct jparser *p, struct jnode *n, const char *end)
{
    uint8_t outer = p->named;
    p->named = 0;
    n->body = parse_function_body(p, end);
    n->op = p->named;
    p->named |= outer;
}

static struct jnode *parse_macro(struct jparser *p, struct jnode *n)
{
    n->symbol = jparse_symbol(p, p->now.text);
    jparse_expect(p, JT_NAME);
    n->a = parse_signature(p);
    parse_callable_body(p, n, "endmacro");
    return jparse_finish(p, n);
}

static struct jnode *parse_call_block(struct jparser *p, struct jnode *n)
{
    if (p->now.kind == JT_LPAREN)
        n->a = parse_signature(p);
    n->b = jparse_expression(p);
    if (!p->rc && n->b->kind != JN_CALL)
        jparse_fail(p, ERR_FORMAT, "expected a call after 'call'");
    parse_callable_body(p, n, "endcall");
    return jparse_finish(p, n);
}

static struct jnode *parse_with(struct jparser *p, struct jnode *n)
{
    struct jnodes sets = {NULL, NULL};
    while (p->now.kind != JT_BLOCK_END && !p->rc) {
        if (sets.first)
            jparse_expect(p, JT_COMMA);
        struct jnode *set = jparse_node(p, JN_SET, p->now.line);
        set->a = jparse_target(p, false);
        jparse_expect(p, JT_ASSIGN);
        set->b = jparse_expression(p);
        jparse_append(p, &sets, jparse_finish(p, set));
    }
    n->a = sets.first;
    n->body = parse_block(p, "endwith");
    return jparse_finish(p, n);
}

static struct jnode *parse_filter_block(struct jparser *p, struct jnode *n)
{
    n->b = jparse_filters(p, NULL, true);
    n->body = parse_block(p, "endfilter");
    return jparse_finish(p, n);
}

static struct jnode *parse_generation(struct jparser *p, struct jnode *n)
{
    n->body = parse_function_body(p, "endgeneration");
    return jparse_finish(p, n);
}

/* A template that is extended by none: a block is its default, in the place where it stands. */
static struct jnode *parse_named_block(struct jparser *p, struct jnode *n)
{
    struct span name = p->now.text;
    n->symbol = jparse_symbol(p, name);
    jparse_expect(p, JT_NAME);
    for (const struct jnode *other = p->blocks; other && !p->rc; other = other->a)
        if (other->symbol == n->symbol)
            jparse_fail(p, ERR_FORMAT, "block '%.*s' is there twice", SPAN_FMT(name));
    n->op = jparse_skip_name(p, "scoped");
    if (jparse_is_name(p, "required"))
        jparse_fail(p, ERR_UNSUPPORTED, "block '%.*s' must come from another template",
                    SPAN_FMT(name));
    n->body = parse_function_body(p, "endblock");
    jparse_skip_name_of(p, name);
    n = jparse_finish(p, n);
    if (!p->rc && ++p->n_blocks > JINJA_BLOCKS_MAX)
        jparse_fail(p, ERR_LIMIT, "more than %d blocks", JINJA_BLOCKS_MAX);
    n->a = p->blocks;
    p->blocks = p->rc ? NULL : n;
    return n;
}

/* Nothing is escaped by itself, and nothing needs to be told so. */
static struct jnode *parse_autoescape(struct jparser *p, struct jnode *n)
{
    struct jnode *on = jparse_expression(p);
    if (!p->rc && (on->kind != JN_CONST || jinja_truth(on->value)))
        jparse_fail(p, ERR_UNSUPPORTED, "autoescape is not supported, except for false");
    n->body = parse_block(p, "endautoescape");
    return jparse_finish(p, n);
}

static struct jnode *parse_jump(struct jparser *p, struct jnode *n)
{
    if (p->loops == 0)
        jparse_fail(p, ERR_FORMAT, "'%s' outside of a loop",
                    n->kind == JN_BREAK ? "break" : "continue");
    return jparse_finish(p, n);
}

static struct jnode *parse_print(struct jparser *p, struct jnode *n)
{
    n->a = jparse_tuple(p, JTUPLE_ANY, false);
    return jparse_finish(p, n);
}

static const struct {
    const char *name;
    enum jnode_kind kind;
    struct jnode *(*parse)(struct jparser *p, struct jnode *n);
} statements[] = {
    {"if", JN_IF, parse_if},
    {"for", JN_FOR, parse_for},
    {"set", JN_SET, parse_set},
    {"macro", JN_MACRO, parse_macro},
    {"call", JN_CALL_BLOCK, parse_call_block},
    {"filter", JN_FILTER_BLOCK, parse_filter_block},
    {"with", JN_WITH, parse_with},
    {"generation", JN_SCOPE, parse_generation},
    {"block", JN_BLOCK, parse_named_block},
    {"autoescape", JN_SCOPE, parse_autoescape},
    {"break", JN_BREAK, parse_jump},
    {"continue", JN_CONTINUE, parse_jump},
    {"print", JN_PRINT, parse_print},
};

static struct jnode *parse_statement(struct jparser *p)
{
    struct span name = p->now.text;
    if (p->now.kind != JT_NAME) {
        jparse_fail_token(p, "the name of a tag");
        return &p->dummy;
    }
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (span_is(name, statements[i].name)) {
            struct jnode *n = jparse_node(p, statements[i].kind, p->now.line);
            jparse_next(p);
            return statements[i].parse(p, n);
        }
    }
    jparse_fail(p, ERR_FORMAT, "unknown tag '%.*s'", SPAN_FMT(name));
    return &p->dummy;
}

static bool ends_here(const struct jparser *p, const char *const *ends)
{
    for (; ends && *ends; ends++) {
        if (jparse_is_name(p, *ends))
            return true;
    }
    return false;
}

static struct jnode *parse_data(struct jparser *p)
{
    struct jnode *n = jparse_node(p, JN_DATA, p->now.line);
    struct jstring *s = arena_alloc(&p->t->arena, sizeof *s);
    if (!s)
        jparse_fail(p, ERR_NOMEM, "the template needs more than %d MiB, or memory is short",
                    JINJA_TREE_MAX >> 20);
    else
        *s = (struct jstring){(const char *)p->now.text.p, p->now.text.n, false};
    n->value = jv_string(s);
    jparse_next(p);
    return jparse_finish(p, n);
}

/* Statements up to one of ends, at whose name the parser stands then; ends NULL: up to the end of
 * the template. */
static struct jnode *parse_body(struct jparser *p, const char *const *ends)
{
    struct jnodes list = {NULL, NULL};
    if (!jparse_deeper(p))
        return NULL;
    while (!p->rc && p->now.kind != JT_EOF) {
        if (p->now.kind == JT_DATA) {
            jparse_append(p, &list, parse_data(p));
        } else if (jparse_skip(p, JT_PRINT_BEGIN)) {
            struct jnode *n = jparse_node(p, JN_PRINT, p->now.line);
            jparse_append(p, &list, parse_print(p, n));
            jparse_expect(p, JT_PRINT_END);
        } else {
            jparse_expect(p, JT_BLOCK_BEGIN);
            if (ends_here(p, ends))
                break;
            jparse_append(p, &list, parse_statement(p));
            jparse_expect(p, JT_BLOCK_END);
        }
    }
    p->depth--;
    if (ends && p->now.kind == JT_EOF)
        jparse_fail(p, ERR_FORMAT, "end of the template, expected '%s'", ends[0]);
    return list.first;
}

int jinja_parse(struct template *t, struct span source, struct err *e)
{
    static const char *const own[JSYMBOLS_OWN] = {
        [JSYMBOL_LOOP] = "loop",
        [JSYMBOL_CALLER] = "caller",
        [JSYMBOL_VARARGS] = "varargs",
        [JSYMBOL_KWARGS] = "kwargs",
    };
    struct jparser p = {.t = t, .e = e};
    jinja_lex_init(&p.lexer, source);
    for (int i = 0; i < JSYMBOLS_OWN; i++)
        jparse_symbol(&p, span_str(own[i]));
    /* Twice: the first call only fills the token ahead. */
    jparse_next(&p);
    jparse_next(&p);
    t->root = parse_body(&p, NULL);
    return p.rc;
}
