/* SPDX-License-Identifier: MIT */
/* Characters, classes and sets of Oniguruma's expressions in PCRE2's syntax: \s \w \d \h and their
 * kin, \p{…} names and what \p{Script} means, POSIX brackets, sets in sets and &&, \uHHHH. Source:
 * Oniguruma's doc/RE and doc/UNICODE_PROPERTIES. */
#include "text/oniguruma.h"
#include "text/unicode_young.h"

/* Inside of a set. */
#define DIGIT "\\p{Nd}"
#define HEX   "0-9A-Fa-f"

int onig_fail(const struct translation *t, const char *why, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "expression '%.*s': byte %zu: %s", SPAN_FMT(t->s), t->at,
                   why);
}

int onig_peek(const struct translation *t, size_t ahead)
{
    return ahead < t->s.n - t->at ? t->s.p[t->at + ahead] : -1;
}

bool onig_looks_at(const struct translation *t, const char *s)
{
    struct span w = span_str(s);
    return span_eq(span_sub(t->s, t->at, w.n), w);
}

/* ---- properties ---- */

struct property {
    const char *name, *set; /* lower case without blanks, '_' and '-'; what stands in a set */
};

static const struct property properties[] = {
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"alpha", "\\p{Alphabetic}"},
    {"blank", "\\t\\p{Zs}"},
    {"cntrl", "\\p{Cc}"},
    {"digit", DIGIT},
    {"lower", "\\p{Lowercase}"},
    {"upper", "\\p{Uppercase}"},
    {"punct", "\\p{P}"},
    {"space", ONIG_SPACE},
    {"whitespace", ONIG_SPACE},
    {"word", ONIG_WORD},
    {"xdigit", HEX},
    {"ascii", "\\x00-\\x7f"},
    {"any", "\\x00-\\x{10ffff}"},
    {"letter", "\\p{L}"},
    {"casedletter", "\\p{L&}"},
    {"lc", "\\p{L&}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"mark", "\\p{M}"},
    {"combiningmark", "\\p{M}"},
    {"nonspacingmark", "\\p{Mn}"},
    {"spacingmark", "\\p{Mc}"},
    {"enclosingmark", "\\p{Me}"},
    {"number", "\\p{N}"},
    {"decimalnumber", "\\p{Nd}"},
    {"letternumber", "\\p{Nl}"},
    {"othernumber", "\\p{No}"},
    {"punctuation", "\\p{P}"},
    {"connectorpunctuation", "\\p{Pc}"},
    {"dashpunctuation", "\\p{Pd}"},
    {"openpunctuation", "\\p{Ps}"},
    {"closepunctuation", "\\p{Pe}"},
    {"initialpunctuation", "\\p{Pi}"},
    {"finalpunctuation", "\\p{Pf}"},
    {"otherpunctuation", "\\p{Po}"},
    {"symbol", "\\p{S}"},
    {"mathsymbol", "\\p{Sm}"},
    {"currencysymbol", "\\p{Sc}"},
    {"modifiersymbol", "\\p{Sk}"},
    {"othersymbol", "\\p{So}"},
    {"separator", "\\p{Z}"},
    {"spaceseparator", "\\p{Zs}"},
    {"lineseparator", "\\p{Zl}"},
    {"paragraphseparator", "\\p{Zp}"},
    {"other", "\\p{C}"},
    {"control", "\\p{Cc}"},
    {"format", "\\p{Cf}"},
    {"unassigned", "\\p{Cn}"},
    {"privateuse", "\\p{Co}"},
    {"surrogate", "\\p{Cs}"},
    {"alphabetic", "\\p{Alphabetic}"},
    {"lowercase", "\\p{Lowercase}"},
    {"uppercase", "\\p{Uppercase}"},
    {"emoji", "\\p{Emoji}"},
    {"emojipresentation", "\\p{Emoji_Presentation}"},
    {"extendedpictographic", "\\p{Extended_Pictographic}"},
    {"ideographic", "\\p{Ideographic}"},
    {"joincontrol", "\\p{Join_Control}"},
    {"math", "\\p{Math}"},
    {"dash", "\\p{Dash}"},
    {"idstart", "\\p{ID_Start}"},
    {"idcontinue", "\\p{ID_Continue}"},
    {"defaultignorablecodepoint", "\\p{Default_Ignorable_Code_Point}"},
    {"variationselector", "\\p{Variation_Selector}"},
};

/* A set as it stands in PCRE2: what it holds, and whether its complement is meant. */
static void put_set(struct buf *out, const char *set, bool negated)
{
    buf_printf(out, "[%s%s", negated ? "^" : "", set);
    young_append(out, set);
    buf_char(out, ']');
}

/* One member of a larger set. The complement of several classes in a set of others has no short
 * form: the set then becomes alternatives (see struct set). */
struct set {
    struct buf members; /* of one PCRE2 set */
    struct buf others;  /* "|(?:…)" alternatives that are no members */
    bool negated;
};

static void set_init(struct set *c)
{
    *c = (struct set){.negated = false};
    buf_init(&c->members, 1 << 16);
    buf_init(&c->others, 1 << 16);
}

static void set_release(struct set *c)
{
    buf_release(&c->members);
    buf_release(&c->others);
}

/* Adds a class to the set, or writes it where there is no set. */
static void put_class(struct translation *t, struct set *c, const char *set, bool negated)
{
    if (!c) {
        put_set(t->out, set, negated);
    } else if (!negated) {
        buf_str(&c->members, set);
        young_append(&c->members, set);
    } else {
        buf_char(&c->others, '|');
        put_set(&c->others, set, true);
    }
}

/* \p{…}, \P{…}, \p{^…}; at stands behind the p. */
static int put_property(struct translation *t, struct set *c, bool negated, struct err *e)
{
    char name[64];
    char plain[64];
    size_t n = 0;
    size_t n_plain = 0;
    if (onig_peek(t, 0) != '{')
        return onig_fail(t, "\\p without {", e);
    t->at++;
    if (onig_peek(t, 0) == '^') {
        negated = !negated;
        t->at++;
    }
    for (; onig_peek(t, 0) != '}'; t->at++) {
        int ch = onig_peek(t, 0);
        bool letter =
            (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if ((!letter && ch != '_' && ch != ' ' && ch != '-' && ch != '&') || n + 1 >= sizeof(name))
            return onig_fail(t, "the name of a property is unknown", e);
        if (ch != ' ' && ch != '-' && ch != '_')
            plain[n_plain++] = (char)(ch >= 'A' && ch <= 'Z' ? ch + 32 : ch);
        if (ch != ' ' && ch != '-')
            name[n++] = (char)ch;
    }
    t->at++;
    name[n] = plain[n_plain] = '\0';
    for (size_t i = 0; i < sizeof(properties) / sizeof(*properties); i++) {
        if (strcmp(properties[i].name, plain) == 0) {
            put_class(t, c, properties[i].set, negated);
            return 0;
        }
    }
    char set[80];
    if (n_plain <= 2) { /* general categories; PCRE2 knows them by capitals */
        for (size_t i = 0; i < n_plain; i++)
            set[i] = plain[i];
        if (n_plain > 0 && set[0] >= 'a' && set[0] <= 'z')
            set[0] = (char)(set[0] - 32);
        set[n_plain] = '\0';
        memmove(set + 3, set, n_plain + 1);
        memcpy(set, "\\p{", 3);
        memcpy(set + 3 + n_plain, "}", 2);
    } else {
        /* A script, and not its extensions. */
        memcpy(set, "\\p{sc:", 6);
        memcpy(set + 6, name, n);
        memcpy(set + 6 + n, "}", 2);
    }
    put_class(t, c, set, negated);
    return 0;
}

/* ---- escapes ---- */

static int hex_digits(const struct translation *t, size_t from, size_t most, uint32_t *value)
{
    size_t n = 0;
    *value = 0;
    for (; n < most; n++) {
        int ch = onig_peek(t, from + n);
        int digit = ch >= '0' && ch <= '9'   ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                             : -1;
        if (digit < 0)
            break;
        *value = *value << 4 | (uint32_t)digit;
    }
    return (int)n;
}

/* A character that is given by its number; 0 if none stands here. at: behind the backslash. */
static int numbered_character(struct translation *t, uint32_t *cp)
{
    size_t skip;
    int n;
    if (onig_looks_at(t, "x{")) {
        n = hex_digits(t, 2, 8, cp);
        skip = 2 + (size_t)n + 1;
        if (n == 0 || onig_peek(t, 2 + (size_t)n) != '}')
            return 0;
    } else if (onig_peek(t, 0) == 'x') {
        n = hex_digits(t, 1, 2, cp);
        skip = 1 + (size_t)n;
    } else if (onig_peek(t, 0) == 'u') {
        n = hex_digits(t, 1, 4, cp);
        skip = 5;
        if (n != 4)
            return 0;
    } else {
        return 0;
    }
    t->at += skip;
    return 1;
}

struct shorthand {
    char letter;
    const char *set;
};
static const struct shorthand shorthands[] = {
    {'s', ONIG_SPACE}, {'w', ONIG_WORD}, {'d', DIGIT}, {'h', HEX}};

/* What stands behind a backslash and means the same in and outside of sets. 1: done, 0: something
 * else. */
int onig_escape(struct translation *t, struct set *c, struct err *e)
{
    int ch = onig_peek(t, 0);
    uint32_t cp;
    for (size_t i = 0; i < sizeof(shorthands) / sizeof(*shorthands); i++) {
        if (ch == shorthands[i].letter || ch == shorthands[i].letter - 32) {
            put_class(t, c, shorthands[i].set, ch != shorthands[i].letter);
            t->at++;
            return 1;
        }
    }
    if (ch == 'p' || ch == 'P') {
        t->at++;
        int rc = put_property(t, c, ch == 'P', e);
        return rc ? rc : 1;
    }
    if (numbered_character(t, &cp)) {
        if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
            return onig_fail(t, "no character has that number", e);
        buf_printf(c ? &c->members : t->out, "\\x{%x}", cp);
        return 1;
    }
    return 0;
}

/* ---- sets ---- */

static void put_whole_set(struct set *c, struct buf *out)
{
    bool plain = c->others.n == 0;
    if (plain && c->members.n) {
        buf_printf(out, "[%s", c->negated ? "^" : "");
        buf_append(out, &c->members);
        buf_char(out, ']');
        return;
    }
    buf_str(out, c->negated ? "(?:(?!" : "(?:");
    if (c->members.n) {
        buf_char(out, '[');
        buf_append(out, &c->members);
        buf_char(out, ']');
        buf_append(out, &c->others);
    } else if (!plain) {
        buf_span(out, span_sub(buf_view(&c->others), 1, SIZE_MAX));
    } else {
        buf_str(out, "(?!)");
    }
    buf_str(out, c->negated ? ")(?s:.))" : ")");
}

/* [:alpha:] and [:^alpha:]. 1: done, 0: none. */
static int put_posix(struct translation *t, struct set *c, struct err *e)
{
    if (!onig_looks_at(t, "[:"))
        return 0;
    bool negated = onig_peek(t, 2) == '^';
    size_t from = t->at + 2 + negated;
    size_t n = 0;
    while (from + n < t->s.n && t->s.p[from + n] >= 'a' && t->s.p[from + n] <= 'z')
        n++;
    struct span name = span_sub(t->s, from, n);
    if (n == 0 || !span_is(span_sub(t->s, from + n, 2), ":]"))
        return 0;
    const char *set = span_is(name, "punct") ? "\\p{P}\\p{S}" : NULL; /* more than \p{Punct} */
    for (size_t i = 0; i < sizeof(properties) / sizeof(*properties) && !set; i++)
        if (span_is(name, properties[i].name))
            set = properties[i].set;
    if (!set)
        return onig_fail(t, "the name of a set is unknown", e);
    put_class(t, c, set, negated);
    t->at = from + n + 2;
    return 1;
}

/* What stands between [ and ], and how it is to be taken. */
struct bracket {
    struct set set;
    struct buf before; /* lookaheads of what stands left of && */
    bool negated, divided;
};

static int read_bracket(struct translation *t, struct bracket *b, struct err *e);

static void bracket_release(struct bracket *b)
{
    set_release(&b->set);
    buf_release(&b->before);
}

static void put_bracket(struct bracket *b, struct buf *out)
{
    b->set.negated = b->negated && !b->divided;
    if (b->divided)
        buf_str(out, b->negated ? "(?:(?!" : "(?:");
    buf_append(out, &b->before);
    put_whole_set(&b->set, out);
    if (b->divided)
        buf_str(out, b->negated ? ")(?s:.))" : ")");
}

static bool ends_in_hyphen(const struct buf *members)
{
    return members->n && members->p[members->n - 1] == '-';
}

/* A set in a set. Its members become the outer one's where that is all it says: a search through
 * one set keeps nothing for each character, one through alternatives does. A hyphen at the seam
 * would make a range. */
static int put_nested(struct translation *t, struct set *c, struct err *e)
{
    struct bracket b;
    int rc = read_bracket(t, &b, e);
    if (!rc && !b.negated && !b.divided && !ends_in_hyphen(&c->members) &&
        !ends_in_hyphen(&b.set.members) && b.set.members.n && b.set.members.p[0] != '-') {
        buf_append(&c->members, &b.set.members);
        buf_append(&c->others, &b.set.others);
    } else if (!rc) {
        buf_str(&c->others, "|");
        put_bracket(&b, &c->others);
    }
    bracket_release(&b);
    return rc;
}

/* One member, up to what closes the set or divides it. */
static int put_member(struct translation *t, struct set *c, struct err *e)
{
    int ch = onig_peek(t, 0);
    int got = ch == '[' ? put_posix(t, c, e) : 0;
    if (got)
        return got < 0 ? got : 0;
    if (ch == '[')
        return put_nested(t, c, e);
    if (ch == '\\') {
        t->at++;
        got = onig_escape(t, c, e);
        if (got)
            return got < 0 ? got : 0;
        ch = onig_peek(t, 0);
        if (ch < 0)
            return onig_fail(t, "a backslash at the end", e);
        if (ch == 'b')
            buf_str(&c->members, "\\x08");
        else if (ch == 'v')
            buf_str(&c->members, "\\x0b");
        else if (ch == 'R' || ch == 'X' || ch == 'K' || ch == 'c' || ch == 'C' || ch == 'M')
            return onig_fail(t, "an escape that is not supported in a set", e);
        else
            buf_printf(&c->members, ch < 0x80 ? "\\%c" : "%c", ch);
        t->at++;
        return 0;
    }
    buf_char(&c->members, (char)ch);
    t->at++;
    return 0;
}

/* At `[`; b is to be released whatever comes back. */
static int read_bracket(struct translation *t, struct bracket *b, struct err *e)
{
    int rc = 0;
    *b = (struct bracket){.negated = false};
    set_init(&b->set);
    buf_init(&b->before, 1 << 16);
    if (++t->depth > ONIG_DEPTH_MAX)
        return onig_fail(t, "sets are nested too deep", e);
    t->at++;
    if (onig_peek(t, 0) == '^') {
        b->negated = true;
        t->at++;
    }
    if (onig_peek(t, 0) == ']') { /* the first is a member */
        buf_str(&b->set.members, "\\]");
        t->at++;
    }
    while (!rc && onig_peek(t, 0) != ']') {
        if (onig_peek(t, 0) < 0) {
            rc = onig_fail(t, "a set without ]", e);
        } else if (onig_looks_at(t, "&&")) {
            buf_str(&b->before, "(?=");
            put_whole_set(&b->set, &b->before);
            buf_str(&b->before, ")");
            set_release(&b->set);
            set_init(&b->set);
            b->divided = true;
            t->at += 2;
        } else {
            rc = put_member(t, &b->set, e);
        }
    }
    t->at++;
    t->depth--;
    return rc;
}

int onig_bracket(struct translation *t, struct buf *out, struct err *e)
{
    struct bracket b;
    int rc = read_bracket(t, &b, e);
    if (!rc) {
        put_bracket(&b, out);
        rc = buf_check(out, "expression", e);
    }
    bracket_release(&b);
    return rc;
}
