/* SPDX-License-Identifier: MIT */
/* Owns the file of waiting messages: its format, its lock, what is cut from it: see queue_disk.h.
 * What goes into it and when is mqtt_send.c's. */
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

enum {
    HEAD_SIZE = 8,     /* of a record: size, checksum */
    MESSAGE_SIZE = 12, /* of a message's body before the topic */
    MARK_SIZE = 9,
    TYPE_MESSAGE = 1,
    TYPE_MARK = 2,
    LOCK_TRIES = 10,
};

static const char magic[] = "WATTLEQ1";
enum { MAGIC_SIZE = sizeof magic - 1 };

struct queue_disk {
    char *folder, *path, *fresh_path; /* fresh_path: of a rewrite */
    int fd, old_fd;                   /* old_fd: while fd is the fresh one; -1 */
    uint64_t bytes, old_bytes;
    uint64_t last; /* number of the newest message */
};

/* ---- the format ---- */

static uint32_t crc32_more(uint32_t crc, const void *p, size_t n)
{
    static const uint32_t of_nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                           0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                           0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                           0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const uint8_t *at = (const uint8_t *)p;
    for (size_t i = 0; i < n; i++) {
        crc = of_nibble[(crc ^ at[i]) & 15] ^ (crc >> 4);
        crc = of_nibble[(crc ^ (uint32_t)(at[i] >> 4)) & 15] ^ (crc >> 4);
    }
    return crc;
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void put(uint8_t *p, int bytes, uint64_t v)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

struct record {
    uint64_t number; /* of a mark: below */
    bool is_mark, retain;
    struct span topic, payload;
};

/* false: no whole record of ours at the beginning of rest. */
static bool read_record(struct record *out, struct span rest, size_t *size)
{
    if (rest.n < HEAD_SIZE)
        return false;
    uint64_t n = get(rest.p, 4);
    if (n < MARK_SIZE || n > QUEUE_BODY_MAX || n > rest.n - HEAD_SIZE)
        return false;
    const uint8_t *body = rest.p + HEAD_SIZE;
    if ((crc32_more(UINT32_MAX, body, (size_t)n) ^ UINT32_MAX) != (uint32_t)get(rest.p + 4, 4))
        return false;
    *size = HEAD_SIZE + (size_t)n;
    *out = (struct record){.number = get(body + 1, 8), .is_mark = body[0] == TYPE_MARK};
    if (out->is_mark)
        return n == MARK_SIZE;
    if (body[0] != TYPE_MESSAGE || n < MESSAGE_SIZE || body[9] > 1 || out->number == 0)
        return false;
    size_t topic = (size_t)get(body + 10, 2);
    if (topic == 0 || topic > n - MESSAGE_SIZE)
        return false;
    out->retain = body[9] == 1;
    out->topic = span_of(body + MESSAGE_SIZE, topic);
    out->payload = span_of(body + MESSAGE_SIZE + topic, (size_t)n - MESSAGE_SIZE - topic);
    return utf8_valid(out->topic) && !span_find(out->topic, 0) && !span_find(out->topic, '+') &&
           !span_find(out->topic, '#');
}

/* Walks over the whole records; *below: the highest mark; *last: the highest number. */
static size_t walk(struct span bytes, uint64_t *below, uint64_t *last, queue_each *each, void *ctx)
{
    char topic[65536];
    size_t at = MAGIC_SIZE, size = 0;
    uint64_t from = *below, seen = 0;
    struct record r;
    while (read_record(&r, span_sub(bytes, at, bytes.n), &size)) {
        if (r.is_mark && r.number > *below)
            *below = r.number;
        if (!r.is_mark && r.number <= seen)
            break; /* numbers rise */
        if (!r.is_mark)
            seen = r.number;
        if (each && !r.is_mark && r.number >= from) {
            snprintf(topic, sizeof topic, "%.*s", SPAN_FMT(r.topic));
            each(ctx, r.number, topic, r.payload, r.retain);
        }
        at += size;
    }
    *last = seen > *below ? seen : *below;
    return at;
}

static size_t parse(struct span bytes, uint64_t *last, queue_each *each, void *ctx)
{
    uint64_t below = 0;
    *last = 0;
    if (bytes.n < MAGIC_SIZE || memcmp(bytes.p, magic, MAGIC_SIZE) != 0)
        return 0;
    size_t whole = walk(bytes, &below, last, NULL, NULL);
    if (each)
        walk(bytes, &below, last, each, ctx);
    return whole;
}

size_t queue_parse(struct span bytes, queue_each *each, void *ctx)
{
    uint64_t last;
    return parse(bytes, &last, each, ctx);
}

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
    struct iovec v = {(void *)(uintptr_t)magic, MAGIC_SIZE};
    q->bytes = 0;
    return write_all(q, &v, 1, e);
}

static int read_file(struct queue_disk *q, queue_each *each, void *ctx, uint64_t *cut,
                     struct err *e)
{
    struct file_map map;
    int rc = file_map(&map, q->path, e);
    if (rc)
        return rc;
    size_t size = map.bytes.n;
    bool torn = size < MAGIC_SIZE && (size == 0 || memcmp(map.bytes.p, magic, size) == 0);
    size_t whole = torn ? 0 : parse(map.bytes, &q->last, each, ctx);
    file_unmap(&map);
    if (torn)
        return write_magic(q, e);
    if (whole == 0)
        return err_set(e, ERR_FORMAT,
                       "queue '%s': not a file of waiting messages; move it away, or name another "
                       "MQTT_QUEUE_DIR",
                       q->path);
    *cut = size - whole;
    q->bytes = whole;
    if (*cut && ftruncate(q->fd, (off_t)whole) != 0)
        return err_errno(e, errno, "queue '%s'", q->path);
    return 0;
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
                    void *ctx, uint64_t *cut, struct err *e)
{
    struct queue_disk *q = (struct queue_disk *)calloc(1, sizeof *q);
    if (!q)
        return err_set(e, ERR_NOMEM, "queue in '%s': no memory", folder);
    q->fd = q->old_fd = -1;
    q->folder = strdup(folder);
    q->path = make_path(folder, name, ".queue");
    q->fresh_path = make_path(folder, name, ".queue.part");
    *cut = 0;
    int rc = q->folder && q->path && q->fresh_path
                 ? file_make_dirs(folder, e)
                 : err_set(e, ERR_NOMEM, "queue in '%s': no memory, or too long a name", folder);
    if (rc)
        err_wrap(e, rc, "queue in '%s'", folder);
    else
        rc = open_locked(q->path, false, &q->fd, e);
    if (!rc)
        rc = read_file(q, each, ctx, cut, e);
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
    uint8_t head[HEAD_SIZE];
    struct iovec v[4] = {{head, HEAD_SIZE}};
    uint32_t crc = UINT32_MAX;
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        crc = crc32_more(crc, body[i].iov_base, body[i].iov_len);
        size += body[i].iov_len;
        v[i + 1] = body[i];
    }
    put(head, 4, size);
    put(head + 4, 4, crc ^ UINT32_MAX);
    return write_all(q, v, n + 1, e);
}

int queue_disk_copy(struct queue_disk *q, const char *topic, struct span payload, bool retain,
                    uint64_t number, struct err *e)
{
    uint8_t start[MESSAGE_SIZE];
    size_t n = strlen(topic);
    struct iovec body[3] = {{start, sizeof start},
                            {(void *)(uintptr_t)topic, n},
                            {(void *)(uintptr_t)payload.p, payload.n}};
    if (n == 0 || n > UINT16_MAX || payload.n > QUEUE_BODY_MAX - MESSAGE_SIZE - n)
        return err_set(e, ERR_LIMIT, "queue '%s': a message of %zu bytes on a topic of %zu",
                       q->path, payload.n, n);
    start[0] = TYPE_MESSAGE;
    put(start + 1, 8, number);
    start[9] = retain;
    put(start + 10, 2, n);
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
    uint8_t mark[MARK_SIZE] = {TYPE_MARK};
    struct iovec body[3] = {{mark, sizeof mark}};
    put(mark + 1, 8, below);
    return write_record(q, body, 1, e);
}

int queue_disk_empty(struct queue_disk *q, struct err *e)
{
    if (q->bytes == MAGIC_SIZE)
        return 0;
    if (ftruncate(q->fd, MAGIC_SIZE) != 0)
        return err_errno(e, errno, "queue '%s'", q->path);
    q->bytes = MAGIC_SIZE;
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
    if (q->bytes == MAGIC_SIZE)
        unlink(q->path); /* the lock is still ours */
    else
        fdatasync(q->fd);
    free_queue(q);
}
