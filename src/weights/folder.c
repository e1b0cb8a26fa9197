/* SPDX-License-Identifier: MIT */
/* A folder in Hugging Face layout: which of its files are the weights. */
#include "weights/parts.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

enum { NAMES_TEXT = 160 };

/* What a folder holds that could be meant. */
struct found {
    bool index;              /* model.safetensors.index.json */
    bool single;             /* model.safetensors */
    const char *safetensors; /* the first by name, and how many */
    size_t n_safetensors;
    const char *gguf; /* of a split set only its first part counts */
    size_t n_gguf;
    const char *split; /* a part that is not the first */
    const char *pickle;
};

int folder_check_file(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(e, errno, "cannot open '%s'", path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_IO, "cannot read '%s': it is a folder, expected a file", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_IO, "cannot read '%s': it is not a regular file", path);
    return 0;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcasecmp(name + n - m, end) == 0;
}

/* Remembers the first by name, so that the choice does not hang on the folder's order. */
static bool keep(struct weights *w, const char **first, const char *name)
{
    if (*first && strcmp(*first, name) <= 0)
        return true;
    *first = arena_strndup(&w->arena, name, strlen(name));
    return *first != NULL;
}

static bool note(struct weights *w, struct found *f, const char *name)
{
    if (strcmp(name, "model.safetensors.index.json") == 0)
        f->index = true;
    if (strcmp(name, "model.safetensors") == 0)
        f->single = true;
    if (ends_in(name, ".safetensors")) {
        f->n_safetensors++;
        return keep(w, &f->safetensors, name);
    }
    if (ends_in(name, ".gguf") && strncmp(name, "mmproj", 6) != 0) { /* not a model's image part */
        if (split_is_part(name) && !split_is_first(name))
            return keep(w, &f->split, name);
        f->n_gguf++;
        return keep(w, &f->gguf, name);
    }
    if (ends_in(name, ".bin") || ends_in(name, ".pt") || ends_in(name, ".pth") ||
        ends_in(name, ".bin.index.json"))
        return keep(w, &f->pickle, name);
    return true;
}

static int look(struct weights *w, const char *folder, struct found *f, struct err *e)
{
    DIR *d = opendir(folder);
    if (!d)
        return err_errno(e, errno, "cannot open '%s'", folder);
    int code = 0;
    for (struct dirent *it; !code && (it = readdir(d));)
        if (it->d_name[0] != '.' && !note(w, f, it->d_name))
            code =
                err_set(e, ERR_NOMEM, "cannot load '%s': no memory for its files' names", folder);
    closedir(d);
    return code;
}

static int nothing(const char *folder, const struct found *f, struct err *e)
{
    if (f->n_safetensors > 1)
        return err_set(e, ERR_NOTFOUND,
                       "cannot load '%s': %zu .safetensors files, and no "
                       "model.safetensors.index.json that says what is in which: download the "
                       "index as well, or name one file",
                       folder, f->n_safetensors);
    if (f->n_gguf > 1)
        return err_set(e, ERR_NOTFOUND,
                       "cannot load '%s': %zu .gguf models: name the one that is meant, as "
                       "'%s/%s'",
                       folder, f->n_gguf, folder, f->gguf);
    if (f->pickle)
        return err_set(e, ERR_UNSUPPORTED,
                       "cannot load '%s': only pickled weights ('%s'), which can run code when "
                       "they are read: use a repository or revision with .safetensors, or convert "
                       "them with save_pretrained(..., safe_serialization=True)",
                       folder, f->pickle);
    return err_set(e, ERR_NOTFOUND,
                   "cannot load '%s': no weights: expected model.safetensors.index.json, "
                   "model.safetensors, one other .safetensors, or one .gguf",
                   folder);
}

int folder_choose(struct weights *w, const char *folder, const char **path, struct err *e)
{
    struct found f = {.n_gguf = 0};
    int code = look(w, folder, &f, e);
    if (code)
        return code;
    const char *name = NULL;
    if (f.index)
        name = "model.safetensors.index.json";
    else if (f.single)
        name = "model.safetensors";
    else if (f.n_safetensors == 1)
        name = f.safetensors;
    else if (f.n_safetensors == 0 && f.n_gguf == 1)
        name = f.gguf;
    else if (f.n_safetensors == 0 && f.n_gguf == 0 && f.split)
        name = f.split; /* its first part is missing: split.c says which */
    if (!name)
        return nothing(folder, &f, e);
    *path = weights_join(w, folder, name);
    return *path ? 0 : err_set(e, ERR_NOMEM, "cannot load '%s': no memory", folder);
}
