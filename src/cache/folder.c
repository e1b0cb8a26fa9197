/* SPDX-License-Identifier: MIT */
/* Which model a folder holds, from the names in it alone: whether the files are good ones is for
 * weights/ to say. What is there only in part (a link of the hub's cache that leads nowhere, a
 * part of a set that is missing) is told as such, so that it can be fetched again. */
#include "cache/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENTRIES_MAX = 65536, /* of one folder */
    NAMED_MAX = 3,       /* files that a message names */
    NAME_SIZE = NAME_MAX + 1,
};

bool name_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Files of one kind. A set is "PREFIX-00001-of-00003.gguf" and its like. */
struct files {
    size_t n;                               /* without those of a set */
    char first[NAME_SIZE];                  /* of them */
    char names[NAMED_MAX * (NAME_MAX + 5)]; /* "'a.gguf', 'b.gguf'", sets' first parts too */
    size_t n_sets, n_parts;                 /* sets met so far; parts of the first of them */
    char prefix[NAME_SIZE];                 /* of the first set */
    uint64_t of;                            /* how many parts it has */
    bool has_first_part;
};

struct listing {
    struct files gguf, safetensors;
    bool has_config;
    bool has_index; /* of safetensors in shards */
    bool has_pickle;
    size_t n_folders;
    char subfolder[NAME_SIZE];
    char broken[NAME_SIZE]; /* a link that leads nowhere; "": none */
    char missing[PATH_MAX]; /* where it should lead */
};

static void name_file(struct files *f, const char *name)
{
    size_t used = strlen(f->names);
    if (f->n + f->n_sets < NAMED_MAX)
        snprintf(f->names + used, sizeof f->names - used, "%s'%s'", used ? ", " : "", name);
    else if (f->n + f->n_sets == NAMED_MAX)
        snprintf(f->names + used, sizeof f->names - used, ", …");
}

static void add_file(struct files *f, const char *name)
{
    size_t prefix;
    uint64_t i, of;
    if (!cache_is_part(name, &prefix, &i, &of)) {
        name_file(f, name);
        if (f->n++ == 0)
            snprintf(f->first, sizeof f->first, "%s", name);
        return;
    }
    if (f->n_sets == 0) {
        snprintf(f->prefix, sizeof f->prefix, "%.*s", (int)prefix, name);
        f->of = of;
    }
    bool same = strlen(f->prefix) == prefix && memcmp(f->prefix, name, prefix) == 0 && of == f->of;
    /* the others are counted by their first parts: more than one is all that matters */
    if (f->n_sets == 0 || (!same && i == 1)) {
        name_file(f, name);
        f->n_sets++;
    }
    if (same) {
        f->n_parts++;
        f->has_first_part |= i == 1;
    }
}

static bool is_pickle(const char *name)
{
    return name_ends_with(name, ".bin") || name_ends_with(name, ".pt") ||
           name_ends_with(name, ".pth") || name_ends_with(name, ".ckpt");
}

/* What is not weights and yet changes what a model says: not there, it must be missed. */
static bool is_read_beside(const char *name)
{
    return name_ends_with(name, ".json") || name_ends_with(name, ".jinja") ||
           strcmp(name, "tokenizer.model") == 0 || strcmp(name, "merges.txt") == 0;
}

static void list_entry(struct listing *l, DIR *dir, const char *name)
{
    bool gguf = name_ends_with(name, ".gguf"), tensors = name_ends_with(name, ".safetensors");
    struct stat st;
    if (name[0] == '.')
        return;
    if (fstatat(dirfd(dir), name, &st, 0) == 0) {
        if (S_ISDIR(st.st_mode) && l->n_folders++ == 0)
            snprintf(l->subfolder, sizeof l->subfolder, "%s", name);
        if (!S_ISREG(st.st_mode))
            return;
        /* the eyes of a model that sees: no model by itself */
        if (gguf && strncmp(name, "mmproj", 6) != 0)
            add_file(&l->gguf, name);
        if (tensors)
            add_file(&l->safetensors, name);
        l->has_config |= strcmp(name, "config.json") == 0;
        l->has_index |= strcmp(name, "model.safetensors.index.json") == 0;
        l->has_pickle |= is_pickle(name);
        return;
    }
    ssize_t n = readlinkat(dirfd(dir), name, l->missing, sizeof l->missing - 1);
    if (n > 0 && (gguf || tensors || is_read_beside(name))) {
        l->missing[n] = '\0';
        snprintf(l->broken, sizeof l->broken, "%s", name);
    }
}

static int list_folder(struct listing *l, const char *path, struct err *e)
{
    *l = (struct listing){0};
    DIR *dir = opendir(path);
    if (!dir)
        return err_errno(e, errno, "cannot read the folder '%s'", path);
    int r = 0;
    size_t n = 0;
    for (struct dirent *d; r == 0 && (d = readdir(dir)) != NULL;) {
        list_entry(l, dir, d->d_name);
        if (++n > ENTRIES_MAX)
            r = err_set(e, ERR_LIMIT, "the folder '%s' has more than %d entries", path,
                        ENTRIES_MAX);
    }
    closedir(dir);
    return r;
}

/* Writes the name of the set's first part that is not in the folder; "" if all are. */
static void name_missing_part(const struct files *f, const char *folder, const char *end,
                              char name[NAME_SIZE + 32])
{
    char path[PATH_MAX];
    for (uint64_t i = 1; i <= f->of; i++) {
        struct stat st;
        snprintf(name, NAME_SIZE + 32, "%s-%05llu-of-%05llu%s", f->prefix, (unsigned long long)i,
                 (unsigned long long)f->of, end);
        int n = snprintf(path, sizeof path, "%s/%s", folder, name);
        if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
            return;
    }
    name[0] = '\0';
}

/* 0 if no part of the one set is missing. */
static int check_set(const struct files *f, const char *folder, const char *end, struct err *e)
{
    char missing[NAME_SIZE + 32];
    if (f->n_sets != 1 || f->n_parts == f->of)
        return 0;
    name_missing_part(f, folder, end, missing);
    return err_set(e, ERR_NOTFOUND,
                   "the folder '%s' has %zu of the %llu parts '%s-…%s', '%s' is missing: the "
                   "download is incomplete, expected all: download the model again",
                   folder, f->n_parts, (unsigned long long)f->of, f->prefix, end, missing);
}

static void put_path(struct buf *path, const char *folder, const char *name)
{
    buf_str(path, folder);
    if (!name_ends_with(folder, "/"))
        buf_char(path, '/');
    buf_str(path, name);
}

static int find_gguf(const struct files *f, const char *folder, struct buf *path, struct err *e)
{
    if (f->n + f->n_sets > 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "the folder '%s' has %zu .gguf files (%s), expected one: name the file",
                       folder, f->n + f->n_sets, f->names);
    int rc = check_set(f, folder, ".gguf", e);
    if (rc < 0)
        return rc;
    if (f->n_sets == 0) {
        put_path(path, folder, f->first);
        return 0;
    }
    put_path(path, folder, f->prefix);
    buf_printf(path, "-00001-of-%05llu.gguf", (unsigned long long)f->of);
    return 0;
}

static int find_listed(const struct listing *l, const char *folder, bool in_cache, struct buf *path,
                       struct err *e)
{
    bool has_gguf = l->gguf.n + l->gguf.n_sets > 0;
    bool has_tensors = l->safetensors.n + l->safetensors.n_sets > 0;
    if (l->broken[0] && !(has_gguf && !has_tensors))
        return err_set(e, ERR_NOTFOUND,
                       "'%s/%s' leads to '%s', which is missing: the download is incomplete, "
                       "expected the file there: download the model again",
                       folder, l->broken, l->missing);
    /* An index says more than names do: what it lists and the folder lacks is named by whoever
     * reads it. In the cache the lack of config.json comes first, since it can be fetched. */
    if (has_tensors && (l->has_config || (l->has_index && !in_cache))) {
        int rc = check_set(&l->safetensors, folder, ".safetensors", e);
        if (rc == 0)
            buf_str(path, folder);
        return rc;
    }
    if (has_gguf)
        return find_gguf(&l->gguf, folder, path, e);
    if (has_tensors)
        return err_set(e, ERR_NOTFOUND,
                       "the folder '%s' has .safetensors files and no config.json, expected both: "
                       "download the model again",
                       folder);
    if (l->has_pickle)
        return err_set(e, ERR_UNSUPPORTED,
                       "the folder '%s' has its weights only as Python pickles (.bin, .pt), which "
                       "can run code when read, expected .safetensors or .gguf: get the model in "
                       "one of these forms",
                       folder);
    return err_set(e, ERR_NOTFOUND,
                   "the folder '%s' has no .gguf file and no .safetensors with config.json, "
                   "expected one or the other",
                   folder);
}

int folder_find_model(const char *folder, bool in_cache, struct buf *path, struct err *e)
{
    struct listing l;
    int rc = list_folder(&l, folder, e);
    if (rc < 0)
        return rc;
    bool nothing = l.gguf.n + l.gguf.n_sets + l.safetensors.n + l.safetensors.n_sets == 0;
    if (!(nothing && !l.broken[0] && l.n_folders == 1))
        return find_listed(&l, folder, in_cache, path, e);
    struct buf below;
    struct listing deeper;
    buf_init(&below, PATH_MAX);
    put_path(&below, folder, l.subfolder);
    rc = buf_check(&below, "the path of a folder", e);
    if (rc == 0)
        rc = list_folder(&deeper, buf_cstr(&below), e);
    if (rc == 0 && deeper.gguf.n + deeper.gguf.n_sets > 0)
        rc = find_listed(&deeper, buf_cstr(&below), in_cache, path, e);
    else if (rc == 0)
        rc = find_listed(&l, folder, in_cache, path, e);
    buf_release(&below);
    return rc;
}
