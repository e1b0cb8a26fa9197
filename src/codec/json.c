/* SPDX-License-Identifier: MIT */
/* json: reading JSON.
 *
 * Owns: the limits of json.h and the wording of complaints; the parser itself is jansson, which is
 * seen in this file only. A struct json is jansson's json_t under another name.
 * Invariant: jansson, which recurses, never sees a text that is too deep, too long or that has too
 * many values: scan() has counted before. */
#include "codec/json.h"

#include <locale.h>
#include <pthread.h>

/* Some names of jansson are also ours, with other meanings: they go by another name here. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY  JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_REAL   JANSSON_REAL
#define JSON_NULL   JANSSON_NULL
#define json_string jansson_string
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_REAL
#undef JSON_NULL
#undef json_string
#undef json_is_number

_Static_assert(sizeof(json_int_t) == sizeof(int64_t), "integers of 64 bits");

/* jansson's functions take json_t without const, even those that only look. */
static json_t *tree_of(const struct json *v)
{
    return (json_t *)(uintptr_t)v;
}

static const struct json *json_of(const json_t *v)
{
    return (const struct json *)v;
}

/* jansson 2.14 leaves a byte of a string out, and says nothing, when the buffer that it collects
 * the string in cannot grow. So its allocations go through ours, which remember. What they call is
 * what jansson called before: values of another user of it in the process stay valid. */
static json_malloc_t plain_malloc;
static json_free_t plain_free;
static _Thread_local bool starved;

static void *watched_malloc(size_t size)
{
    void *p = plain_malloc(size);
    if (!p)
        starved = true;
    return p;
}

static void watch_allocations(void)
{
    json_get_alloc_funcs(&plain_malloc, &plain_free);
    json_set_alloc_funcs(watched_malloc, plain_free);
}

/* Where a byte of the text is, as an editor shows it: the column counts characters. */
struct place {
    size_t line, column;
};

static struct place place_of(struct span text, size_t at)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return (struct place){line, utf8_length(span_sub(text, start, at - start)) + 1};
}

/* Depth and number of values, without understanding more than strings. Texts that are no JSON at
 * all are left to the parser. */
static int scan(struct span text, const char *what, struct err *e)
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
            values++;
            if (++depth > JSON_DEPTH_MAX) {
                struct place at = place_of(text, i);
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
    if (values > JSON_VALUES_MAX)
        return err_set(e, ERR_LIMIT, "%s: more than %d values", what, JSON_VALUES_MAX);
    return 0;
}

/* The string token that ends at byte end, with its quotes; empty if there is none. */
static struct span token_before(struct span text, size_t end)
{
    if (end < 2 || end > text.n || text.p[end - 1] != '"')
        return (struct span){NULL, 0};
    for (size_t i = end - 1; i-- > 0;) {
        size_t backslashes = 0;
        while (backslashes < i && text.p[i - 1 - backslashes] == '\\')
            backslashes++;
        if (text.p[i] == '"' && backslashes % 2 == 0)
            return span_sub(text, i, end - i);
    }
    return (struct span){NULL, 0};
}

static int explain(struct span text, const char *what, const json_error_t *error, struct err *e)
{
    enum json_error_code code = json_error_code(error);
    if (code == json_error_out_of_memory || error->text[0] == '\0')
        return err_set(e, ERR_NOMEM, "%s: no memory to read JSON", what);

    int line = error->line > 0 ? error->line : 1;
    int column = error->column > 0 ? error->column : 1;
    struct span key = {NULL, 0};
    if (code == json_error_duplicate_key && error->position > 0)
        key = token_before(text, (size_t)error->position);
    if (key.n > 0)
        return err_set(e, ERR_FORMAT, "%s: line %d, column %d: key %.*s stands twice in an object",
                       what, line, column, SPAN_FMT(key));
    if (code == json_error_null_character || code == json_error_null_byte_in_key)
        return err_set(e, ERR_FORMAT, "%s: line %d, column %d: \\u0000 in a string, expected text",
                       what, line, column);
    if (code == json_error_numeric_overflow)
        return err_set(e, ERR_FORMAT, "%s: line %d, column %d: a number beyond 64 bits: %s", what,
                       line, column, error->text);
    return err_set(e, ERR_FORMAT, "%s: line %d, column %d: no JSON: %s", what, line, column,
                   error->text);
}

/* Bytes at the front of s that could be of a number; *integer: there is no point or exponent. */
static size_t number_length(struct span s, bool *integer)
{
    size_t n = 0;
    *integer = true;
    for (; n < s.n; n++) {
        uint8_t ch = s.p[n];
        if (ch == '.' || ch == 'e' || ch == 'E' || ch == '+')
            *integer = false;
        else if (ch != '-' && (ch < '0' || ch > '9'))
            break;
    }
    return n;
}

/* Appends text with ".0" behind each integer that is beyond 64 bits. */
static void widen(struct span text, struct buf *out)
{
    bool in_string = false, integer;
    for (size_t i = 0, n; i < text.n; i += n) {
        uint8_t ch = text.p[i];
        int64_t value;
        n = in_string && ch == '\\' ? 2 : 1;
        integer = false;
        if (ch == '"')
            in_string = !in_string;
        else if (!in_string && (ch == '-' || (ch >= '0' && ch <= '9')))
            n = number_length(span_sub(text, i, text.n), &integer);
        buf_span(out, span_sub(text, i, n));
        if (integer && !num_parse_i64(span_sub(text, i, n), &value))
            buf_str(out, ".0");
    }
}

static json_t *load(struct span text, size_t flags, json_error_t *error)
{
    *error = (json_error_t){.line = -1, .column = -1, .position = 0};
    return json_loadb((const char *)text.p, text.n,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, error);
}

/* Integers beyond 64 bits are numbers. Most texts have none, so they are looked for only
 * after the parser has met one. */
static json_t *load_wide(struct span text, size_t max_bytes, size_t flags, json_error_t *error)
{
    struct buf widened;
    json_t *tree = load(text, flags, error);
    if (tree || json_error_code(error) != json_error_numeric_overflow)
        return tree;
    buf_init(&widened, 2 * max_bytes); /* two bytes more for twenty */
    widen(text, &widened);
    if (widened.failed)
        starved = true;
    else
        tree = load(buf_view(&widened), flags, error);
    buf_release(&widened);
    return tree;
}

static int parse(struct json **out, struct span text, size_t max_bytes, bool python,
                 const char *what, struct err *e)
{
    if (text.n > max_bytes)
        return err_set(e, ERR_LIMIT, "%s: %zu bytes of JSON, expected at most %zu", what, text.n,
                       max_bytes);
    if (text.n == 0)
        return err_set(e, ERR_FORMAT, "%s: empty, expected JSON", what);
    int r = scan(text, what, e);
    if (r < 0)
        return r;

    /* jansson reads numbers with strtod, which would ask for the locale's decimal point. */
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0)
        return err_set(e, ERR_NOMEM, "%s: no memory to read JSON", what);
    locale_t before = uselocale(plain);
    json_error_t error;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_allocations);
    starved = false;
    json_t *tree =
        python ? load_wide(text, max_bytes, JSON_ALLOW_NUL, &error) : load(text, 0, &error);
    uselocale(before);
    freelocale(plain);
    if (starved) {
        json_decref(tree);
        return err_set(e, ERR_NOMEM, "%s: no memory to read JSON", what);
    }
    if (!tree)
        return explain(text, what, &error, e);
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
