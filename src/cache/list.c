/* SPDX-License-Identifier: MIT */
/* What lies in the hub's cache: listed, verified, removed.
 *
 * Owns: the sizes (a blob counts once, however many snapshots link to it), what makes a repository
 * incomplete, and the check of a blob against the hash that is its name. */
#include "cache/cache.h"

#include "cache/tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODELS_MAX = 65536, BLOBS_MAX = 1 << 14, REF_BYTES_MAX = 256 };

static void set_problem(struct cache_model *m, const char *fmt, const char *a)
{
    if (m->complete)
        snprintf(m->problem, sizeof m->problem, fmt, a);
    m->complete = false;
}

/* ---- one repository ---- */

static int add_blob(void *ctx, const char *path, const char *name, bool is_link, struct err *e)
{
    struct cache_model *m = ctx;
    struct stat st;
    (void)e;
    (void)is_link;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    size_t n = strlen(name);
    bool part = n > 11 && strcmp(name + n - 11, ".incomplete") == 0;
    *(part ? &m->incomplete_bytes : &m->size_bytes) += (uint64_t)st.st_size;
    if (!part && st.st_mtime > 0 && (uint64_t)st.st_mtime > m->modified_s)
        m->modified_s = (uint64_t)st.st_mtime;
    return 0;
}

static int add_file(void *ctx, const char *path, const char *name, bool is_link, struct err *e)
{
    struct cache_model *m = ctx;
    struct stat st;
    (void)e;
    m->n_files++;
    if (stat(path, &st) < 0)
        set_problem(m, "'%s' leads to a blob that is missing", name);
    else if (!is_link) /* a copy, as where links can't be made */
        m->size_bytes += (uint64_t)st.st_size;
    return 0;
}

struct ref_walk {
    struct cache_model *m;
    const char *folder;
};

static int check_ref(void *ctx, const char *path, const char *name, bool is_link, struct err *e)
{
    struct ref_walk *w = ctx;
    struct buf text, snapshot;
    struct err unread;
    (void)e;
    (void)is_link;
    buf_init(&text, REF_BYTES_MAX);
    buf_init(&snapshot, PATH_MAX);
    bool good = file_read_regular(path, &text, &unread) == 0;
    while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]))
        buf_truncate(&text, text.n - 1);
    good = good && cache_is_etag(buf_view(&text)) &&
           cache_snapshot_path(&snapshot, w->folder, buf_cstr(&text), "", &unread) == 0 &&
           access(buf_cstr(&snapshot), F_OK) == 0;
    if (!good)
        set_problem(w->m, "refs/%s names a snapshot that is missing", name);
    buf_release(&snapshot);
    buf_release(&text);
    return 0;
}

static size_t count_folders(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;
    for (struct dirent *d; dir && (d = readdir(dir)) != NULL;)
        n += d->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static int below(struct buf *path, const char *folder, const char *part, struct err *e)
{
    buf_clear(path);
    buf_printf(path, "%s/%s", folder, part);
    return buf_check(path, "a path in the hub's cache", e);
}

static int look_at(struct cache_model *m, const char *folder, struct err *e)
{
    struct buf path;
    struct ref_walk refs = {m, folder};
    buf_init(&path, PATH_MAX);
    m->complete = true;
    int rc = below(&path, folder, "blobs", e);
    if (rc == 0)
        rc = tree_walk(buf_cstr(&path), add_blob, m, e);
    if (rc == 0)
        rc = below(&path, folder, "snapshots", e);
    if (rc == 0) {
        m->n_snapshots = count_folders(buf_cstr(&path));
        rc = tree_walk(buf_cstr(&path), add_file, m, e);
    }
    if (rc == 0)
        rc = below(&path, folder, "refs", e);
    if (rc == 0)
        rc = tree_walk(buf_cstr(&path), check_ref, &refs, e);
    if (rc == 0 && m->n_files == 0)
        set_problem(m, "%s", "no file has come in full yet");
    buf_release(&path);
    return rc;
}

/* ---- the list ---- */

/* "models--ORG--NAME" to "ORG/NAME"; false: no such folder's name. */
static bool repository_of(const char *folder_name, char out[CACHE_NAME_SIZE])
{
    static const char prefix[] = "models--";
    size_t skip = sizeof prefix - 1;
    if (strncmp(folder_name, prefix, skip) != 0)
        return false;
    const char *name = folder_name + skip, *dashes = strstr(name, "--");
    int n = dashes
                ? snprintf(out, CACHE_NAME_SIZE, "%.*s/%s", (int)(dashes - name), name, dashes + 2)
                : snprintf(out, CACHE_NAME_SIZE, "%s", name);
    return n > 0 && n < CACHE_NAME_SIZE && cache_is_hub_name(out);
}

static int by_repository(const void *a, const void *b)
{
    return strcmp(((const struct cache_model *)a)->repository,
                  ((const struct cache_model *)b)->repository);
}

static int append(struct cache_list *l, size_t *cap, const char *repository, struct err *e)
{
    if (l->n >= MODELS_MAX)
        return err_set(e, ERR_LIMIT, "the hub's cache has more than %d models", MODELS_MAX);
    if (l->n == *cap) {
        size_t more = *cap ? 2 * *cap : 16;
        struct cache_model *m = realloc(l->models, more * sizeof *m);
        if (!m)
            return err_set(e, ERR_NOMEM, "no memory for a list of %zu models", more);
        l->models = m;
        *cap = more;
    }
    struct cache_model *m = &l->models[l->n++];
    *m = (struct cache_model){.complete = true};
    snprintf(m->repository, sizeof m->repository, "%s", repository);
    return 0;
}

int cache_list_open(struct cache_list *out, const char *hub_folder, struct err *e)
{
    struct cache_list l = {0};
    size_t cap = 0;
    int rc = 0;
    char repository[CACHE_NAME_SIZE];
    *out = l;
    DIR *dir = opendir(hub_folder);
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(e, errno, "cannot read the folder '%s'", hub_folder);
    for (struct dirent *d; rc == 0 && (d = readdir(dir)) != NULL;)
        if (repository_of(d->d_name, repository))
            rc = append(&l, &cap, repository, e);
    closedir(dir);
    struct buf folder;
    buf_init(&folder, PATH_MAX);
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        buf_clear(&folder);
        rc = cache_repository_folder(&folder, hub_folder, l.models[i].repository, e);
        if (rc == 0)
            rc = look_at(&l.models[i], buf_cstr(&folder), e);
    }
    buf_release(&folder);
    if (rc < 0) {
        cache_list_close(&l);
        return rc;
    }
    if (l.n)
        qsort(l.models, l.n, sizeof *l.models, by_repository);
    *out = l;
    return 0;
}

void cache_list_close(struct cache_list *l)
{
    free(l->models);
    *l = (struct cache_list){0};
}

/* ---- verify ---- */

struct verify {
    void (*on_check)(void *ctx, const struct cache_check *c);
    bool (*stop)(void *ctx);
    void *ctx;
    char **seen; /* names of blobs */
    size_t n_seen, cap;
    size_t bad;
};

static int remember(struct verify *v, const char *blob, bool *known, struct err *e)
{
    for (size_t i = 0; i < v->n_seen; i++)
        if ((*known = strcmp(v->seen[i], blob) == 0))
            return 0;
    if (v->n_seen >= BLOBS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d blobs", BLOBS_MAX);
    if (v->n_seen == v->cap) {
        size_t more = v->cap ? 2 * v->cap : 16;
        char **s = realloc(v->seen, more * sizeof *s);
        if (!s)
            return err_set(e, ERR_NOMEM, "no memory for %zu names", more);
        v->seen = s;
        v->cap = more;
    }
    v->seen[v->n_seen] = strdup(blob);
    if (!v->seen[v->n_seen])
        return err_set(e, ERR_NOMEM, "no memory for a name");
    v->n_seen++;
    *known = false;
    return 0;
}

static void tell(struct verify *v, const struct cache_check *c)
{
    v->bad += c->result == CACHE_BAD || c->result == CACHE_MISSING;
    if (v->on_check)
        v->on_check(v->ctx, c);
}

static int verify_file(void *ctx, const char *path, const char *name, bool is_link, struct err *e)
{
    struct verify *v = ctx;
    struct stat st;
    char target[PATH_MAX], sum[CACHE_HASH_SIZE];
    enum cache_hash_kind kind;
    const char *file = strchr(name, '/'); /* behind the commit */
    struct cache_check c = {.file = file ? file + 1 : name, .blob = "", .result = CACHE_UNKNOWN};
    ssize_t n = is_link ? readlink(path, target, sizeof target - 1) : -1;
    if (n > 0) {
        target[n] = '\0';
        const char *slash = strrchr(target, '/');
        c.blob = slash ? slash + 1 : target;
        bool known = false;
        int rc = remember(v, c.blob, &known, e);
        if (rc < 0 || known)
            return rc;
    }
    if (stat(path, &st) < 0) {
        c.result = CACHE_MISSING;
    } else {
        c.size_bytes = (uint64_t)st.st_size;
        if (cache_hash_kind_of(c.blob, &kind)) {
            int rc = cache_hash_file(path, kind, sum, v->stop, v->ctx, e);
            if (rc == ERR_CANCELLED || rc == ERR_NOMEM)
                return rc;
            c.result = rc == 0 && strcmp(sum, c.blob) == 0 ? CACHE_GOOD : CACHE_BAD;
        }
    }
    tell(v, &c);
    return 0;
}

static int existing_folder(struct buf *out, const char *hub_folder, const char *repository,
                           struct err *e)
{
    struct stat st;
    int rc = cache_repository_folder(out, hub_folder, repository, e);
    if (rc == 0 && (lstat(buf_cstr(out), &st) < 0 || !S_ISDIR(st.st_mode)))
        rc = err_set(e, ERR_NOTFOUND,
                     "'%s' is not in the cache: there is no folder '%s'; 'wattle models' lists "
                     "what is there",
                     repository, buf_cstr(out));
    return rc;
}

int cache_verify(const char *hub_folder, const char *repository,
                 void (*on_check)(void *ctx, const struct cache_check *c), bool (*stop)(void *ctx),
                 void *ctx, size_t *bad, struct err *e)
{
    struct verify v = {.on_check = on_check, .stop = stop, .ctx = ctx};
    struct buf folder;
    buf_init(&folder, PATH_MAX);
    int rc = existing_folder(&folder, hub_folder, repository, e);
    buf_str(&folder, "/snapshots");
    if (rc == 0)
        rc = buf_check(&folder, "a path in the hub's cache", e);
    if (rc == 0)
        rc = tree_walk(buf_cstr(&folder), verify_file, &v, e);
    if (rc == 0)
        *bad = v.bad;
    for (size_t i = 0; i < v.n_seen; i++)
        free(v.seen[i]);
    free(v.seen);
    buf_release(&folder);
    return rc;
}

/* ---- remove ---- */

struct lock_walk {
    const char *hub_folder, *repository;
};

static int check_lock(void *ctx, const char *path, const char *name, bool is_link, struct err *e)
{
    struct lock_walk *w = ctx;
    char etag[CACHE_ETAG_SIZE];
    struct cache_lock lock;
    size_t n = strlen(name);
    (void)path;
    if (is_link || n < 6 || n - 5 >= sizeof etag || strcmp(name + n - 5, ".lock") != 0)
        return 0;
    snprintf(etag, sizeof etag, "%.*s", (int)(n - 5), name);
    if (!cache_is_etag(span_str(etag)))
        return 0;
    int rc = cache_lock_try(&lock, w->hub_folder, w->repository, etag, e);
    cache_unlock(&lock);
    if (rc == 0)
        return err_set(e, ERR_IO, "'%s' is being downloaded by another process: not removed",
                       w->repository);
    return rc < 0 ? rc : 0;
}

int cache_remove(const char *hub_folder, const char *repository, uint64_t *freed, struct err *e)
{
    struct buf folder, locks;
    struct cache_model m = {0};
    struct lock_walk w = {hub_folder, repository};
    buf_init(&folder, PATH_MAX);
    buf_init(&locks, PATH_MAX);
    int rc = existing_folder(&folder, hub_folder, repository, e);
    if (rc == 0) {
        buf_printf(&locks, "%s/.locks%s", hub_folder, buf_cstr(&folder) + strlen(hub_folder));
        rc = buf_check(&locks, "the path of the locks", e);
    }
    if (rc == 0)
        rc = tree_walk(buf_cstr(&locks), check_lock, &w, e);
    if (rc == 0)
        rc = look_at(&m, buf_cstr(&folder), e);
    if (rc == 0)
        rc = tree_remove(buf_cstr(&folder), e);
    if (rc == 0)
        rc = tree_remove(buf_cstr(&locks), e);
    if (rc == 0)
        *freed = m.size_bytes + m.incomplete_bytes;
    buf_release(&locks);
    buf_release(&folder);
    return rc;
}
