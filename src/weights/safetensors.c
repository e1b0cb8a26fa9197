/* SPDX-License-Identifier: MIT */
/* A safetensors file: u64 length of the header, the header, the data.
 *
 * The header is a JSON object from tensor names to {"dtype", "shape", "data_offsets": [begin, end)}
 * with offsets counted from the start of the data; "__metadata__" is an object of strings. The
 * tensors cover the data without overlap and without a hole. Source: the README of
 * huggingface/safetensors, and its Metadata::validate.
 *
 * The header is walked entry by entry: no tree of all of it is made, so memory stays in proportion
 * to the number of tensors. */
#include "weights/safetensors.h"
#include "weights/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LENGTH_BYTES = 8,
    /* The reference allows 100 MB. 32 MiB is 128 bytes for each of the tensors that we allow, and
     * 10 times the largest published; a file that lies about it costs no more than that. */
    HEADER_BYTES_MAX = 32 << 20,
    ENTRY_BYTES_MAX = 64 << 10,
    METADATA_BYTES_MAX = 1 << 20, /* of one value */
    SHAPE_TEXT = 160,
};

static const char metadata_key[] = "__metadata__";

/* Where a tensor's bytes lie, to be held against all others. */
struct place {
    uint64_t begin, end;
    struct tensor *tensor;
};

/* type: the wtype that has the same layout, used where the kernels know it. */
static const struct {
    const char *name;
    uint32_t bits;
    uint32_t type;
} dtypes[] = {
    {"F32", 32, WTYPE_F32},
    {"F16", 16, WTYPE_F16},
    {"BF16", 16, WTYPE_BF16},
    {"F64", 64, 28}, /* ggml's GGML_TYPE_F64 */
    {"I8", 8, 24},   /* ggml's GGML_TYPE_I8 */
    {"U8", 8, WEIGHTS_NO_TYPE},
    {"BOOL", 8, WEIGHTS_NO_TYPE},
    {"I16", 16, WEIGHTS_NO_TYPE},
    {"U16", 16, WEIGHTS_NO_TYPE},
    {"I32", 32, WEIGHTS_NO_TYPE},
    {"U32", 32, WEIGHTS_NO_TYPE},
    {"I64", 64, WEIGHTS_NO_TYPE},
    {"U64", 64, WEIGHTS_NO_TYPE},
    {"F8_E4M3", 8, WEIGHTS_NO_TYPE},
    {"F8_E5M2", 8, WEIGHTS_NO_TYPE},
    {"F8_E8M0", 8, WEIGHTS_NO_TYPE},
    {"F8_E4M3FNUZ", 8, WEIGHTS_NO_TYPE},
    {"F8_E5M2FNUZ", 8, WEIGHTS_NO_TYPE},
    {"F4", 4, WEIGHTS_NO_TYPE},
    {"F6_E2M3", 6, WEIGHTS_NO_TYPE},
    {"F6_E3M2", 6, WEIGHTS_NO_TYPE},
    {"C64", 64, WEIGHTS_NO_TYPE},
};

enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

/* ---- the frame ---- */

bool safetensors_is(struct span file)
{
    struct cursor c = cursor_of(file);
    uint64_t n = cursor_u64(&c);
    return cursor_u8(&c) == '{' && c.ok && n >> 32 == 0;
}

static int find_header(struct safetensors *s, struct span file, struct err *e)
{
    struct cursor c = cursor_of(file);
    uint64_t n = cursor_u64(&c);
    if (!c.ok)
        return err_set(e, ERR_FORMAT,
                       "the file has %zu bytes, a safetensors file begins with %d: it is cut off, "
                       "download it again",
                       file.n, LENGTH_BYTES);
    if (n > HEADER_BYTES_MAX)
        return err_set(e, ERR_FORMAT, "header length: %" PRIu64 " bytes, expected at most %d", n,
                       HEADER_BYTES_MAX);
    if (n > file.n - LENGTH_BYTES)
        return err_set(e, ERR_FORMAT,
                       "the header has %" PRIu64 " bytes, the file has %zu: it is cut off, "
                       "download it again",
                       n, file.n);
    s->header = cursor_take(&c, n);
    s->data = span_of(file.p + c.pos, file.n - c.pos);
    if (n == 0 || s->header.p[0] != '{')
        return err_set(e, ERR_FORMAT, "header: %s, expected a JSON object",
                       n ? "does not begin with '{'" : "is empty");
    return 0;
}

/* The text behind a key's quotes and escapes: *out in the arena. */
static int read_key(struct span key, struct arena *names, const char **out, struct err *e)
{
    struct json *doc = NULL;
    int code = json_parse(&doc, key, ENTRY_BYTES_MAX, "header: a tensor's name", e);
    if (code)
        return code;
    struct span text = json_string(doc);
    if (text.n == 0 || text.n > WEIGHTS_NAME_MAX) {
        code = err_set(e, ERR_FORMAT, "tensor '%.*s': a name of %zu bytes, expected 1 to %d",
                       SPAN_FMT(text), text.n, WEIGHTS_NAME_MAX);
    } else {
        *out = arena_strndup(names, text.p, text.n);
        if (!*out)
            code = err_set(e, ERR_NOMEM, "no memory for the names of tensors");
    }
    json_close(&doc);
    return code;
}

/* Escapes could hide the key, but the reference does not write any in it. */
static bool is_metadata(struct span key)
{
    return span_is(key, "\"__metadata__\"");
}

static int check_metadata(struct span text, struct err *e)
{
    struct json_walk w;
    struct span key, value;
    int code = json_walk_init(&w, text, JSON_OBJECT, metadata_key, e);
    while (!code && (code = json_walk_next(&w, &key, &value, e)) > 0) {
        const struct span both[] = {key, value};
        code = 0;
        for (size_t i = 0; i < 2 && !code; i++) {
            struct json *doc = NULL;
            code = value.p[0] == '"'
                       ? json_parse(&doc, both[i], METADATA_BYTES_MAX, metadata_key, e)
                       : err_set(e, ERR_FORMAT, "%s: key %.*s: expected a string", metadata_key,
                                 SPAN_FMT(key));
            json_close(&doc);
        }
    }
    return code;
}

int safetensors_open(struct safetensors *s, struct span file, struct err *e)
{
    struct safetensors r = {.n_tensors = 0};
    struct json_walk w;
    struct span key, value;
    bool has_metadata = false;
    int code = find_header(&r, file, e);
    if (!code)
        code = json_walk_init(&w, r.header, JSON_OBJECT, "header", e);
    while (!code && (code = json_walk_next(&w, &key, &value, e)) > 0) {
        code = 0;
        if (!is_metadata(key)) {
            if (++r.n_tensors > WEIGHTS_TENSORS_MAX)
                code = err_set(e, ERR_LIMIT, "header: more than %d tensors", WEIGHTS_TENSORS_MAX);
        } else if (has_metadata) {
            code = err_set(e, ERR_FORMAT, "header: key \"%s\" stands twice", metadata_key);
        } else {
            has_metadata = true;
            code = check_metadata(value, e);
        }
    }
    if (!code)
        *s = r;
    return code;
}

/* ---- one tensor ---- */

static int read_size(const struct json *v, const char *field, uint64_t *out, struct err *e)
{
    if (json_type_of(v) != JSON_INT)
        return err_set(e, ERR_FORMAT, "%s: %s, expected an integer", field,
                       json_type_of(v) == JSON_REAL ? "a number with a point or an exponent"
                                                    : json_type_name(json_type_of(v)));
    if (json_int(v) < 0)
        return err_set(e, ERR_FORMAT, "%s: %" PRId64 ", expected 0 or more", field, json_int(v));
    *out = (uint64_t)json_int(v);
    return 0;
}

static int read_dtype(const struct json *v, size_t *out, struct err *e)
{
    struct buf known;
    if (json_type_of(v) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "dtype: %s, expected a string",
                       v ? json_type_name(json_type_of(v)) : "is missing");
    for (size_t i = 0; i < N_DTYPES; i++)
        if (span_is(json_string(v), dtypes[i].name)) {
            *out = i;
            return 0;
        }
    buf_init(&known, 256);
    for (size_t i = 0; i < N_DTYPES; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", dtypes[i].name);
    int code = err_set(e, ERR_FORMAT, "dtype: '%.*s', expected one of %s", SPAN_FMT(json_string(v)),
                       buf_cstr(&known));
    buf_release(&known);
    return code;
}

/* The dims turned around: dims[0] is the last of the shape. Past GGUF_MAX_DIMS the outer ones are
 * multiplied into the last. *elements: their product. */
static int read_shape(const struct json *v, struct tensor *t, uint64_t *elements, struct err *e)
{
    if (json_type_of(v) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "shape: %s, expected an array",
                       v ? json_type_name(json_type_of(v)) : "is missing");
    size_t n = json_size(v);
    *elements = 1;
    for (size_t i = 0; i < GGUF_MAX_DIMS; i++)
        t->dims[i] = 1;
    /* A 0 makes the product 0 whatever the rest is: the rest must fit all the same. */
    uint64_t others = 1;
    bool fits = true;
    for (size_t i = 0; i < n; i++) {
        uint64_t dim;
        int code = read_size(json_at(v, n - 1 - i), "shape", &dim, e);
        if (code)
            return code;
        uint64_t *slot = &t->dims[i < GGUF_MAX_DIMS ? i : GGUF_MAX_DIMS - 1];
        fits = fits && u64_mul(others, dim ? dim : 1, &others);
        *slot = fits ? *slot * dim : 0;
        *elements = dim && fits ? *elements * dim : 0;
    }
    if (!fits)
        return err_set(e, ERR_FORMAT,
                       "shape: its %zu dimensions overflow: their product is past "
                       "2^64",
                       n);
    t->n_dims = (uint32_t)(n < GGUF_MAX_DIMS ? n : GGUF_MAX_DIMS);
    return 0;
}

static int read_offsets(const struct json *v, struct place *p, struct err *e)
{
    if (json_type_of(v) != JSON_ARRAY || json_size(v) != 2)
        return err_set(e, ERR_FORMAT, "data_offsets: %s, expected an array of 2",
                       !v                              ? "is missing"
                       : json_type_of(v) == JSON_ARRAY ? "of another length"
                                                       : json_type_name(json_type_of(v)));
    int code = read_size(json_at(v, 0), "data_offsets", &p->begin, e);
    if (!code)
        code = read_size(json_at(v, 1), "data_offsets", &p->end, e);
    if (!code && p->begin > p->end)
        code = err_set(e, ERR_FORMAT,
                       "data_offsets: [%" PRIu64 ", %" PRIu64 "], expected the begin before the "
                       "end",
                       p->begin, p->end);
    return code;
}

/* "[1000, 1000]", cut where it is too long. */
static void shape_text(const struct json *shape, char out[SHAPE_TEXT])
{
    size_t n = 0;
    for (size_t i = 0; i < json_size(shape) && n + 32 < SHAPE_TEXT; i++)
        n += (size_t)snprintf(out + n, SHAPE_TEXT - n, "%s%" PRId64, i ? ", " : "[",
                              json_int(json_at(shape, i)));
    snprintf(out + n, SHAPE_TEXT - n, "%s", n == 0 ? "[]" : n + 32 < SHAPE_TEXT ? "]" : ", …]");
}

static int check_bytes(const struct json *shape, size_t dtype, uint64_t elements,
                       const struct place *p, struct err *e)
{
    uint64_t bits;
    char text[SHAPE_TEXT];
    shape_text(shape, text);
    if (!u64_mul(elements, dtypes[dtype].bits, &bits))
        return err_set(e, ERR_FORMAT, "shape: %s of %s overflows", text, dtypes[dtype].name);
    if (bits % 8)
        return err_set(e, ERR_FORMAT, "shape: %s of %s does not fill its last byte", text,
                       dtypes[dtype].name);
    if (p->end - p->begin != bits / 8)
        return err_set(e, ERR_FORMAT,
                       "shape: %s of %s needs %" PRIu64 " bytes, data_offsets [%" PRIu64
                       ", %" PRIu64 "] give %" PRIu64,
                       text, dtypes[dtype].name, bits / 8, p->begin, p->end, p->end - p->begin);
    return 0;
}

static int read_entry(const struct json *doc, struct tensor *t, struct place *p, struct err *e)
{
    size_t dtype = 0;
    uint64_t elements = 0;
    if (json_type_of(doc) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "%s, expected an object", json_type_name(json_type_of(doc)));
    int code = read_dtype(json_get(doc, "dtype"), &dtype, e);
    if (!code)
        code = read_shape(json_get(doc, "shape"), t, &elements, e);
    if (!code)
        code = read_offsets(json_get(doc, "data_offsets"), p, e);
    if (!code)
        code = check_bytes(json_get(doc, "shape"), dtype, elements, p, e);
    if (code)
        return code;
    const struct wtype_info *info =
        json_size(json_get(doc, "shape")) > GGUF_MAX_DIMS ? NULL : wtype_info(dtypes[dtype].type);
    t->type = info ? dtypes[dtype].type : WEIGHTS_NO_TYPE;
    t->row_bytes = (size_t)(t->dims[0] * dtypes[dtype].bits / 8);
    t->data.n = (size_t)(p->end - p->begin);
    p->tensor = t;
    return 0;
}

static int read_tensor(struct span key, struct span value, struct arena *names, struct tensor *t,
                       struct place *p, struct err *e)
{
    struct json *doc = NULL;
    int code = read_key(key, names, &t->name, e);
    if (code)
        return code;
    char what[WEIGHTS_NAME_MAX + 16];
    snprintf(what, sizeof what, "tensor '%s'", t->name);
    code = json_parse(&doc, value, ENTRY_BYTES_MAX, what, e);
    if (code)
        return code;
    code = read_entry(doc, t, p, e);
    json_close(&doc);
    return code ? err_wrap(e, code, "%s", what) : 0;
}

/* ---- all of them ---- */

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->tensor->name, ((const struct place *)b)->tensor->name);
}

static int check_names(struct place *places, size_t n, struct err *e)
{
    if (n)
        qsort(places, n, sizeof *places, compare_names);
    for (size_t i = 1; i < n; i++)
        if (compare_names(&places[i - 1], &places[i]) == 0)
            return err_set(e, ERR_FORMAT, "tensor '%s': its key stands twice in the header",
                           places[i].tensor->name);
    return 0;
}

/* Sorted by where they begin, each begins where the one before it ends. */
static int check_cover(const struct place *places, size_t n, uint64_t data_bytes, struct err *e)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct place *p = &places[i];
        if (p->begin < at)
            return err_set(e, ERR_FORMAT,
                           "tensor '%s': data_offsets [%" PRIu64 ", %" PRIu64 "] overlap tensor "
                           "'%s' [%" PRIu64 ", %" PRIu64 "]",
                           p->tensor->name, p->begin, p->end, p[-1].tensor->name, p[-1].begin,
                           p[-1].end);
        if (p->begin > at)
            return err_set(e, ERR_FORMAT,
                           "tensor '%s': data_offsets [%" PRIu64 ", %" PRIu64 "]: bytes %" PRIu64
                           " to %" PRIu64 " before it belong to no tensor",
                           p->tensor->name, p->begin, p->end, at, p->begin);
        at = p->end;
    }
    if (at > data_bytes)
        return err_set(e, ERR_FORMAT,
                       "the tensors need %" PRIu64 " bytes of data, the file has %" PRIu64
                       ": it is cut off, %" PRIu64 " bytes are missing: download it again",
                       at, data_bytes, at - data_bytes);
    if (at < data_bytes)
        return err_set(e, ERR_FORMAT,
                       "bytes %" PRIu64 " to %" PRIu64 " of the data belong to no tensor", at,
                       data_bytes);
    return 0;
}

int safetensors_read(const struct safetensors *s, struct arena *names, struct tensor *tensors,
                     struct err *e)
{
    struct json_walk w;
    struct span key, value;
    size_t n = 0;
    struct place *places = calloc(s->n_tensors + 1, sizeof *places);
    if (!places)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", s->n_tensors);
    int code = json_walk_init(&w, s->header, JSON_OBJECT, "header", e);
    while (!code && (code = json_walk_next(&w, &key, &value, e)) > 0) {
        code = 0;
        if (!is_metadata(key)) {
            code = read_tensor(key, value, names, &tensors[n], &places[n], e);
            n++;
        }
    }
    if (!code)
        code = check_names(places, n, e);
    if (!code && n)
        qsort(places, n, sizeof *places, compare_places);
    if (!code)
        code = check_cover(places, n, s->data.n, e);
    for (size_t i = 0; i < n && !code; i++)
        places[i].tensor->data.p = s->data.p + places[i].begin;
    free(places);
    return code;
}
