/* SPDX-License-Identifier: MIT */
/* Owns where the telemetry lies: the file or the folder that DATASET_PATH names, else the data that
 * we bring. A folder is for containers, where the user's own is mounted over ours, and may be empty
 * because Docker made it. */
#include "fleet/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* The data that we bring lies beside us in a checkout, or where it was installed. */
static int find_own(struct buf *path, struct err *e)
{
    static const char *const beside[] = {"/../data", "/../../data", "/../share/wattle"};
    static const char *const name = "telemetry-24h.csv";
    char folder[PATH_SIZE];
    buf_printf(path, "data/%s", name);
    if (access(buf_cstr(path), R_OK) == 0)
        return 0;
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof beside / sizeof *beside; i++) {
        buf_clear(path);
        buf_printf(path, "%s%s/%s", folder, beside[i], name);
        if (access(buf_cstr(path), R_OK) == 0)
            return 0;
    }
    return err_set(e, ERR_NOTFOUND,
                   "DATASET_PATH: not given, and '%s' is neither in ./data nor beside the program",
                   name);
}

static bool is_csv(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && name[0] != '.' && strcasecmp(name + n - 4, ".csv") == 0;
}

/* Appends the path of the folder's only .csv, nothing where it has none. */
static int find_in_folder(const char *folder, struct buf *path, bool *empty, struct err *e)
{
    int rc = 0;
    char first[NAME_MAX + 1] = "";
    DIR *dir = opendir(folder);
    if (!dir)
        return err_errno(e, errno, "DATASET_PATH '%s'", folder);
    for (const struct dirent *d; !rc && (d = readdir(dir));) {
        *empty = *empty && d->d_name[0] == '.';
        if (!is_csv(d->d_name))
            continue;
        if (first[0])
            rc = err_set(e, ERR_USAGE,
                         "DATASET_PATH '%s': holds '%s' and '%s', expected the path of one of them",
                         folder, first, d->d_name);
        snprintf(first, sizeof first, "%s", d->d_name);
    }
    closedir(dir);
    if (!rc && first[0])
        buf_printf(path, "%s/%s", folder, first);
    return rc;
}

int fleet_find_dataset(const char *given, struct buf *path, bool *ours, struct err *e)
{
    struct stat st;
    bool empty = true;
    *ours = !given[0];
    if (!given[0])
        return find_own(path, e);
    if (stat(given, &st) || !S_ISDIR(st.st_mode)) {
        buf_str(path, given); /* whatever is wrong with it is said when it is opened */
        return 0;
    }
    int rc = find_in_folder(given, path, &empty, e);
    if (rc || path->n)
        return rc;
    *ours = true;
    /* What compositions mount, whether it was there or not. */
    if (empty)
        log_info("DATASET_PATH '%s': is empty, the data that we bring is replayed", given);
    else
        log_warning("DATASET_PATH '%s': no .csv in it, the data that we bring is replayed", given);
    return find_own(path, e);
}
