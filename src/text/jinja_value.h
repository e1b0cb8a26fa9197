/* SPDX-License-Identifier: MIT */
/* Values of the template language: Python's, as far as templates see them. Private to text/.
 *
 * Everything here lives in the arena of one rendering (or in the template's, for constants) and is
 * never freed by itself. Failure is sticky: the first jinja_fail of a rendering sets j->rc, later
 * ones change nothing, functions give undefined values and loops end; callers look at j->rc before
 * they do something that cannot be undone. */
#ifndef WATTLE_TEXT_JINJA_VALUE_H
#define WATTLE_TEXT_JINJA_VALUE_H

#include "base/base.h"

enum jkind {
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STRING,
    J_LIST,
    J_TUPLE,
    J_VIEW, /* what dict.keys() and the like give: has a length, no indices */
    J_ITER, /* what map, select and the like give: always true, read once */
    J_RANGE,
    J_DICT,
    J_NAMESPACE, /* a dict whose members can be set */
    J_LOOP,
    J_MACRO,
    J_FUNCTION,
    J_METHOD,
    J_CYCLER,
    J_JOINER,
    J_ABSENT, /* an argument that was not given; never seen by templates */
};

/* UTF-8, not NUL-terminated. */
struct jstring {
    const char *p;
    size_t n;   /* bytes */
    bool ascii; /* then bytes are characters */
};

struct jvalue {
    enum jkind kind;
    /* J_UNDEFINED: kind of the object that lacks it; J_UNDEFINED: a variable */
    enum jkind owner : 16;
    bool markup : 1; /* J_STRING: is escaped already, and escapes what it is added to */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const struct jstring *string; /* J_STRING; J_UNDEFINED: the name, or NULL */
        struct jlist *list;           /* J_LIST, J_TUPLE, J_VIEW, J_ITER */
        const struct jrange *range;
        struct jdict *dict; /* J_DICT, J_NAMESPACE */
        struct jloop *loop;
        const struct jmacro *macro;
        const struct jbuiltin *function;
        const struct jmethod *method;
        struct jcycler *cycler;
        struct jjoiner *joiner;
    };
};

struct jlist {
    struct jvalue *v;
    size_t n, cap;
    size_t taken;        /* J_ITER: how many have been read */
    const char *printed; /* J_VIEW, J_ITER: the name that Python prints */
    bool group;          /* J_TUPLE: groupby's, whose items have names */
};

struct jrange {
    int64_t start, step;
    size_t n;
};

struct jentry {
    struct jvalue key, value;
};

/* Insertion order kept. Small ones are searched in a row; slots exists past JDICT_ROW entries. */
struct jdict {
    struct jentry *entries;
    size_t n, cap;
    uint32_t *slots; /* [n_slots] entry + 1, 0 is free; at most half full */
    size_t n_slots;
};

struct jcycler {
    struct jlist *items;
    size_t at;
};

struct jjoiner {
    struct jvalue separator;
    bool used;
};

struct jinja;

static inline struct jvalue jv_undefined(void)
{
    return (struct jvalue){.kind = J_UNDEFINED, .owner = J_UNDEFINED};
}
static inline struct jvalue jv_absent(void)
{
    return (struct jvalue){.kind = J_ABSENT};
}
static inline struct jvalue jv_none(void)
{
    return (struct jvalue){.kind = J_NONE};
}
static inline struct jvalue jv_bool(bool b)
{
    return (struct jvalue){.kind = J_BOOL, .boolean = b};
}
static inline struct jvalue jv_int(int64_t i)
{
    return (struct jvalue){.kind = J_INT, .integer = i};
}
static inline struct jvalue jv_float(double f)
{
    return (struct jvalue){.kind = J_FLOAT, .real = f};
}
static inline struct jvalue jv_string(const struct jstring *s)
{
    return (struct jvalue){.kind = J_STRING, .string = s};
}
/* NULL (no memory: j->rc is set) gives undefined. */
static inline struct jvalue jv_sequence(enum jkind kind, struct jlist *list)
{
    return list ? (struct jvalue){.kind = kind, .list = list} : jv_undefined();
}
static inline struct jvalue jv_dict(struct jdict *dict)
{
    return dict ? (struct jvalue){.kind = J_DICT, .dict = dict} : jv_undefined();
}
static inline bool jv_is_sequence(struct jvalue v)
{
    return v.kind == J_LIST || v.kind == J_TUPLE || v.kind == J_VIEW || v.kind == J_ITER;
}
static inline bool jv_is_int(struct jvalue v)
{
    return v.kind == J_INT || v.kind == J_BOOL;
}
static inline bool jv_is_number(struct jvalue v)
{
    return jv_is_int(v) || v.kind == J_FLOAT;
}
static inline int64_t jv_to_int(struct jvalue v) /* jv_is_int */
{
    return v.kind == J_BOOL ? v.boolean : v.integer;
}
static inline double jv_to_double(struct jvalue v) /* jv_is_number */
{
    return v.kind == J_FLOAT ? v.real : (double)jv_to_int(v);
}

/* ---- making ---- */

/* Never NULL: an empty string when there is no memory. */
const struct jstring *jinja_copy(struct jinja *j, const void *p, size_t n);
const struct jstring *jinja_view(struct jinja *j, const void *p, size_t n); /* borrowed bytes */
struct jvalue jinja_text(struct jinja *j, const char *literal);             /* borrowed */

/* NULL without memory; the rest of these functions takes NULL and does nothing. */
struct jlist *jinja_list(struct jinja *j, size_t room);
void jinja_push(struct jinja *j, struct jlist *l, struct jvalue v);
struct jvalue jinja_pair(struct jinja *j, struct jvalue a, struct jvalue b); /* a tuple */
struct jdict *jinja_dict(struct jinja *j);
void jinja_dict_set(struct jinja *j, struct jdict *d, struct jvalue key, struct jvalue value);
void jinja_dict_set_str(struct jinja *j, struct jdict *d, const struct jstring *key,
                        struct jvalue value);

/* ---- looking ---- */

const char *jinja_type_name(enum jkind k); /* Python's: "str" */
bool jinja_truth(struct jvalue v);
/* Python's len(); fails for what has none. */
size_t jinja_length(struct jinja *j, struct jvalue v);
/* A float that is a whole number within int64. */
bool jinja_whole(double d, int64_t *out);
bool jinja_equal(struct jinja *j, struct jvalue a, struct jvalue b);
/* < 0, 0, > 0; fails where Python's < does. */
int jinja_order(struct jinja *j, struct jvalue a, struct jvalue b);
bool jinja_contains(struct jinja *j, struct jvalue container, struct jvalue item);
/* NULL if absent; fails for a key that cannot be hashed. */
const struct jvalue *jinja_dict_get(struct jinja *j, const struct jdict *d, struct jvalue key);
const struct jvalue *jinja_dict_get_str(struct jinja *j, const struct jdict *d, struct span key);

/* Going through whatever Python can iterate over. */
struct jiter {
    struct jvalue v;
    size_t i;
};
bool jinja_iter(struct jinja *j, struct jiter *it, struct jvalue v); /* false: not iterable */
bool jinja_next(struct jinja *j, struct jiter *it, struct jvalue *out);
struct jlist *jinja_to_list(struct jinja *j, struct jvalue v); /* always a new one */

static inline struct span jstring_span(const struct jstring *s)
{
    return span_of(s->p, s->n);
}

#endif
