/* SPDX-License-Identifier: MIT */
/* A GGUF model in several files: NAME-00001-of-00003.gguf and so on, as llama.cpp's gguf-split
 * writes them. Each part has the keys split.no (from 0), split.count and split.tensors.count (of
 * all parts); the first has the model's metadata. Whichever part is named, all are opened, in
 * order. */
#include "weights/parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* "-00001-of-00003.gguf" at the end of a name. */
enum { DIGITS = 5, TAIL_BYTES = 1 + DIGITS + 4 + DIGITS + 5 };

struct split_name {
    const char *path;
    int stem; /* bytes of path before the tail */
    uint64_t number, count;
};

static bool read_name(const char *path, struct split_name *out)
{
    size_t n = strlen(path);
    if (n <= TAIL_BYTES || n > INT32_MAX)
        return false;
    const char *tail = path + n - TAIL_BYTES;
    struct split_name r = {.path = path, .stem = (int)(n - TAIL_BYTES)};
    if (tail[0] != '-' || memcmp(tail + 1 + DIGITS, "-of-", 4) != 0 ||
        strcmp(tail + TAIL_BYTES - 5, ".gguf") != 0 ||
        !num_parse_u64(span_of(tail + 1, DIGITS), &r.number) ||
        !num_parse_u64(span_of(tail + 5 + DIGITS, DIGITS), &r.count))
        return false;
    if (r.number < 1 || r.number > r.count || r.count > WEIGHTS_PARTS_MAX)
        return false;
    *out = r;
    return true;
}

bool split_is_part(const char *path)
{
    struct split_name name;
    return read_name(path, &name) && name.count > 1;
}

bool split_is_first(const char *path)
{
    struct split_name name;
    return read_name(path, &name) && name.number == 1;
}

/* The path of a part, from 1; NULL without memory. */
static const char *part_path(struct weights *w, const struct split_name *name, size_t number)
{
    size_t size = (size_t)name->stem + TAIL_BYTES + 1;
    char *p = arena_alloc(&w->arena, size);
    if (p)
        snprintf(p, size, "%.*s-%05u-of-%05u.gguf", name->stem, name->path, (unsigned)number,
                 (unsigned)name->count);
    return p;
}

static int check_there(const struct weights *w, size_t n, struct err *e)
{
    const char *first = NULL;
    size_t missing = 0;
    for (size_t i = 0; i < n; i++)
        if (access(w->parts[i].path, F_OK) != 0 && errno == ENOENT) {
            first = first ? first : w->parts[i].path;
            missing++;
        }
    if (missing == 0)
        return 0;
    return err_set(e, ERR_NOTFOUND,
                   "cannot load '%s': %zu of the model's %zu parts %s missing, '%s' first: "
                   "download the rest into the same folder",
                   w->path, missing, n, plural(missing, "is", "are"), first);
}

/* split.no and split.count of part i say what its name says. */
static int check_keys(const struct part *p, size_t i, uint64_t count, struct err *e)
{
    static const char *const keys[] = {"split.count", "split.no"};
    const uint64_t expected[] = {count, i};
    for (size_t k = 0; k < 2; k++) {
        uint64_t v = 0;
        int code = gguf_u64(p->gguf, keys[k], 0, UINT64_MAX, &v, e);
        if (code == ERR_NOTFOUND)
            code = err_set(e, ERR_FORMAT,
                           "key '%s': is missing, the name says that this is a part "
                           "of a split file",
                           keys[k]);
        else if (!code && v != expected[k])
            code = err_set(e, ERR_FORMAT,
                           "key '%s': %" PRIu64 ", expected %" PRIu64 " by the file's name",
                           keys[k], v, expected[k]);
        if (code)
            return err_wrap(e, code, "cannot load '%s'", p->path);
    }
    return 0;
}

static int check_total(const struct weights *w, struct err *e)
{
    uint64_t total = 0;
    const struct part *p = &w->parts[0];
    int code = gguf_u64(p->gguf, "split.tensors.count", 0, UINT64_MAX, &total, e);
    if (code == ERR_NOTFOUND)
        return 0;
    if (!code && total != w->n_tensors)
        code = err_set(e, ERR_FORMAT,
                       "key 'split.tensors.count': %" PRIu64 ", but the %zu parts have %zu tensors",
                       total, w->n_parts, w->n_tensors);
    return code ? err_wrap(e, code, "cannot load '%s'", p->path) : 0;
}

int split_open(struct weights *w, const char *path, struct err *e)
{
    struct split_name name;
    if (!read_name(path, &name))
        return err_set(e, ERR_FORMAT, "cannot load '%s': no name of a part", path);
    size_t n = (size_t)name.count;
    int code = weights_make_parts(w, n, e);
    for (size_t i = 0; i < n && !code; i++) {
        w->parts[i].path = part_path(w, &name, i + 1);
        if (!w->parts[i].path)
            code = err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
    }
    if (!code)
        code = check_there(w, n, e);
    for (size_t i = 0; i < n && !code; i++) {
        struct part *p = &w->parts[i];
        code = weights_open_part(w, p, p->path, e);
        if (!code && !p->gguf)
            code =
                err_set(e, ERR_FORMAT,
                        "cannot load '%s': safetensors, expected GGUF as the name says", p->path);
        if (!code)
            code = check_keys(p, i, name.count, e);
    }
    return code ? code : check_total(w, e);
}

int split_check_whole(const struct part *p, struct err *e)
{
    uint64_t count = 0, no = 0;
    int code = p->gguf ? gguf_u64(p->gguf, "split.count", 0, UINT64_MAX, &count, e) : 0;
    if (!code && count > 1)
        code = gguf_u64(p->gguf, "split.no", 0, UINT64_MAX - 1, &no, e);
    if (code && code != ERR_NOTFOUND)
        return err_wrap(e, code, "cannot load '%s'", p->path);
    if (count <= 1)
        return 0;
    return err_set(e, ERR_FORMAT,
                   "cannot load '%s': one of %" PRIu64 " parts (key 'split.count'), expected a "
                   "name that ends in -%05" PRIu64 "-of-%05" PRIu64 ".gguf, beside the others: "
                   "give the parts their names back",
                   p->path, count, no + 1, count);
}
