/* SPDX-License-Identifier: MIT */
/* files: finds the metrics files of a folder, whatever else lies in it. */
#include "report/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

void file_paths_release(struct file_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        free(paths->p[i]);
    free(paths->p);
    *paths = (struct file_paths){0};
}

/* Takes path, which may be NULL. */
static int paths_add(struct file_paths *paths, char *path, struct err *e)
{
    if (path && paths->n == paths->capacity) {
        size_t capacity = paths->capacity ? paths->capacity * 2 : 32;
        char **grown = realloc(paths->p, capacity * sizeof *grown);
        if (grown) {
            paths->p = grown;
            paths->capacity = capacity;
        }
    }
    if (!path || paths->n == paths->capacity) {
        free(path);
        return err_set(e, ERR_NOMEM, "no memory for the names of metrics files");
    }
    paths->p[paths->n++] = path;
    return 0;
}

/* free() it; NULL: e says why. */
static char *join(const char *folder, const char *name, struct err *e)
{
    struct buf b;
    buf_init(&b, PATH_MAX);
    size_t n = strlen(folder);
    buf_printf(&b, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    char *s = NULL;
    if (buf_check(&b, "the path of a metrics file", e) == 0 && !(s = buf_steal(&b)))
        err_set(e, ERR_NOMEM, "no memory for the names of metrics files");
    buf_release(&b);
    return s;
}

static int search(struct file_paths *found, const char *folder, int depth, struct err *e);

/* Folders are followed, links to folders are not: a loop would find its files many times. */
static int search_entry(struct file_paths *found, const char *folder, DIR *dir, const char *name,
                        int depth, struct err *e)
{
    struct stat st;
    size_t n = strlen(name);
    if (name[0] == '.' || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISDIR(st.st_mode)) {
        if (depth == FILES_DEPTH_MAX)
            return 0;
        char *path = join(folder, name, e);
        int r = path ? search(found, path, depth + 1, e) : ERR_LIMIT;
        free(path);
        return r;
    }
    if (n < 6 || strcmp(name + n - 5, ".json") != 0)
        return 0;
    /* a pipe of that name would be waited for */
    if (!S_ISREG(st.st_mode) && (fstatat(dirfd(dir), name, &st, 0) < 0 || !S_ISREG(st.st_mode)))
        return 0;
    if (found->n == FILES_MAX) {
        found->cut = true;
        return 0;
    }
    char *path = join(folder, name, e);
    return path ? paths_add(found, path, e) : ERR_LIMIT;
}

static int search(struct file_paths *found, const char *folder, int depth, struct err *e)
{
    DIR *dir = opendir(folder);
    /* what nobody may read, or is gone by now, is no reason to show nothing */
    if (!dir && depth > 0 && (errno == EACCES || errno == ENOENT))
        return 0;
    if (!dir)
        return err_errno(e, errno, "cannot read the folder '%s'", folder);
    int r = 0;
    for (struct dirent *d; r == 0 && !found->cut && (d = readdir(dir)) != NULL;) {
        if (++found->entries > FILES_ENTRIES_MAX)
            found->cut = true;
        else
            r = search_entry(found, folder, dir, d->d_name, depth, e);
    }
    closedir(dir);
    return r;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int file_paths_find(struct file_paths *found, const char *dir, struct err *e)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return err_errno(e, errno, "cannot read '%s'", dir);
    if (S_ISREG(st.st_mode)) /* one file is a report too */
        return paths_add(found, strdup(dir), e);
    int r = search(found, dir, 0, e);
    if (r == 0 && found->n > 1)
        qsort(found->p, found->n, sizeof *found->p, by_text);
    return r;
}
