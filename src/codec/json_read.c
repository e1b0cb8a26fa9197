/* SPDX-License-Identifier: MIT */
/* json_read: from text to a tree.
 *
 * jansson keeps the tree, and its own parser is not used: when the buffer that it collects a token
 * in cannot grow, it leaves a byte out of it and says nothing (2.14), which ends in a failed
 * assertion or in reading past the token. Here a token is a span of the text.
 * Source of the grammar: RFC 8259. */
#include "codec/json_jansson.h"

#include <string.h>

enum { NEAR_MAX = 20 /* bytes of the text that a message shows */ };

struct reader {
    struct span text;
    size_t at;
    bool python;
    const char *what;
    struct buf chars; /* of a string with escapes */
    int code;
    struct err *e;
};

static json_t *read_value(struct reader *r);

/* problem is what is wrong with the bytes from..to; the place is that of the last of them. */
static json_t *fail(struct reader *r, const char *kind, const char *problem, size_t from, size_t to)
{
    struct json_place p = json_place_of(r->text, to);
    size_t column = p.column > 1 ? p.column - 1 : 1;
    struct span near = span_sub(r->text, from, to - from);
    if (from == r->text.n)
        r->code = err_set(r->e, ERR_FORMAT, "%s: line %zu, column %zu: %s%s near end of file",
                          r->what, p.line, column, kind, problem);
    else if (near.n > 0 && near.n <= NEAR_MAX)
        r->code = err_set(r->e, ERR_FORMAT, "%s: line %zu, column %zu: %s%s near '%.*s'", r->what,
                          p.line, column, kind, problem, SPAN_FMT(near));
    else
        r->code = err_set(r->e, ERR_FORMAT, "%s: line %zu, column %zu: %s%s", r->what, p.line,
                          column, kind, problem);
    return NULL;
}

static json_t *no_json(struct reader *r, const char *problem, size_t from, size_t to)
{
    return fail(r, "no JSON: ", problem, from, to);
}

static json_t *no_memory(struct reader *r)
{
    r->code = err_set(r->e, ERR_NOMEM, "%s: no memory to read JSON", r->what);
    return NULL;
}

static json_t *made(struct reader *r, json_t *v)
{
    return v ? v : no_memory(r);
}

static uint8_t peek(const struct reader *r)
{
    return r->at < r->text.n ? r->text.p[r->at] : 0;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->text.n && memchr(" \t\r\n", r->text.p[r->at], 4))
        r->at++;
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* To the end of what stands at at, for a message: a word, a number's beginning, one character. */
static size_t token_end(const struct reader *r, size_t at)
{
    uint32_t cp;
    size_t end = at, n = utf8_decode(span_sub(r->text, at, 4), &cp);
    while (end < r->text.n && is_letter(r->text.p[end]))
        end++;
    if (end == at && at < r->text.n)
        end += n > 0 ? n : 1;
    return end;
}

static json_t *unexpected(struct reader *r, const char *problem)
{
    return no_json(r, problem, r->at, token_end(r, r->at));
}

/* ---- strings ---- */

static bool bad_byte(struct reader *r, size_t start, size_t at)
{
    char problem[64];
    uint8_t ch = r->text.p[at];
    snprintf(problem, sizeof problem,
             ch < 0x20 ? "control character 0x%x" : "unable to decode byte 0x%x", ch);
    no_json(r, problem, start, at);
    return false;
}

/* Steps over the string at at: *quoted is all of it, *escaped whether it has escapes. */
static bool skip_string(struct reader *r, struct span *quoted, bool *escaped)
{
    size_t start = r->at, i = start + 1;
    *escaped = false;
    while (i < r->text.n && r->text.p[i] != '"') {
        uint8_t ch = r->text.p[i];
        uint32_t cp;
        size_t n = ch >= 0x80 ? utf8_decode(span_sub(r->text, i, 4), &cp) : 1;
        if (ch < 0x20 || n == 0)
            return bad_byte(r, start, i);
        if (ch == '\\') {
            *escaped = true;
            /* what follows is looked at by json_unescape */
            n = i + 1 < r->text.n && r->text.p[i + 1] >= 0x20 && r->text.p[i + 1] < 0x80 ? 2 : 1;
        }
        i += n;
    }
    if (i >= r->text.n) {
        no_json(r, "premature end of input", start, r->text.n);
        return false;
    }
    r->at = i + 1;
    *quoted = span_sub(r->text, start, r->at - start);
    return true;
}

/* The bytes of the string at at, in the text or in r->chars; *quoted: it as it stands. */
static bool read_string(struct reader *r, bool nul, struct span *quoted, struct span *out)
{
    bool escaped;
    struct err ignored;
    if (!skip_string(r, quoted, &escaped))
        return false;
    *out = span_sub(*quoted, 1, quoted->n - 2);
    if (!escaped)
        return true;
    size_t from = r->at - quoted->n;
    buf_clear(&r->chars);
    int code = json_unescape(*quoted, &r->chars, r->what, &ignored);
    if (code == ERR_FORMAT)
        no_json(r, "invalid escape", from, r->at);
    else if (code < 0)
        no_memory(r);
    if (code < 0)
        return false;
    *out = buf_view(&r->chars);
    if (!nul && out->n > 0 && memchr(out->p, 0, out->n)) {
        fail(r, "", "\\u0000 in a string, expected text", from, r->at);
        return false;
    }
    return true;
}

static json_t *read_text(struct reader *r)
{
    struct span quoted, s;
    if (!read_string(r, r->python, &quoted, &s))
        return NULL;
    return made(r, json_stringn_nocheck(s.n > 0 ? (const char *)s.p : "", s.n));
}

/* ---- numbers and words ---- */

static size_t digits_at(const struct reader *r, size_t at)
{
    size_t n = 0;
    while (at + n < r->text.n && is_digit(r->text.p[at + n]))
        n++;
    return n;
}

static bool is_at(const struct reader *r, size_t at, const char *any)
{
    return at < r->text.n && r->text.p[at] != 0 && strchr(any, r->text.p[at]);
}

/* The end of the number at at; *good: it is one. *integer: it has no point and no exponent. */
static size_t number_end(const struct reader *r, bool *good, bool *integer)
{
    size_t i = r->at + is_at(r, r->at, "-"), n = digits_at(r, i);
    bool zero = is_at(r, i, "0");
    *integer = true;
    *good = n > 0 && !(zero && n > 1);
    if (!*good)
        return i + zero;
    i += n;
    if (is_at(r, i, ".")) {
        *integer = false;
        n = digits_at(r, ++i);
        i += n;
        *good = n > 0;
    }
    if (*good && is_at(r, i, "eE")) {
        *integer = false;
        i++;
        i += is_at(r, i, "+-");
        n = digits_at(r, i);
        i += n;
        *good = n > 0;
    }
    return i;
}

static json_t *read_number(struct reader *r)
{
    bool good, integer;
    int64_t whole;
    double real;
    size_t start = r->at, end = number_end(r, &good, &integer);
    struct span s = span_sub(r->text, start, end - start);
    if (!good)
        return no_json(r, "invalid token", start, end);
    r->at = end;
    if (integer && num_parse_i64(s, &whole))
        return made(r, json_integer(whole));
    if (integer && !r->python)
        return fail(r, "a number beyond 64 bits: ", "too big integer", start, end);
    if (!num_parse_f64(s, &real))
        return fail(r, "a number beyond 64 bits: ", "real number overflow", start, end);
    return made(r, json_real(real));
}

static json_t *read_word(struct reader *r)
{
    size_t end = token_end(r, r->at);
    struct span word = span_sub(r->text, r->at, end - r->at);
    bool is_true = span_is(word, "true"), is_false = span_is(word, "false");
    if (!is_true && !is_false && !span_is(word, "null"))
        return no_json(r, "invalid token", r->at, end);
    r->at = end;
    return is_true ? json_true() : is_false ? json_false() : json_null();
}

/* ---- arrays and objects ---- */

/* Behind a member: 1: a comma, over which it steps; 0: the end, likewise; below: malformed. */
static int comma_or(struct reader *r, uint8_t close, const char *problem)
{
    skip_blanks(r);
    if (peek(r) != ',' && peek(r) != close) {
        unexpected(r, problem);
        return -1;
    }
    return r->text.p[r->at++] == ',';
}

static json_t *read_array(struct reader *r)
{
    json_t *array = made(r, json_array());
    int more = 1;
    r->at++;
    skip_blanks(r);
    if (array && peek(r) == ']') {
        r->at++;
        return array;
    }
    while (array && more == 1) {
        json_t *v = read_value(r);
        if (v && json_array_append_new(array, v) != 0)
            no_memory(r);
        more = r->code ? -1 : comma_or(r, ']', "']' expected");
    }
    if (r->code) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static void read_member(struct reader *r, json_t *object, struct buf *key)
{
    struct span quoted, s;
    skip_blanks(r);
    if (peek(r) != '"') {
        unexpected(r, "string or '}' expected");
        return;
    }
    if (!read_string(r, false, &quoted, &s))
        return;
    buf_clear(key);
    buf_span(key, s);
    const char *name = buf_cstr(key);
    if (key->failed) {
        no_memory(r);
        return;
    }
    if (json_object_get(object, name)) {
        struct json_place p = json_place_of(r->text, r->at);
        r->code = err_set(r->e, ERR_FORMAT,
                          "%s: line %zu, column %zu: key %.*s stands twice in an object", r->what,
                          p.line, p.column - 1, SPAN_FMT(quoted));
        return;
    }
    skip_blanks(r);
    if (peek(r) != ':') {
        unexpected(r, "':' expected");
        return;
    }
    r->at++;
    json_t *v = read_value(r);
    if (v && json_object_set_new_nocheck(object, name, v) != 0)
        no_memory(r);
}

static json_t *read_object(struct reader *r)
{
    json_t *object = made(r, json_object());
    struct buf key; /* beside the values' strings: jansson wants an end to it */
    int more = 1;
    r->at++;
    skip_blanks(r);
    if (object && peek(r) == '}') {
        r->at++;
        return object;
    }
    buf_init(&key, r->text.n);
    while (object && more == 1) {
        read_member(r, object, &key);
        more = r->code ? -1 : comma_or(r, '}', "'}' expected");
    }
    buf_release(&key);
    if (r->code) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *read_value(struct reader *r)
{
    skip_blanks(r);
    uint8_t ch = peek(r);
    if (ch == '{')
        return read_object(r);
    if (ch == '[')
        return read_array(r);
    if (ch == '"')
        return read_text(r);
    if (ch == '-' || is_digit(ch))
        return read_number(r);
    if (is_letter(ch))
        return read_word(r);
    bool misplaced = r->at == r->text.n || is_at(r, r->at, "]},:");
    return unexpected(r, misplaced ? "unexpected token" : "invalid token");
}

json_t *json_read(struct span text, bool python, const char *what, int *code, struct err *e)
{
    struct reader r = {.text = text, .python = python, .what = what, .e = e};
    buf_init(&r.chars, text.n);
    json_t *v = read_value(&r);
    skip_blanks(&r);
    if (v && r.at < text.n) {
        unexpected(&r, "end of file expected");
        json_decref(v);
        v = NULL;
    }
    buf_release(&r.chars);
    *code = r.code;
    return v;
}
