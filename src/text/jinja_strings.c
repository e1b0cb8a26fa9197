/* SPDX-License-Identifier: MIT */
/* Methods of strings that change or classify them. Those that search, cut and join are
 * jinja_search.c's. */
#include "text/jinja.h"

static struct jvalue part_of(const struct jargs *c, struct span part)
{
    if (part.n == c->self.string->n)
        return c->self;
    return jv_string(jinja_view(c->j, part.p, part.n));
}

/* variant: 1 left, 2 right, 3 both. */
static struct jvalue method_strip(const struct jargs *c)
{
    const struct jstring *chars = NULL;
    struct span s = jstring_span(c->self.string);
    if (c->a[0].kind != J_ABSENT && c->a[0].kind != J_NONE)
        chars = jinja_arg_string(c->j, c->a[0]);
    struct span r = jinja_strip(s, chars, c->builtin->variant & 1, c->builtin->variant & 2);
    jinja_walk(c->j, s.n - r.n);
    return part_of(c, r);
}

static struct jvalue method_upper(const struct jargs *c)
{
    return jinja_changed_case(c->j, c->self.string, JCASE_UPPER, JCASE_UPPER);
}

static struct jvalue method_lower(const struct jargs *c)
{
    return jinja_changed_case(c->j, c->self.string, JCASE_LOWER, JCASE_LOWER);
}

static struct jvalue method_capitalize(const struct jargs *c)
{
    return jinja_changed_case(c->j, c->self.string, JCASE_TITLE, JCASE_LOWER);
}

/* variant: 1 swapcase. title: a capital after everything that is no letter. */
static struct jvalue method_title(const struct jargs *c)
{
    struct span s = jstring_span(c->self.string);
    size_t start = c->j->out.n;
    bool in_word = false;
    while (s.n > 0 && !c->j->rc) {
        uint32_t cp;
        size_t n = jinja_char(s, &cp);
        bool swap = c->builtin->variant == 1, letter = jinja_is_lower(cp) || jinja_is_upper(cp);
        if (n == 1 && cp >= 0x80)
            jinja_put_bytes(c->j, s.p, 1);
        else if (swap)
            jinja_put_cased(c->j, cp, jinja_is_upper(cp) ? JCASE_LOWER : JCASE_UPPER);
        else
            jinja_put_cased(c->j, cp, in_word ? JCASE_LOWER : JCASE_TITLE);
        in_word = letter;
        s = span_of(s.p + n, s.n - n);
    }
    return jv_string(jinja_take(c->j, start));
}

static bool is_alnum(uint32_t cp)
{
    return jinja_is_alpha(cp) || jinja_is_digit(cp);
}

/* All characters are of a class, and there is one. */
static struct jvalue all_are(const struct jargs *c, bool (*of_class)(uint32_t cp))
{
    struct span s = jstring_span(c->self.string);
    bool all = s.n > 0;
    jinja_walk(c->j, s.n);
    while (s.n > 0 && all) {
        uint32_t cp;
        size_t n = jinja_char(s, &cp);
        all = of_class(cp);
        s = span_of(s.p + n, s.n - n);
    }
    return jv_bool(all);
}

static struct jvalue method_isalpha(const struct jargs *c)
{
    return all_are(c, jinja_is_alpha);
}

static struct jvalue method_isalnum(const struct jargs *c)
{
    return all_are(c, is_alnum);
}

static struct jvalue method_isdigit(const struct jargs *c)
{
    return all_are(c, jinja_is_digit);
}

static struct jvalue method_isspace(const struct jargs *c)
{
    return all_are(c, jinja_is_space);
}

static struct jvalue method_isascii(const struct jargs *c)
{
    return jv_bool(c->self.string->ascii);
}

static struct jvalue method_isprintable(const struct jargs *c)
{
    return c->self.string->n == 0 ? jv_bool(true) : all_are(c, jinja_is_printable);
}

/* Capitals only where a word begins, small letters only behind others. */
static struct jvalue method_istitle(const struct jargs *c)
{
    struct span s = jstring_span(c->self.string);
    bool in_word = false, any = false;
    jinja_walk(c->j, s.n);
    while (s.n > 0) {
        uint32_t cp;
        size_t n = jinja_char(s, &cp);
        bool upper = jinja_is_upper(cp), lower = jinja_is_lower(cp);
        if ((upper && in_word) || (lower && !in_word))
            return jv_bool(false);
        in_word = upper || lower;
        any = any || in_word;
        s = span_of(s.p + n, s.n - n);
    }
    return jv_bool(any);
}

static void put_times(struct jinja *j, const struct jstring *s, int64_t times)
{
    for (int64_t i = 0; i < times && jinja_steps(j, 1); i++)
        jinja_put_bytes(j, s->p, s->n);
}

/* expandtabs(tabsize=8) */
static struct jvalue method_expandtabs(const struct jargs *c)
{
    static const struct jstring blank = {" ", 1, true};
    struct span s = jstring_span(c->self.string);
    int64_t size = jinja_arg_int(c->j, c->a[0], 8), column = 0;
    size_t start = c->j->out.n;
    jinja_walk(c->j, s.n);
    while (s.n > 0 && !c->j->rc) {
        uint32_t cp;
        size_t n = jinja_char(s, &cp);
        if (cp == '\t') {
            int64_t room = size > 0 ? size - column % size : 0;
            put_times(c->j, &blank, room);
            column += room;
        } else {
            jinja_put_bytes(c->j, s.p, n);
            column = cp == '\n' || cp == '\r' ? 0 : column + 1;
        }
        s = span_of(s.p + n, s.n - n);
    }
    return jv_string(jinja_take(c->j, start));
}

/* variant: enum jcase. */
static struct jvalue method_iscase(const struct jargs *c)
{
    const char *name = c->builtin->variant == JCASE_UPPER ? "upper" : "lower";
    struct jcall none = {NULL, 0, NULL, 0};
    return jinja_call_builtin(c->j, jinja_test(span_str(name)), c->self, &none);
}

/* variant: 1 fill on the left (rjust), 2 on the right (ljust), 3 both (center). */
static struct jvalue method_pad(const struct jargs *c)
{
    static const struct jstring blank = {" ", 1, true};
    const struct jstring *fill =
        c->a[1].kind == J_ABSENT ? &blank : jinja_arg_string(c->j, c->a[1]);
    int64_t width = jinja_arg_int(c->j, c->a[0], 0), n = (int64_t)jinja_chars(c->self.string);
    jinja_walk(c->j, c->self.string->n);
    int64_t room = width > n ? width - n : 0, left = 0;
    size_t start = c->j->out.n;
    if (jinja_chars(fill) != 1)
        return jinja_fail(c->j, ERR_FORMAT, "%s: the fill must be one character", c->builtin->name);
    if (c->builtin->variant == 1)
        left = room;
    if (c->builtin->variant == 3)
        left = room / 2 + (room & width & 1); /* as CPython has it */
    put_times(c->j, fill, left);
    jinja_put(c->j, c->self);
    put_times(c->j, fill, room - left);
    return jv_string(jinja_take(c->j, start));
}

static struct jvalue method_zfill(const struct jargs *c)
{
    static const struct jstring zero = {"0", 1, true};
    struct span s = jstring_span(c->self.string);
    int64_t width = jinja_arg_int(c->j, c->a[0], 0), n = (int64_t)jinja_chars(c->self.string);
    size_t start = c->j->out.n, sign = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    jinja_put_bytes(c->j, s.p, sign);
    put_times(c->j, &zero, width - n);
    jinja_put_bytes(c->j, s.p + sign, s.n - sign);
    return jv_string(jinja_take(c->j, start));
}

static struct jvalue method_removeprefix(const struct jargs *c)
{
    struct span s = jstring_span(c->self.string);
    struct span prefix = jstring_span(jinja_arg_string(c->j, c->a[0]));
    if (span_eq(span_sub(s, 0, prefix.n), prefix))
        s = span_of(s.p + prefix.n, s.n - prefix.n);
    return part_of(c, s);
}

static struct jvalue method_removesuffix(const struct jargs *c)
{
    struct span s = jstring_span(c->self.string);
    struct span suffix = jstring_span(jinja_arg_string(c->j, c->a[0]));
    if (suffix.n <= s.n && span_eq(span_of(s.p + s.n - suffix.n, suffix.n), suffix))
        s.n -= suffix.n;
    return part_of(c, s);
}

static struct jvalue method_format(const struct jargs *c)
{
    return jinja_format(c->j, c->self.string, c->call);
}

static const struct jbuiltin rows[] = {
    {"strip", "chars", 0, method_strip, 3},
    {"lstrip", "chars", 0, method_strip, 1},
    {"rstrip", "chars", 0, method_strip, 2},
    {"upper", "", 0, method_upper, 0},
    {"lower", "", 0, method_lower, 0},
    {"capitalize", "", 0, method_capitalize, 0},
    {"title", "", 0, method_title, 0},
    {"swapcase", "", 0, method_title, 1},
    {"isalpha", "", 0, method_isalpha, 0},
    {"isalnum", "", 0, method_isalnum, 0},
    {"isdigit", "", 0, method_isdigit, 0},
    {"isdecimal", "", 0, method_isdigit, 0},
    {"isnumeric", "", 0, method_isdigit, 0},
    {"isspace", "", 0, method_isspace, 0},
    {"isprintable", "", 0, method_isprintable, 0},
    {"istitle", "", 0, method_istitle, 0},
    {"expandtabs", "tabsize", 0, method_expandtabs, 0},
    {"isascii", "", 0, method_isascii, 0},
    {"isupper", "", 0, method_iscase, JCASE_UPPER},
    {"islower", "", 0, method_iscase, JCASE_LOWER},
    {"rjust", "width fillchar", 1, method_pad, 1},
    {"ljust", "width fillchar", 1, method_pad, 2},
    {"center", "width fillchar", 1, method_pad, 3},
    {"zfill", "width", 1, method_zfill, 0},
    {"removeprefix", "prefix", 1, method_removeprefix, 0},
    {"removesuffix", "suffix", 1, method_removesuffix, 0},
    {"format", NULL, 0, method_format, 0},
};

struct jbuiltin_table jinja_string_methods(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
