/* SPDX-License-Identifier: MIT */
/* What the two halves of the parser share. Private to text/. */
#ifndef WATTLE_TEXT_JINJA_PARSE_H
#define WATTLE_TEXT_JINJA_PARSE_H

#include "text/jinja_ast.h"
#include "text/jinja_lex.h"

/* Failure is sticky, as in the interpreter: after the first one every token is JT_EOF and every
 * node is the same dummy. */
struct jparser {
    struct template *t;
    struct jlexer lexer;
    struct jtoken now, ahead; /* the current token and the one after it */
    int rc;
    struct err *e;
    int depth;
    uint8_t named;        /* bits 1 << JSYMBOL_…: special names met in this macro */
    int loops;            /* how many loops break and continue could be in */
    struct jnode *blocks; /* the last JN_BLOCK, and by a those before it */
    int n_blocks;
    struct jnode dummy;
};

/* A list being built at its end. */
struct jnodes {
    struct jnode *first, *last;
};

void jparse_fail(struct jparser *p, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void jparse_fail_token(struct jparser *p, const char *expected); /* "unexpected X, expected Y" */
void jparse_next(struct jparser *p);
bool jparse_is_name(const struct jparser *p, const char *name);
bool jparse_skip(struct jparser *p, enum jtoken_kind kind);
bool jparse_skip_name(struct jparser *p, const char *name);
/* Steps over the name, if it stands here. */
void jparse_skip_name_of(struct jparser *p, struct span name);
void jparse_expect(struct jparser *p, enum jtoken_kind kind);
/* Each true is followed by a p->depth--. */
bool jparse_deeper(struct jparser *p);
struct jnode *jparse_node(struct jparser *p, enum jnode_kind kind, uint32_t line);
void jparse_append(struct jparser *p, struct jnodes *list, struct jnode *n);
/* Computes n's height from its children; returns n. */
struct jnode *jparse_finish(struct jparser *p, struct jnode *n);
uint32_t jparse_symbol(struct jparser *p, struct span name);

enum jtuple_rules {
    JTUPLE_ANY,     /* whole expressions */
    JTUPLE_NO_COND, /* without "x if y": conditions and what is looped over */
    JTUPLE_TARGET,  /* names and members that can be assigned to */
};

/* One string literal, or several beside each other. */
struct jnode *jparse_string(struct jparser *p);
struct jnode *jparse_or(struct jparser *p); /* an expression without "x if y" */
struct jnode *jparse_expression(struct jparser *p);
/* Expressions with commas between them; without a comma it is just the expression. */
struct jnode *jparse_tuple(struct jparser *p, enum jtuple_rules rules, bool parenthesized);
struct jnode *jparse_target(struct jparser *p, bool with_members);
struct jnode *jparse_primary(struct jparser *p);                   /* literal, name, brackets */
struct jnode *jparse_postfix(struct jparser *p, struct jnode *n);  /* .x [y] (z) after n */
struct jnode *jparse_suffixes(struct jparser *p, struct jnode *n); /* filters, tests, calls */
struct jnode *jparse_pair(struct jparser *p, enum jnode_kind kind, uint32_t line, struct jnode *a,
                          struct jnode *b);
/* |a|b(…) after subject (NULL: what a block captures). first: the name stands here without "|". */
struct jnode *jparse_filters(struct jparser *p, struct jnode *subject, bool first);

#endif
