/* SPDX-License-Identifier: MIT */
/* The dashboard's files, embedded at build time by scripts/embed-assets. Private to serve/. */
#ifndef WATTLE_SERVE_ASSETS_H
#define WATTLE_SERVE_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path, *type, *etag; /* etag: of its bytes, quotes included */
    size_t n;
    const char *bytes;
};
extern const struct asset assets[];
extern const size_t n_assets;

#endif
