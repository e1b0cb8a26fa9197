/* SPDX-License-Identifier: MIT */
/* A packed file being written: one writer at a time, no byte visible before all of them are on
 * disk. */
#include "cache/packed_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 50 };

struct packed_writer {
    char *folder;
    struct buf part, path;
    int fd; /* of part, locked */
    struct packed_head head;
    char *texts;      /* what head's texts lie in */
    uint64_t written; /* of data_bytes */
    uint8_t *sums;    /* [blocks][PACKED_SUM] */
    size_t n_sums;
};

static void writer_free(struct packed_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    buf_release(&w->part);
    buf_release(&w->path);
    free(w->folder);
    free(w->texts);
    free(w->sums);
    free(w);
}

void packed_writer_abort(struct packed_writer **p)
{
    struct packed_writer *w = *p;
    if (!w)
        return;
    /* still locked: it can be nobody else's */
    if (w->fd >= 0)
        unlink(buf_cstr(&w->part));
    writer_free(w);
    *p = NULL;
}

/* ---- the lock ---- */

static bool is_still(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* 0: fd of path, ours; 1: somebody else has it; below: an error. */
static int try_lock(const char *path, int *out, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
    if (fd < 0)
        return err_errno(e, errno, "cannot create '%s'", path);
    int code = 0;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        code = errno == EWOULDBLOCK || errno == EINTR
                   ? 1
                   : err_errno(e, errno, "cannot lock '%s'", path);
    /* it may have been renamed or removed between the two calls */
    if (!code && !is_still(fd, path))
        code = 1;
    if (code)
        close(fd);
    else
        *out = fd;
    return code;
}

static int take_lock(struct packed_writer *w, bool (*on_wait)(void *ctx), void *ctx, struct err *e)
{
    const struct timespec pause = {.tv_nsec = WAIT_MS * 1000000L};
    int code;
    while ((code = try_lock(buf_cstr(&w->part), &w->fd, e)) == 1) {
        if (on_wait && !on_wait(ctx))
            return err_set(e, ERR_CANCELLED, "interrupted");
        nanosleep(&pause, NULL);
    }
    return code;
}

/* ---- beginning ---- */

static int copy_head(struct packed_writer *w, const struct packed_head *head, struct err *e)
{
    size_t n = 0, at = 0;
    w->head = *head;
    for (size_t i = 0; i < PACKED_TEXTS; i++)
        if (!size_add(n, head->text[i].n, &n) || n > PACKED_HEAD_MAX)
            return err_set(e, ERR_LIMIT, "the head of a packed model: more than %d bytes",
                           PACKED_HEAD_MAX);
    w->texts = malloc(n + 1);
    w->n_sums = (size_t)(head->data_bytes / PACKED_BLOCK) + 1;
    w->sums = calloc(w->n_sums, PACKED_SUM);
    if (!w->texts || !w->sums)
        return err_set(e, ERR_NOMEM, "no memory for a packed model's head");
    for (size_t i = 0; i < PACKED_TEXTS; i++) {
        span_copy(w->texts + at, head->text[i]);
        w->head.text[i] = span_of(w->texts + at, head->text[i].n);
        at += head->text[i].n;
    }
    struct buf made;
    buf_init(&made, PACKED_HEAD_MAX);
    int code = packed_head_make(&made, &w->head, e);
    w->head.data_offset = (made.n + PACKED_ALIGN - 1) / PACKED_ALIGN * PACKED_ALIGN;
    buf_release(&made);
    return code;
}

/* All of the file's space, so that a full disk is told before the work. A limit on the size of
 * files would end the process by a signal. */
static int take_space(struct packed_writer *w, struct err *e)
{
    struct rlimit limit;
    uint64_t size;
    const char *path = buf_cstr(&w->part);
    if (!u64_add(w->head.data_offset, w->head.data_bytes, &size) || size > INT64_MAX)
        return err_set(e, ERR_LIMIT, "cannot write '%s': too large", path);
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        size > limit.rlim_cur)
        return err_errno(e, EFBIG, "cannot write '%s', %llu bytes", path, (unsigned long long)size);
    if (ftruncate(w->fd, 0) != 0)
        return err_errno(e, errno, "cannot write '%s'", path);
    int rc;
    do
        rc = fallocate(w->fd, 0, 0, (off_t)size);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
        return err_errno(e, errno, "cannot write '%s', %llu bytes", path, (unsigned long long)size);
    return 0;
}

static int writer_begin(struct packed_writer *w, const char *folder, const struct packed_head *head,
                        bool (*on_wait)(void *ctx), void *ctx, struct err *e)
{
    struct packed_file there;
    char name[PACKED_NAME_SIZE];
    int code = packed_name(head, name, e);
    if (!code)
        code = packed_path(&w->part, folder, name, PACKED_PART, e);
    if (!code)
        code = packed_path(&w->path, folder, name, PACKED_ENDING, e);
    if (!code && !(w->folder = strdup(folder)))
        code = err_set(e, ERR_NOMEM, "no memory for a path");
    if (!code)
        code = file_make_dirs(folder, e);
    if (!code)
        code = take_lock(w, on_wait, ctx, e);
    if (code)
        return code;
    if (packed_open(&there, folder, head, NULL) == 0) {
        packed_close(&there);
        return 1;
    }
    code = copy_head(w, head, e);
    return code ? code : take_space(w, e);
}

int packed_writer_open(struct packed_writer **out, const char *folder,
                       const struct packed_head *head, bool (*on_wait)(void *ctx), void *ctx,
                       struct err *e)
{
    struct packed_writer *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for a packed model");
    w->fd = -1;
    int code = writer_begin(w, folder, head, on_wait, ctx, e);
    if (code)
        packed_writer_abort(&w);
    else
        *out = w;
    return code;
}

/* ---- data ---- */

struct sum_job {
    struct span bytes;
    uint8_t *sums;
    _Atomic int code;
};

static void sum_block(void *ctx, size_t chunk, int worker)
{
    struct sum_job *j = ctx;
    size_t from = chunk * PACKED_BLOCK, left = j->bytes.n - from;
    struct span block =
        span_of(j->bytes.p + from, left < PACKED_BLOCK ? left : (size_t)PACKED_BLOCK);
    (void)worker;
    int code = packed_sum(block, j->sums + chunk * PACKED_SUM, NULL);
    if (code)
        j->code = code;
}

static int write_at(struct packed_writer *w, struct span bytes, uint64_t at, struct err *e)
{
    while (bytes.n) {
        ssize_t n = pwrite(w->fd, bytes.p, bytes.n, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_errno(e, n < 0 ? errno : ENOSPC, "cannot write '%s'", buf_cstr(&w->part));
        at += (uint64_t)n;
        bytes = span_sub(bytes, (size_t)n, bytes.n);
    }
    return 0;
}

int packed_writer_add(struct packed_writer *w, struct span bytes, struct pool *pool, struct err *e)
{
    size_t n_blocks = bytes.n / PACKED_BLOCK + (bytes.n % PACKED_BLOCK != 0);
    if (w->written % PACKED_BLOCK != 0 || bytes.n > w->head.data_bytes - w->written)
        return err_set(e, ERR_USAGE, "cannot write '%s': %zu bytes behind %llu of %llu",
                       buf_cstr(&w->part), bytes.n, (unsigned long long)w->written,
                       (unsigned long long)w->head.data_bytes);
    struct sum_job j = {.bytes = bytes, .sums = w->sums + w->written / PACKED_BLOCK * PACKED_SUM};
    if (pool)
        pool_run(pool, sum_block, &j, n_blocks);
    else
        for (size_t i = 0; i < n_blocks; i++)
            sum_block(&j, i, 0);
    if (j.code)
        return err_set(e, j.code, "no memory for a checksum");
    int code = write_at(w, bytes, w->head.data_offset + w->written, e);
    if (!code)
        w->written += bytes.n;
    return code;
}

/* ---- the end ---- */

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd); /* some file systems refuse it; the file is whole anyway */
    close(fd);
}

int packed_writer_commit(struct packed_writer **p, struct err *e)
{
    struct packed_writer *w = *p;
    struct buf head;
    const char *part = buf_cstr(&w->part), *path = buf_cstr(&w->path);
    size_t n_blocks = (size_t)((w->written + PACKED_BLOCK - 1) / PACKED_BLOCK);
    buf_init(&head, PACKED_HEAD_MAX);
    int code = packed_sum(span_of(w->sums, n_blocks * PACKED_SUM), w->head.data_sum, e);
    if (!code)
        code = packed_head_make(&head, &w->head, e);
    if (!code && w->written != w->head.data_bytes)
        code = err_set(e, ERR_USAGE, "cannot write '%s': %llu bytes, expected %llu", part,
                       (unsigned long long)w->written, (unsigned long long)w->head.data_bytes);
    if (!code)
        code = write_at(w, buf_view(&head), 0, e);
    if (!code && fsync(w->fd) != 0)
        code = err_errno(e, errno, "cannot write '%s'", part);
    if (!code && rename(part, path) != 0)
        code = err_errno(e, errno, "cannot rename '%s' to '%s'", part, path);
    buf_release(&head);
    if (code) {
        packed_writer_abort(p);
        return code;
    }
    sync_folder(w->folder);
    packed_remove_superseded(w->folder, &w->head);
    writer_free(w);
    *p = NULL;
    return 0;
}
