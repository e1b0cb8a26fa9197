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
#include <stdlib.h>

enum {
    LENGTH_BYTES = 8,
    /* The reference allows 100 MB. 16 MiB is 64 bytes for each of the tensors that a whole model
     * may have; a file that lies costs no more than to read that. */
    HEADER_BYTES_MAX = 16 << 20,
};

static const char metadata_key[] = "__metadata__";

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
                       "the file has %zu %s, a safetensors file begins with %d: it is cut off, "
                       "download it again",
                       file.n, plural(file.n, "byte", "bytes"), LENGTH_BYTES);
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

/* Escapes could hide the key, but the reference does not write any in it. */
static bool is_metadata(struct span key)
{
    return span_is(key, "\"__metadata__\"");
}

static int check_metadata(struct span text, struct err *e)
{
    struct json_walk w;
    struct span key, value;
    struct buf b;
    if (span_is(text, "null")) /* the reference takes it for none */
        return 0;
    buf_init(&b, HEADER_BYTES_MAX);
    int code = json_walk_init(&w, text, JSON_OBJECT, metadata_key, e);
    while (!code && (code = json_walk_next(&w, &key, &value, e)) > 0) {
        code = json_unescape(key, &b, metadata_key, e);
        if (!code && value.p[0] != '"')
            code = err_set(e, ERR_FORMAT, "%s: key %.*s: %.*s, expected a string", metadata_key,
                           SPAN_FMT(key), SPAN_FMT(value));
        if (!code)
            code = json_unescape(value, &b, metadata_key, e);
        buf_clear(&b);
    }
    buf_release(&b);
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

/* ---- the tensors ---- */

/* The text behind a key's quotes and escapes: *out in the arena. scratch: a buffer to use. */
static int read_name(struct span key, struct arena *names, struct buf *scratch, const char **out,
                     struct err *e)
{
    buf_clear(scratch);
    int code = json_unescape(key, scratch, "header: a tensor's name", e);
    if (code)
        return code;
    struct span text = buf_view(scratch);
    if (text.n == 0 || text.n > WEIGHTS_NAME_MAX)
        return err_set(e, ERR_FORMAT, "tensor '%.*s': a name of %zu bytes, expected 1 to %d",
                       SPAN_FMT(text), text.n, WEIGHTS_NAME_MAX);
    if (span_find(text, 0))
        return err_set(e, ERR_FORMAT, "tensor '%.*s': a name with \\u0000, expected text",
                       SPAN_FMT(text));
    *out = arena_strndup(names, text.p, text.n);
    return *out ? 0 : err_set(e, ERR_NOMEM, "no memory for the names of tensors");
}

static int read_tensors(const struct safetensors *s, struct arena *names, struct tensor *tensors,
                        struct place *places, struct err *e)
{
    struct json_walk w;
    struct span key, value;
    struct buf scratch;
    size_t n = 0;
    buf_init(&scratch, HEADER_BYTES_MAX);
    int code = json_walk_init(&w, s->header, JSON_OBJECT, "header", e);
    while (!code && (code = json_walk_next(&w, &key, &value, e)) > 0) {
        code = 0;
        if (is_metadata(key))
            continue;
        code = read_name(key, names, &scratch, &tensors[n].name, e);
        if (!code && (code = safetensors_read_entry(value, &tensors[n], &places[n], e)))
            err_wrap(e, code, "tensor '%s'", tensors[n].name);
        n++;
    }
    buf_release(&scratch);
    return code;
}

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
static int check_cover(struct place *places, size_t n, uint64_t data_bytes, struct err *e)
{
    uint64_t at = 0;
    if (n)
        qsort(places, n, sizeof *places, compare_places);
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
    size_t n = s->n_tensors;
    struct place *places = calloc(n + 1, sizeof *places);
    if (!places)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", n);
    int code = read_tensors(s, names, tensors, places, e);
    if (!code)
        code = check_names(places, n, e);
    if (!code)
        code = check_cover(places, n, s->data.n, e);
    for (size_t i = 0; i < n && !code; i++)
        places[i].tensor->data.p = s->data.p + places[i].begin;
    free(places);
    return code;
}
