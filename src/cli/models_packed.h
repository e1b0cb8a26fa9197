/* SPDX-License-Identifier: MIT */
/* The packed weights' part of wattle models. Private to cli/. */
#ifndef WATTLE_CLI_MODELS_PACKED_H
#define WATTLE_CLI_MODELS_PACKED_H

#include "cache/cache.h"
#include "codec/codec.h"

/* What lies in a folder of packed weights, for a user: as a table, or as the members
 * "packed_cache", "packed_bytes" and "packed" of the object that w is in. folder NULL: there is
 * none. */
int models_packed_table(const char *folder, struct buf *out, struct err *e);
int models_packed_members(const char *folder, struct json_writer *w, struct err *e);

/* Whether word can be a packed file's name, or its beginning (8 digits at least). */
bool models_packed_is_name(const char *word);
/* The one file whose name begins with word. ERR_NOTFOUND: none; ERR_USAGE: several. */
int models_packed_find(const char *folder, const char *word, char out[PACKED_NAME_SIZE],
                       struct err *e);

/* Removes those whose source is gone or has changed, damaged ones and what was left unfinished;
 * with repository only those whose source was in that one. *n, *freed: how many, and their bytes.
 */
int models_packed_prune(const char *folder, const char *repository, size_t *n, uint64_t *freed,
                        struct err *e);

#endif
