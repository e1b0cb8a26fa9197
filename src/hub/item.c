/* SPDX-License-Identifier: MIT */
#include "hub/item.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

/* ---- the blob and its incomplete file ---- */

static bool blob_is_there(struct item *it)
{
    struct pull *p = it->all->p;
    struct buf path;
    struct stat st;
    struct err ignored;
    buf_init(&path, PATH_MAX);
    bool there = cache_blob_path(&path, buf_cstr(&p->folder), it->file->etag, &ignored) == 0 &&
                 stat(buf_cstr(&path), &st) == 0 && S_ISREG(st.st_mode) &&
                 (!it->file->has_size || (uint64_t)st.st_size == it->file->size);
    buf_release(&path);
    if (!there)
        return false;
    it->state = ITEM_DONE;
    it->file->has_size = true;
    it->file->size = (uint64_t)st.st_size;
    p->reused += it->file->size;
    p->progress.have += it->file->size;
    p->progress.files_done++;
    return true;
}

void item_release_claim(struct item *it)
{
    if (it->fd >= 0)
        close(it->fd);
    it->fd = -1;
    cache_hash_close(&it->hash);
    cache_unlock(&it->lock);
}

static int start_hash(struct item *it, struct err *e)
{
    enum cache_hash_kind kind;
    cache_hash_close(&it->hash);
    if (!cache_hash_kind_of(it->file->etag, &kind) || kind != CACHE_SHA256)
        return 0;
    return cache_hash_open(&it->hash, kind, 0, e);
}

int item_start_over(struct item *it, struct err *e)
{
    struct pull *p = it->all->p;
    if (ftruncate(it->fd, 0) < 0 || lseek(it->fd, 0, SEEK_SET) < 0)
        return err_errno(e, errno, "cannot empty '%s'", buf_cstr(&it->part_path));
    p->progress.have -= it->have < p->progress.have ? it->have : p->progress.have;
    p->reused -= it->resumed;
    it->have = it->resumed = 0;
    it->in_pieces = false;
    return start_hash(it, e);
}

/* The hash of what an earlier pull left; leaves the file at its end. */
static int hash_part(struct item *it, struct err *e)
{
    char *block = malloc(BLOCK);
    int rc = block ? 0 : err_set(e, ERR_NOMEM, "no memory to read '%s'", buf_cstr(&it->part_path));
    while (rc == 0) {
        ssize_t n = read(it->fd, block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_errno(e, errno, "cannot read '%s'", buf_cstr(&it->part_path));
        if (n <= 0)
            break;
        if (it->hash)
            cache_hash_add(it->hash, span_of(block, (size_t)n));
        it->have += (uint64_t)n;
        if (pull_interrupted(it->all->p))
            rc = err_set(e, ERR_CANCELLED, "interrupted");
    }
    free(block);
    return rc;
}

static int open_part(struct item *it, struct err *e)
{
    struct pull *p = it->all->p;
    buf_clear(&it->part_path);
    int rc = cache_blob_path(&it->part_path, buf_cstr(&p->folder), it->file->etag, e);
    buf_str(&it->part_path, ".incomplete");
    if (rc == 0)
        rc = buf_check(&it->part_path, "the path of a blob", e);
    if (rc < 0)
        return rc;
    it->have = 0;
    struct stat st;
    it->fd = open(buf_cstr(&it->part_path),
                  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0666);
    if (it->fd < 0 || fstat(it->fd, &st) < 0)
        return err_errno(e, errno, "cannot write '%s'", buf_cstr(&it->part_path));
    /* reading what was kept in a pipe would wait for ever */
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_IO, "cannot write '%s': not a regular file",
                       buf_cstr(&it->part_path));
    rc = start_hash(it, e);
    if (rc == 0)
        rc = hash_part(it, e);
    if (rc < 0)
        return rc;
    it->resumed = it->have;
    it->in_pieces = it->have > 0;
    p->progress.have += it->have;
    p->reused += it->have;
    return it->file->has_size && it->have > it->file->size ? item_start_over(it, e) : 0;
}

/* Another file of this pull is the same blob, and has the lock. */
static bool is_twin(const struct item *it)
{
    const struct download *d = it->all;
    for (size_t i = 0; i < d->n; i++)
        if (&d->items[i] != it && d->items[i].fd >= 0 &&
            strcmp(d->items[i].file->etag, it->file->etag) == 0)
            return true;
    return false;
}

int item_claim(struct item *it, struct err *e)
{
    struct pull *p = it->all->p;
    if (blob_is_there(it))
        return END_HAVE_BLOB;
    int rc =
        cache_lock_try(&it->lock, buf_cstr(&p->hub_folder), p->name.repository, it->file->etag, e);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        it->state = ITEM_LOCKED;
        if (!it->all->told_waiting && !is_twin(it))
            progress_say(&p->progress, "%s: another process downloads it: waiting for that",
                         it->file->path);
        it->all->told_waiting |= !is_twin(it);
        return END_LOCKED;
    }
    if (blob_is_there(it)) { /* whoever had the lock has finished it */
        item_release_claim(it);
        return END_HAVE_BLOB;
    }
    return open_part(it, e);
}

/* ---- the end of a file ---- */

/* What an earlier pull left may have been the fault: then once more without it. */
static int fetch_again(struct item *it, struct err *e)
{
    progress_say(&it->all->p->progress, "%s: its parts do not fit together: downloading it again",
                 it->file->path);
    it->had_wrong = true;
    it->state = ITEM_NEW;
    return item_start_over(it, e);
}

static int remove_wrong(struct item *it, const char *sum, struct err *e)
{
    unlink(buf_cstr(&it->part_path));
    item_release_claim(it);
    return err_set(e, ERR_FORMAT,
                   "'%s' of '%s' came with the wrong checksum (sha256 %.12s…, expected %.12s…): "
                   "removed; run this again, and if that does not help the server or a proxy "
                   "changes the file",
                   it->file->path, it->all->p->name.repository, sum, it->file->etag);
}

/* Of a small file, whose etag should be git's id of it. Mirrors call them otherwise, so what came
 * in one piece and has the right size is taken; pieces are not glued together on trust. */
static bool is_badly_glued(const struct item *it)
{
    enum cache_hash_kind kind;
    char sum[CACHE_HASH_SIZE];
    struct err ignored;
    return it->in_pieces && !it->had_wrong && cache_hash_kind_of(it->file->etag, &kind) &&
           kind == CACHE_GIT_BLOB &&
           cache_hash_file(buf_cstr(&it->part_path), kind, sum, NULL, NULL, &ignored) == 0 &&
           strcmp(sum, it->file->etag) != 0;
}

int item_finish(struct item *it, struct err *e)
{
    struct pull *p = it->all->p;
    char sum[CACHE_HASH_SIZE];
    struct buf blob;
    if (it->file->has_size && it->have != it->file->size)
        return err_set(e, ERR_IO,
                       "'%s' of '%s' ended after %llu %s, expected %llu: run this again, it "
                       "goes on from there",
                       it->file->path, p->name.repository, (unsigned long long)it->have,
                       plural(it->have, "byte", "bytes"), (unsigned long long)it->file->size);
    if (it->hash) {
        cache_hash_end(it->hash, sum);
        if (strcmp(sum, it->file->etag) != 0)
            return it->resumed > 0 ? fetch_again(it, e) : remove_wrong(it, sum, e);
    } else if (is_badly_glued(it)) {
        return fetch_again(it, e);
    }
    buf_init(&blob, PATH_MAX);
    int rc = cache_blob_path(&blob, buf_cstr(&p->folder), it->file->etag, e);
    /* a blob's name is a promise: the bytes are on the disk before it is given */
    if (rc == 0 && (fdatasync(it->fd) < 0 || rename(buf_cstr(&it->part_path), buf_cstr(&blob)) < 0))
        rc = err_errno(e, errno, "cannot keep '%s'", buf_cstr(&blob));
    buf_release(&blob);
    item_release_claim(it);
    if (rc == 0) {
        it->state = ITEM_DONE;
        it->file->has_size = true;
        it->file->size = it->have;
        p->progress.files_done++;
    }
    return rc;
}
