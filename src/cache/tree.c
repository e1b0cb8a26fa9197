/* SPDX-License-Identifier: MIT */
/* Walking and removing folders of the cache. Links are never followed, so neither leaves it. */
#include "cache/tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 8, ENTRIES_MAX = 1 << 20 };

struct walk {
    tree_fn *on_file; /* NULL: remove instead */
    void *ctx;
    struct buf path;
    size_t root;      /* bytes of path that are the folder's, with its slash */
    size_t n_entries; /* so far */
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int walk_folder(struct walk *w, int depth, struct err *e);

/* w->path is the entry's. */
static int walk_entry(struct walk *w, int depth, struct err *e)
{
    struct stat st;
    const char *path = buf_cstr(&w->path);
    if (lstat(path, &st) < 0) /* gone meanwhile */
        return errno == ENOENT ? 0 : err_errno(e, errno, "cannot read '%s'", path);
    if (S_ISDIR(st.st_mode)) {
        int rc = walk_folder(w, depth + 1, e);
        path = buf_cstr(&w->path);
        if (rc == 0 && !w->on_file && rmdir(path) < 0 && errno != ENOENT)
            rc = err_errno(e, errno, "cannot remove '%s'", path);
        return rc;
    }
    if (w->on_file)
        return w->on_file(w->ctx, path, path + w->root, S_ISLNK(st.st_mode), e);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, errno, "cannot remove '%s'", path);
    return 0;
}

/* w->path is the folder's, without a slash, before and after. */
static int walk_folder(struct walk *w, int depth, struct err *e)
{
    struct dirent **entries = NULL;
    size_t own = w->path.n;
    if (depth > DEPTH_MAX)
        return err_set(e, ERR_LIMIT, "'%s' lies more than %d folders deep", buf_cstr(&w->path),
                       DEPTH_MAX);
    int n = scandir(buf_cstr(&w->path), &entries, no_dots, by_name);
    if (n < 0)
        return errno == ENOENT
                   ? 0
                   : err_errno(e, errno, "cannot read the folder '%s'", buf_cstr(&w->path));
    int rc = 0;
    w->n_entries += (size_t)n;
    if (w->n_entries > ENTRIES_MAX)
        rc = err_set(e, ERR_LIMIT, "'%s': more than %d files", buf_cstr(&w->path), ENTRIES_MAX);
    for (int i = 0; i < n; i++) {
        if (rc == 0) {
            buf_printf(&w->path, "/%s", entries[i]->d_name);
            rc = buf_check(&w->path, "the path of a file in the cache", e);
        }
        if (rc == 0)
            rc = walk_entry(w, depth, e);
        free(entries[i]);
        buf_truncate(&w->path, own);
    }
    free(entries);
    return rc;
}

static int walk_all(const char *folder, tree_fn *fn, void *ctx, struct err *e)
{
    struct walk w = {.on_file = fn, .ctx = ctx, .root = strlen(folder) + 1};
    buf_init(&w.path, PATH_MAX);
    buf_str(&w.path, folder);
    int rc = buf_check(&w.path, "the path of a folder in the cache", e);
    if (rc == 0)
        rc = walk_folder(&w, 0, e);
    buf_release(&w.path);
    return rc;
}

int tree_walk(const char *folder, tree_fn *fn, void *ctx, struct err *e)
{
    return walk_all(folder, fn, ctx, e);
}

int tree_remove(const char *folder, struct err *e)
{
    int rc = walk_all(folder, NULL, NULL, e);
    if (rc == 0 && rmdir(folder) < 0 && errno != ENOENT)
        rc = err_errno(e, errno, "cannot remove '%s'", folder);
    return rc;
}
