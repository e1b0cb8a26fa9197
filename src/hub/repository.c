/* SPDX-License-Identifier: MIT */
/* The hub's answer about a revision, read one file at a time: a list of 100,000 takes no tree of
 * it. Source: huggingface.co/docs/hub/api, /api/models/{repo}/revision/{revision}. */
#include "hub/repository.h"

#include "codec/codec.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FILE_BYTES_MAX = 64 << 10, /* of one file's entry */
    TEXTS_MAX = 64 << 20,
};

static int add_file(struct repository *r, const struct repository_file *f, struct err *e)
{
    if (r->n >= REPOSITORY_FILES_MAX)
        return err_set(e, ERR_LIMIT, "siblings: more than %d files", REPOSITORY_FILES_MAX);
    if (r->n == r->cap) {
        size_t more = r->cap ? 2 * r->cap : 64;
        struct repository_file *files = realloc(r->files, more * sizeof *files);
        if (!files)
            return err_set(e, ERR_NOMEM, "no memory for a list of %zu files", more);
        r->files = files;
        r->cap = more;
    }
    r->files[r->n++] = *f;
    return 0;
}

static void read_size(const struct json *v, struct repository_file *f)
{
    if (json_type_of(v) == JSON_INT && json_int(v) >= 0) {
        f->has_size = true;
        f->size = (uint64_t)json_int(v);
    }
}

static void read_etag(const struct json *v, size_t digits, struct repository_file *f)
{
    enum cache_hash_kind kind;
    char text[65];
    struct span s = json_string(v);
    if (s.n != digits)
        return;
    snprintf(text, sizeof text, "%.*s", (int)s.n, (const char *)s.p);
    if (cache_hash_kind_of(text, &kind))
        memcpy(f->etag, text, s.n + 1);
}

static int read_file(struct repository *r, const struct json *v, struct err *e)
{
    struct repository_file f = {0};
    const struct json *name = json_get(v, "rfilename"), *lfs = json_get(v, "lfs");
    if (json_type_of(name) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "siblings[%zu]: no rfilename, expected a text", r->n);
    struct span path = json_string(name);
    if (!cache_is_file_path(path))
        return err_set(e, ERR_FORMAT,
                       "siblings[%zu].rfilename '%.*s' is no name of a file below a folder: "
                       "nothing is downloaded",
                       r->n, SPAN_FMT(path));
    f.path = arena_strndup(&r->texts, path.p, path.n);
    if (!f.path)
        return err_set(e, ERR_NOMEM, "no memory for the names of the files");
    read_size(json_get(v, "size"), &f);
    read_etag(json_get(v, "blobId"), 40, &f);
    if (json_type_of(lfs) == JSON_OBJECT) {
        f.etag[0] = '\0'; /* blobId is that of the pointer */
        read_size(json_get(lfs, "size"), &f);
        read_etag(json_get(lfs, "sha256"), 64, &f);
    }
    return add_file(r, &f, e);
}

static int read_files(struct repository *r, struct span siblings, const char *what, struct err *e)
{
    struct json_walk w;
    struct span value;
    int rc = json_walk_init(&w, siblings, JSON_ARRAY, what, e);
    if (rc < 0)
        return rc;
    while ((rc = json_walk_next(&w, NULL, &value, e)) == 1) {
        struct json *doc = NULL;
        rc = json_parse(&doc, value, FILE_BYTES_MAX, what, e);
        if (rc == 0)
            rc = read_file(r, doc, e);
        json_close(&doc);
        if (rc < 0)
            break;
    }
    return rc;
}

static int read_commit(struct repository *r, struct span value, const char *what, struct err *e)
{
    struct json *doc = NULL;
    int rc = json_parse(&doc, value, FILE_BYTES_MAX, what, e);
    if (rc == 0 && !cache_is_commit(json_string(doc)))
        rc = err_set(e, ERR_FORMAT, "sha '%.*s', expected 40 hexadecimal digits",
                     SPAN_FMT(json_string(doc)));
    if (rc == 0)
        snprintf(r->commit, sizeof r->commit, "%.*s", (int)json_string(doc).n,
                 (const char *)json_string(doc).p);
    json_close(&doc);
    return rc;
}

static int parse(struct repository *r, struct span text, const char *what, struct err *e)
{
    struct json_walk w;
    struct span key, value;
    bool has_files = false;
    int rc = json_walk_init(&w, text, JSON_OBJECT, what, e);
    if (rc < 0)
        return rc;
    while ((rc = json_walk_next(&w, &key, &value, e)) == 1) {
        rc = 0;
        if (span_is(key, "\"sha\"")) {
            rc = read_commit(r, value, what, e);
        } else if (span_is(key, "\"siblings\"")) {
            if (has_files)
                rc = err_set(e, ERR_FORMAT, "siblings is there twice");
            else
                rc = read_files(r, value, what, e);
            has_files = true;
        }
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && !has_files)
        rc = err_set(e, ERR_FORMAT, "no siblings, expected the list of files");
    return rc;
}

int repository_parse(struct repository *out, struct span json, const char *name, struct err *e)
{
    static const char what[] = "the hub's answer";
    *out = (struct repository){.n = 0};
    arena_init(&out->texts, TEXTS_MAX);
    if (json.n > REPOSITORY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "%s about '%s' has more than %d bytes", what, name,
                       REPOSITORY_BYTES_MAX);
    int rc = parse(out, json, what, e);
    if (rc < 0)
        err_wrap(e, rc, "%s about '%s'", what, name);
    return rc;
}

void repository_release(struct repository *r)
{
    arena_release(&r->texts);
    free(r->files);
    *r = (struct repository){.n = 0};
}
