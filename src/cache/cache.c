/* SPDX-License-Identifier: MIT */
/* cache: from the name of a model to the path of its file.
 *
 * Owns: the rules of cache.h. Nothing is opened but folders and refs/main: whether the file found
 * is a good one is for weights/ to say.
 * Source of the layout: huggingface_hub, "Understand caching": hub/models--ORG--NAME holds blobs/
 * (contents), refs/ (branch to revision) and snapshots/REVISION/ (links to blobs). */
#include "cache/cache.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    REF_MAX = 256,       /* bytes of refs/main; a revision has 40 */
    ENTRIES_MAX = 65536, /* of one folder */
    NAMED_MAX = 3,       /* files that a message names */
};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* One component of a hub name, or a revision: never "." or "..", so that no path leaves its root.
 */
static bool is_component(struct span s)
{
    if (s.n == 0 || s.n > 128 || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_name_char((char)s.p[i]))
            return false;
    return true;
}

/* "ORG/NAME", or the bare NAME of a few old models. */
static bool is_hub_name(const char *name)
{
    const char *slash = strchr(name, '/');
    if (strstr(name, "..") || strstr(name, "--"))
        return false;
    if (!slash)
        return is_component(span_str(name));
    return is_component(span_of(name, (size_t)(slash - name))) && is_component(span_str(slash + 1));
}

/* What a folder has that could be a model. */
struct listing {
    char gguf[NAME_MAX + 1]; /* the only one's, if there is one */
    size_t n_gguf, n_safetensors;
    char names[NAMED_MAX * (NAME_MAX + 5)]; /* "'a.gguf', 'b.gguf'" */
    char broken[NAME_MAX + 1]; /* a link of a weights file that leads nowhere; "": none */
    char missing[PATH_MAX];    /* where it should lead */
};

static void list_gguf(struct listing *l, const char *name)
{
    size_t used = strlen(l->names);
    if (l->n_gguf < NAMED_MAX)
        snprintf(l->names + used, sizeof l->names - used, "%s'%s'", used ? ", " : "", name);
    else if (l->n_gguf == NAMED_MAX)
        snprintf(l->names + used, sizeof l->names - used, ", …");
    if (l->n_gguf == 0)
        snprintf(l->gguf, sizeof l->gguf, "%s", name);
    l->n_gguf++;
}

static void list_entry(struct listing *l, DIR *dir, const char *name)
{
    bool gguf = ends_with(name, ".gguf"), safetensors = ends_with(name, ".safetensors");
    struct stat st;
    if (name[0] == '.' || (!gguf && !safetensors))
        return;
    if (fstatat(dirfd(dir), name, &st, 0) == 0) {
        if (gguf && S_ISREG(st.st_mode))
            list_gguf(l, name);
        l->n_safetensors += safetensors && S_ISREG(st.st_mode);
        return;
    }
    ssize_t n = readlinkat(dirfd(dir), name, l->missing, sizeof l->missing - 1);
    if (n > 0) {
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

static int find_in_folder(const char *folder, struct buf *path, struct err *e)
{
    struct listing l;
    int r = list_folder(&l, folder, e);
    if (r < 0)
        return r;
    if (l.broken[0] && l.n_gguf == 0)
        return err_set(e, ERR_NOTFOUND,
                       "'%s/%s' leads to '%s', which is missing: the download is incomplete, "
                       "expected the file there: download the model again",
                       folder, l.broken, l.missing);
    if (l.n_gguf > 1)
        return err_set(e, ERR_NOTFOUND,
                       "the folder '%s' has %zu .gguf files (%s), expected one: name the file",
                       folder, l.n_gguf, l.names);
    if (l.n_gguf == 0 && l.n_safetensors > 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "the folder '%s' has its weights as .safetensors, expected a .gguf file: "
                       "convert the model or get it as GGUF",
                       folder);
    if (l.n_gguf == 0)
        return err_set(e, ERR_NOTFOUND, "the folder '%s' has no .gguf file, expected one", folder);
    buf_str(path, folder);
    if (!ends_with(folder, "/"))
        buf_char(path, '/');
    buf_str(path, l.gguf);
    return 0;
}

/* The revision that refs/main names; found is false if there is no such file. */
static int read_ref(const char *repository, char revision[REF_MAX], bool *found, struct err *e)
{
    struct buf path, text;
    buf_init(&path, PATH_MAX);
    buf_init(&text, REF_MAX - 1);
    buf_printf(&path, "%s/refs/main", repository);
    int r = buf_check(&path, "the path of refs/main", e);
    if (r < 0)
        goto done;
    *found = access(buf_cstr(&path), F_OK) == 0;
    if (!*found)
        goto done;
    r = file_read(buf_cstr(&path), &text, e);
    if (r < 0)
        goto done;
    /* huggingface_hub writes no newline, other tools and editors do */
    while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]))
        buf_truncate(&text, text.n - 1);
    if (!is_component(buf_view(&text))) {
        r = err_set(e, ERR_FORMAT, "'%s': revision '%s', expected a hexadecimal name",
                    buf_cstr(&path), buf_cstr(&text));
        goto done;
    }
    memcpy(revision, text.p, text.n + 1);
done:
    buf_release(&text);
    buf_release(&path);
    return r;
}

/* Without refs/main (a copied or hand-made cache): the only folder below snapshots/. */
static int only_snapshot(const char *repository, char revision[REF_MAX], struct err *e)
{
    char snapshots[PATH_MAX];
    int n = snprintf(snapshots, sizeof snapshots, "%s/snapshots", repository);
    DIR *dir = n > 0 && (size_t)n < sizeof snapshots ? opendir(snapshots) : NULL;
    if (!dir)
        return err_set(e, ERR_NOTFOUND,
                       "'%s' has neither refs/main nor snapshots/: the download "
                       "is incomplete: download the model again",
                       repository);
    size_t found = 0;
    for (struct dirent *d; found < 2 && (d = readdir(dir)) != NULL;) {
        struct stat st;
        if (!is_component(span_str(d->d_name)) || fstatat(dirfd(dir), d->d_name, &st, 0) < 0 ||
            !S_ISDIR(st.st_mode))
            continue;
        found++;
        snprintf(revision, REF_MAX, "%s", d->d_name);
    }
    closedir(dir);
    if (found != 1)
        return err_set(e, ERR_NOTFOUND, "'%s' has no refs/main and %s, expected one revision",
                       repository, found ? "several snapshots" : "no snapshot");
    return 0;
}

static int find_in_hub(const char *name, const char *hf_home, const char *home, struct buf *path,
                       struct err *e)
{
    struct buf repository, snapshot;
    char revision[REF_MAX];
    struct stat st;
    int r;
    bool has_hf_home = hf_home && hf_home[0];
    if (!has_hf_home && !(home && home[0]))
        return err_set(e, ERR_NOTFOUND,
                       "model '%s': no file or folder of that name, and no cache to look in: HOME "
                       "is not set and HF_HOME is not given",
                       name);
    buf_init(&repository, PATH_MAX);
    buf_init(&snapshot, PATH_MAX);

    if (has_hf_home)
        buf_str(&repository, hf_home);
    else
        buf_printf(&repository, "%s/.cache/huggingface", home);
    buf_str(&repository, "/hub/models--");
    for (const char *p = name; *p; p++) {
        if (*p == '/')
            buf_str(&repository, "--");
        else
            buf_char(&repository, *p);
    }
    r = buf_check(&repository, "the path of the hub cache", e);
    if (r < 0)
        goto done;
    if (stat(buf_cstr(&repository), &st) < 0 || !S_ISDIR(st.st_mode)) {
        r = err_set(e, ERR_NOTFOUND,
                    "model '%s': neither a file or folder of that name nor '%s' exists: download "
                    "it, or name a .gguf file",
                    name, buf_cstr(&repository));
        goto done;
    }
    bool found = false;
    r = read_ref(buf_cstr(&repository), revision, &found, e);
    if (r == 0 && !found)
        r = only_snapshot(buf_cstr(&repository), revision, e);
    if (r == 0) {
        buf_printf(&snapshot, "%s/snapshots/%s", buf_cstr(&repository), revision);
        r = buf_check(&snapshot, "the path of the snapshot", e);
    }
    if (r == 0 && (stat(buf_cstr(&snapshot), &st) < 0 || !S_ISDIR(st.st_mode)))
        r = err_set(e, ERR_NOTFOUND,
                    "'%s/refs/main' names revision '%s', whose folder in snapshots/ is missing: "
                    "download the model again",
                    buf_cstr(&repository), revision);
    if (r == 0)
        r = find_in_folder(buf_cstr(&snapshot), path, e);
    if (r < 0)
        err_wrap(e, r, "model '%s'", name);
done:
    buf_release(&snapshot);
    buf_release(&repository);
    return r;
}

int cache_find_model(const char *name, const char *hf_home, const char *home, struct buf *path,
                     struct err *e)
{
    struct stat st;
    size_t before = path->n;
    int r = 0;

    if (name[0] == '\0')
        return err_set(e, ERR_NOTFOUND,
                       "no model is named, expected a .gguf file, a folder, or ORG/NAME");
    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
        r = find_in_folder(name, path, e);
    } else if (stat(name, &st) == 0) {
        if (!S_ISREG(st.st_mode) || !ends_with(name, ".gguf"))
            return err_set(e, ERR_UNSUPPORTED,
                           "model '%s' is not a .gguf file, expected one, or a folder with one",
                           name);
        buf_str(path, name);
    } else if (ends_with(name, ".gguf") || !is_hub_name(name)) {
        return err_set(e, ERR_NOTFOUND,
                       "model '%s': no such file or folder, expected a .gguf file, a folder with "
                       "one, or a name as ORG/NAME",
                       name);
    } else {
        r = find_in_hub(name, hf_home, home, path, e);
    }
    if (r == 0)
        r = buf_check(path, "the model's path", e);
    if (r < 0)
        buf_truncate(path, before < path->n ? before : path->n);
    return r;
}
