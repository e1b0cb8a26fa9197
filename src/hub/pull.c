/* SPDX-License-Identifier: MIT */
/* One pull: ask, choose, fetch, link.
 *
 * Order: blobs, then links (weights last), then the ref. So a snapshot that a pull was killed in
 * the middle of is never taken for a whole one: it lacks its weights or nothing. */
#include "hub/parts.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { TURN_MS = 100, URL_MAX = 8192 };

void hub_result_release(struct hub_result *r)
{
    buf_release(&r->path);
    buf_release(&r->folder);
    buf_release(&r->choices);
    *r = (struct hub_result){.n_files = 0};
}

bool pull_interrupted(const struct pull *p)
{
    return p->o->interrupted && *p->o->interrupted;
}

/* ---- addresses ---- */

/* A branch's slash is part of its name, and none of the address. */
static void put_revision(struct buf *url, const char *revision)
{
    for (const char *p = revision; *p; p++) {
        char one[2] = {*p, '\0'};
        if (*p == '/')
            buf_str(url, "%2F");
        else
            http_put_path(url, one);
    }
}

int put_file_url(const struct pull *p, const char *file, struct buf *url, struct err *e)
{
    buf_printf(url, "%s/%s/resolve/", buf_cstr(&p->endpoint), p->name.repository);
    put_revision(url, p->commit[0] ? p->commit : p->name.revision);
    buf_char(url, '/');
    http_put_path(url, file);
    return buf_check(url, "an address", e);
}

static int put_api_url(const struct pull *p, bool with_sizes, struct buf *url, struct err *e)
{
    buf_printf(url, "%s/api/models/%s/revision/", buf_cstr(&p->endpoint), p->name.repository);
    put_revision(url, p->name.revision);
    if (with_sizes)
        buf_str(url, "?blobs=true");
    return buf_check(url, "an address", e);
}

/* ---- before ---- */

static bool is_set(const char *s)
{
    return s && s[0];
}

static void trim(struct buf *b, const char *what)
{
    while (b->n > 0 && strchr(what, b->p[b->n - 1]))
        buf_truncate(b, b->n - 1);
}

/* HF_TOKEN, else the file that `hf auth login` writes; none is fine. */
static int find_token(struct pull *p, struct err *e)
{
    struct buf path;
    struct err ignored;
    int rc = 0;
    buf_init(&path, PATH_MAX);
    if (is_set(p->o->token)) {
        buf_str(&p->token, p->o->token);
        rc = buf_check(&p->token, "HF_TOKEN", e);
    } else if (is_set(p->o->token_path)) {
        rc = file_read(p->o->token_path, &p->token, e);
    } else if (cache_home_folder(&p->o->places, &path, &ignored) == 0) {
        buf_str(&path, "/token");
        if (!path.failed && access(buf_cstr(&path), F_OK) == 0)
            rc = file_read(buf_cstr(&path), &p->token, e);
    }
    trim(&p->token, " \t\r\n");
    if (rc == 0 && (rc = http_check_bearer(buf_cstr(&p->token), e)) < 0)
        err_wrap(e, rc, "the access token (HF_TOKEN or its file)");
    buf_release(&path);
    return rc;
}

static int prepare(struct pull *p, const char *name, struct err *e)
{
    int rc = cache_name_parse(&p->name, name, e);
    if (rc == 0)
        rc = cache_hub_folder(&p->o->places, &p->hub_folder, e);
    if (rc == 0)
        rc = cache_repository_folder(&p->folder, buf_cstr(&p->hub_folder), p->name.repository, e);
    if (rc == 0)
        rc = find_token(p, e);
    buf_str(&p->endpoint, is_set(p->o->endpoint) ? p->o->endpoint : "https://huggingface.co");
    trim(&p->endpoint, "/");
    if (rc == 0)
        rc = buf_check(&p->endpoint, "HF_ENDPOINT", e);
    return rc;
}

/* ---- the hub's answer ---- */

struct answer {
    struct pull *p;
    struct buf text;
    bool ended;
    bool not_found; /* by a server that does not say what it is that it lacks */
    int code;
    struct err error;
};

static int answer_begins(void *ctx, const struct http_head *h, struct err *e)
{
    struct answer *a = ctx;
    (void)e;
    if (h->offset == 0)
        buf_clear(&a->text);
    return 0;
}

static int answer_comes(void *ctx, struct span bytes, struct err *e)
{
    struct answer *a = ctx;
    buf_span(&a->text, bytes);
    return buf_check(&a->text, "the hub's answer", e);
}

static void answer_waits(void *ctx, const char *reason, uint64_t wait_ms)
{
    struct answer *a = ctx;
    progress_say(&a->p->progress, "%s: %s: trying again in %.1f s", a->p->name.repository, reason,
                 (double)wait_ms / 1000);
}

static void answer_ends(void *ctx, int code, const struct http_end *end, const struct err *why)
{
    struct answer *a = ctx;
    a->ended = true;
    a->not_found =
        end->status == 404 && !http_header(end->head, end->head->n_hops - 1, "X-Error-Code").p;
    a->code = code < 0 ? explain_refusal(a->p, NULL, code, end, why, &a->error) : code;
}

/* Fills a->text, or a->code and a->error. */
static int ask_once(struct answer *a, bool with_sizes, struct err *e)
{
    struct pull *p = a->p;
    struct buf url;
    size_t running;
    buf_init(&url, URL_MAX);
    int rc = put_api_url(p, with_sizes, &url, e);
    struct http_request r = {
        .url = buf_cstr(&url),
        .bearer = buf_cstr(&p->token),
        .accept = "application/json",
        .on_head = answer_begins,
        .on_body = answer_comes,
        .on_retry = answer_waits,
        .on_end = answer_ends,
        .ctx = a,
    };
    struct http_call *call = NULL;
    a->ended = false;
    if (rc == 0)
        rc = http_start(&call, p->http, &r, e);
    while (rc == 0 && !a->ended) {
        if (pull_interrupted(p)) {
            rc = err_set(e, ERR_CANCELLED, "interrupted");
            http_cancel(&call);
        } else {
            rc = http_turn(p->http, TURN_MS, &running, e);
        }
    }
    buf_release(&url);
    return rc;
}

static int ask(struct pull *p, struct repository *out, struct err *e)
{
    struct answer a = {.p = p};
    buf_init(&a.text, REPOSITORY_BYTES_MAX);
    int rc = ask_once(&a, true, e);
    if (rc == 0 && a.not_found) /* a mirror may know the address only without its question */
        rc = ask_once(&a, false, e);
    if (rc == 0 && (rc = a.code) < 0)
        *e = a.error;
    if (rc == 0)
        rc = repository_parse(out, buf_view(&a.text), p->name.repository, e);
    buf_release(&a.text);
    return rc;
}

/* ---- room ---- */

/* What still has to come, of those whose size is known. */
static uint64_t bytes_missing(const struct pull *p, const struct wanted_file *files, size_t n)
{
    static const char *const ends[] = {"", ".incomplete"};
    uint64_t sum = 0;
    struct buf path;
    struct err ignored;
    buf_init(&path, PATH_MAX);
    for (size_t i = 0; i < n; i++) {
        uint64_t left = files[i].has_size ? files[i].size : 0;
        for (size_t k = 0; files[i].etag[0] && k < 2; k++) {
            struct stat st;
            buf_clear(&path);
            if (cache_blob_path(&path, buf_cstr(&p->folder), files[i].etag, &ignored) < 0)
                continue;
            buf_str(&path, ends[k]);
            if (!path.failed && stat(buf_cstr(&path), &st) == 0 && st.st_size >= 0)
                left -= (uint64_t)st.st_size < left ? (uint64_t)st.st_size : left;
        }
        if (!u64_add(sum, left, &sum))
            sum = UINT64_MAX;
    }
    buf_release(&path);
    return sum;
}

static int check_room(const struct pull *p, const struct wanted_file *files, size_t n,
                      struct err *e)
{
    struct statvfs fs;
    char need_text[HUB_SIZE_TEXT], room_text[HUB_SIZE_TEXT];
    uint64_t room, need = bytes_missing(p, files, n);
    if (statvfs(buf_cstr(&p->hub_folder), &fs) < 0 || !u64_mul(fs.f_bavail, fs.f_frsize, &room) ||
        need <= room)
        return 0;
    return err_set(e, ERR_IO,
                   "no space for '%s': %s are still to come and '%s' has %s free: make room, or "
                   "set HF_HOME to another disk",
                   p->name.repository, hub_size_text(need, need_text), buf_cstr(&p->hub_folder),
                   hub_size_text(room, room_text));
}

/* ---- after ---- */

static int link_all(struct pull *p, const struct wanted_file *files, size_t n, struct err *e)
{
    int rc = 0;
    if (!p->commit[0])
        return err_set(e, ERR_FORMAT,
                       "%s does not say which revision it gave (no sha, no X-Repo-Commit), so it "
                       "is no hub: check HF_ENDPOINT",
                       buf_cstr(&p->endpoint));
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = cache_link(buf_cstr(&p->folder), p->commit, files[i].path, files[i].etag, e);
    if (rc == 0)
        rc = cache_write_ref(buf_cstr(&p->folder), p->name.revision, p->commit, e);
    return rc;
}

static int fill_result(const struct pull *p, const struct wanted_file *files, size_t n,
                       const char *file, struct hub_result *out, struct err *e)
{
    memcpy(out->commit, p->commit, sizeof out->commit);
    out->n_files = n;
    out->fetched_bytes = p->fetched;
    out->reused_bytes = p->reused;
    int rc = cache_snapshot_path(&out->folder, buf_cstr(&p->folder), p->commit, "", e);
    if (rc == 0 && file)
        return cache_snapshot_path(&out->path, buf_cstr(&p->folder), p->commit, files[0].path, e);
    return rc < 0 ? rc : cache_find(buf_cstr(&out->folder), NULL, &out->path, e);
}

/* ---- all of it ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct wanted_file *)a)->path, ((const struct wanted_file *)b)->path);
}

static int fetch(struct pull *p, const struct repository *r, const struct choice *c,
                 const char *file, struct hub_result *out, struct err *e)
{
    struct wanted_file *files = calloc(c->n ? c->n : 1, sizeof *files);
    if (!files)
        return err_set(e, ERR_NOMEM, "no memory for %zu files", c->n);
    for (size_t i = 0; i < c->n; i++) {
        const struct repository_file *f = &r->files[c->files[i]];
        files[i] = (struct wanted_file){.path = f->path, .has_size = f->has_size, .size = f->size};
        memcpy(files[i].etag, f->etag, sizeof f->etag);
    }
    if (file) /* the parts of a set, its first part first */
        qsort(files, c->n, sizeof *files, by_path);
    memcpy(p->commit, r->commit, sizeof p->commit);
    int rc = cache_prepare(buf_cstr(&p->hub_folder), p->name.repository, e);
    if (rc == 0)
        rc = check_room(p, files, c->n, e);
    if (rc == 0)
        rc = download_files(p, files, c->n, e);
    if (rc == 0)
        rc = link_all(p, files, c->n, e);
    if (rc == 0)
        rc = fill_result(p, files, c->n, file, out, e);
    free(files);
    return rc;
}

static int pull(struct pull *p, const char *name, const char *file, struct hub_result *out,
                struct err *e)
{
    struct repository r = {.n = 0};
    struct choice c = {0};
    struct http_options h = {
        .user_agent = "wattle/" WATTLE_VERSION,
        .ca_file = p->o->ca_file,
        .connect_ms = p->o->stall_ms,
        .stall_ms = p->o->stall_ms,
    };
    int rc = prepare(p, name, e);
    if (rc == 0)
        rc = http_open(&p->http, &h, e);
    if (rc == 0)
        rc = ask(p, &r, e);
    if (rc == 0)
        rc = repository_choose(&r, name, file, &c, &out->choices, e);
    if (rc == 0)
        rc = fetch(p, &r, &c, file, out, e);
    free(c.files);
    repository_release(&r);
    http_close(&p->http);
    return rc;
}

/* Without the network: what lies there already is the answer. */
static int pull_offline(struct pull *p, const char *name, struct hub_result *out, struct err *e)
{
    int rc = prepare(p, name, e);
    if (rc == 0 && (rc = cache_find(name, buf_cstr(&p->hub_folder), &out->path, e)) < 0)
        err_wrap(e, rc, "HF_HUB_OFFLINE is set, so nothing is downloaded");
    if (rc == 0)
        progress_say(&p->progress, "HF_HUB_OFFLINE is set: '%s' is taken as it lies in the cache",
                     name);
    return rc;
}

int hub_pull(const struct hub_options *o, const char *name, const char *file,
             struct hub_result *out, struct err *e)
{
    struct pull p = {.o = o};
    buf_init(&p.endpoint, ENDPOINT_MAX);
    buf_init(&p.token, TOKEN_MAX);
    buf_init(&p.hub_folder, PATH_MAX);
    buf_init(&p.folder, PATH_MAX);
    *out = (struct hub_result){.n_files = 0};
    buf_init(&out->path, PATH_MAX);
    buf_init(&out->folder, PATH_MAX);
    buf_init(&out->choices, 16 << 20);
    progress_init(&p.progress, o->progress, name);
    int rc = o->offline ? pull_offline(&p, name, out, e) : pull(&p, name, file, out, e);
    buf_release(&p.endpoint);
    buf_release(&p.token);
    buf_release(&p.hub_folder);
    buf_release(&p.folder);
    return rc;
}

/* ---- find, else pull ---- */

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int hub_find_or_pull(const struct hub_options *o, const char *name, struct buf *path, struct err *e)
{
    struct buf hub;
    struct err ignored;
    struct hub_result r = {.n_files = 0};
    buf_init(&hub, PATH_MAX);
    bool has_hub = cache_hub_folder(&o->places, &hub, &ignored) == 0;
    int rc = cache_find(name, has_hub ? buf_cstr(&hub) : NULL, path, e);
    bool by_hub = (rc == ERR_NOTFOUND || rc == ERR_FORMAT) && has_hub && !exists(name) &&
                  cache_is_hub_name(name) && !strstr(name, ".gguf") &&
                  !strstr(name, ".safetensors");
    if (by_hub && o->offline) {
        err_wrap(e, rc, "HF_HUB_OFFLINE is set, so nothing is downloaded");
    } else if (by_hub) {
        log_info("model '%s' is not in the cache, or not all of it: downloading it", name);
        rc = hub_pull(o, name, NULL, &r, e);
        if (rc == 0) {
            buf_append(path, &r.path);
            rc = buf_check(path, "the model's path", e);
        }
    }
    hub_result_release(&r);
    buf_release(&hub);
    return rc;
}
