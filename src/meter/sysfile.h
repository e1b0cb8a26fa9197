/* SPDX-License-Identifier: MIT */
/* One small file of /sys or /proc, read anew each time: such files change under their readers. */
#ifndef WATTLE_METER_SYSFILE_H
#define WATTLE_METER_SYSFILE_H

#include "base/base.h"

enum { SYSFILE_TEXT = 8192 };

/* The file's text without blanks at its end, NUL-terminated. 0 or a negative errno (-EFBIG when it
 * does not fit). A pipe or a terminal in its place never blocks. */
int sysfile_text(const char *path, char *out, size_t size);
/* The file's one number; -EINVAL if it is none. */
int sysfile_u64(const char *path, uint64_t *out);
int sysfile_i64(const char *path, int64_t *out);

/* A path with printf, of at most PATH_MAX: NULL if longer or without memory; free(). */
char *sysfile_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether name is prefix and then only digits ("intel-rapl:0"); their value in *number. */
bool sysfile_numbered(const char *name, const char *prefix, uint64_t *number);
/* The numbers N of the entries "prefixN" in folder, rising; at most max. Returns how many, or a
 * negative errno. */
int sysfile_list(const char *folder, const char *prefix, uint64_t *numbers, int max);

#endif
