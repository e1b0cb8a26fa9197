/* SPDX-License-Identifier: MIT */
/* The files of one pull, some at a time, on one thread: what the transport tells of each, and which
 * comes next. */
#include "hub/item.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    DEFAULT_JOBS = 4,
    JOBS_MAX = 64,
    TURN_MS = 100,       /* between two looks at Ctrl-C and the bar */
    LOCK_EVERY_MS = 300, /* between two tries of a lock that someone has */
    URL_MAX = 8192,
};

static int fail(struct download *d, int code, const struct err *e)
{
    if (d->code == 0) {
        d->code = code;
        d->error = *e;
    }
    return code;
}

/* ---- what the transport tells ---- */

static void put_text(char *out, size_t size, struct span s)
{
    if (s.n < size) {
        span_copy(out, s);
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

/* Of all that answered, the hub first: a mirror may send us on to the hub that it mirrors. */
static struct span linked_etag(const struct http_head *h)
{
    for (int i = 0; i < h->n_hops; i++) {
        struct span etag = bare_etag(http_header(h, i, "X-Linked-Etag"));
        if (etag.n)
            return etag;
    }
    return (struct span){NULL, 0};
}

/* true: the blob is called otherwise than we thought. */
static bool learn_etag(struct item *it, const struct http_head *h)
{
    struct span etag = linked_etag(h);
    char *own = it->file->etag;
    /* git's id of an LFS file is that of its pointer; only the sha256 is worth more */
    if (own[0] && (etag.n != 64 || strlen(own) == 64))
        return false;
    if (!etag.n && h->n_own > 0)
        etag = bare_etag(http_header(h, h->n_own - 1, "ETag"));
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
        item_release_claim(it);
    }
    if (it->fd < 0) {
        rc = item_claim(it, e);
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
    return item_start_over(it, e);
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
        code = item_finish(it, &e);
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
        .same_etag = !it->hash,
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
    int rc = it->file->etag[0] && it->fd < 0 ? item_claim(it, &e) : 0;
    if (rc == END_HAVE_BLOB || rc == END_LOCKED)
        return;
    it->state = ITEM_RUNS;
    if (rc == 0 && it->fd >= 0 && it->file->has_size && it->have == it->file->size)
        rc = item_finish(it, &e);
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
    item_release_claim(it);
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
