/* SPDX-License-Identifier: MIT */
/* The interpreter behind template.h: one rendering's state, and what its files offer each other.
 * Private to text/.
 *
 * jinja_lex.c -> jinja_parse.c, jinja_parse_expr.c -> nodes (jinja_ast.h) -> jinja_exec.c
 * (statements), jinja_eval.c (expressions), jinja_ops.c (operators) over jinja_value.c. Filters,
 * tests, methods and functions are tables of struct jbuiltin. */
#ifndef WATTLE_TEXT_JINJA_H
#define WATTLE_TEXT_JINJA_H

#include "text/jinja_value.h"

enum {
    JINJA_SOURCE_MAX = 1 << 20,
    JINJA_TREE_MAX = 64 << 20,   /* bytes of nodes of one template */
    JINJA_MEMORY_MAX = 64 << 20, /* bytes of values of one rendering */
    JINJA_OUTPUT_MAX = 16 << 20,
    JINJA_NESTING_MAX = 100,  /* brackets, blocks, operators before an operand in the source */
    JINJA_HEIGHT_MAX = 400,   /* of a tree: a + b + c + … leans to one side */
    JINJA_DEPTH_MAX = 1000,   /* nodes being worked on at once, and nested values */
    JINJA_RANGE_MAX = 100000, /* items, as Jinja2's sandbox */
    JINJA_BLOCKS_MAX = 1000,  /* named blocks: each looks for its name among those before it */
    /* Work is counted in units: a node of the tree or a turn of a loop is a step. */
    JINJA_STEPS_MAX = 4000000,
    JINJA_UNITS_A_STEP = 8,
    JINJA_BYTES_A_UNIT = 4, /* copied or compared */
};

struct jnode;
struct template;

/* ---- one rendering ---- */

struct jbinding {
    uint32_t symbol;
    struct jvalue value;
};

/* Variables of a loop's turn, a macro's call, or the whole template (no parent). */
struct jscope {
    struct jscope *parent;
    struct jbinding *bindings;
    size_t n, cap;
    bool kept; /* a macro may look into it later: not to be used again */
};

struct jinja {
    const struct template *t;
    struct arena arena;
    struct buf out; /* the text; what is being captured stands at its end */
    struct jscope *scope;
    int rc;
    struct err *e;
    uint64_t units_left;
    int depth;
    uint32_t line; /* of the node being worked on, for messages */
    int64_t now_seconds;
};

/* Sets rc and the message ("line N: …") unless there is one already. */
struct jvalue jinja_fail(struct jinja *j, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The error of something undefined that was used. */
struct jvalue jinja_fail_undefined(struct jinja *j, struct jvalue v);
void *jinja_alloc(struct jinja *j, size_t n, size_t size);
bool jinja_spend(struct jinja *j, uint64_t units); /* false: failed, now or before */
static inline bool jinja_steps(struct jinja *j, uint64_t n)
{
    return jinja_spend(j, n * JINJA_UNITS_A_STEP);
}
static inline bool jinja_bytes(struct jinja *j, uint64_t n)
{
    return jinja_spend(j, 1 + n / JINJA_BYTES_A_UNIT);
}
/* For loops over the characters of n bytes. */
static inline bool jinja_walk(struct jinja *j, uint64_t n)
{
    return jinja_spend(j, 1 + n);
}
/* Each true is followed by a j->depth--. */
bool jinja_deeper(struct jinja *j);

/* ---- names that are built in ---- */

enum { JARGS_MAX = 6 };

struct jkeyword {
    const struct jstring *name;
    struct jvalue value;
};

/* What a call was given. */
struct jcall {
    struct jvalue *v; /* [n] by position */
    size_t n;
    struct jkeyword *keywords; /* [n_keywords] */
    size_t n_keywords;
};

/* One call of a builtin. */
struct jargs {
    struct jinja *j;
    const struct jbuiltin *builtin;
    struct jvalue self;         /* what a filter or test is applied to, the object of a method */
    struct jvalue a[JARGS_MAX]; /* in the order of params; J_ABSENT where not given */
    const struct jcall *call;   /* as it came, for builtins without params */
};

typedef struct jvalue (*jbuiltin_fn)(const struct jargs *c);

struct jbuiltin {
    const char *name;
    const char *params; /* "a b c"; NULL: takes the call as it is */
    size_t required;    /* of params, how many must be given */
    jbuiltin_fn fn;
    uint32_t variant; /* tells apart those that share a function */
};

struct jmethod {
    struct jvalue self;
    const struct jbuiltin *builtin;
};

/* NULL if there is none of that name. */
const struct jbuiltin *jinja_filter(struct span name);
const struct jbuiltin *jinja_test(struct span name);
const struct jbuiltin *jinja_function(struct span name);
const struct jbuiltin *jinja_method(enum jkind kind, struct span name);
/* loop.index and the like: what is no method; J_ABSENT if there is none of that name. */
struct jvalue jinja_property(struct jinja *j, struct jvalue object, struct span name);
/* A method that Python has and the sandbox forbids, because it changes the object. */
bool jinja_method_forbidden(enum jkind kind, struct span name);

struct jbuiltin_table {
    const struct jbuiltin *rows;
    size_t n;
};
/* Each file's rows. */
struct jbuiltin_table jinja_text_filters(void);
struct jbuiltin_table jinja_sequence_filters(void);
struct jbuiltin_table jinja_choice_filters(void);
struct jbuiltin_table jinja_markup_filters(void);
struct jbuiltin_table jinja_string_methods(void);
struct jbuiltin_table jinja_search_methods(void);
struct jbuiltin_table jinja_object_methods(enum jkind kind); /* of what is no string */
struct jbuiltin_table jinja_functions(void);
struct jbuiltin_table jinja_tests(void);

/* Arguments of builtins; a wrong type fails. */
bool jinja_arg_bool(struct jvalue a, bool otherwise); /* by truth */
int64_t jinja_arg_int(struct jinja *j, struct jvalue a, int64_t otherwise);
const struct jstring *jinja_arg_string(struct jinja *j, struct jvalue a);

struct jvalue jinja_call_builtin(struct jinja *j, const struct jbuiltin *b, struct jvalue self,
                                 const struct jcall *call);
struct jvalue jinja_call(struct jinja *j, struct jvalue callee, const struct jcall *call);
struct jvalue jinja_call_macro(struct jinja *j, const struct jmacro *m, const struct jcall *call);
/* loop(items) in a recursive loop: what its body makes of them. */
struct jvalue jinja_call_loop(struct jinja *j, const struct jloop *loop, const struct jcall *call);

/* ---- operators and attributes ---- */

enum jop {
    JOP_ADD,
    JOP_SUB,
    JOP_MUL,
    JOP_DIV,
    JOP_FLOORDIV,
    JOP_MOD,
    JOP_POW,
    JOP_NEG,
    JOP_POS,
    JOP_EQ,
    JOP_NE,
    JOP_LT,
    JOP_LE,
    JOP_GT,
    JOP_GE,
    JOP_IN,
    JOP_NOT_IN,
};

struct jvalue jinja_binary(struct jinja *j, enum jop op, struct jvalue a, struct jvalue b);
struct jvalue jinja_unary(struct jinja *j, enum jop op, struct jvalue a);
bool jinja_compare(struct jinja *j, enum jop op, struct jvalue a, struct jvalue b);
struct jvalue jinja_getattr(struct jinja *j, struct jvalue object, const struct jstring *name);
struct jvalue jinja_getitem(struct jinja *j, struct jvalue object, struct jvalue key);
/* "a.b.0", as the attribute arguments of filters have it. otherwise (J_ABSENT: none) stands for
 * what is undefined on the way. */
struct jvalue jinja_getpath(struct jinja *j, struct jvalue object, struct jvalue path,
                            struct jvalue otherwise);
/* start, stop, step: numbers or J_NONE. */
struct jvalue jinja_slice(struct jinja *j, struct jvalue object, struct jvalue start,
                          struct jvalue stop, struct jvalue step);

/* ---- texts ---- */

void jinja_put(struct jinja *j, struct jvalue v);      /* str(v) at the end of j->out */
void jinja_put_repr(struct jinja *j, struct jvalue v); /* repr(v) */
void jinja_put_bytes(struct jinja *j, const void *p, size_t n);
void jinja_put_float(struct jinja *j, double v);
/* Takes what was put after j->out.n == start away and makes a string of it. */
const struct jstring *jinja_take(struct jinja *j, size_t start);
const struct jstring *jinja_str(struct jinja *j, struct jvalue v); /* str(v) */

struct jjson_options {
    bool ascii, sort_keys;
    bool pretty;
    struct span indent, item_separator, key_separator;
};
void jinja_put_json(struct jinja *j, struct jvalue v, const struct jjson_options *o);
/* Python's "…" % v and "…".format(…). */
struct jvalue jinja_percent(struct jinja *j, const struct jstring *format, struct jvalue v);
struct jvalue jinja_format(struct jinja *j, const struct jstring *format, const struct jcall *call);
void jinja_put_time(struct jinja *j, const struct jstring *format); /* strftime of now_seconds */

/* ---- characters ---- */

/* The character at s.p[0]; a byte that begins none counts as one. s is not empty. */
size_t jinja_char(struct span s, uint32_t *cp);
/* Length of the character that ends at s.p[s.n - 1]. */
size_t jinja_char_before(struct span s, uint32_t *cp);
size_t jinja_chars(const struct jstring *s);
/* Byte offset of character i (0 … jinja_chars). */
size_t jinja_offset(const struct jstring *s, size_t i);
bool jinja_is_space(uint32_t cp);
bool jinja_is_line_end(uint32_t cp);
bool jinja_is_printable(uint32_t cp);
bool jinja_is_alpha(uint32_t cp);
bool jinja_is_digit(uint32_t cp);
bool jinja_is_upper(uint32_t cp);
bool jinja_is_lower(uint32_t cp);
enum jcase { JCASE_UPPER, JCASE_LOWER, JCASE_TITLE };
void jinja_put_cased(struct jinja *j, uint32_t cp, enum jcase c);
/* chars NULL: white space. */
struct span jinja_strip(struct span s, const struct jstring *chars, bool left, bool right);
struct jvalue jinja_changed_case(struct jinja *j, const struct jstring *s, enum jcase first,
                                 enum jcase rest);
/* count < 0: all of them. */
struct jvalue jinja_replace(struct jinja *j, const struct jstring *string,
                            const struct jstring *old, const struct jstring *new, int64_t count);
/* s with & < > ' " as HTML has them. */
struct jvalue jinja_escaped(struct jinja *j, const struct jstring *s);
/* Where needle begins in s at or after from, or SIZE_MAX. */
size_t jinja_find(struct span s, struct span needle, size_t from);

#endif
