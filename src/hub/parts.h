/* SPDX-License-Identifier: MIT */
/* What the files of hub/ share while one pull goes on. Private to hub/. */
#ifndef WATTLE_HUB_PARTS_H
#define WATTLE_HUB_PARTS_H

#include "hub/hub.h"
#include "hub/progress.h"
#include "hub/repository.h"
#include "net/net.h"

enum { ENDPOINT_MAX = 2048, TOKEN_MAX = 4096 };

struct pull {
    const struct hub_options *o;
    struct cache_name name;
    struct buf endpoint;   /* without a slash at its end */
    struct buf token;      /* empty: none */
    struct buf hub_folder; /* the cache */
    struct buf folder;     /* the repository's in it */
    struct http *http;
    struct progress progress;
    char commit[41]; /* "" until known */
    uint64_t fetched, reused;
};

bool pull_interrupted(const struct pull *p);

/* Fetches what the cache lacks of files[0..n), each into its blob; etags[i] becomes what blob i is
 * called. p->commit is filled in if the hub's headers tell it first. */
struct wanted_file {
    const char *path;
    bool has_size;
    uint64_t size;
    char etag[CACHE_ETAG_SIZE]; /* "" until known */
};
int download_files(struct pull *p, struct wanted_file *files, size_t n, struct err *e);

/* What a refusal means and what to do about it. file: NULL where the revision itself was asked
 * for. code, why: what the transport says. Returns ERR_NOTFOUND for 404, else ERR_IO. */
int explain_refusal(const struct pull *p, const char *file, int code, const struct http_end *end,
                    const struct err *why, struct err *e);

/* scheme://…/NAME/resolve/REVISION/FILE */
int put_file_url(const struct pull *p, const char *file, struct buf *url, struct err *e);
#endif
