/* SPDX-License-Identifier: MIT */
/* Owns the file of waiting messages: its lock, what is cut from it: see queue_disk.h. Its bytes are
 * queue_format.c's, what goes into it and when mqtt_send.c's. */
#include "net/queue_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LOCK_TRIES = 10 };

struct queue_disk {
    char *folder, *path, *fresh_path; /* fresh_path: of a rewrite */
    int fd, old_fd;                   /* old_fd: while fd is the fresh one; -1 */
    uint64_t bytes, old_bytes;
    uint64_t last; /* number of the newest message */
};

struct copying {
    struct queue_disk *q;
    int rc;
};

/* ---- the file ---- */

static uint32_t name_hash(const char *name)
{
    uint32_t h = 2166136261U; /* FNV-1a: two names that become one on disk stay two */
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619U;
    return h;
}

static char *make_path(const char *folder, const char *name, const char *end)
{
    struct buf path;
    char *safe = file_safe_name(name);
    buf_init(&path, 4096);
    buf_printf(&path, "%s/%.120s-%08x%s", folder, safe ? safe : "", (unsigned)name_hash(name), end);
    path.failed |= !safe;
    free(safe);
    char *out = buf_steal(&path);
    buf_release(&path);
    return out;
}

bool queue_disk_exists(const char *folder, const char *name)
{
    char *path = make_path(folder, name, ".queue");
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

/* Opened and locked; again if somebody removed or replaced the file in between. */
static int open_locked(const char *path, bool fresh, int *out, struct err *e)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        struct stat ours, there;
        int fd =
            open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_TRUNC : 0), 0600);
        if (fd < 0)
            return err_errno(e, errno, "queue '%s'", path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int error = errno;
            close(fd);
            return error == EWOULDBLOCK
                       ? err_set(e, ERR_IO,
                                 "queue '%s': another process has it: two devices with the same "
                                 "name and id?",
                                 path)
                       : err_errno(e, error, "queue '%s': cannot lock it", path);
        }
        if (fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
            ours.st_dev == there.st_dev) {
            *out = fd;
            return 0;
        }
        close(fd);
    }
    return err_set(e, ERR_IO, "queue '%s': it is replaced all the time", path);
}

static void sync_folder(const struct queue_disk *q)
{
    int fd = open(q->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static int write_all(struct queue_disk *q, struct iovec *v, int n, struct err *e)
{
    uint64_t before = q->bytes;
    if (lseek(q->fd, (off_t)q->bytes, SEEK_SET) < 0)
        return err_errno(e, errno, "queue '%s'", q->path);
    while (n > 0) {
        ssize_t wrote = writev(q->fd, v, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            int error = errno;
            q->bytes = before;
            if (ftruncate(q->fd, (off_t)before) != 0)
                error = errno; /* the next opening cuts what is torn */
            return err_errno(e, error, "queue '%s'", q->path);
        }
        q->bytes += (uint64_t)wrote;
        while (n > 0 && (size_t)wrote >= v->iov_len) {
            wrote -= (ssize_t)v->iov_len;
            v++;
            n--;
        }
        if (n > 0) {
            v->iov_base = (char *)v->iov_base + wrote;
            v->iov_len -= (size_t)wrote;
        }
    }
    return 0;
}

static int write_magic(struct queue_disk *q, struct err *e)
{
    struct iovec v = {(void *)(uintptr_t)queue_magic, QUEUE_MAGIC_SIZE};
    q->bytes = 0;
    return write_all(q, &v, 1, e);
}

static void copy_one(void *ctx, uint64_t number, const char *topic, struct span payload,
                     bool retain)
{
    struct copying *c = (struct copying *)ctx;
    if (!c->rc)
        c->rc = queue_disk_copy(c->q, topic, payload, retain, number, NULL);
}

/* What is good of a damaged file takes its place, so that the damage is told once. Where that
 * cannot be written the file stays: it is read as well the next time. */
static void leave_damage_out(struct queue_disk *q, struct span bytes)
{
    struct queue_found found;
    struct copying c = {q, queue_disk_rewrite_begin(q, NULL)};
    if (c.rc)
        return;
    queue_parse(bytes, copy_one, &c, &found);
    if (c.rc)
        queue_disk_rewrite_abandon(q);
    else
        queue_disk_rewrite_end(q, NULL);
}

static int read_records(struct queue_disk *q, struct span bytes, queue_each *each, void *ctx,
                        struct queue_loss *loss, struct err *e)
{
    struct queue_found found;
    queue_parse(bytes, each, ctx, &found);
    if (found.whole == 0)
        return err_set(e, ERR_FORMAT,
                       "queue '%s': not a file of waiting messages; move it away, or name another "
                       "MQTT_QUEUE_DIR",
                       q->path);
    *loss = found.loss;
    q->last = found.last;
    q->bytes = found.whole;
    if (loss->places)
        leave_damage_out(q, bytes);
    else if (loss->torn && ftruncate(q->fd, (off_t)found.whole) != 0)
        return err_errno(e, errno, "queue '%s'", q->path);
    return 0;
}

static int read_file(struct queue_disk *q, queue_each *each, void *ctx, struct queue_loss *loss,
                     struct err *e)
{
    struct file_map map;
    int rc = file_map(&map, q->path, e);
    if (rc)
        return rc;
    size_t size = map.bytes.n;
    bool torn =
        size < QUEUE_MAGIC_SIZE && (size == 0 || memcmp(map.bytes.p, queue_magic, size) == 0);
    rc = torn ? write_magic(q, e) : read_records(q, map.bytes, each, ctx, loss, e);
    file_unmap(&map);
    return rc;
}

static void free_queue(struct queue_disk *q)
{
    if (q->fd >= 0)
        close(q->fd);
    free(q->folder);
    free(q->path);
    free(q->fresh_path);
    free(q);
}

int queue_disk_open(struct queue_disk **out, const char *folder, const char *name, queue_each *each,
                    void *ctx, struct queue_loss *loss, struct err *e)
{
    struct queue_disk *q = (struct queue_disk *)calloc(1, sizeof *q);
    if (!q)
        return err_set(e, ERR_NOMEM, "queue in '%s': no memory", folder);
    q->fd = q->old_fd = -1;
    q->folder = strdup(folder);
    q->path = make_path(folder, name, ".queue");
    q->fresh_path = make_path(folder, name, ".queue.part");
    *loss = (struct queue_loss){0};
    int rc = q->folder && q->path && q->fresh_path
                 ? file_make_dirs(folder, e)
                 : err_set(e, ERR_NOMEM, "queue in '%s': no memory, or too long a name", folder);
    if (rc)
        err_wrap(e, rc, "queue in '%s'", folder);
    else
        rc = open_locked(q->path, false, &q->fd, e);
    if (!rc)
        rc = read_file(q, each, ctx, loss, e);
    if (rc) {
        free_queue(q);
        return rc;
    }
    sync_folder(q);
    *out = q;
    return 0;
}

static int write_record(struct queue_disk *q, struct iovec body[3], int n, struct err *e)
{
    uint8_t head[QUEUE_HEAD_SIZE];
    struct iovec v[4] = {{head, sizeof head}};
    uint32_t crc = UINT32_MAX;
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        crc = queue_crc_more(crc, body[i].iov_base, body[i].iov_len);
        size += body[i].iov_len;
        v[i + 1] = body[i];
    }
    queue_write_head(head, size, crc ^ UINT32_MAX);
    return write_all(q, v, n + 1, e);
}

int queue_disk_copy(struct queue_disk *q, const char *topic, struct span payload, bool retain,
                    uint64_t number, struct err *e)
{
    uint8_t start[QUEUE_MESSAGE_SIZE];
    size_t n = strlen(topic);
    struct iovec body[3] = {{start, sizeof start},
                            {(void *)(uintptr_t)topic, n},
                            {(void *)(uintptr_t)payload.p, payload.n}};
    if (n == 0 || n > UINT16_MAX || payload.n > QUEUE_BODY_MAX - QUEUE_MESSAGE_SIZE - n)
        return err_set(e, ERR_LIMIT, "queue '%s': a message of %zu bytes on a topic of %zu",
                       q->path, payload.n, n);
    queue_write_message(start, number, retain, n);
    return write_record(q, body, payload.n ? 3 : 2, e);
}

int queue_disk_add(struct queue_disk *q, const char *topic, struct span payload, bool retain,
                   uint64_t *number, struct err *e)
{
    int rc = queue_disk_copy(q, topic, payload, retain, q->last + 1, e);
    if (!rc)
        *number = ++q->last;
    return rc;
}

int queue_disk_mark(struct queue_disk *q, uint64_t below, struct err *e)
{
    uint8_t mark[QUEUE_MARK_SIZE];
    struct iovec body[3] = {{mark, sizeof mark}};
    queue_write_mark(mark, below);
    return write_record(q, body, 1, e);
}

int queue_disk_empty(struct queue_disk *q, struct err *e)
{
    if (q->bytes == QUEUE_MAGIC_SIZE)
        return 0;
    if (ftruncate(q->fd, QUEUE_MAGIC_SIZE) != 0)
        return err_errno(e, errno, "queue '%s'", q->path);
    q->bytes = QUEUE_MAGIC_SIZE;
    return 0;
}

uint64_t queue_disk_bytes(const struct queue_disk *q)
{
    return q->bytes;
}

int queue_disk_fd(const struct queue_disk *q)
{
    return q->fd;
}

const char *queue_disk_path(const struct queue_disk *q)
{
    return q->path;
}

/* ---- a fresh file ---- */

int queue_disk_rewrite_begin(struct queue_disk *q, struct err *e)
{
    int fd = -1, rc = open_locked(q->fresh_path, true, &fd, e);
    if (rc)
        return rc;
    q->old_fd = q->fd;
    q->old_bytes = q->bytes;
    q->fd = fd;
    rc = write_magic(q, e);
    if (rc)
        queue_disk_rewrite_abandon(q);
    return rc;
}

int queue_disk_rewrite_end(struct queue_disk *q, struct err *e)
{
    if (fdatasync(q->fd) != 0 || rename(q->fresh_path, q->path) != 0) {
        int rc = err_errno(e, errno, "queue '%s'", q->path);
        queue_disk_rewrite_abandon(q);
        return rc;
    }
    sync_folder(q);
    close(q->old_fd);
    q->old_fd = -1;
    return 0;
}

void queue_disk_rewrite_abandon(struct queue_disk *q)
{
    unlink(q->fresh_path);
    close(q->fd);
    q->fd = q->old_fd;
    q->bytes = q->old_bytes;
    q->old_fd = -1;
}

void queue_disk_close(struct queue_disk **qp)
{
    struct queue_disk *q = *qp;
    if (!q)
        return;
    *qp = NULL;
    if (q->bytes == QUEUE_MAGIC_SIZE)
        unlink(q->path); /* the lock is still ours */
    else
        fdatasync(q->fd);
    free_queue(q);
}
