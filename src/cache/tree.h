/* SPDX-License-Identifier: MIT */
/* The files below a folder, in the order of their names. Private to cache/. */
#ifndef WATTLE_CACHE_TREE_H
#define WATTLE_CACHE_TREE_H

#include "cache/cache.h"

/* path: the whole one; name: the part below the folder; is_link: a symbolic link, which is not
 * followed. Ends the walk with what it returns. */
typedef int tree_fn(void *ctx, const char *path, const char *name, bool is_link, struct err *e);
/* Calls fn for whatever is no folder, eight folders deep; a folder that does not exist is empty. */
int tree_walk(const char *folder, tree_fn *fn, void *ctx, struct err *e);
/* Removes the folder and all below it, following no link; one that does not exist is fine. */
int tree_remove(const char *folder, struct err *e);

#endif
