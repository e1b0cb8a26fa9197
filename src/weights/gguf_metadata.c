/* SPDX-License-Identifier: MIT */
/* GGUF metadata: reading the entries, and typed access to them.
 *
 * Every entry is walked to its end at open, so that the getters need no bounds of their own. A
 * table of spans is made for each array of strings then: vocabularies are read by index. */
#include "weights/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEY_BYTES_MAX = 65535, /* of the specification */
    NESTING_MAX = 4,       /* arrays in arrays are legal; nobody writes them */
    STRINGS_MAX = 1 << 22, /* 16 times the largest published vocabulary */
};

static const struct {
    const char *name;
    size_t bytes;
} value_types[] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},     [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

enum { N_VALUE_TYPES = sizeof value_types / sizeof *value_types };

const char *gguf_type_name(uint32_t type)
{
    return type < N_VALUE_TYPES ? value_types[type].name : "unknown";
}

size_t gguf_type_bytes(uint32_t type)
{
    return type < N_VALUE_TYPES ? value_types[type].bytes : 0;
}

/* ---- reading ---- */

int gguf_read_string(struct cursor *c, const char *what, struct span *out, struct err *e)
{
    uint64_t n = cursor_u64(c);
    size_t left = c->s.n - c->pos;
    struct span s = cursor_take(c, n);
    if (!c->ok)
        return err_set(e, ERR_FORMAT,
                       "%s: a string of %llu %s reaches past the end of the file (%zu bytes "
                       "left)",
                       what, (unsigned long long)n, plural(n, "byte", "bytes"), left);
    *out = s;
    return 0;
}

static int cut_off(const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: reaches past the end of the file: it is cut off", what);
}

static int check_type(uint32_t type, const char *what, struct err *e)
{
    if (type < N_VALUE_TYPES)
        return 0;
    return err_set(e, ERR_FORMAT, "%s: value type %u, expected 0 to %d", what, type,
                   N_VALUE_TYPES - 1);
}

static int check_bools(struct span s, const char *what, struct err *e)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > 1)
            return err_set(e, ERR_FORMAT, "%s: bool %u, expected 0 or 1", what, s.p[i]);
    return 0;
}

static int read_strings(struct gguf *g, struct cursor *c, struct gguf_entry *entry,
                        const char *what, struct err *e)
{
    if (entry->n > STRINGS_MAX)
        return err_set(e, ERR_FORMAT, "%s: %zu strings, expected at most %d", what, entry->n,
                       STRINGS_MAX);
    struct span *strings = arena_array(&g->arena, entry->n, sizeof *strings);
    if (!strings)
        return err_set(e, ERR_NOMEM, "%s: no memory for %zu strings", what, entry->n);
    for (size_t i = 0; i < entry->n; i++) {
        int code = gguf_read_string(c, what, &strings[i], e);
        if (code)
            return code;
    }
    entry->strings = strings;
    return 0;
}

/* Reads one array's head: type and count, the count held against the bytes that are left. */
static int read_array_head(struct cursor *c, const char *what, uint32_t *elem, size_t *n,
                           struct err *e)
{
    uint32_t type = cursor_u32(c);
    uint64_t count = cursor_u64(c);
    if (!c->ok)
        return cut_off(what, e);
    int code = check_type(type, what, e);
    if (code)
        return code;
    /* A string is at least its length, an array its type and count. */
    size_t least = type == GGUF_STRING ? 8 : type == GGUF_ARRAY ? 12 : gguf_type_bytes(type);
    size_t left = c->s.n - c->pos;
    if (count > left / least)
        return err_set(e, ERR_FORMAT,
                       "%s: an array of %llu %s reaches past the end of the file (%zu bytes "
                       "left)",
                       what, (unsigned long long)count, plural(count, "element", "elements"), left);
    *elem = type;
    *n = (size_t)count;
    return 0;
}

/* Walks over arrays that nobody can ask for: those inside of another. */
static int skip_array(struct cursor *c, const char *what, int depth, struct err *e)
{
    uint32_t elem;
    size_t n;
    int code = read_array_head(c, what, &elem, &n, e);
    if (code)
        return code;
    if (elem != GGUF_STRING && elem != GGUF_ARRAY) {
        struct span data = cursor_take(c, n * gguf_type_bytes(elem));
        return elem == GGUF_BOOL ? check_bools(data, what, e) : 0;
    }
    if (elem == GGUF_ARRAY && depth >= NESTING_MAX)
        return err_set(e, ERR_FORMAT, "%s: arrays nested deeper than %d", what, NESTING_MAX);
    for (size_t i = 0; i < n && !code; i++) {
        struct span s;
        code = elem == GGUF_STRING ? gguf_read_string(c, what, &s, e)
                                   : skip_array(c, what, depth + 1, e);
    }
    return code;
}

static int read_array(struct gguf *g, struct cursor *c, struct gguf_entry *entry, const char *what,
                      struct err *e)
{
    int code = read_array_head(c, what, &entry->elem, &entry->n, e);
    if (code)
        return code;
    if (entry->elem == GGUF_STRING)
        return read_strings(g, c, entry, what, e);
    if (entry->elem == GGUF_ARRAY) {
        for (size_t i = 0; i < entry->n && !code; i++)
            code = skip_array(c, what, 2, e);
        return code;
    }
    entry->data = cursor_take(c, entry->n * gguf_type_bytes(entry->elem));
    return entry->elem == GGUF_BOOL ? check_bools(entry->data, what, e) : 0;
}

int gguf_read_name(struct gguf *g, struct cursor *c, const char *what, size_t max, const char **out,
                   struct err *e)
{
    struct span name;
    int code = gguf_read_string(c, what, &name, e);
    if (code)
        return code;
    if (name.n == 0 || name.n > max)
        return err_set(e, ERR_FORMAT, "%s: %zu bytes, expected 1 to %zu", what, name.n, max);
    if (!utf8_valid(name) || span_find(name, 0))
        return err_set(e, ERR_FORMAT, "%s: '%.*s' is not text", what, SPAN_FMT(name));
    *out = arena_strndup(&g->arena, name.p, name.n);
    return *out ? 0 : err_set(e, ERR_NOMEM, "%s: no memory", what);
}

static int read_value(struct gguf *g, struct cursor *c, struct gguf_entry *entry, struct err *e)
{
    char what[128];
    snprintf(what, sizeof what, "key '%.100s'", entry->key);
    entry->type = cursor_u32(c);
    if (!c->ok)
        return cut_off(what, e);
    int code = check_type(entry->type, what, e);
    if (code)
        return code;
    if (entry->type == GGUF_STRING)
        return gguf_read_string(c, what, &entry->data, e);
    if (entry->type == GGUF_ARRAY)
        return read_array(g, c, entry, what, e);
    entry->data = cursor_take(c, gguf_type_bytes(entry->type));
    if (!c->ok)
        return cut_off(what, e);
    return entry->type == GGUF_BOOL ? check_bools(entry->data, what, e) : 0;
}

static int read_entry(struct gguf *g, struct cursor *c, size_t i, struct err *e)
{
    struct gguf_entry *entry = &g->entries[i];
    char what[64];
    snprintf(what, sizeof what, "key of metadata entry %zu", i);
    int code = gguf_read_name(g, c, what, KEY_BYTES_MAX, &entry->key, e);
    size_t start = c->pos;
    if (!code)
        code = read_value(g, c, entry, e);
    entry->raw = span_sub(c->s, start, c->pos - start);
    return code;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct gguf_entry *)a)->key, ((const struct gguf_entry *)b)->key);
}

int gguf_read_metadata(struct gguf *g, struct cursor *c, uint64_t n, struct err *e)
{
    g->entries = arena_array(&g->arena, (size_t)n, sizeof *g->entries);
    if (!g->entries)
        return err_set(e, ERR_NOMEM, "no memory for %llu metadata entries", (unsigned long long)n);
    for (size_t i = 0; i < n; i++) {
        int code = read_entry(g, c, i, e);
        if (code)
            return code;
    }
    g->n_entries = (size_t)n;
    if (n)
        qsort(g->entries, (size_t)n, sizeof *g->entries, compare_entries);
    for (size_t i = 1; i < n; i++)
        if (compare_entries(&g->entries[i - 1], &g->entries[i]) == 0)
            return err_set(e, ERR_FORMAT, "key '%s': there twice", g->entries[i].key);
    return 0;
}

/* ---- access ---- */

static const struct gguf_entry *find(const struct gguf *g, const char *key)
{
    struct gguf_entry wanted = {.key = key};
    return g->n_entries
               ? bsearch(&wanted, g->entries, g->n_entries, sizeof *g->entries, compare_entries)
               : NULL;
}

static uint64_t raw_value(const struct gguf_entry *entry)
{
    struct cursor c = cursor_of(entry->data);
    return cursor_le(&c, entry->data.n);
}

static int64_t extend(uint64_t v, size_t bytes)
{
    unsigned shift = 64 - 8 * (unsigned)bytes;
    return (int64_t)(v << shift) >> shift;
}

static bool is_signed(uint32_t type)
{
    return type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
}

static bool is_integer(uint32_t type)
{
    return is_signed(type) || type == GGUF_U8 || type == GGUF_U16 || type == GGUF_U32 ||
           type == GGUF_U64;
}

static int wrong_type(const struct gguf_entry *entry, const char *expected, struct err *e)
{
    if (entry->type == GGUF_ARRAY)
        return err_set(e, ERR_FORMAT, "key '%s': an array of %s, expected %s", entry->key,
                       gguf_type_name(entry->elem), expected);
    return err_set(e, ERR_FORMAT, "key '%s': type %s, expected %s", entry->key,
                   gguf_type_name(entry->type), expected);
}

bool gguf_has(const struct gguf *g, const char *key)
{
    return find(g, key) != NULL;
}

int gguf_u64(const struct gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t *out,
             struct err *e)
{
    const struct gguf_entry *entry = find(g, key);
    if (!entry)
        return ERR_NOTFOUND;
    if (!is_integer(entry->type))
        return wrong_type(entry, "an integer", e);
    uint64_t v = raw_value(entry);
    if (is_signed(entry->type)) {
        int64_t s = extend(v, entry->data.n);
        if (s < 0)
            return err_set(e, ERR_FORMAT, "key '%s': %lld, expected %llu to %llu", key,
                           (long long)s, (unsigned long long)min, (unsigned long long)max);
        v = (uint64_t)s;
    }
    if (v < min || v > max)
        return err_set(e, ERR_FORMAT, "key '%s': %llu, expected %llu to %llu", key,
                       (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
    *out = v;
    return 0;
}

int gguf_f64(const struct gguf *g, const char *key, double *out, struct err *e)
{
    const struct gguf_entry *entry = find(g, key);
    if (!entry)
        return ERR_NOTFOUND;
    double v;
    if (entry->type == GGUF_F32) {
        float f;
        memcpy(&f, entry->data.p, sizeof f);
        v = f;
    } else if (entry->type == GGUF_F64) {
        memcpy(&v, entry->data.p, sizeof v);
    } else {
        return wrong_type(entry, "f32 or f64", e);
    }
    if (!isfinite(v))
        return err_set(e, ERR_FORMAT, "key '%s': not a finite number", key);
    *out = v;
    return 0;
}

int gguf_bool(const struct gguf *g, const char *key, bool *out, struct err *e)
{
    const struct gguf_entry *entry = find(g, key);
    if (!entry)
        return ERR_NOTFOUND;
    if (entry->type != GGUF_BOOL)
        return wrong_type(entry, "bool", e);
    *out = entry->data.p[0] != 0;
    return 0;
}

int gguf_string(const struct gguf *g, const char *key, struct span *out, struct err *e)
{
    const struct gguf_entry *entry = find(g, key);
    if (!entry)
        return ERR_NOTFOUND;
    if (entry->type != GGUF_STRING)
        return wrong_type(entry, "string", e);
    *out = entry->data;
    return 0;
}

int gguf_array(const struct gguf *g, const char *key, enum gguf_type elem, struct gguf_array *out,
               struct err *e)
{
    const struct gguf_entry *entry = find(g, key);
    if (!entry)
        return ERR_NOTFOUND;
    if (entry->type != GGUF_ARRAY || entry->elem != elem) {
        char expected[32];
        snprintf(expected, sizeof expected, "an array of %s", gguf_type_name(elem));
        return wrong_type(entry, expected, e);
    }
    *out = (struct gguf_array){elem, entry->n, entry->data.p, entry->strings};
    return 0;
}

int64_t gguf_array_int(const struct gguf_array *a, size_t i)
{
    size_t bytes = gguf_type_bytes(a->elem);
    struct cursor c = cursor_of(span_of(a->data + i * bytes, bytes));
    uint64_t v = cursor_le(&c, bytes);
    return is_signed(a->elem) ? extend(v, bytes) : (int64_t)v;
}

float gguf_array_f32(const struct gguf_array *a, size_t i)
{
    float v;
    memcpy(&v, a->data + i * sizeof v, sizeof v);
    return v;
}
