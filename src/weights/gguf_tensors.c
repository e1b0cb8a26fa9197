/* SPDX-License-Identifier: MIT */
/* GGUF tensors: descriptions read, shapes and sizes computed without overflow, and the data's place
 * in the file checked: aligned, inside, not shared by two tensors. */
#include "weights/gguf.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_BYTES_MAX = 256,
    ALIGNMENT_DEFAULT = 32, /* of the specification */
    ALIGNMENT_MIN = 8,      /* the specification's; floats are read in place */
    ALIGNMENT_MAX = 64 << 10,
};

static int refuse_type(const char *name, uint32_t type, struct err *e)
{
    struct buf known;
    buf_init(&known, 256);
    for (uint32_t t = 0; t < 64; t++)
        if (wtype_info(t))
            buf_printf(&known, "%s%s", known.n ? ", " : "", wtype_info(t)->name);
    const char *other = wtype_name(type);
    int code =
        other ? err_set(e, ERR_UNSUPPORTED,
                        "tensor '%s': tensor type %u (%s) is not supported, expected one "
                        "of %s",
                        name, type, other, buf_cstr(&known))
              : err_set(e, ERR_FORMAT, "tensor '%s': tensor type %u is unknown, expected one of %s",
                        name, type, buf_cstr(&known));
    buf_release(&known);
    return code;
}

static int read_dims(struct tensor *t, struct cursor *c, struct err *e)
{
    t->n_dims = cursor_u32(c);
    if (c->ok && (t->n_dims < 1 || t->n_dims > GGUF_MAX_DIMS))
        return err_set(e, ERR_FORMAT, "tensor '%s': %u dimensions, expected 1 to %d", t->name,
                       t->n_dims, GGUF_MAX_DIMS);
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++)
        t->dims[i] = i < t->n_dims ? cursor_u64(c) : 1;
    if (!c->ok)
        return 0; /* the caller says so */
    uint64_t elements = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] == 0)
            return err_set(e, ERR_FORMAT, "tensor '%s': dimension %u is 0, expected at least 1",
                           t->name, i);
        if (!u64_mul(elements, t->dims[i], &elements))
            return err_set(e, ERR_FORMAT,
                           "tensor '%s': dimensions [%llu, %llu, %llu, %llu] overflow: their "
                           "product is past 2^64",
                           t->name, (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
                           (unsigned long long)t->dims[2], (unsigned long long)t->dims[3]);
    }
    return 0;
}

int gguf_compute_size(struct tensor *t, struct err *e)
{
    const struct wtype_info *info = wtype_info(t->type);
    if (!info)
        return refuse_type(t->name, t->type, e);
    if (t->dims[0] % info->block_elems)
        return err_set(e, ERR_FORMAT,
                       "tensor '%s': rows of %llu elements, expected a multiple of %u for %s",
                       t->name, (unsigned long long)t->dims[0], info->block_elems, info->name);
    uint64_t bytes;
    bool ok = u64_mul(t->dims[0] / info->block_elems, info->block_bytes, &bytes);
    uint64_t row = bytes;
    for (uint32_t i = 1; i < t->n_dims && ok; i++)
        ok = u64_mul(bytes, t->dims[i], &bytes);
    if (!ok || bytes > SIZE_MAX)
        return err_set(e, ERR_FORMAT, "tensor '%s': its size overflows", t->name);
    t->row_bytes = (size_t)row;
    t->data.n = (size_t)bytes;
    return 0;
}

/* One description; the offset goes to *offset, counted from the start of the data. */
static int read_tensor(struct gguf *g, struct cursor *c, size_t i, uint64_t *offset, struct err *e)
{
    struct tensor *t = &g->tensors[i];
    char what[64];
    snprintf(what, sizeof what, "name of tensor %zu", i);
    int code = gguf_read_name(g, c, what, NAME_BYTES_MAX, &t->name, e);
    if (!code)
        code = read_dims(t, c, e);
    if (code)
        return code;
    t->type = cursor_u32(c);
    *offset = cursor_u64(c);
    if (!c->ok)
        return err_set(e, ERR_FORMAT,
                       "tensor '%s': its description reaches past the end of the file: it is cut "
                       "off",
                       t->name);
    code = gguf_compute_size(t, e);
    if (!code && *offset % g->alignment)
        code = err_set(e, ERR_FORMAT, "tensor '%s': offset %llu, expected a multiple of %llu",
                       t->name, (unsigned long long)*offset, (unsigned long long)g->alignment);
    return code;
}

/* The data's bytes that the tensors need, or 0 where the sum overflows. */
static uint64_t needed_bytes(const struct gguf *g, const uint64_t *offsets, size_t n)
{
    uint64_t most = 0, end;
    for (size_t i = 0; i < n; i++) {
        if (!u64_add(offsets[i], g->tensors[i].data.n, &end))
            return 0;
        most = end > most ? end : most;
    }
    return most;
}

/* A file that ends too early is a cut download as a rule; an offset beyond reason is damage. */
static int check_end(const struct gguf *g, const uint64_t *offsets, size_t n, size_t data_bytes,
                     struct err *e)
{
    uint64_t needed = needed_bytes(g, offsets, n);
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = &g->tensors[i];
        if (offsets[i] <= data_bytes && t->data.n <= data_bytes - offsets[i])
            continue;
        if (needed == 0)
            return err_set(e, ERR_FORMAT,
                           "tensor '%s': needs %zu bytes at offset %llu, the file's data has %zu",
                           t->name, t->data.n, (unsigned long long)offsets[i], data_bytes);
        return err_set(e, ERR_FORMAT,
                       "tensor '%s': needs %zu bytes at offset %llu, the file's data has %zu of "
                       "%llu: it is cut off, %llu bytes are missing: download it again",
                       t->name, t->data.n, (unsigned long long)offsets[i], data_bytes,
                       (unsigned long long)needed, (unsigned long long)(needed - data_bytes));
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name,
                  (*(const struct tensor *const *)b)->name);
}

static int compare_places(const void *a, const void *b)
{
    const uint8_t *x = (*(const struct tensor *const *)a)->data.p,
                  *y = (*(const struct tensor *const *)b)->data.p;
    return (x > y) - (x < y);
}

static int check_names(struct gguf *g, struct err *e)
{
    if (g->n_tensors)
        qsort(g->by_name, g->n_tensors, sizeof *g->by_name, compare_names);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (strcmp(g->by_name[i]->name, g->by_name[i - 1]->name) == 0)
            return err_set(e, ERR_FORMAT, "tensor '%s': there twice", g->by_name[i]->name);
    return 0;
}

/* by_place: the tensors in any order, sorted here. */
static int check_overlaps(const struct tensor **by_place, size_t n, struct err *e)
{
    if (n)
        qsort(by_place, n, sizeof *by_place, compare_places);
    for (size_t i = 1; i < n; i++) {
        const struct tensor *before = by_place[i - 1], *t = by_place[i];
        if ((size_t)(t->data.p - before->data.p) < before->data.n)
            return err_set(e, ERR_FORMAT, "tensor '%s': overlaps tensor '%s'", t->name,
                           before->name);
    }
    return 0;
}

static int read_alignment(struct gguf *g, struct err *e)
{
    uint64_t a = ALIGNMENT_DEFAULT;
    int code = gguf_u64(g, "general.alignment", 0, UINT64_MAX, &a, e);
    if (code && code != ERR_NOTFOUND)
        return code;
    if (a < ALIGNMENT_MIN || a > ALIGNMENT_MAX || (a & (a - 1)))
        return err_set(e, ERR_FORMAT,
                       "key 'general.alignment': %llu, expected a power of two from %d to %d",
                       (unsigned long long)a, ALIGNMENT_MIN, ALIGNMENT_MAX);
    g->alignment = a;
    return 0;
}

int gguf_read_tensors(struct gguf *g, struct cursor *c, uint64_t n, struct err *e)
{
    int code = read_alignment(g, e);
    if (code)
        return code;
    g->tensors = arena_array(&g->arena, (size_t)n, sizeof *g->tensors);
    g->by_name = arena_array(&g->arena, (size_t)n, sizeof *g->by_name);
    const struct tensor **by_place = arena_array(&g->arena, (size_t)n, sizeof *by_place);
    uint64_t *offsets = arena_array(&g->arena, (size_t)n, sizeof *offsets);
    if (!g->tensors || !g->by_name || !by_place || !offsets)
        return err_set(e, ERR_NOMEM, "no memory for %llu tensors", (unsigned long long)n);
    for (size_t i = 0; i < n && !code; i++)
        code = read_tensor(g, c, i, &offsets[i], e);
    if (code)
        return code;
    uint64_t start = (c->pos + g->alignment - 1) & ~(g->alignment - 1);
    struct span file = g->map.bytes;
    struct span data =
        start < file.n ? span_sub(file, (size_t)start, file.n) : span_of(file.p + file.n, 0);
    code = check_end(g, offsets, (size_t)n, data.n, e);
    if (code)
        return code;
    for (size_t i = 0; i < n; i++) {
        g->tensors[i].data.p = data.p + offsets[i];
        g->by_name[i] = by_place[i] = &g->tensors[i];
    }
    g->n_tensors = (size_t)n;
    code = check_names(g, e);
    return code ? code : check_overlaps(by_place, g->n_tensors, e);
}

size_t gguf_tensor_count(const struct gguf *g)
{
    return g->n_tensors;
}

const struct tensor *gguf_tensor_at(const struct gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const struct tensor *gguf_tensor(const struct gguf *g, const char *name)
{
    struct tensor wanted = {.name = name};
    const struct tensor *key = &wanted;
    const struct tensor **found =
        g->n_tensors ? bsearch(&key, g->by_name, g->n_tensors, sizeof *g->by_name, compare_names)
                     : NULL;
    return found ? *found : NULL;
}
