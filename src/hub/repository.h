/* SPDX-License-Identifier: MIT */
/* What the hub says of one revision of a repository, and which of its files a model needs. Private
 * to hub/. */
#ifndef WATTLE_HUB_REPOSITORY_H
#define WATTLE_HUB_REPOSITORY_H

#include "hub/hub.h"

enum {
    REPOSITORY_BYTES_MAX = 32 << 20, /* of the hub's answer: some 100,000 files */
    REPOSITORY_FILES_MAX = 100000,
};

struct repository_file {
    const char *path; /* in the repository's arena; passed cache_is_file_path */
    bool has_size;
    uint64_t size;
    /* sha256 of an LFS file, else git's id of the blob, else "" */
    char etag[65];
};

struct repository {
    struct arena texts;
    char commit[41]; /* "" if the hub did not say */
    size_t n, cap;
    struct repository_file *files;
};

/* Of the answer of /api/models/NAME/revision/REV?blobs=true. A file whose name would leave its
 * folder is refused, with the whole. out is to be released on failure too. */
int repository_parse(struct repository *out, struct span json, const char *name, struct err *e);
void repository_release(struct repository *r);

/* The indexes of the files to fetch, those first that others need to be of use (weights last).
 * wanted: NULL, or the one file. */
struct choice {
    size_t n;
    size_t *files; /* free() */
};
/* ERR_NOTFOUND: no such file, no weights, or several GGUF files to choose from, which are listed
 * with their sizes in choices, a line each. ERR_UNSUPPORTED: pickled weights only. */
int repository_choose(const struct repository *r, const char *name, const char *wanted,
                      struct choice *out, struct buf *choices, struct err *e);

#endif
