/* SPDX-License-Identifier: MIT */
/* The hub's cache as huggingface_hub keeps it, written so that it takes ours for its own.
 *
 * Owns: the paths of one repository, links, refs, locks. Whoever reads at any moment sees the old
 * state or the new one: links and refs are renamed into place.
 * Source: huggingface_hub, "Understand caching" and its scan_cache_dir, which calls a cache broken
 * when a link leads nowhere or a ref names a snapshot that is not there: so blobs come first, then
 * links, then the ref. */
#include "cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REF_BYTES_MAX = 256 };

static void put_folder_name(struct buf *out, const char *repository)
{
    buf_str(out, "models--");
    for (const char *p = repository; *p; p++) {
        if (*p == '/')
            buf_str(out, "--");
        else
            buf_char(out, *p);
    }
}

int cache_repository_folder(struct buf *out, const char *hub_folder, const char *repository,
                            struct err *e)
{
    buf_printf(out, "%s/", hub_folder);
    put_folder_name(out, repository);
    return buf_check(out, "the path of the repository in the hub's cache", e);
}

int cache_blob_path(struct buf *out, const char *folder, const char *etag, struct err *e)
{
    buf_printf(out, "%s/blobs/%s", folder, etag);
    return buf_check(out, "the path of a blob", e);
}

int cache_snapshot_path(struct buf *out, const char *folder, const char *commit, const char *file,
                        struct err *e)
{
    buf_printf(out, "%s/snapshots/%s%s%s", folder, commit, file[0] ? "/" : "", file);
    return buf_check(out, "the path of a snapshot", e);
}

/* ---- folders ---- */

/* The standard by which backup programs leave caches out: bford.info/cachedir. */
static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                          "# This folder is a cache of models from the Hugging Face hub.\n"
                          "# For what that means see https://bford.info/cachedir/\n";

static int make_parent(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char *parent = strndup(path, (size_t)(slash - path));
    int rc = parent ? file_make_dirs(parent, e) : err_set(e, ERR_NOMEM, "no memory for a path");
    free(parent);
    return rc;
}

int cache_prepare(const char *hub_folder, const char *repository, struct err *e)
{
    static const char *const parts[] = {"blobs", "refs", "snapshots"};
    struct buf path;
    buf_init(&path, PATH_MAX);
    int rc = file_make_dirs(hub_folder, e);
    for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof *parts; i++) {
        buf_clear(&path);
        rc = cache_repository_folder(&path, hub_folder, repository, e);
        if (rc == 0) {
            buf_printf(&path, "/%s", parts[i]);
            rc = buf_check(&path, "the path of the hub's cache", e);
        }
        if (rc == 0)
            rc = file_make_dirs(buf_cstr(&path), e);
    }
    buf_clear(&path);
    buf_printf(&path, "%s/CACHEDIR.TAG", hub_folder);
    struct err ignored; /* a cache without a tag is as good */
    if (rc == 0 && !path.failed && access(buf_cstr(&path), F_OK) != 0)
        (void)file_write_atomic(buf_cstr(&path), span_str(tag), &ignored);
    buf_release(&path);
    return rc;
}

/* ---- links ---- */

static bool leads_to(const char *link_path, const char *target)
{
    char now[PATH_MAX];
    ssize_t n = readlink(link_path, now, sizeof now - 1);
    return n >= 0 && span_eq(span_of(now, (size_t)n), span_str(target));
}

/* rename(2) replaces what is there at once; symlink(2) can't. */
static int replace_link(const char *path, const char *target, struct err *e)
{
    struct buf fresh;
    buf_init(&fresh, PATH_MAX);
    buf_put(&fresh, path, (size_t)(strrchr(path, '/') - path));
    buf_printf(&fresh, "/.wattle-%ld.link", (long)getpid());
    int rc = buf_check(&fresh, "the path of a link", e);
    if (rc == 0) {
        unlink(buf_cstr(&fresh));
        if (symlink(target, buf_cstr(&fresh)) < 0 || rename(buf_cstr(&fresh), path) < 0) {
            rc = err_errno(e, errno, "cannot make the link '%s' to '%s'", path, target);
            unlink(buf_cstr(&fresh));
        }
    }
    buf_release(&fresh);
    return rc;
}

int cache_link(const char *folder, const char *commit, const char *file, const char *etag,
               struct err *e)
{
    struct buf path, target;
    buf_init(&path, PATH_MAX);
    buf_init(&target, PATH_MAX);
    /* relative, so that the cache can be moved: one ".." for each folder above the link */
    buf_str(&target, "../../");
    for (const char *p = file; *p; p++)
        if (*p == '/')
            buf_str(&target, "../");
    buf_printf(&target, "blobs/%s", etag);
    int rc = buf_check(&target, "the path of a blob", e);
    if (rc == 0)
        rc = cache_snapshot_path(&path, folder, commit, file, e);
    if (rc == 0)
        rc = make_parent(buf_cstr(&path), e);
    if (rc == 0 && !leads_to(buf_cstr(&path), buf_cstr(&target)))
        rc = replace_link(buf_cstr(&path), buf_cstr(&target), e);
    buf_release(&target);
    buf_release(&path);
    return rc;
}

/* ---- refs ---- */

int cache_write_ref(const char *folder, const char *revision, const char *commit, struct err *e)
{
    struct buf path, now;
    struct err unread;
    if (strcmp(revision, commit) == 0)
        return 0;
    buf_init(&path, PATH_MAX);
    buf_init(&now, REF_BYTES_MAX);
    buf_printf(&path, "%s/refs/%s", folder, revision);
    int rc = buf_check(&path, "the path of a ref", e);
    if (rc == 0)
        rc = make_parent(buf_cstr(&path), e);
    /* without a newline: the Python library takes the file's bytes as they stand */
    if (rc == 0 &&
        (file_read_regular(buf_cstr(&path), &now, &unread) < 0 || !span_is(buf_view(&now), commit)))
        rc = file_write_atomic(buf_cstr(&path), span_str(commit), e);
    buf_release(&now);
    buf_release(&path);
    return rc;
}

/* ---- locks ---- */

/* File systems without flock (some network ones) answer with these; the lock only saves work, what
 * is written stands without it. */
static bool has_no_locks(int errnum)
{
    return errnum == ENOSYS || errnum == ENOTSUP || errnum == ENOLCK || errnum == EINVAL;
}

static int try_once(struct cache_lock *l, const char *path, bool *removed, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664);
    if (fd < 0)
        return err_errno(e, errno, "cannot open the lock '%s'", path);
    *removed = false;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && !has_no_locks(errno)) {
        int errnum = errno;
        close(fd);
        return errnum == EWOULDBLOCK ? 0 : err_errno(e, errnum, "cannot lock '%s'", path);
    }
    /* whoever had it may have removed the file between our open and our lock */
    if (fstat(fd, &st) == 0 && st.st_nlink == 0) {
        *removed = true;
        close(fd);
        return 0;
    }
    l->fd = fd;
    return 1;
}

int cache_lock_try(struct cache_lock *l, const char *hub_folder, const char *repository,
                   const char *etag, struct err *e)
{
    struct buf path;
    bool removed = true;
    l->fd = -1;
    buf_init(&path, PATH_MAX);
    buf_printf(&path, "%s/.locks/", hub_folder);
    put_folder_name(&path, repository);
    buf_printf(&path, "/%s.lock", etag);
    int rc = buf_check(&path, "the path of a lock", e);
    if (rc == 0)
        rc = make_parent(buf_cstr(&path), e);
    for (int i = 0; rc == 0 && removed && i < 8; i++)
        rc = try_once(l, buf_cstr(&path), &removed, e);
    buf_release(&path);
    return rc;
}

void cache_unlock(struct cache_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
