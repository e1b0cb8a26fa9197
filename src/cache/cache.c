/* SPDX-License-Identifier: MIT */
/* cache: from the name of a model to the path of its file or folder.
 *
 * Owns: the order of places, and the way through the hub's layout. Nothing is opened but folders
 * and refs.
 * Source of the layout: huggingface_hub, "Understand caching": hub/models--ORG--NAME holds blobs/
 * (contents), refs/ (branch to revision) and snapshots/REVISION/ (links to blobs). */
#include "cache/cache.h"

#include "cache/folder.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REF_MAX = 256 /* bytes of a ref; a revision has 40 */ };

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What may stand in a ref, or name a snapshot: a commit, or a made-up name of one part. */
static bool is_snapshot_name(struct span s)
{
    return s.n > 0 && s.n < REF_MAX && cache_is_etag(s);
}

/* What refs/REVISION says; found is false if there is no such file. */
static int read_ref(const char *repository, const char *revision, char snapshot[REF_MAX],
                    bool *found, struct err *e)
{
    struct buf path, text;
    buf_init(&path, PATH_MAX);
    buf_init(&text, REF_MAX - 1);
    buf_printf(&path, "%s/refs/%s", repository, revision);
    int r = buf_check(&path, "the path of a ref", e);
    if (r < 0)
        goto done;
    *found = access(buf_cstr(&path), F_OK) == 0;
    if (!*found)
        goto done;
    r = file_read_regular(buf_cstr(&path), &text, e);
    if (r < 0)
        goto done;
    /* huggingface_hub writes no newline, other tools and editors do */
    while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]))
        buf_truncate(&text, text.n - 1);
    if (!is_snapshot_name(buf_view(&text))) {
        r = err_set(e, ERR_FORMAT, "'%s': revision '%s', expected a hexadecimal name",
                    buf_cstr(&path), buf_cstr(&text));
        goto done;
    }
    memcpy(snapshot, text.p, text.n + 1);
done:
    buf_release(&text);
    buf_release(&path);
    return r;
}

/* Without refs/main (a copied or hand-made cache): the only folder below snapshots/. */
static int only_snapshot(const char *repository, char snapshot[REF_MAX], struct err *e)
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
        if (!is_snapshot_name(span_str(d->d_name)) || fstatat(dirfd(dir), d->d_name, &st, 0) < 0 ||
            !S_ISDIR(st.st_mode))
            continue;
        found++;
        snprintf(snapshot, REF_MAX, "%s", d->d_name);
    }
    closedir(dir);
    if (found != 1)
        return err_set(e, ERR_NOTFOUND, "'%s' has no refs/main and %s, expected one revision",
                       repository, found ? "several snapshots" : "no snapshot");
    return 0;
}

static int snapshot_of(const char *repository, const char *revision, char snapshot[REF_MAX],
                       struct err *e)
{
    bool found = false;
    int r = read_ref(repository, revision, snapshot, &found, e);
    if (r < 0 || found)
        return r;
    if (strcmp(revision, "main") == 0)
        return only_snapshot(repository, snapshot, e);
    if (is_snapshot_name(span_str(revision))) {
        snprintf(snapshot, REF_MAX, "%s", revision);
        return 0;
    }
    return err_set(e, ERR_NOTFOUND, "'%s' has no refs/%s: download that revision", repository,
                   revision);
}

static int find_below(const char *repository, const char *revision, struct buf *path, struct err *e)
{
    char snapshot[REF_MAX];
    struct buf folder;
    int r = snapshot_of(repository, revision, snapshot, e);
    if (r < 0)
        return r;
    buf_init(&folder, PATH_MAX);
    r = cache_snapshot_path(&folder, repository, snapshot, "", e);
    if (r == 0 && !is_folder(buf_cstr(&folder)))
        r = err_set(e, ERR_NOTFOUND,
                    "'%s/refs/%s' names revision '%s', whose folder in snapshots/ is missing: "
                    "download the model again",
                    repository, revision, snapshot);
    if (r == 0)
        r = folder_find_model(buf_cstr(&folder), true, path, e);
    buf_release(&folder);
    return r;
}

static int find_in_hub(const char *name, const char *hub_folder, struct buf *path, struct err *e)
{
    struct cache_name parsed;
    struct buf repository;
    int r = cache_name_parse(&parsed, name, e);
    if (r < 0)
        return r;
    if (!hub_folder)
        return err_set(e, ERR_NOTFOUND,
                       "model '%s': no file or folder of that name, and no cache to look in: HOME "
                       "is not set and HF_HOME is not given",
                       name);
    buf_init(&repository, PATH_MAX);
    r = cache_repository_folder(&repository, hub_folder, parsed.repository, e);
    if (r == 0 && !is_folder(buf_cstr(&repository)))
        r = err_set(e, ERR_NOTFOUND,
                    "model '%s': neither a file or folder of that name nor '%s' exists: download "
                    "it, or name a .gguf file",
                    name, buf_cstr(&repository));
    else if (r == 0 && (r = find_below(buf_cstr(&repository), parsed.revision, path, e)) < 0)
        err_wrap(e, r, "model '%s'", name);
    buf_release(&repository);
    return r;
}

static bool is_weights_name(const char *name)
{
    return name_ends_with(name, ".gguf") || name_ends_with(name, ".safetensors");
}

int cache_find(const char *name, const char *hub_folder, struct buf *path, struct err *e)
{
    struct stat st;
    size_t before = path->n;
    int r = 0;

    if (name[0] == '\0')
        return err_set(e, ERR_NOTFOUND,
                       "no model is named, expected a .gguf file, a folder, or ORG/NAME");
    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
        r = folder_find_model(name, false, path, e);
    } else if (stat(name, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return err_set(e, ERR_UNSUPPORTED,
                           "model '%s' is neither a file nor a folder, expected one of them", name);
        buf_str(path, name); /* whatever its name: those who read it tell by what is in it */
    } else if (is_weights_name(name) || !cache_is_hub_name(name)) {
        return err_set(e, ERR_NOTFOUND,
                       "model '%s': no such file or folder, expected a .gguf file, a folder with "
                       "one, or a name as ORG/NAME",
                       name);
    } else {
        r = find_in_hub(name, hub_folder, path, e);
    }
    if (r == 0)
        r = buf_check(path, "the model's path", e);
    if (r < 0)
        buf_truncate(path, before < path->n ? before : path->n);
    return r;
}
