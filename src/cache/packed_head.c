/* SPDX-License-Identifier: MIT */
/* The head of a packed file, read and made; names of files from keys; identities of sources. */
#include "cache/packed_parts.h"

#include "cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "WATTLEPK";

enum {
    AT_VERSION = 8,
    AT_HEAD_BYTES = 12,
    AT_DATA = 16,
    AT_DATA_BYTES = 24,
    AT_DATA_SUM = 32,
    AT_LENGTHS = 64,
    AT_TEXTS = AT_LENGTHS + 4 * PACKED_TEXTS,
    /* A GGUF file begins with its metadata and ends with weights; two versions of a model differ in
     * both. Read at every start, so not more. */
    BEGINNING_BYTES = 64 << 10,
    END_BYTES = 4 << 10,
};

/* ---- numbers ---- */

static uint64_t get(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static void put(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

/* ---- sums ---- */

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

int packed_sum(struct span bytes, uint8_t out[PACKED_SUM], struct err *e)
{
    struct cache_hash *h = NULL;
    char text[CACHE_HASH_SIZE];
    int code = cache_hash_open(&h, CACHE_SHA256, bytes.n, e);
    if (code)
        return code;
    cache_hash_add(h, bytes);
    cache_hash_end(h, text);
    cache_hash_close(&h);
    for (size_t i = 0; i < PACKED_SUM; i++)
        out[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return 0;
}

/* ---- the head ---- */

static int wrong(struct err *e, const char *field, uint64_t value, const char *expected)
{
    return err_set(e, ERR_FORMAT, "%s: %llu, expected %s", field, (unsigned long long)value,
                   expected);
}

static int read_texts(struct packed_head *h, struct span bytes, size_t head_bytes, struct err *e)
{
    size_t at = AT_TEXTS, end = head_bytes - PACKED_SUM;
    for (size_t i = 0; i < PACKED_TEXTS; i++) {
        size_t n = (size_t)get(bytes.p + AT_LENGTHS + 4 * i, 4);
        if (n > end - at)
            return wrong(e, "length of a string", n, "the strings to lie in the head");
        h->text[i] = span_of(bytes.p + at, n);
        at += n;
    }
    return at == end ? 0 : wrong(e, "bytes of strings", at, "as many as the head has");
}

int packed_head_read(struct packed_head *out, struct span bytes, uint64_t file_bytes, struct err *e)
{
    struct packed_head h;
    uint8_t sum[PACKED_SUM];
    uint64_t end;
    if (bytes.n < AT_TEXTS + PACKED_SUM || memcmp(bytes.p, magic, sizeof magic) != 0)
        return err_set(e, ERR_FORMAT, "not a packed model");
    uint64_t version = get(bytes.p + AT_VERSION, 4);
    if (version != PACKED_VERSION)
        return wrong(e, "version", version, "1");
    size_t head_bytes = (size_t)get(bytes.p + AT_HEAD_BYTES, 4);
    if (head_bytes < AT_TEXTS + PACKED_SUM || head_bytes > bytes.n || head_bytes > PACKED_HEAD_MAX)
        return wrong(e, "bytes of the head", head_bytes, "the head to lie in the file");
    int code = packed_sum(span_of(bytes.p, head_bytes - PACKED_SUM), sum, e);
    if (code)
        return code;
    if (memcmp(sum, bytes.p + head_bytes - PACKED_SUM, PACKED_SUM) != 0)
        return err_set(e, ERR_FORMAT, "the head's checksum is wrong");
    h.data_offset = get(bytes.p + AT_DATA, 8);
    h.data_bytes = get(bytes.p + AT_DATA_BYTES, 8);
    if (h.data_offset < head_bytes || h.data_offset % PACKED_ALIGN != 0)
        return wrong(e, "beginning of the data", h.data_offset, "a page behind the head");
    if (!u64_add(h.data_offset, h.data_bytes, &end) || end != file_bytes)
        return wrong(e, "bytes of the data", h.data_bytes, "them to end with the file");
    memcpy(h.data_sum, bytes.p + AT_DATA_SUM, PACKED_SUM);
    code = read_texts(&h, bytes, head_bytes, e);
    if (!code)
        *out = h;
    return code;
}

int packed_head_make(struct buf *out, const struct packed_head *head, struct err *e)
{
    uint8_t fixed[AT_TEXTS] = {0}, sum[PACKED_SUM];
    size_t size = AT_TEXTS + PACKED_SUM;
    for (size_t i = 0; i < PACKED_TEXTS; i++) {
        size_t n = head->text[i].n;
        if (n > PACKED_HEAD_MAX - size)
            return err_set(e, ERR_LIMIT, "the head of a packed model: more than %d bytes",
                           PACKED_HEAD_MAX);
        size += n;
        put(fixed + AT_LENGTHS + 4 * i, n, 4);
    }
    memcpy(fixed, magic, sizeof magic);
    put(fixed + AT_VERSION, PACKED_VERSION, 4);
    put(fixed + AT_HEAD_BYTES, size, 4);
    put(fixed + AT_DATA, head->data_offset, 8);
    put(fixed + AT_DATA_BYTES, head->data_bytes, 8);
    memcpy(fixed + AT_DATA_SUM, head->data_sum, PACKED_SUM);
    buf_put(out, fixed, sizeof fixed);
    for (size_t i = 0; i < PACKED_TEXTS; i++)
        buf_span(out, head->text[i]);
    int code = buf_check(out, "the head of a packed model", e);
    if (!code)
        code = packed_sum(buf_view(out), sum, e);
    if (code)
        return code;
    buf_put(out, sum, sizeof sum);
    return buf_check(out, "the head of a packed model", e);
}

bool packed_same_key(const struct packed_head *a, const struct packed_head *b)
{
    return span_eq(a->text[PACKED_IDENTITY], b->text[PACKED_IDENTITY]) &&
           span_eq(a->text[PACKED_TARGET], b->text[PACKED_TARGET]) &&
           span_eq(a->text[PACKED_FORM], b->text[PACKED_FORM]);
}

int packed_name(const struct packed_head *key, char out[PACKED_NAME_SIZE], struct err *e)
{
    static const enum packed_text parts[] = {PACKED_IDENTITY, PACKED_TARGET, PACKED_FORM};
    struct cache_hash *h = NULL;
    char text[CACHE_HASH_SIZE];
    int code = cache_hash_open(&h, CACHE_SHA256, 0, e);
    if (code)
        return code;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        cache_hash_add(h, key->text[parts[i]]);
        cache_hash_add(h, span_of("", 1));
    }
    cache_hash_end(h, text);
    cache_hash_close(&h);
    snprintf(out, PACKED_NAME_SIZE, "%.*s", PACKED_DIGITS, text);
    return 0;
}

bool packed_is_name(const char *s)
{
    return strlen(s) == PACKED_DIGITS && strspn(s, "0123456789abcdef") == PACKED_DIGITS;
}

int packed_path(struct buf *out, const char *folder, const char *name, const char *end,
                struct err *e)
{
    buf_init(out, PATH_MAX);
    buf_printf(out, "%s/%s%s", folder, name, end);
    return buf_check(out, "a path of a packed model", e);
}

/* ---- places ---- */

int cache_packed_folder(const char *xdg_cache_home, const char *home, struct buf *out,
                        struct err *e)
{
    /* a relative $XDG_CACHE_HOME does not count: XDG Base Directory Specification */
    if (xdg_cache_home && xdg_cache_home[0] == '/')
        buf_printf(out, "%s/wattle/packed", xdg_cache_home);
    else if (home && home[0])
        buf_printf(out, "%s/.cache/wattle/packed", home);
    else
        return err_set(e, ERR_NOTFOUND,
                       "no place for packed models: neither XDG_CACHE_HOME nor HOME is set");
    return buf_check(out, "the folder of packed models", e);
}

/* ".../models--ORG--NAME/blobs/HASH" */
static const char *hub_hash(const char *path, enum cache_hash_kind *kind)
{
    static const char blobs[] = "/blobs/";
    const char *name = strrchr(path, '/');
    size_t n = sizeof blobs - 1;
    if (!name || (size_t)(name + 1 - path) < n || memcmp(name + 1 - n, blobs, n) != 0 ||
        !strstr(path, "/models--") || !cache_hash_kind_of(name + 1, kind))
        return NULL;
    return name + 1;
}

static ssize_t read_at(int fd, uint8_t *p, size_t n, off_t at)
{
    ssize_t got;
    do
        got = pread(fd, p, n, at);
    while (got < 0 && errno == EINTR);
    return got;
}

static int identify(struct buf *out, int fd, const char *path, struct err *e)
{
    struct stat st;
    char text[CACHE_HASH_SIZE];
    struct cache_hash *h = NULL;
    uint8_t *bytes = malloc(BEGINNING_BYTES);
    int code = bytes ? 0 : err_set(e, ERR_NOMEM, "no memory to read '%s'", path);
    if (!code && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
        code = err_set(e, ERR_IO, "'%s': no regular file", path);
    if (!code)
        code = cache_hash_open(&h, CACHE_SHA256, 0, e);
    if (code)
        goto done;
    off_t end = st.st_size > END_BYTES ? st.st_size - END_BYTES : 0;
    ssize_t first = read_at(fd, bytes, BEGINNING_BYTES, 0);
    if (first > 0)
        cache_hash_add(h, span_of(bytes, (size_t)first));
    ssize_t last = read_at(fd, bytes, END_BYTES, end);
    if (last > 0)
        cache_hash_add(h, span_of(bytes, (size_t)last));
    if (first < 0 || last < 0) {
        code = err_errno(e, errno, "cannot read '%s'", path);
        goto done;
    }
    cache_hash_end(h, text);
    buf_printf(out, "file %llu %lld %lld.%09ld %.32s", (unsigned long long)st.st_ino,
               (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, text);
    code = buf_check(out, path, e);
done:
    cache_hash_close(&h);
    free(bytes);
    return code;
}

int cache_identity(struct buf *out, const char *path, struct err *e)
{
    enum cache_hash_kind kind;
    struct stat st;
    char real[PATH_MAX];
    if (!realpath(path, real))
        return err_errno(e, errno, "cannot open '%s'", path);
    const char *hash = hub_hash(real, &kind);
    if (hash && stat(real, &st) == 0) {
        buf_printf(out, "%s %s %lld", kind == CACHE_SHA256 ? "sha256" : "git", hash,
                   (long long)st.st_size);
        return buf_check(out, path, e);
    }
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, errno, "cannot open '%s'", path);
    int code = identify(out, fd, path, e);
    close(fd);
    return code;
}
