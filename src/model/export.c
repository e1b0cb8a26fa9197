/* SPDX-License-Identifier: MIT */
/* A model as GGUF: the parts that do not depend on what it lies in. See export.h. */
#include "model/export_parts.h"

#include <stdio.h>
#include <stdlib.h>

struct export_tensor *export_add(struct model_export *x, const char *name,
                                 struct export_source **source)
{
    if (x->n == x->capacity) {
        size_t more = x->capacity ? 2 * x->capacity : 64;
        struct export_tensor *tensors = reallocarray(x->tensors, more, sizeof *tensors);
        if (!tensors)
            return NULL;
        x->tensors = tensors;
        struct export_source *sources = reallocarray(x->sources, more, sizeof *sources);
        if (!sources)
            return NULL;
        x->sources = sources;
        x->capacity = more;
    }
    struct export_tensor *t = &x->tensors[x->n];
    *t = (struct export_tensor){.dims = {1, 1, 1, 1}};
    snprintf(t->name, sizeof t->name, "%s", name);
    *source = &x->sources[x->n++];
    **source = (struct export_source){0};
    return t;
}

/* ---- rows ---- */

/* Where row r of the export lies in the source: of a head's rows the even ones are its first half,
 * the odd ones its second. */
size_t export_source_row(const struct export_source *s, size_t row)
{
    if (s->head_rows == 0)
        return row;
    size_t head = row / s->head_rows, at = row % s->head_rows;
    return head * s->head_rows + at % 2 * (s->head_rows / 2) + at / 2;
}

/* The bytes of a row, and their type; NULL: they are values. */
static const uint8_t *row_bytes(const struct export_source *s, size_t row, uint32_t *type)
{
    row = export_source_row(s, row);
    if (s->tensor) {
        *type = s->tensor->type;
        return s->tensor->data.p + row * s->tensor->row_bytes;
    }
    for (size_t i = 0; i < s->n_matrices; i++) {
        const struct matrix *m = s->matrices[i];
        if (row >= m->n_rows) {
            row -= m->n_rows;
            continue;
        }
        *type = m->type;
        return m->data +
               (row / m->group_rows * m->group_apart + row % m->group_rows) * m->row_bytes;
    }
    return NULL;
}

const uint8_t *export_bytes(const struct model_export *x, size_t i, size_t row)
{
    uint32_t type = 0;
    const uint8_t *bytes = row_bytes(&x->sources[i], row, &type);
    return bytes && type == x->tensors[i].type ? bytes : NULL;
}

void export_row(const struct model_export *x, size_t i, size_t row, float *out)
{
    const struct export_source *s = &x->sources[i];
    const size_t n = (size_t)x->tensors[i].dims[0];
    uint32_t type = 0;
    const uint8_t *bytes = row_bytes(s, row, &type);
    if (bytes)
        x->kernels->dequant(type, bytes, out, n);
    else
        memcpy(out, s->values + row * n, n * sizeof *out);
}

/* ---- GGUF as it stands ---- */

static int list_tensors(struct model_export *x, struct err *e)
{
    for (size_t i = 0; i < weights_tensor_count(x->file); i++) {
        const struct tensor *t = weights_tensor_at(x->file, i);
        struct export_source *s;
        struct export_tensor *to = export_add(x, t->name, &s);
        if (!to)
            return err_set(e, ERR_NOMEM, "no memory for %zu tensors",
                           weights_tensor_count(x->file));
        to->type = t->type;
        to->n_dims = t->n_dims ? t->n_dims : 1;
        memcpy(to->dims, t->dims, sizeof to->dims);
        to->n_rows = t->row_bytes ? t->data.n / t->row_bytes : 0;
        s->tensor = t;
    }
    return 0;
}

/* ---- opening ---- */

/* Vectors of safetensors are held as floats, twice where they are turned around. */
static int open_hf(struct model_export *x, const char *path, struct err *e)
{
    const struct model_options o = {.path = path, .math = MODEL_MATH_EXACT};
    arena_init(&x->arena, (size_t)weights_file_bytes(x->file) + (1 << 20));
    int code = model_open(&x->model, &o, e);
    if (code)
        return code;
    code = export_list_hf(x, e);
    return code ? err_wrap(e, code, "cannot convert '%s'", path) : 0;
}

int export_open(struct model_export **out, const char *path, struct err *e)
{
    struct model_export *x = calloc(1, sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
    arena_init(&x->arena, 0);
    x->kernels = kernels_get(NULL);
    int code = weights_open(&x->file, path, e);
    if (!code)
        code = weights_gguf(x->file) ? list_tensors(x, e) : open_hf(x, path, e);
    if (!code)
        *out = x;
    else
        export_close(&x);
    return code;
}

void export_close(struct model_export **p)
{
    struct model_export *x = *p;
    if (!x)
        return;
    free(x->tensors);
    free(x->sources);
    arena_release(&x->arena);
    model_close(&x->model);
    weights_close(&x->file);
    free(x);
    *p = NULL;
}

uint64_t export_file_bytes(const struct model_export *x)
{
    return weights_file_bytes(x->file);
}

size_t export_count(const struct model_export *x)
{
    return x->n;
}

const struct export_tensor *export_at(const struct model_export *x, size_t i)
{
    return &x->tensors[i];
}

static bool keep_key(void *ctx, const char *key)
{
    (void)ctx;
    return strcmp(key, "general.file_type") != 0 &&
           strcmp(key, "general.quantization_version") != 0;
}

int export_metadata(const struct model_export *x, struct gguf_writer *w, struct err *e)
{
    if (!x->model) {
        gguf_put_entries(w, weights_gguf(x->file), keep_key, NULL);
        return 0;
    }
    export_put_keys(x, w);
    return export_put_vocabulary(x, w, e);
}
