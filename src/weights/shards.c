/* SPDX-License-Identifier: MIT */
/* Safetensors in several files: model.safetensors.index.json, whose "weight_map" says in which file
 * each tensor lies, as transformers' save_pretrained writes it.
 *
 * The files that the map names are opened, each once, and no other; each tensor of the map must lie
 * in its file. A tensor that a file has beside those is kept: transformers does the same. */
#include "weights/parts.h"
#include "weights/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    INDEX_BYTES_MAX = 32 << 20, /* 128 bytes a tensor */
    FILE_NAME_MAX = 255,        /* of the file systems */
    VALUE_BYTES_MAX = 4 << 10,
    OTHER_BYTES_MAX = 256 << 10, /* "metadata": a few numbers */
};

struct entry {
    const char *tensor;
    const char *file;
};

struct map {
    struct entry *entries;
    size_t n;
};

static const char suffix[] = ".safetensors.index.json";

bool shards_is_index(const char *path)
{
    size_t n = strlen(path);
    return n >= sizeof suffix - 1 && strcmp(path + n - (sizeof suffix - 1), suffix) == 0;
}

/* ---- the index ---- */

/* A string of the map as text in the arena, of 1 to max bytes. */
static int read_text(struct span quoted, size_t max, const char *what, struct arena *a,
                     const char **out, struct err *e)
{
    struct buf b;
    buf_init(&b, VALUE_BYTES_MAX);
    int code = quoted.p[0] == '"'
                   ? json_unescape(quoted, &b, what, e)
                   : err_set(e, ERR_FORMAT, "%s: %.*s, expected a string", what, SPAN_FMT(quoted));
    if (code)
        goto done;
    if (b.n == 0 || b.n > max || memchr(b.p, 0, b.n))
        code = err_set(e, ERR_FORMAT, "%s: '%.*s': expected 1 to %zu bytes of text", what,
                       SPAN_FMT(buf_view(&b)), max);
    else if (!(*out = arena_strndup(a, b.p, b.n)))
        code = err_set(e, ERR_NOMEM, "no memory for the index");
done:
    buf_release(&b);
    return code;
}

static int check_file_name(const char *tensor, const char *name, struct err *e)
{
    if (strchr(name, '/') || strchr(name, '\\') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return err_set(e, ERR_FORMAT,
                       "weight_map: tensor '%s': file '%s', expected the name of a file in the "
                       "same folder",
                       tensor, name);
    return 0;
}

static int read_entry(struct span key, struct span value, const char *before, struct arena *a,
                      struct entry *out, struct err *e)
{
    int code = read_text(key, WEIGHTS_NAME_MAX, "weight_map: a tensor's name", a, &out->tensor, e);
    if (code)
        return code;
    /* Neighbours lie in the same file as a rule: one copy of its name will do. */
    size_t n = before ? strlen(before) : 0;
    if (before && value.n == n + 2 && memcmp(value.p + 1, before, n) == 0 && value.p[0] == '"') {
        out->file = before;
        return 0;
    }
    char what[WEIGHTS_NAME_MAX + 32];
    snprintf(what, sizeof what, "weight_map: tensor '%s': file", out->tensor);
    code = read_text(value, FILE_NAME_MAX, what, a, &out->file, e);
    return code ? code : check_file_name(out->tensor, out->file, e);
}

static int count_entries(struct span text, size_t *n, struct err *e)
{
    struct json_walk walk;
    struct span key, value;
    int code = json_walk_init(&walk, text, JSON_OBJECT, "weight_map", e);
    *n = 0;
    while (!code && (code = json_walk_next(&walk, &key, &value, e)) > 0)
        code = ++*n > WEIGHTS_TENSORS_MAX
                   ? err_set(e, ERR_LIMIT, "weight_map: more than %d tensors", WEIGHTS_TENSORS_MAX)
                   : 0;
    if (!code && *n == 0)
        code = err_set(e, ERR_FORMAT, "weight_map: is empty, expected tensors and their files");
    return code;
}

static int read_map(struct map *m, struct span text, struct arena *a, struct err *e)
{
    struct json_walk walk;
    struct span key, value;
    size_t n = 0;
    int code = count_entries(text, &n, e);
    if (code || n == 0)
        return code;
    m->entries = calloc(n, sizeof *m->entries);
    if (!m->entries)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", n);
    code = json_walk_init(&walk, text, JSON_OBJECT, "weight_map", e);
    while (!code && (code = json_walk_next(&walk, &key, &value, e)) > 0) {
        code = read_entry(key, value, m->n ? m->entries[m->n - 1].file : NULL, a, &m->entries[m->n],
                          e);
        m->n++;
    }
    return code;
}

static int read_index(struct map *m, struct span text, struct arena *a, struct err *e)
{
    struct json_walk walk;
    struct span key, value;
    if (text.n > INDEX_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the index has %zu bytes, expected at most %d", text.n,
                       INDEX_BYTES_MAX);
    int code = json_walk_init(&walk, text, JSON_OBJECT, "the index", e);
    while (!code && (code = json_walk_next(&walk, &key, &value, e)) > 0) {
        if (!span_is(key, "\"weight_map\""))
            code = safetensors_check_member(key, value, OTHER_BYTES_MAX, "the index", e);
        else if (m->entries)
            code = err_set(e, ERR_FORMAT, "the index: key \"weight_map\" stands twice");
        else
            code = read_map(m, value, a, e);
    }
    if (!code && !m->entries)
        code = err_set(e, ERR_FORMAT, "the index: key \"weight_map\" is missing");
    return code;
}

/* ---- the files ---- */

static int compare_files(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = strcmp(x->file, y->file);
    return r ? r : strcmp(x->tensor, y->tensor);
}

/* The map sorted: its files come in groups, and a tensor named twice for one file is seen. */
static int sort_map(struct map *m, size_t *n_files, struct err *e)
{
    qsort(m->entries, m->n, sizeof *m->entries, compare_files);
    *n_files = 1;
    for (size_t i = 1; i < m->n; i++) {
        const struct entry *x = &m->entries[i - 1], *y = &m->entries[i];
        if (strcmp(x->file, y->file) != 0)
            ++*n_files;
        else if (strcmp(x->tensor, y->tensor) == 0)
            return err_set(e, ERR_FORMAT, "weight_map: tensor '%s' stands twice", x->tensor);
    }
    if (*n_files > WEIGHTS_PARTS_MAX)
        return err_set(e, ERR_LIMIT, "weight_map: %zu files, expected at most %d", *n_files,
                       WEIGHTS_PARTS_MAX);
    return 0;
}

static int name_parts(struct weights *w, const struct map *m, struct err *e)
{
    size_t missing = 0, p = 0;
    const char *first = NULL;
    for (size_t i = 0; i < m->n; i++) {
        if (i && strcmp(m->entries[i].file, m->entries[i - 1].file) == 0)
            continue;
        const char *path = weights_join(w, w->folder, m->entries[i].file);
        if (!path)
            return err_set(e, ERR_NOMEM, "no memory for the names of files");
        w->parts[p++].path = path;
        if (access(path, F_OK) == 0 || errno != ENOENT)
            continue;
        first = first ? first : m->entries[i].file;
        missing++;
    }
    if (missing)
        return err_set(e, ERR_NOTFOUND,
                       "'%s' is missing, %zu of the %zu files that the index names: download the "
                       "model again, what is there already is kept",
                       first, missing, p);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name,
                  (*(const struct tensor *const *)b)->name);
}

/* Each tensor of the map lies in the file that the map says. entries: those of part p. */
static int check_part(struct weights *w, const struct part *p, const struct entry *entries,
                      size_t n, struct err *e)
{
    const struct tensor **order = calloc(p->n + 1, sizeof *order);
    if (!order)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", p->n);
    for (size_t i = 0; i < p->n; i++)
        order[i] = &w->tensors[p->first + i];
    if (p->n)
        qsort(order, p->n, sizeof *order, compare_names);
    int code = 0;
    for (size_t i = 0, at = 0; i < n && !code; i++) {
        while (at < p->n && strcmp(order[at]->name, entries[i].tensor) < 0)
            at++;
        if (at == p->n || strcmp(order[at]->name, entries[i].tensor) != 0)
            code = err_set(e, ERR_FORMAT,
                           "weight_map: tensor '%s' is not in '%s': the index and the files are "
                           "not of one model, download it again",
                           entries[i].tensor, entries[i].file);
    }
    free(order);
    return code;
}

static int open_parts(struct weights *w, const char *index, const struct map *m, struct err *e)
{
    size_t from = 0;
    for (size_t p = 0; p < w->n_parts; p++) {
        size_t to = from + 1;
        while (to < m->n && strcmp(m->entries[to].file, m->entries[from].file) == 0)
            to++;
        int code = weights_open_part(w, &w->parts[p], w->parts[p].path, e);
        if (code)
            return code;
        if (w->parts[p].gguf)
            return err_set(e, ERR_FORMAT, "cannot load '%s': a GGUF file, expected safetensors",
                           w->parts[p].path);
        code = check_part(w, &w->parts[p], m->entries + from, to - from, e);
        if (code)
            return err_wrap(e, code, "cannot load '%s'", index);
        from = to;
    }
    return 0;
}

int shards_open(struct weights *w, const char *path, struct err *e)
{
    struct map m = {NULL, 0};
    struct file_map file = {.bytes = {NULL, 0}};
    size_t n_files = 0;
    int code = folder_check_file(path, e);
    if (!code)
        code = file_map(&file, path, e);
    if (code)
        return code;
    if (file.bytes.n && file.bytes.p[0] != '{')
        code = refuse_known(file.bytes, "a JSON index", e);
    if (!code)
        code = read_index(&m, file.bytes, &w->arena, e);
    if (!code)
        code = sort_map(&m, &n_files, e);
    if (!code)
        code = weights_make_parts(w, n_files, e);
    if (!code)
        code = name_parts(w, &m, e);
    if (code)
        err_wrap(e, code, "cannot load '%s'", path);
    else
        code = open_parts(w, path, &m, e);
    free(m.entries);
    file_unmap(&file);
    return code;
}
