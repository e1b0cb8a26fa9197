/* SPDX-License-Identifier: MIT */
/* Whole files: read with a limit, mapped, written atomically; and names that are safe on disk. */
#ifndef WATTLE_BASE_FILE_H
#define WATTLE_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* Appends the whole file to out, whose max bounds it (ERR_LIMIT names the file and the limit; of a
 * regular file nothing is read then). Works on /proc and /sys files, whose size is 0, on pipes, and
 * for "-" on stdin. A folder is refused as such. */
int file_read(const char *path, struct buf *out, struct err *e);
/* The same of a regular file: pipes and devices are refused and not waited for. For files that
 * nobody named, which lie where they are looked for. */
int file_read_regular(const char *path, struct buf *out, struct err *e);

/* The same, for files that may be anything: look is shown what is in out each time that fresh bytes
 * (FILE_CHUNK at most) have come to its end, and ends the reading with its code. */
enum { FILE_CHUNK = 16 << 10 };
typedef int file_watcher(void *ctx, struct span all, size_t fresh, struct err *e);
int file_read_watched(const char *path, struct buf *out, file_watcher *look, void *ctx,
                      struct err *e);

/* A read-only, shared mapping of a regular file. An empty file maps to n == 0, p == NULL. */
struct file_map {
    struct span bytes; /* valid until file_unmap */
};
int file_map(struct file_map *m, const char *path, struct err *e);
void file_unmap(struct file_map *m); /* twice is fine */

/* Whether a file of ours may come in place of what is at path: 0 where there is nothing, a regular
 * file or a link to one. Else ERR_IO: a rename would take a device, a pipe or a socket away, root's
 * even /dev/null, and a folder has to stay. */
int file_check_replaceable(const char *path, struct err *e);

/* Writes bytes to a temporary name in the same folder, syncs it, renames it over path, syncs the
 * folder: a reader, or a kill at any moment, sees the old file or the new one, whole. The temporary
 * name begins with a dot and ends in ".part"; it is removed on failure. The folder must exist. Mode
 * 0644 & ~umask. What is no regular file is not replaced. */
int file_write_atomic(const char *path, struct span bytes, struct err *e);

/* The same for bytes that come one after another and are too many to hold. */
struct file_out {
    char *path, *part;
    int fd; /* -1: not open */
};
/* Creates the temporary file; path is copied. */
int file_out_open(struct file_out *f, const char *path, struct err *e);
/* Takes room for bytes in all, where the file system can: a full disk is found before the work. */
int file_out_reserve(struct file_out *f, uint64_t bytes, struct err *e);
int file_out_write(struct file_out *f, struct span bytes, struct err *e);
/* Syncs, renames, and releases f; a failure leaves what was at path. */
int file_out_finish(struct file_out *f, struct err *e);
/* Removes the temporary file. Zeroed with fd -1, or after file_out_finish: nothing. */
void file_out_abort(struct file_out *f);

/* mkdir -p, mode 0755. */
int file_make_dirs(const char *path, struct err *e);

/* A name that is safe as one path component: letters and digits (Unicode's too), '.', '_', '-'
 * stay, each other character becomes one '-'; a leading dot becomes '-'; never empty ("-"); at most
 * 200 bytes, cut at a UTF-8 border. NULL only without memory; free(). name: valid UTF-8. */
char *file_safe_name(const char *name);

#endif
