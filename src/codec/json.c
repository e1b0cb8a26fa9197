/* SPDX-License-Identifier: MIT */
/* json: reading JSON.
 *
 * Owns: the limits of json.h and the looks into a tree; the text is read by json_read.c. A struct
 * json is jansson's json_t under another name.
 * Invariant: json_read, which recurses, never sees a text that is too deep, too long or that has
 * too many values: scan() has counted before. */
#include "codec/json.h"

#include "codec/json_jansson.h"

/* jansson's functions take json_t without const, even those that only look. */
static json_t *tree_of(const struct json *v)
{
    return (json_t *)(uintptr_t)v;
}

static const struct json *json_of(const json_t *v)
{
    return (const struct json *)v;
}

struct json_place json_place_of(struct span text, size_t at)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return (struct json_place){line, utf8_length(span_sub(text, start, at - start)) + 1};
}

/* What an object costs beside what is in it: its table has room for eight members. */
enum { OBJECT_VALUES = 8 };

/* Depth and number of values, without understanding more than strings. Texts that are no JSON at
 * all are left to the parser. */
static int scan(struct span text, size_t max_values, const char *what, struct err *e)
{
    size_t depth = 0, values = 1;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t ch = text.p[i];
        if (in_string) {
            if (ch == '\\')
                i++;
            else if (ch == '"')
                in_string = false;
            continue;
        }
        switch (ch) {
        case '"':
            in_string = true;
            break;
        case '[':
        case '{':
            values += ch == '{' ? OBJECT_VALUES : 1;
            if (++depth > JSON_DEPTH_MAX) {
                struct json_place at = json_place_of(text, i);
                return err_set(e, ERR_FORMAT,
                               "%s: line %zu, column %zu: nested deeper than %d levels", what,
                               at.line, at.column, JSON_DEPTH_MAX);
            }
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        default:
            break;
        }
    }
    if (values > max_values)
        return err_set(e, ERR_LIMIT, "%s: more than %zu values", what, max_values);
    return 0;
}

static int parse(struct json **out, struct span text, size_t max_bytes, bool python,
                 const char *what, struct err *e)
{
    if (text.n > max_bytes)
        return err_set(e, ERR_LIMIT, "%s: %zu bytes of JSON, expected at most %zu", what, text.n,
                       max_bytes);
    if (text.n == 0)
        return err_set(e, ERR_FORMAT, "%s: empty, expected JSON", what);
    int r = scan(text, python ? JSON_NUL_VALUES_MAX : JSON_VALUES_MAX, what, e);
    if (r < 0)
        return r;

    json_t *tree = json_read(text, python, what, &r, e);
    if (!tree)
        return r;
    *out = (struct json *)tree;
    return 0;
}

int json_parse(struct json **out, struct span text, size_t max_bytes, const char *what,
               struct err *e)
{
    return parse(out, text, max_bytes, false, what, e);
}

int json_parse_nul(struct json **out, struct span text, size_t max_bytes, const char *what,
                   struct err *e)
{
    return parse(out, text, max_bytes, true, what, e);
}

int json_parse_object(struct json **out, struct span text, size_t max_bytes, const char *what,
                      struct err *e)
{
    int code = json_parse_nul(out, text, max_bytes, what, e);
    if (!code && json_type_of(*out) != JSON_OBJECT)
        code = err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                       json_type_name(json_type_of(*out)));
    return code;
}

void json_close(struct json **doc)
{
    json_decref((json_t *)*doc);
    *doc = NULL;
}

enum json_type json_type_of(const struct json *v)
{
    if (!v)
        return JSON_NULL;
    switch (json_typeof(tree_of(v))) {
    case JANSSON_OBJECT:
        return JSON_OBJECT;
    case JANSSON_ARRAY:
        return JSON_ARRAY;
    case JANSSON_STRING:
        return JSON_STRING;
    case JSON_INTEGER:
        return JSON_INT;
    case JANSSON_REAL:
        return JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_BOOL;
    case JANSSON_NULL:
        break;
    }
    return JSON_NULL;
}

const char *json_type_name(enum json_type t)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean",  [JSON_INT] = "an integer",
        [JSON_REAL] = "a number",   [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object"};
    return names[t];
}

bool json_bool(const struct json *v)
{
    return v && json_is_true(tree_of(v));
}

int64_t json_int(const struct json *v)
{
    return json_integer_value(tree_of(v));
}

double json_number(const struct json *v)
{
    return json_number_value(tree_of(v));
}

bool json_is_number(const struct json *v)
{
    enum json_type t = json_type_of(v);
    return t == JSON_INT || t == JSON_REAL;
}

struct span json_string(const struct json *v)
{
    if (json_type_of(v) != JSON_STRING)
        return (struct span){NULL, 0};
    return span_of(json_string_value(tree_of(v)), json_string_length(tree_of(v)));
}

size_t json_size(const struct json *v)
{
    return json_type_of(v) == JSON_ARRAY ? json_array_size(tree_of(v))
                                         : json_object_size(tree_of(v));
}

const struct json *json_at(const struct json *v, size_t i)
{
    return json_of(json_array_get(tree_of(v), i));
}

const struct json *json_get(const struct json *v, const char *key)
{
    return json_of(json_object_get(tree_of(v), key));
}

void *json_first(const struct json *object)
{
    return json_object_iter(tree_of(object));
}

void *json_next(const struct json *object, void *it)
{
    return json_object_iter_next(tree_of(object), it);
}

const char *json_key(void *it)
{
    return json_object_iter_key(it);
}

const struct json *json_value(void *it)
{
    return json_of(json_object_iter_value(it));
}
