/* SPDX-License-Identifier: MIT */
#include "meter/sysfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sysfile_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    size_t n = 0;
    int r = 0;
    while (n < size) {
        ssize_t got = read(fd, out + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            r = -errno;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    if (r < 0)
        return r;
    if (n == size)
        return -EFBIG;
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' ' || out[n - 1] == '\r'))
        n--;
    out[n] = '\0';
    return 0;
}

int sysfile_u64(const char *path, uint64_t *out)
{
    char text[64];
    int r = sysfile_text(path, text, sizeof text);
    if (r < 0)
        return r == -EFBIG ? -EINVAL : r;
    return num_parse_u64(span_str(text), out) ? 0 : -EINVAL;
}

int sysfile_i64(const char *path, int64_t *out)
{
    char text[64];
    int r = sysfile_text(path, text, sizeof text);
    if (r < 0)
        return r == -EFBIG ? -EINVAL : r;
    return num_parse_i64(span_str(text), out) ? 0 : -EINVAL;
}

char *sysfile_path(const char *fmt, ...)
{
    struct buf b;
    buf_init(&b, PATH_MAX - 1);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    char *path = buf_steal(&b);
    buf_release(&b);
    return path;
}

bool sysfile_numbered(const char *name, const char *prefix, uint64_t *number)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && num_parse_u64(span_str(name + n), number);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int sysfile_list(const char *folder, const char *prefix, uint64_t *numbers, int max)
{
    DIR *d = opendir(folder);
    if (!d)
        return -errno;
    int n = 0;
    for (struct dirent *it; n < max && (it = readdir(d));)
        n += sysfile_numbered(it->d_name, prefix, &numbers[n]);
    closedir(d);
    qsort(numbers, (size_t)n, sizeof *numbers, by_number);
    return n;
}
