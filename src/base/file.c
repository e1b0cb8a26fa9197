/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: a pipe that nobody writes to is opened all the same. */
static int open_file(const char *path, int flags, struct stat *st, int *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
    if (fd < 0)
        return err_errno(e, errno, "cannot open '%s'", path);
    if (fstat(fd, st) != 0) {
        int code = err_errno(e, errno, "cannot open '%s'", path);
        close(fd);
        return code;
    }
    if (S_ISDIR(st->st_mode)) {
        close(fd);
        return err_set(e, ERR_IO, "cannot read '%s': it is a folder, expected a file", path);
    }
    *out = fd;
    return 0;
}

/* A file that says it is too large, and is, costs nothing. What says so is not enough: files of
 * /sys have the size of a page and a line in them. */
static int refuse_large(const char *path, int fd, const struct stat *st, const struct buf *out,
                        struct err *e)
{
    size_t room = out->max - out->n;
    char byte;
    if (!S_ISREG(st->st_mode) || st->st_size < 0 || (uintmax_t)st->st_size <= room ||
        pread(fd, &byte, 1, (off_t)room) != 1)
        return 0;
    return err_set(e, ERR_LIMIT, "cannot read '%s': larger than %zu bytes (it has %jd)", path,
                   out->max, (intmax_t)st->st_size);
}

/* All of fd behind out's bytes. */
static int read_all(int fd, const char *path, struct buf *out, file_watcher *look, void *ctx,
                    struct err *e)
{
    int code = 0;
    char chunk[FILE_CHUNK];
    while (!code) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            code = err_errno(e, errno, "cannot read '%s'", path);
        if (n <= 0)
            break;
        buf_put(out, chunk, (size_t)n);
        if (out->failed && out->max - out->n < (size_t)n)
            code = err_set(e, ERR_LIMIT, "cannot read '%s': larger than %zu bytes", path, out->max);
        else if (out->failed)
            code = err_set(e, ERR_NOMEM, "cannot read '%s': no memory for it", path);
        else if (look && (code = look(ctx, buf_view(out), (size_t)n, e)))
            err_wrap(e, code, "cannot read '%s'", path);
    }
    return code;
}

int file_read_watched(const char *path, struct buf *out, file_watcher *look, void *ctx,
                      struct err *e)
{
    struct stat st;
    int fd;
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, path, out, look, ctx, e);
    int code = open_file(path, 0, &st, &fd, e);
    if (code)
        return code;
    code = refuse_large(path, fd, &st, out, e);
    if (!code)
        code = read_all(fd, path, out, look, ctx, e);
    close(fd);
    return code;
}

int file_read(const char *path, struct buf *out, struct err *e)
{
    return file_read_watched(path, out, NULL, NULL, e);
}

int file_read_regular(const char *path, struct buf *out, struct err *e)
{
    struct stat st;
    int fd;
    int code = open_file(path, O_NONBLOCK, &st, &fd, e);
    if (code)
        return code;
    if (!S_ISREG(st.st_mode))
        code = err_set(e, ERR_IO, "cannot read '%s': not a regular file", path);
    if (!code)
        code = refuse_large(path, fd, &st, out, e);
    if (!code)
        code = read_all(fd, path, out, NULL, NULL, e);
    close(fd);
    return code;
}

int file_map(struct file_map *m, const char *path, struct err *e)
{
    struct stat st;
    int fd;
    int code = open_file(path, O_NONBLOCK, &st, &fd, e);
    if (code)
        return code;
    if (!S_ISREG(st.st_mode)) {
        code = err_set(e, ERR_IO, "cannot map '%s': not a regular file", path);
    } else if (st.st_size == 0) {
        m->bytes = (struct span){NULL, 0};
    } else if ((uintmax_t)st.st_size > SIZE_MAX / 2) {
        code = err_set(e, ERR_LIMIT, "cannot map '%s': %jd bytes are too many for this machine",
                       path, (intmax_t)st.st_size);
    } else {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            code = err_errno(e, errno, "cannot map '%s'", path);
        else
            m->bytes = span_of(p, (size_t)st.st_size);
    }
    close(fd);
    return code;
}

void file_unmap(struct file_map *m)
{
    if (m->bytes.p)
        munmap((void *)(uintptr_t)m->bytes.p, m->bytes.n);
    m->bytes = (struct span){NULL, 0};
}

static int write_all(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes = span_sub(bytes, (size_t)n, bytes.n);
    }
    return 0;
}

/* "DIR/.NAME.PID.part" for "DIR/NAME"; the length of "DIR/" in *dir_len. */
static char *part_path(const char *path, size_t *dir_len)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    *dir_len = (size_t)(name - path);
    size_t size = strlen(path) + 32;
    char *p = malloc(size);
    if (p)
        snprintf(p, size, "%.*s.%.200s.%ld.part", (int)*dir_len, path, name, (long)getpid());
    return p;
}

/* The rename itself must reach the disk: sync the folder. Some file systems refuse it; the file is
 * whole anyway. */
static void sync_folder(const char *path, size_t dir_len)
{
    char *dir = dir_len ? strndup(path, dir_len) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

int file_check_replaceable(const char *path, struct err *e)
{
    static const char proc[] = "/proc/";
    char target[sizeof proc];
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_IO, "cannot write '%s': it is a folder, expected a file", path);
    /* /dev/stdout is a link to a link of /proc, which may lead to a regular file. */
    ssize_t n = readlink(path, target, sizeof target);
    bool is_open_file = n >= (ssize_t)sizeof proc - 1 && memcmp(target, proc, sizeof proc - 1) == 0;
    if (!S_ISREG(st.st_mode) || is_open_file)
        return err_set(e, ERR_IO, "cannot write '%s': not a regular file", path);
    return 0;
}

int file_out_open(struct file_out *f, const char *path, struct err *e)
{
    *f = (struct file_out){.fd = -1};
    if (file_check_replaceable(path, e))
        return ERR_IO;
    size_t dir_len;
    f->path = strdup(path);
    f->part = part_path(path, &dir_len);
    int code = 0;
    if (!f->path || !f->part)
        code = err_set(e, ERR_NOMEM, "cannot write '%s': out of memory", path);
    else if ((f->fd = open(f->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0)
        code = err_errno(e, errno, "cannot create '%s'", f->part);
    if (code)
        file_out_abort(f);
    return code;
}

int file_out_reserve(struct file_out *f, uint64_t bytes, struct err *e)
{
    if (bytes > INT64_MAX)
        return err_set(e, ERR_LIMIT, "cannot write '%s': %llu bytes are too many", f->path,
                       (unsigned long long)bytes);
    if (!bytes || fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) == 0)
        return 0;
    /* Some file systems cannot: the writes will tell. */
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
        return 0;
    return err_errno(e, errno, "cannot write '%s': it needs %llu bytes", f->path,
                     (unsigned long long)bytes);
}

int file_out_write(struct file_out *f, struct span bytes, struct err *e)
{
    if (write_all(f->fd, bytes) != 0)
        return err_errno(e, errno, "cannot write '%s'", f->part);
    return 0;
}

int file_out_finish(struct file_out *f, struct err *e)
{
    int code = 0;
    if (fsync(f->fd) != 0)
        code = err_errno(e, errno, "cannot write '%s'", f->part);
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0 && !code)
        code = err_errno(e, errno, "cannot write '%s'", f->part);
    if (!code && rename(f->part, f->path) != 0)
        code = err_errno(e, errno, "cannot rename '%s' to '%s'", f->part, f->path);
    if (!code) {
        const char *slash = strrchr(f->path, '/');
        sync_folder(f->path, slash ? (size_t)(slash + 1 - f->path) : 0);
        free(f->part);
        f->part = NULL;
    }
    file_out_abort(f);
    return code;
}

void file_out_abort(struct file_out *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->part)
        unlink(f->part);
    free(f->part);
    free(f->path);
    *f = (struct file_out){.fd = -1};
}

int file_write_atomic(const char *path, struct span bytes, struct err *e)
{
    struct file_out f;
    int code = file_out_open(&f, path, e);
    if (!code)
        code = file_out_write(&f, bytes, e);
    if (!code)
        code = file_out_finish(&f, e);
    file_out_abort(&f);
    return code;
}

int file_make_dirs(const char *path, struct err *e)
{
    char *copy = strdup(path);
    if (!copy)
        return err_set(e, ERR_NOMEM, "cannot make folder '%s': out of memory", path);
    int code = 0;
    for (char *p = copy + 1; !code; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        struct stat st;
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            code = err_errno(e, errno, "cannot make folder '%s'", copy);
        else if (stat(copy, &st) == 0 && !S_ISDIR(st.st_mode))
            code =
                err_set(e, ERR_IO, "cannot make folder '%s': a file of that name is there", copy);
        *p = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return code;
}

/* Letters and digits of any script, as far as we can tell without tables: ASCII ones exactly; of
 * the rest, everything above U+00BF that is no space, control, punctuation or private-use character
 * by the ranges of the Unicode blocks. */
static bool is_name_char(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') ||
               cp == '.' || cp == '_' || cp == '-';
    if (cp < 0xc0)
        return cp == 0xaa || cp == 0xb5 || cp == 0xba;
    if (cp == 0xd7 || cp == 0xf7)
        return false;
    bool symbols = (cp >= 0x2000 && cp < 0x2c00) || (cp >= 0x2e00 && cp < 0x2e80) ||
                   (cp >= 0x3000 && cp < 0x3005);
    bool special = (cp >= 0xe000 && cp < 0xf900) || (cp >= 0xfdd0 && cp < 0xfdf0) ||
                   (cp >= 0xfe00 && cp < 0xfe70) || cp == 0xfeff ||
                   (cp >= 0xfff0 && cp < 0x10000) || (cp >= 0x1f000 && cp < 0x20000) ||
                   cp >= 0xe0000;
    return !symbols && !special;
}

char *file_safe_name(const char *name)
{
    enum { NAME_MAX_BYTES = 200 };
    struct buf b;
    buf_init(&b, NAME_MAX_BYTES);
    struct span s = span_str(name);
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t len = utf8_decode(span_sub(s, i, 4), &cp);
        bool keep = len > 0 && is_name_char(cp) && !(cp == '.' && b.n == 0);
        size_t need = keep ? len : 1;
        if (need > NAME_MAX_BYTES - b.n)
            break;
        if (keep)
            buf_put(&b, s.p + i, len);
        else
            buf_char(&b, '-');
        i += len ? len : 1;
    }
    if (b.n == 0)
        buf_char(&b, '-');
    return buf_steal(&b);
}
