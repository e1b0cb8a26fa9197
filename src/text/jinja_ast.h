/* SPDX-License-Identifier: MIT */
/* The tree that a template is parsed into. Private to text/.
 *
 * Lists of nodes hang together by next. A tree's height is bounded by JINJA_HEIGHT_MAX, so it can
 * be walked by recursion. Immutable once template_open has returned. */
#ifndef WATTLE_TEXT_JINJA_AST_H
#define WATTLE_TEXT_JINJA_AST_H

#include "text/jinja.h"
#include "text/template.h"

enum jnode_kind {
    /* expressions */
    JN_CONST,   /* value */
    JN_NAME,    /* symbol */
    JN_LIST,    /* a: items */
    JN_TUPLE,   /* a: items */
    JN_DICT,    /* a: key, value, key, value, … */
    JN_GETATTR, /* a.symbol */
    JN_GETITEM, /* a[b] */
    JN_SLICE,   /* b of a JN_GETITEM: [a:b:c], each may be NULL */
    JN_CALL,    /* a(b: arguments) */
    JN_FILTER,  /* a|builtin(b); a is NULL for what a block captured */
    JN_TEST,    /* a is builtin(b) */
    JN_UNARY,   /* op a */
    JN_BINARY,  /* a op b */
    JN_COMPARE, /* a, then b: a list of JN_OPERAND */
    JN_OPERAND, /* op a */
    JN_NOT,     /* a */
    JN_AND,     /* a, b */
    JN_OR,      /* a, b */
    JN_COND,    /* b if a else c; c may be NULL */
    JN_CONCAT,  /* a ~ a ~ … */
    /* arguments of a call */
    JN_POSITIONAL,      /* a */
    JN_KEYWORD,         /* symbol = a */
    JN_SPREAD,          /* *a */
    JN_SPREAD_KEYWORDS, /* **a */
    /* targets besides JN_NAME and JN_TUPLE */
    JN_MEMBER, /* symbol2's namespace: a (JN_NAME), symbol */
    /* statements */
    JN_DATA,         /* value: text as it stands */
    JN_PRINT,        /* a */
    JN_FOR,          /* for a in b if c: body; orelse; op: whether it is recursive */
    JN_IF,           /* a: list of JN_BRANCH */
    JN_BRANCH,       /* if a (NULL: else): body */
    JN_SET,          /* a = b */
    JN_SET_BLOCK,    /* a = body, through the filters b (may be NULL) */
    JN_MACRO,        /* symbol(a: list of JN_PARAMETER): body */
    JN_PARAMETER,    /* symbol = a (may be NULL) */
    JN_CALL_BLOCK,   /* b: JN_CALL; a: JN_PARAMETERs; body */
    JN_FILTER_BLOCK, /* b: filters; body */
    JN_WITH,         /* a: list of JN_SET; body */
    JN_SCOPE,        /* body, variables of its own */
    JN_BLOCK,        /* body; op: whether it sees more than the template's own variables */
    JN_BREAK,
    JN_CONTINUE,
};

struct jnode {
    uint8_t kind; /* enum jnode_kind */
    uint8_t op;   /* enum jop; JN_MACRO, JN_CALL_BLOCK: bits 1 << JSYMBOL_… of what it names */
    uint16_t height;
    uint32_t line;
    uint32_t symbol;
    struct jnode *next;
    struct jnode *a, *b, *c, *body, *orelse;
    union {
        struct jvalue value;
        const struct jbuiltin *builtin;
    };
};

/* Symbols that the interpreter itself knows; their numbers hold in every template. */
enum { JSYMBOL_LOOP, JSYMBOL_CALLER, JSYMBOL_VARARGS, JSYMBOL_KWARGS, JSYMBOLS_OWN };

struct jsymbol {
    struct jstring name;
    const struct jbuiltin *function; /* the global function of that name, or NULL */
};

struct template
{
    struct arena arena;
    struct jnode *root; /* list of statements */
    struct jsymbol *symbols;
    size_t n_symbols, cap_symbols;
    uint32_t *slots; /* [n_slots] symbol + 1 by name */
    size_t n_slots;
};

/* The number of name, or SIZE_MAX if the template never says it. */
size_t template_symbol(const struct template *t, struct span name);

struct jmacro {
    const struct jnode *node; /* JN_MACRO or JN_CALL_BLOCK: its parameters and body */
    struct jscope *scope;     /* where it was defined */
};

/* One loop that is running. */
struct jloop {
    struct jlist *items;
    size_t at;                /* of the current one */
    int depth;                /* 1, and one more in each call of itself */
    const struct jnode *node; /* of a recursive loop, which can be called; else NULL */
    struct jscope *scope;     /* where that stands */
    struct jvalue last_changed;
    bool changed_used;
};

/* Parses the whole source (LF line ends, no final newline) into t. */
int jinja_parse(struct template *t, struct span source, struct err *e);

/* Expressions and statements; the result of a failed one is undefined. */
struct jvalue jinja_eval(struct jinja *j, const struct jnode *n);
void jinja_exec(struct jinja *j, const struct jnode *list); /* statements outside of a loop */
/* The current value of a variable as j->scope sees it, NULL if it has none. */
const struct jvalue *jinja_lookup(struct jinja *j, uint32_t symbol);
void jinja_bind(struct jinja *j, struct jscope *scope, uint32_t symbol, struct jvalue v);
/* n->a applied to subject, which stands for the NULL at the innermost end of a filter chain. */
struct jvalue jinja_eval_filters(struct jinja *j, const struct jnode *n, struct jvalue subject);
/* Values of a call's arguments; *out lives in the arena. False: failed. */
bool jinja_eval_arguments(struct jinja *j, const struct jnode *args, struct jcall *out);

#endif
