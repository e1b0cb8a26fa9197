/* SPDX-License-Identifier: MIT */
/* A model's tensors, whatever they lie in: which reader, the table of all tensors, their names.
 *
 * The readers are gguf.c, safetensors.c, and for several files split.c and shards.c; folder.c says
 * which file of a folder is meant. */
#include "weights/gguf.h"
#include "weights/parts.h"
#include "weights/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- for the readers ---- */

int weights_make_parts(struct weights *w, size_t n, struct err *e)
{
    struct part *parts = calloc(n, sizeof *parts);
    if (!parts)
        return err_set(e, ERR_NOMEM, "no memory for %zu files", n);
    w->parts = parts;
    w->n_parts = n;
    return 0;
}

int weights_add_tensors(struct weights *w, struct part *p, size_t n, struct tensor **out,
                        struct err *e)
{
    if (n > WEIGHTS_TENSORS_MAX - w->n_tensors)
        return err_set(e, ERR_LIMIT, "more than %d tensors", WEIGHTS_TENSORS_MAX);
    size_t all = w->n_tensors + n;
    struct tensor *t = realloc(w->tensors, (all + 1) * sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", all);
    w->tensors = t;
    t += w->n_tensors;
    memset(t, 0, n * sizeof *t);
    p->first = w->n_tensors;
    p->n = n;
    w->n_tensors = all;
    *out = t;
    return 0;
}

const char *weights_join(struct weights *w, const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = arena_alloc(&w->arena, size);
    if (path)
        snprintf(path, size, "%s%s%s", folder,
                 folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return path;
}

static int read_gguf(struct weights *w, struct part *p, struct err *e)
{
    int code = gguf_open(&p->gguf, p->path, e);
    if (code)
        return code;
    size_t n = gguf_tensor_count(p->gguf);
    struct tensor *t;
    code = weights_add_tensors(w, p, n, &t, e);
    if (code)
        return err_wrap(e, code, "cannot load '%s'", p->path);
    for (size_t i = 0; i < n; i++)
        t[i] = *gguf_tensor_at(p->gguf, i);
    w->file_bytes += gguf_file_bytes(p->gguf);
    return 0;
}

static int read_safetensors(struct weights *w, struct part *p, struct err *e)
{
    struct safetensors s;
    int code = safetensors_open(&s, p->map.bytes, e);
    if (code)
        return code;
    struct tensor *t;
    code = weights_add_tensors(w, p, s.n_tensors, &t, e);
    if (code)
        return code;
    w->file_bytes += p->map.bytes.n;
    return safetensors_read(&s, &w->arena, t, e);
}

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

int weights_open_part(struct weights *w, struct part *p, const char *path, struct err *e)
{
    int code = folder_check_file(path, e);
    if (code)
        return code;
    p->path = path;
    code = file_map(&p->map, path, e);
    if (code)
        return code;
    struct span bytes = p->map.bytes;
    if (bytes.n >= 4 && memcmp(bytes.p, "GGUF", 4) == 0) {
        file_unmap(&p->map);
        return read_gguf(w, p, e);
    }
    bool by_name = ends_in(path, ".safetensors");
    if (safetensors_is(bytes) || (by_name && !(code = refuse_known(bytes, "safetensors", e))))
        code = read_safetensors(w, p, e);
    else if (!by_name)
        code = refuse_bytes(bytes, "GGUF or safetensors", e);
    return code ? err_wrap(e, code, "cannot load '%s'", path) : 0;
}

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name,
                  (*(const struct tensor *const *)b)->name);
}

static const struct part *part_of(const struct weights *w, const struct tensor *t)
{
    size_t i = weights_tensor_index(w, t), p = 0;
    while (i >= w->parts[p].first + w->parts[p].n)
        p++;
    return &w->parts[p];
}

static int sort_names(struct weights *w, struct err *e)
{
    w->by_name = calloc(w->n_tensors + 1, sizeof *w->by_name);
    if (!w->by_name)
        return err_set(e, ERR_NOMEM, "cannot load '%s': no memory", w->path);
    for (size_t i = 0; i < w->n_tensors; i++)
        w->by_name[i] = &w->tensors[i];
    if (w->n_tensors)
        qsort(w->by_name, w->n_tensors, sizeof *w->by_name, compare_names);
    for (size_t i = 1; i < w->n_tensors; i++) {
        const struct tensor *a = w->by_name[i - 1], *b = w->by_name[i];
        if (strcmp(a->name, b->name) != 0)
            continue;
        const struct part *pa = part_of(w, a), *pb = part_of(w, b);
        return err_set(e, ERR_FORMAT,
                       "cannot load '%s': tensor '%s' is also in '%s', expected each tensor once",
                       pa->path, a->name, pb->path);
    }
    return 0;
}

/* ---- opening ---- */

/* The folder part of a file's path: "." if there is none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int open_file(struct weights *w, const char *path, struct err *e)
{
    if (shards_is_index(path))
        return shards_open(w, path, e);
    if (split_is_part(path))
        return split_open(w, path, e);
    int code = weights_make_parts(w, 1, e);
    if (!code)
        code = weights_open_part(w, &w->parts[0], path, e);
    return code ? code : split_check_whole(&w->parts[0], e);
}

static int open_path(struct weights *w, struct err *e)
{
    struct stat st;
    const char *path = w->path;
    int code = 0;
    if (stat(path, &st) != 0)
        return err_errno(e, errno, "cannot open '%s'", path);
    w->folder = S_ISDIR(st.st_mode) ? strdup(path) : folder_of(path);
    if (!w->folder)
        return err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
    if (S_ISDIR(st.st_mode))
        code = folder_choose(w, w->path, &path, e);
    if (!code)
        code = open_file(w, path, e);
    return code;
}

int weights_open(struct weights **out, const char *path, struct err *e)
{
    int code;
    struct weights *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        code = err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
        goto done;
    }
    /* A name of each tensor here and in an index, with room for alignment; and paths. */
    arena_init(&w->arena, (size_t)WEIGHTS_TENSORS_MAX * 2 * (WEIGHTS_NAME_MAX + 32));
    code = open_path(w, e);
    if (!code)
        code = sort_names(w, e);
    if (code)
        goto done;
    *out = w;
    w = NULL;
done:
    weights_close(&w);
    return code;
}

void weights_close(struct weights **p)
{
    struct weights *w = *p;
    if (!w)
        return;
    for (size_t i = 0; i < w->n_parts; i++) {
        gguf_close(&w->parts[i].gguf);
        file_unmap(&w->parts[i].map);
    }
    free(w->parts);
    free(w->tensors);
    free(w->by_name);
    arena_release(&w->arena);
    free(w->folder);
    free(w->path);
    free(w);
    *p = NULL;
}

/* ---- access ---- */

const char *weights_path(const struct weights *w)
{
    return w->path;
}

const char *weights_folder(const struct weights *w)
{
    return w->folder;
}

uint64_t weights_file_bytes(const struct weights *w)
{
    return w->file_bytes;
}

size_t weights_part_count(const struct weights *w)
{
    return w->n_parts;
}

const char *weights_part_path(const struct weights *w, size_t i)
{
    return w->parts[i].path;
}

void weights_forget_pages(const struct weights *w)
{
    for (size_t i = 0; i < w->n_parts; i++) {
        struct span bytes = w->parts[i].gguf ? gguf_bytes(w->parts[i].gguf) : w->parts[i].map.bytes;
        if (bytes.n)
            madvise((void *)(uintptr_t)bytes.p, bytes.n, MADV_DONTNEED);
    }
}

const struct gguf *weights_gguf(const struct weights *w)
{
    return w->parts[0].gguf;
}

size_t weights_tensor_count(const struct weights *w)
{
    return w->n_tensors;
}

const struct tensor *weights_tensor_at(const struct weights *w, size_t i)
{
    return i < w->n_tensors ? &w->tensors[i] : NULL;
}

const struct tensor *weights_tensor(const struct weights *w, const char *name)
{
    struct tensor wanted = {.name = name};
    const struct tensor *key = &wanted;
    const struct tensor **found =
        w->n_tensors ? bsearch(&key, w->by_name, w->n_tensors, sizeof *w->by_name, compare_names)
                     : NULL;
    return found ? *found : NULL;
}

size_t weights_tensor_index(const struct weights *w, const struct tensor *t)
{
    return (size_t)(t - w->tensors);
}
