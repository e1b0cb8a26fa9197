/* SPDX-License-Identifier: MIT */
/* Checksums of blobs. libcrypto, which libcurl brings along anyway, has the machine's own SHA
 * instructions. */
#include "cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

struct cache_hash {
    EVP_MD_CTX *ctx;
};

bool cache_hash_kind_of(const char *etag, enum cache_hash_kind *out)
{
    size_t n = strlen(etag);
    if (n != 64 && n != 40)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((etag[i] >= '0' && etag[i] <= '9') || (etag[i] >= 'a' && etag[i] <= 'f')))
            return false;
    *out = n == 64 ? CACHE_SHA256 : CACHE_GIT_BLOB;
    return true;
}

int cache_hash_open(struct cache_hash **out, enum cache_hash_kind kind, uint64_t size,
                    struct err *e)
{
    /* NULL where libcrypto's start ran out of memory; it would crash on what it then lacks */
    struct cache_hash *h = OSSL_LIB_CTX_get0_global_default() ? calloc(1, sizeof *h) : NULL;
    if (h)
        h->ctx = EVP_MD_CTX_new();
    const EVP_MD *md = kind == CACHE_SHA256 ? EVP_sha256() : EVP_sha1();
    if (!h || !h->ctx || EVP_DigestInit_ex(h->ctx, md, NULL) != 1) {
        cache_hash_close(&h);
        return err_set(e, ERR_NOMEM, "no memory for a checksum");
    }
    if (kind == CACHE_GIT_BLOB) {
        char head[40];
        int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
        cache_hash_add(h, span_of(head, (size_t)n + 1)); /* with its NUL */
    }
    *out = h;
    return 0;
}

void cache_hash_add(struct cache_hash *h, struct span bytes)
{
    EVP_DigestUpdate(h->ctx, bytes.p, bytes.n);
}

void cache_hash_end(struct cache_hash *h, char out[CACHE_HASH_SIZE])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    EVP_DigestFinal_ex(h->ctx, sum, &n);
    for (unsigned int i = 0; i < n && 2 * i + 2 < CACHE_HASH_SIZE; i++)
        snprintf(out + (size_t)2 * i, 3, "%02x", sum[i]);
}

void cache_hash_close(struct cache_hash **h)
{
    if (*h)
        EVP_MD_CTX_free((*h)->ctx);
    free(*h);
    *h = NULL;
}

static int hash_all(struct cache_hash *h, int fd, const char *path, bool (*stop)(void *ctx),
                    void *ctx, struct err *e)
{
    char *block = malloc(BLOCK);
    int rc = block ? 0 : err_set(e, ERR_NOMEM, "no memory to read '%s'", path);
    while (rc == 0) {
        ssize_t n = read(fd, block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_errno(e, errno, "cannot read '%s'", path);
        if (n <= 0)
            break;
        cache_hash_add(h, span_of(block, (size_t)n));
        if (stop && stop(ctx))
            rc = err_set(e, ERR_CANCELLED, "interrupted");
    }
    free(block);
    return rc;
}

int cache_hash_file(const char *path, enum cache_hash_kind kind, char out[CACHE_HASH_SIZE],
                    bool (*stop)(void *ctx), void *ctx, struct err *e)
{
    struct cache_hash *h = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, errno, "cannot open '%s'", path);
    int rc = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        rc = err_set(e, ERR_FORMAT, "'%s' is no regular file", path);
    if (rc == 0)
        rc = cache_hash_open(&h, kind, (uint64_t)st.st_size, e);
    if (rc == 0)
        rc = hash_all(h, fd, path, stop, ctx, e);
    if (rc == 0)
        cache_hash_end(h, out);
    cache_hash_close(&h);
    close(fd);
    return rc;
}
