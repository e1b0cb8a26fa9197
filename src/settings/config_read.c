/* SPDX-License-Identifier: MIT */
/* Where config files lie: one that is named, or those of a folder in the order of their names. */
#include "settings/config_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* `--config /dev/null`: none at all. */
static bool is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static int read_file(struct config *c, const char *path, bool optional, struct err *e)
{
    struct stat st;
    struct buf bytes;
    struct err why;
    const char *name = arena_strndup(c->arena, path, strlen(path));
    if (!name)
        return err_set(e, ERR_LIMIT, "%s: no memory to read it", path);
    if (stat(path, &st)) {
        if (!optional)
            return err_errno(e, errno, "config file '%s'", path);
        log_warning("config file '%s', left out: %s", path, strerror(errno));
        return 0;
    }
    if (is_null_device(&st))
        return 0;
    buf_init(&bytes, YAML_BYTES_MAX);
    int rc = file_read_regular(path, &bytes, &why);
    if (rc == ERR_IO && optional) {
        log_warning("config file, left out: %s", why.text);
        rc = 0;
    } else if (rc) {
        rc = err_set(e, rc == ERR_LIMIT ? ERR_USAGE : rc, "config file: %s", why.text);
    } else {
        rc = config_add(c, name, buf_view(&bytes), (st.st_mode & S_IROTH) != 0, e);
    }
    buf_release(&bytes);
    return rc;
}

/* ---- a folder ---- */

static int wanted(const struct dirent *d)
{
    return d->d_name[0] != '.' &&
           (str_ends_with(d->d_name, ".yaml") || str_ends_with(d->d_name, ".yml"));
}

/* By bytes, in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_folder(struct config *c, const char *path, bool optional, struct err *e)
{
    struct dirent **names = NULL;
    struct buf file;
    int rc = 0, n = scandir(path, &names, wanted, by_name);
    if (n < 0 && optional) {
        log_warning("config folder '%s', left out: %s", path, strerror(errno));
        return 0;
    }
    if (n < 0)
        return err_errno(e, errno, "config folder '%s'", path);
    if (n > CONFIG_FILES_MAX)
        rc = err_set(e, ERR_USAGE, "config folder '%s': %d files, expected at most %d", path, n,
                     CONFIG_FILES_MAX);
    buf_init(&file, 2 * 4096);
    for (int i = 0; i < n; i++) {
        buf_clear(&file);
        buf_printf(&file, "%s%s%s", path, str_ends_with(path, "/") ? "" : "/", names[i]->d_name);
        if (!rc)
            rc = buf_check(&file, path, e);
        if (!rc)
            rc = read_file(c, buf_cstr(&file), optional, e);
        free(names[i]);
    }
    free(names);
    buf_release(&file);
    return rc;
}

int config_read(struct config *c, const char *path, bool optional, struct err *e)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? read_folder(c, path, optional, e)
                                   : read_file(c, path, optional, e);
    if (optional && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (!optional)
        return err_errno(e, errno, "config '%s'", path);
    log_warning("config '%s', left out: %s", path, strerror(errno));
    return 0;
}
