/* SPDX-License-Identifier: MIT */
/* Tests: what may stand behind "is". */
#include "text/jinja.h"

#define KIND(k) (UINT32_C(1) << (k))

/* variant: the kinds that pass. */
static struct jvalue test_kind(const struct jargs *c)
{
    return jv_bool(c->builtin->variant >> c->self.kind & 1);
}

static struct jvalue test_escaped(const struct jargs *c)
{
    return jv_bool(c->self.kind == J_STRING && c->self.markup);
}

static struct jvalue test_defined(const struct jargs *c)
{
    return jv_bool(c->self.kind != J_UNDEFINED);
}

/* variant: which of the two. */
static struct jvalue test_bool(const struct jargs *c)
{
    return jv_bool(c->self.kind == J_BOOL && c->self.boolean == (bool)c->builtin->variant);
}

/* variant: enum jop. */
static struct jvalue test_compare(const struct jargs *c)
{
    return jv_bool(jinja_compare(c->j, (enum jop)c->builtin->variant, c->self, c->a[0]));
}

static bool remainder_is(const struct jargs *c, struct jvalue by, int64_t rest)
{
    struct jvalue r = jinja_binary(c->j, JOP_MOD, c->self, by);
    return !c->j->rc && jinja_equal(c->j, r, jv_int(rest));
}

/* variant: 1 for odd. */
static struct jvalue test_parity(const struct jargs *c)
{
    return jv_bool(remainder_is(c, jv_int(2), c->builtin->variant));
}

static struct jvalue test_divisibleby(const struct jargs *c)
{
    return jv_bool(remainder_is(c, c->a[0], 0));
}

/* Python's "is": the same object. Of constants and small numbers there is one each. */
static struct jvalue test_sameas(const struct jargs *c)
{
    if (c->self.kind != c->a[0].kind)
        return jv_bool(false);
    if (c->self.kind <= J_STRING)
        return jv_bool(jinja_equal(c->j, c->self, c->a[0]));
    return jv_bool(c->self.list == c->a[0].list);
}

/* variant: enum jcase. At least one letter of that case, none of the other. */
static struct jvalue test_case(const struct jargs *c)
{
    bool upper = c->builtin->variant == JCASE_UPPER, any = false;
    const struct jstring *s = jinja_str(c->j, c->self);
    uint32_t cp;
    jinja_walk(c->j, s->n);
    for (size_t i = 0; i < s->n;) {
        i += jinja_char(span_sub(jstring_span(s), i, s->n), &cp);
        if (upper ? jinja_is_lower(cp) : jinja_is_upper(cp))
            return jv_bool(false);
        any = any || jinja_is_lower(cp) || jinja_is_upper(cp);
    }
    return jv_bool(any);
}

static struct jvalue test_filter(const struct jargs *c)
{
    return jv_bool(c->self.kind == J_STRING && jinja_filter(jstring_span(c->self.string)));
}

static struct jvalue test_test(const struct jargs *c)
{
    return jv_bool(c->self.kind == J_STRING && jinja_test(jstring_span(c->self.string)));
}

enum {
    CALLABLE =
        KIND(J_FUNCTION) | KIND(J_METHOD) | KIND(J_MACRO) | KIND(J_JOINER) | KIND(J_UNDEFINED),
    SEQUENCE = KIND(J_UNDEFINED) | KIND(J_STRING) | KIND(J_LIST) | KIND(J_TUPLE) | KIND(J_RANGE) |
               KIND(J_DICT),
    ITERABLE = SEQUENCE | KIND(J_VIEW) | KIND(J_ITER),
    NUMBER = KIND(J_BOOL) | KIND(J_INT) | KIND(J_FLOAT),
};

static const struct jbuiltin rows[] = {
    {"boolean", "", 0, test_kind, KIND(J_BOOL)},
    {"callable", "", 0, test_kind, CALLABLE},
    {"float", "", 0, test_kind, KIND(J_FLOAT)},
    {"integer", "", 0, test_kind, KIND(J_INT)},
    {"iterable", "", 0, test_kind, ITERABLE},
    {"mapping", "", 0, test_kind, KIND(J_DICT)},
    {"none", "", 0, test_kind, KIND(J_NONE)},
    {"number", "", 0, test_kind, NUMBER},
    {"sequence", "", 0, test_kind, SEQUENCE},
    {"string", "", 0, test_kind, KIND(J_STRING)},
    {"undefined", "", 0, test_kind, KIND(J_UNDEFINED)},
    {"escaped", "", 0, test_escaped, 0},
    {"defined", "", 0, test_defined, 0},
    {"true", "", 0, test_bool, true},
    {"false", "", 0, test_bool, false},
    {"odd", "", 0, test_parity, 1},
    {"even", "", 0, test_parity, 0},
    {"divisibleby", "num", 1, test_divisibleby, 0},
    {"eq", "b", 1, test_compare, JOP_EQ},
    {"equalto", "b", 1, test_compare, JOP_EQ},
    {"==", "b", 1, test_compare, JOP_EQ},
    {"ne", "b", 1, test_compare, JOP_NE},
    {"!=", "b", 1, test_compare, JOP_NE},
    {"lt", "b", 1, test_compare, JOP_LT},
    {"lessthan", "b", 1, test_compare, JOP_LT},
    {"<", "b", 1, test_compare, JOP_LT},
    {"le", "b", 1, test_compare, JOP_LE},
    {"<=", "b", 1, test_compare, JOP_LE},
    {"gt", "b", 1, test_compare, JOP_GT},
    {"greaterthan", "b", 1, test_compare, JOP_GT},
    {">", "b", 1, test_compare, JOP_GT},
    {"ge", "b", 1, test_compare, JOP_GE},
    {">=", "b", 1, test_compare, JOP_GE},
    {"in", "seq", 1, test_compare, JOP_IN},
    {"sameas", "other", 1, test_sameas, 0},
    {"lower", "", 0, test_case, JCASE_LOWER},
    {"upper", "", 0, test_case, JCASE_UPPER},
    {"filter", "", 0, test_filter, 0},
    {"test", "", 0, test_test, 0},
};

struct jbuiltin_table jinja_tests(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
