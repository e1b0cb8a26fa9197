/* SPDX-License-Identifier: MIT */
/* Which files of a repository a model needs.
 *
 * A repository often has the same weights several times: as safetensors, as pickles, for other
 * frameworks, as GGUF of a dozen sizes. One form is taken: safetensors (the single file before the
 * shards) with what stands beside it at the top, else the one GGUF. Pickles never: reading one can
 * run code. */
#include "hub/repository.h"

#include <stdlib.h>

static bool starts_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool same_set(const char *a, const char *b)
{
    size_t na, nb;
    uint64_t i, of_a, of_b;
    return cache_is_part(a, &na, &i, &of_a) && cache_is_part(b, &nb, &i, &of_b) && na == nb &&
           of_a == of_b && memcmp(a, b, na) == 0 && strcmp(strrchr(a, '.'), strrchr(b, '.')) == 0;
}

static bool is_first_part(const char *path)
{
    size_t n;
    uint64_t i, of;
    return cache_is_part(path, &n, &i, &of) && i == 1;
}

static bool is_part(const char *path)
{
    size_t n;
    uint64_t i, of;
    return cache_is_part(path, &n, &i, &of);
}

/* ---- kinds ---- */

static bool at_top(const char *path)
{
    return !strchr(path, '/');
}

static bool is_companion(const char *path)
{
    static const char *const names[] = {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "chat_template.jinja",
        "chat_template.json",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(path, names[i]) == 0)
            return true;
    return false;
}

/* A GGUF that is a model: not the part that sees, not a calibration. */
static bool is_gguf(const char *path)
{
    const char *name = base_name(path);
    return str_ends_with(name, ".gguf") && !starts_with(name, "mmproj") && !strstr(name, "imatrix");
}

static bool is_pickle(const char *path)
{
    return str_ends_with(path, ".bin") || str_ends_with(path, ".pt") ||
           str_ends_with(path, ".pth") || str_ends_with(path, ".ckpt");
}

static bool is_single_tensors(const char *path)
{
    return strcmp(path, "model.safetensors") == 0;
}

static bool is_shard(const char *path)
{
    return at_top(path) && str_ends_with(path, ".safetensors") && starts_with(path, "model-") &&
           is_part(path);
}

/* Other names: not the same weights once more under the authors' own, and no adapter. */
static bool is_other_tensors(const char *path)
{
    return at_top(path) && str_ends_with(path, ".safetensors") &&
           !starts_with(path, "consolidated") && !starts_with(path, "adapter_") &&
           !starts_with(path, "training_");
}

static bool is_index(const char *path)
{
    return strcmp(path, "model.safetensors.index.json") == 0;
}

static bool has(const struct repository *r, bool (*kind)(const char *path))
{
    for (size_t i = 0; i < r->n; i++)
        if (kind(r->files[i].path))
            return true;
    return false;
}

static void take(const struct repository *r, bool (*kind)(const char *path), struct choice *out)
{
    for (size_t i = 0; i < r->n; i++)
        if (kind(r->files[i].path))
            out->files[out->n++] = i;
}

/* ---- GGUF ---- */

/* One to choose from: a file by itself, or the first part of a set. */
static bool is_gguf_choice(const char *path)
{
    return is_gguf(path) && (!is_part(path) || is_first_part(path));
}

static void take_with_parts(const struct repository *r, size_t which, struct choice *out)
{
    const char *path = r->files[which].path;
    if (!is_part(path)) {
        out->files[out->n++] = which;
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        if (same_set(r->files[i].path, path))
            out->files[out->n++] = i;
}

static void put_choice(const struct repository *r, size_t which, const char *fmt, struct buf *out)
{
    char size[HUB_SIZE_TEXT];
    uint64_t sum = 0;
    bool known = true;
    for (size_t i = 0; i < r->n; i++) {
        const struct repository_file *f = &r->files[i];
        if (i != which && !same_set(f->path, r->files[which].path))
            continue;
        known &= f->has_size && u64_add(sum, f->size, &sum);
    }
    buf_printf(out, fmt, r->files[which].path, known ? hub_size_text(sum, size) : "size not known");
}

/* The list for a human, and the beginning of it in the one line of the message. */
static int refuse_several(const struct repository *r, const char *name, size_t n,
                          struct buf *choices, struct err *e)
{
    struct buf line;
    buf_init(&line, 400);
    size_t told = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!is_gguf_choice(r->files[i].path))
            continue;
        put_choice(r, i, "  %s  (%s)\n", choices);
        if (told++ < 4)
            put_choice(r, i, told > 1 ? ", %s (%s)" : "%s (%s)", &line);
    }
    err_set(e, ERR_NOTFOUND, "'%s' has %zu GGUF files, expected one: name it with --file: %s%s",
            name, n, buf_cstr(&line), n > 4 ? ", …" : "");
    buf_release(&line);
    return ERR_NOTFOUND;
}

static int choose_gguf(const struct repository *r, const char *name, struct choice *out,
                       struct buf *choices, struct err *e)
{
    size_t n = 0, which = 0;
    for (size_t i = 0; i < r->n; i++)
        if (is_gguf_choice(r->files[i].path)) {
            n++;
            which = i;
        }
    if (n > 1)
        return refuse_several(r, name, n, choices, e);
    if (n == 0)
        return err_set(e, ERR_NOTFOUND,
                       "'%s' has parts of a split GGUF file and not the first of them", name);
    take_with_parts(r, which, out);
    return 0;
}

/* ---- one file by name ---- */

static int choose_named(const struct repository *r, const char *name, const char *wanted,
                        struct choice *out, struct buf *choices, struct err *e)
{
    size_t n = 0, which = 0;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->files[i].path, wanted) == 0) {
            take_with_parts(r, i, out);
            return 0;
        }
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(base_name(r->files[i].path), wanted) == 0) {
            n++;
            which = i;
        }
    if (n == 1) {
        take_with_parts(r, which, out);
        return 0;
    }
    for (size_t i = 0; i < r->n; i++)
        if (is_gguf_choice(r->files[i].path))
            put_choice(r, i, "  %s  (%s)\n", choices);
    if (n > 1)
        return err_set(e, ERR_NOTFOUND,
                       "'%s' has %zu files '%s' in different folders: name it with its folder",
                       name, n, wanted);
    return err_set(e, ERR_NOTFOUND, "'%s' has no file '%s', expected one of its %zu files", name,
                   wanted, r->n);
}

int repository_choose(const struct repository *r, const char *name, const char *wanted,
                      struct choice *out, struct buf *choices, struct err *e)
{
    *out = (struct choice){0};
    out->files = calloc(r->n ? r->n : 1, sizeof *out->files);
    if (!out->files)
        return err_set(e, ERR_NOMEM, "no memory for a list of files");
    if (wanted)
        return choose_named(r, name, wanted, out, choices, e);
    bool tensors = has(r, is_single_tensors) || has(r, is_shard) || has(r, is_other_tensors);
    if (tensors && (has(r, is_companion) || !has(r, is_gguf))) {
        take(r, is_companion, out);
        if (has(r, is_single_tensors)) {
            take(r, is_single_tensors, out);
            return 0;
        }
        take(r, is_index, out);
        take(r, has(r, is_shard) ? is_shard : is_other_tensors, out);
        return 0;
    }
    if (has(r, is_gguf))
        return choose_gguf(r, name, out, choices, e);
    if (has(r, is_pickle))
        return err_set(
            e, ERR_UNSUPPORTED,
            "'%s' has its weights only as Python pickles (.bin, .pt), which can run code "
            "when read: take a repository with .safetensors or .gguf files, or convert "
            "this one where you trust it",
            name);
    return err_set(e, ERR_NOTFOUND, "'%s' has no weights: neither .safetensors nor .gguf files",
                   name);
}
