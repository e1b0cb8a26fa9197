/* SPDX-License-Identifier: MIT */
/* Which files of a folder a report is of. Private to report/. */
#ifndef WATTLE_REPORT_FILES_H
#define WATTLE_REPORT_FILES_H

#include "base/base.h"

enum {
    FILES_DEPTH_MAX = 4,
    FILES_MAX = 10000,
    FILES_ENTRIES_MAX = 1000000, /* looked at in all folders together */
};

struct file_paths {
    char **p; /* sorted */
    size_t n, capacity, entries;
    bool cut; /* a limit was met: not all were looked for */
};

/* Every *.json of dir and its sub-folders; of a regular file: itself. found: zeroed. */
int file_paths_find(struct file_paths *found, const char *dir, struct err *e);
void file_paths_release(struct file_paths *found);

#endif
