/* SPDX-License-Identifier: MIT */
/* Names of the hub and of its files, and where its cache lies. Whatever passes the checks here can
 * be joined to a path without leaving it: no part is empty, "." or "..", none has a slash. */
#include "cache/cache.h"

#include <string.h>

enum { PART_MAX = 128, FILE_PART_MAX = 255, FILE_PATH_MAX = 1000 };

static bool is_name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* One part of a repository's or a revision's name. */
static bool is_part(struct span s)
{
    if (s.n == 0 || s.n > PART_MAX || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_name_char(s.p[i]) || (i > 0 && s.p[i] == '.' && s.p[i - 1] == '.'))
            return false;
    return true;
}

/* Up to the next slash or the end; *s becomes what follows it, n == SIZE_MAX when nothing does. */
static struct span take_part(struct span *s)
{
    const uint8_t *slash = s->n ? memchr(s->p, '/', s->n) : NULL;
    struct span part = slash ? span_of(s->p, (size_t)(slash - s->p)) : *s;
    *s = slash ? span_of(slash + 1, s->n - part.n - 1) : (struct span){NULL, SIZE_MAX};
    return part;
}

static bool all_parts(struct span s, size_t most, bool (*good)(struct span part))
{
    size_t n = 0;
    do {
        if (++n > most || !good(take_part(&s)))
            return false;
    } while (s.n != SIZE_MAX);
    return true;
}

/* "--" stands for the slash in the name of the folder. */
static bool is_repository(struct span s)
{
    return s.n < CACHE_NAME_SIZE && !memmem(s.p, s.n, "--", 2) && all_parts(s, 2, is_part);
}

static bool is_revision(struct span s)
{
    return s.n < CACHE_REVISION_SIZE && all_parts(s, 8, is_part);
}

static void split(const char *name, struct span *repository, struct span *revision)
{
    const char *at = strchr(name, '@');
    *repository = at ? span_of(name, (size_t)(at - name)) : span_str(name);
    *revision = at ? span_str(at + 1) : span_str("main");
}

bool cache_is_hub_name(const char *name)
{
    struct span repository, revision;
    split(name, &repository, &revision);
    return is_repository(repository) && is_revision(revision);
}

int cache_name_parse(struct cache_name *out, const char *name, struct err *e)
{
    struct span repository, revision;
    if (!cache_is_hub_name(name))
        return err_set(e, ERR_USAGE,
                       "'%s' is no name of a model on the hub, expected ORG/NAME or "
                       "ORG/NAME@REVISION of letters, digits, '.', '_' and '-'",
                       name);
    split(name, &repository, &revision);
    span_copy(out->repository, repository);
    out->repository[repository.n] = '\0';
    span_copy(out->revision, revision);
    out->revision[revision.n] = '\0';
    return 0;
}

static bool is_file_part(struct span s)
{
    if (s.n == 0 || s.n > FILE_PART_MAX || span_is(s, ".") || span_is(s, ".."))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == '\\')
            return false;
    return true;
}

bool cache_is_file_path(struct span path)
{
    return path.n <= FILE_PATH_MAX && utf8_valid(path) && all_parts(path, 32, is_file_part);
}

bool cache_is_part(const char *path, size_t *prefix, uint64_t *part, uint64_t *of)
{
    enum { TAIL = 15, PARTS_MAX = 10000 }; /* -00002-of-00003 */
    const char *dot = strrchr(path, '.');
    uint64_t i, n;
    if (!dot || dot - path <= TAIL)
        return false;
    const char *t = dot - TAIL;
    if (t[0] != '-' || memcmp(t + 6, "-of-", 4) != 0 || !num_parse_u64(span_of(t + 1, 5), &i) ||
        !num_parse_u64(span_of(t + 10, 5), &n) || n < 1 || n > PARTS_MAX || i < 1 || i > n)
        return false;
    *prefix = (size_t)(t - path);
    *part = i;
    *of = n;
    return true;
}

static bool is_hex(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f') ||
              (s.p[i] >= 'A' && s.p[i] <= 'F')))
            return false;
    return true;
}

bool cache_is_commit(struct span s)
{
    return s.n == 40 && is_hex(s);
}

bool cache_is_etag(struct span s)
{
    return s.n < CACHE_ETAG_SIZE && is_part(s);
}

/* ---- places ---- */

static bool is_set(const char *s)
{
    return s && s[0];
}

/* A "~" that no shell has seen, as in a unit file. */
static void put_folder(struct buf *out, const char *path, const char *home)
{
    if (is_set(home) && path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        buf_str(out, home);
        path++;
    }
    buf_str(out, path);
}

int cache_home_folder(const struct cache_places *p, struct buf *out, struct err *e)
{
    if (is_set(p->hf_home)) {
        put_folder(out, p->hf_home, p->home);
    } else if (is_set(p->xdg_cache_home)) {
        put_folder(out, p->xdg_cache_home, p->home);
        buf_str(out, "/huggingface");
    } else if (is_set(p->home)) {
        buf_printf(out, "%s/.cache/huggingface", p->home);
    } else {
        return err_set(e, ERR_NOTFOUND,
                       "there is no place for the hub's cache: HOME is not set and HF_HOME is not "
                       "given");
    }
    return buf_check(out, "the path of the hub's cache", e);
}

int cache_hub_folder(const struct cache_places *p, struct buf *out, struct err *e)
{
    if (is_set(p->hub_cache)) {
        put_folder(out, p->hub_cache, p->home);
        return buf_check(out, "the path of the hub's cache", e);
    }
    int rc = cache_home_folder(p, out, e);
    if (rc == 0) {
        buf_str(out, "/hub");
        rc = buf_check(out, "the path of the hub's cache", e);
    }
    return rc;
}
