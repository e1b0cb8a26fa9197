/* SPDX-License-Identifier: MIT */
/* Files of one revision into blobs, some at a time, on one thread.
 *
 * A file's bytes go to blobs/ETAG.incomplete, under the lock of that blob, and its sha256 is taken
 * as they pass. Once all have come and are right the file is synced and renamed to blobs/ETAG: a
 * blob without ".incomplete" is whole, whatever happens. An incomplete file that is cut off or
 * interrupted stays, and the next pull goes on at its end; one that turns out wrong is removed.
 * Invariant: item->have bytes are in the file, and in the hash if there is one. */
#include "hub/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEFAULT_JOBS = 4,
    JOBS_MAX = 64,
    TURN_MS = 100,       /* between two looks at Ctrl-C and the bar */
    LOCK_EVERY_MS = 300, /* between two tries of a lock that someone has */
    BLOCK = 1 << 20,
    URL_MAX = 8192,
};

/* What a call back of the transport ends a call with, besides errors, which are negative. */
enum { END_HAVE_BLOB = 1, END_LOCKED, END_AGAIN };

enum item_state { ITEM_NEW, ITEM_LOCKED, ITEM_RUNS, ITEM_DONE };

struct item {
    struct download *all;
    struct wanted_file *file;
    enum item_state state;
    struct cache_lock lock;
    struct buf part_path; /* …/ETAG.incomplete */
    int fd;               /* of it; -1: not claimed */
    uint64_t have;
    uint64_t resumed;        /* of them, what lay there when this pull began */
    bool in_pieces;          /* some of them came by another answer than the rest */
    bool had_wrong;          /* a first attempt gave other bytes than the etag is of */
    bool own_error;          /* the call was ended by one of our call backs */
    struct cache_hash *hash; /* NULL: the etag is no sha256 */
    struct http_call *call;
};

struct download {
    struct pull *p;
    struct item *items;
    size_t n;
    int code; /* of the first failure */
    struct err error;
    uint64_t locks_tried_ns;
    bool told_waiting;
};

static int fail(struct download *d, int code, const struct err *e)
{
    if (d->code == 0) {
        d->code = code;
        d->error = *e;
    }
    return code;
}

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

static void release_claim(struct item *it)
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

/* From its first byte again. */
static int start_over(struct item *it, struct err *e)
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
    it->fd = open(buf_cstr(&it->part_path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (it->fd < 0)
        return err_errno(e, errno, "cannot write '%s'", buf_cstr(&it->part_path));
    rc = start_hash(it, e);
    if (rc == 0)
        rc = hash_part(it, e);
    if (rc < 0)
        return rc;
    it->resumed = it->have;
    it->in_pieces = it->have > 0;
    p->progress.have += it->have;
    p->reused += it->have;
    return it->file->has_size && it->have > it->file->size ? start_over(it, e) : 0;
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

/* 0: the incomplete file is ours to write; END_HAVE_BLOB, END_LOCKED; below: an error. */
static int claim(struct item *it, struct err *e)
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
        release_claim(it);
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
    return start_over(it, e);
}

static int remove_wrong(struct item *it, const char *sum, struct err *e)
{
    unlink(buf_cstr(&it->part_path));
    release_claim(it);
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

static int finish(struct item *it, struct err *e)
{
    struct pull *p = it->all->p;
    char sum[CACHE_HASH_SIZE];
    struct buf blob;
    if (it->file->has_size && it->have != it->file->size)
        return err_set(e, ERR_IO,
                       "'%s' of '%s' ended after %llu bytes, expected %llu: run this again, it "
                       "goes on from there",
                       it->file->path, p->name.repository, (unsigned long long)it->have,
                       (unsigned long long)it->file->size);
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
    release_claim(it);
    if (rc == 0) {
        it->state = ITEM_DONE;
        it->file->has_size = true;
        it->file->size = it->have;
        p->progress.files_done++;
    }
    return rc;
}

/* ---- what the transport tells ---- */

static void put_text(char *out, size_t size, struct span s)
{
    if (s.n < size) {
        memcpy(out, s.p, s.n);
        out[s.n] = '\0';
    }
}

/* Without W/ and quotes; empty if it can't be a blob's name. */
static struct span bare_etag(struct span s)
{
    if (s.n >= 2 && s.p[0] == 'W' && s.p[1] == '/')
        s = span_sub(s, 2, s.n);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = span_of(s.p + 1, s.n - 2);
    return cache_is_etag(s) ? s : (struct span){NULL, 0};
}

/* Only what the hub itself says counts: not the network that it sends us to. */
static struct span own_header(const struct http_head *h, const char *name)
{
    for (int i = 0; i < h->n_own; i++) {
        struct span v = http_header(h, i, name);
        if (v.n)
            return v;
    }
    return (struct span){NULL, 0};
}

/* true: the blob is called otherwise than we thought. */
static bool learn_etag(struct item *it, const struct http_head *h)
{
    struct span linked = bare_etag(own_header(h, "X-Linked-Etag"));
    struct span etag = linked;
    char *own = it->file->etag;
    if (own[0]) {
        /* git's id of an LFS file is that of its pointer; only the sha256 is worth more */
        if (linked.n != 64 || strlen(own) == 64)
            return false;
    } else if (!etag.n && h->n_own > 0) {
        etag = bare_etag(http_header(h, h->n_own - 1, "ETag"));
    }
    if (!etag.n)
        return false;
    put_text(own, CACHE_ETAG_SIZE, etag);
    return true;
}

static int learn_size(struct item *it, const struct http_head *h, struct err *e)
{
    struct wanted_file *f = it->file;
    struct span linked = own_header(h, "X-Linked-Size");
    uint64_t size = h->total;
    bool known = h->has_total;
    if (linked.n && num_parse_u64(linked, &size))
        known = true;
    if (known && f->has_size && size != f->size)
        return err_set(e, ERR_FORMAT,
                       "'%s' of '%s': the server has %llu bytes of it, the hub lists %llu: try "
                       "later",
                       f->path, it->all->p->name.repository, (unsigned long long)size,
                       (unsigned long long)f->size);
    if (known && !f->has_size) {
        f->has_size = true;
        f->size = size;
    }
    return 0;
}

static int begin_body(struct item *it, const struct http_head *h, struct err *e)
{
    struct pull *p = it->all->p;
    struct span commit = own_header(h, "X-Repo-Commit");
    if (!p->commit[0] && cache_is_commit(commit))
        put_text(p->commit, sizeof p->commit, commit);
    bool renamed = learn_etag(it, h);
    if (!it->file->etag[0])
        return err_set(e, ERR_FORMAT,
                       "%s answers for '%s' without an ETag, so it is no hub: check HF_ENDPOINT "
                       "and proxies",
                       buf_cstr(&p->endpoint), it->file->path);
    int rc = learn_size(it, h, e);
    if (rc < 0)
        return rc;
    if (renamed && it->fd >= 0) {
        if (it->have == 0)
            unlink(buf_cstr(&it->part_path));
        release_claim(it);
    }
    if (it->fd < 0) {
        rc = claim(it, e);
        if (rc)
            return rc;
        if (it->have > 0) /* some of it lies there: ask for the rest only */
            return END_AGAIN;
    }
    it->in_pieces |= h->offset > 0;
    if (h->offset == it->have)
        return 0;
    if (h->offset != 0)
        return err_set(e, ERR_IO, "'%s': the server goes on at byte %llu, expected %llu",
                       it->file->path, (unsigned long long)h->offset, (unsigned long long)it->have);
    return start_over(it, e);
}

static int on_head(void *ctx, const struct http_head *h, struct err *e)
{
    struct item *it = ctx;
    int rc = begin_body(it, h, e);
    it->own_error = rc < 0;
    return rc;
}

static int refuse_write(struct item *it, int errnum, struct err *e)
{
    char have[HUB_SIZE_TEXT], size[HUB_SIZE_TEXT];
    if (errnum != ENOSPC && errnum != EDQUOT && errnum != EFBIG)
        return err_errno(e, errnum, "cannot write '%s'", buf_cstr(&it->part_path));
    return err_set(e, ERR_IO,
                   "no space left in '%s' for '%s': %s of %s have come and are kept: make room, or "
                   "set HF_HOME to another disk, and run this again",
                   buf_cstr(&it->all->p->hub_folder), it->file->path, hub_size_text(it->have, have),
                   it->file->has_size ? hub_size_text(it->file->size, size) : "a size not known");
}

static int take_bytes(struct item *it, struct span bytes, struct err *e)
{
    struct pull *p = it->all->p;
    if (it->file->has_size && bytes.n > it->file->size - it->have) {
        int rc = err_set(e, ERR_FORMAT,
                         "'%s' of '%s' is longer than its %llu bytes: the server sends something "
                         "else",
                         it->file->path, p->name.repository, (unsigned long long)it->file->size);
        unlink(buf_cstr(&it->part_path));
        return rc;
    }
    while (bytes.n > 0) {
        ssize_t n = write(it->fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse_write(it, errno, e);
        struct span written = span_of(bytes.p, (size_t)n);
        if (it->hash)
            cache_hash_add(it->hash, written);
        it->have += written.n;
        p->fetched += written.n;
        p->progress.have += written.n;
        bytes = span_sub(bytes, written.n, bytes.n);
    }
    return 0;
}

static int on_body(void *ctx, struct span bytes, struct err *e)
{
    struct item *it = ctx;
    int rc = take_bytes(it, bytes, e);
    it->own_error = rc < 0;
    return rc;
}

static void on_retry(void *ctx, const char *reason, uint64_t wait_ms)
{
    struct item *it = ctx;
    progress_say(&it->all->p->progress, "%s: %s: trying again in %.1f s", it->file->path, reason,
                 (double)wait_ms / 1000);
}

static void begin(struct item *it);

static void on_end(void *ctx, int code, const struct http_end *end, const struct err *why)
{
    struct item *it = ctx;
    struct download *d = it->all;
    struct err e;
    it->call = NULL;
    if (code == END_AGAIN) {
        it->state = ITEM_NEW;
        begin(it);
    } else if (code < 0 && it->own_error) {
        fail(d, code, why);
    } else if (code < 0) {
        code = explain_refusal(d->p, it->file->path, code, end, why, &e);
        fail(d, code, &e);
    } else if (code == 0) {
        code = finish(it, &e);
        if (code < 0)
            fail(d, code, &e);
    }
}

/* ---- all of them ---- */

static int send(struct item *it, struct err *e)
{
    struct pull *p = it->all->p;
    struct buf url;
    buf_init(&url, URL_MAX);
    int rc = put_file_url(p, it->file->path, &url, e);
    struct http_request r = {
        .url = buf_cstr(&url),
        .bearer = buf_cstr(&p->token),
        .offset = it->have,
        .total = it->file->has_size ? it->file->size : 0,
        .on_head = on_head,
        .on_body = on_body,
        .on_retry = on_retry,
        .on_end = on_end,
        .ctx = it,
    };
    if (rc == 0)
        rc = http_start(&it->call, p->http, &r, e);
    buf_release(&url);
    return rc;
}

static void begin(struct item *it)
{
    struct err e;
    int rc = it->file->etag[0] && it->fd < 0 ? claim(it, &e) : 0;
    if (rc == END_HAVE_BLOB || rc == END_LOCKED)
        return;
    it->state = ITEM_RUNS;
    if (rc == 0 && it->fd >= 0 && it->file->has_size && it->have == it->file->size)
        rc = finish(it, &e);
    else if (rc == 0)
        rc = send(it, &e);
    if (rc < 0)
        fail(it->all, rc, &e);
}

/* How many are not done. */
static size_t begin_more(struct download *d)
{
    int jobs = d->p->o->jobs > 0 ? d->p->o->jobs : DEFAULT_JOBS;
    if (jobs > JOBS_MAX)
        jobs = JOBS_MAX;
    uint64_t now = clock_mono_ns();
    bool try_locks = now - d->locks_tried_ns > LOCK_EVERY_MS * UINT64_C(1000000);
    if (try_locks)
        d->locks_tried_ns = now;
    int running = 0;
    size_t left = 0;
    for (size_t i = 0; i < d->n; i++)
        running += d->items[i].state == ITEM_RUNS;
    for (size_t i = 0; i < d->n && d->code == 0; i++) {
        struct item *it = &d->items[i];
        bool fresh = it->state == ITEM_NEW || (it->state == ITEM_LOCKED && try_locks);
        if (fresh && running < jobs) {
            begin(it);
            running += it->state == ITEM_RUNS;
        }
        left += it->state != ITEM_DONE;
    }
    return left;
}

static int run(struct download *d, struct err *e)
{
    struct pull *p = d->p;
    size_t running;
    while (d->code == 0 && begin_more(d) > 0 && d->code == 0) {
        if (pull_interrupted(p))
            return err_set(e, ERR_CANCELLED, "interrupted: what has come is kept");
        int rc = http_turn(p->http, TURN_MS, &running, e);
        if (rc < 0)
            return rc;
        progress_show(&p->progress);
    }
    if (d->code)
        *e = d->error;
    return d->code;
}

static void item_release(struct item *it)
{
    http_cancel(&it->call);
    if (it->fd >= 0 && it->have == 0)
        unlink(buf_cstr(&it->part_path));
    release_claim(it);
    buf_release(&it->part_path);
}

int download_files(struct pull *p, struct wanted_file *files, size_t n, struct err *e)
{
    struct download d = {.p = p, .n = n};
    d.items = calloc(n ? n : 1, sizeof *d.items);
    if (!d.items)
        return err_set(e, ERR_NOMEM, "no memory for %zu files", n);
    p->progress.n_files = n;
    p->progress.has_total = true;
    for (size_t i = 0; i < n; i++) {
        d.items[i] = (struct item){.all = &d, .file = &files[i], .fd = -1, .lock = {-1}};
        buf_init(&d.items[i].part_path, PATH_MAX);
        p->progress.has_total &=
            files[i].has_size && u64_add(p->progress.total, files[i].size, &p->progress.total);
    }
    int rc = run(&d, e);
    for (size_t i = 0; i < n; i++)
        item_release(&d.items[i]);
    free(d.items);
    progress_end(&p->progress);
    return rc;
}
