/* SPDX-License-Identifier: MIT */
/* Which model a folder holds. Private to cache/. */
#ifndef WATTLE_CACHE_FOLDER_H
#define WATTLE_CACHE_FOLDER_H

#include "cache/cache.h"

/* Appends the path of the folder's model, as cache_find says; a folder with nothing but one other
 * folder is looked through to that (repositories of GGUF files keep each size in its own).
 * in_cache: the folder is a snapshot of the hub's cache, where what is missing can be fetched. */
int folder_find_model(const char *folder, bool in_cache, struct buf *path, struct err *e);

bool name_ends_with(const char *s, const char *end);

#endif
