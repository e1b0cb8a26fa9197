/* SPDX-License-Identifier: MIT */
/* What the files of the packed store share. Private to cache/. */
#ifndef WATTLE_CACHE_PACKED_PARTS_H
#define WATTLE_CACHE_PACKED_PARTS_H

#include "cache/packed.h"

#define PACKED_ENDING ".packed"
#define PACKED_PART   ".part"

int packed_sum(struct span bytes, uint8_t out[PACKED_SUM], struct err *e);
/* Appends the head's bytes, checksum included. */
int packed_head_make(struct buf *out, const struct packed_head *head, struct err *e);
bool packed_same_key(const struct packed_head *a, const struct packed_head *b);
/* The name of the key's file, without ending. */
int packed_name(const struct packed_head *key, char out[PACKED_NAME_SIZE], struct err *e);
bool packed_is_name(const char *s);
/* Begins out with folder/name + end. */
int packed_path(struct buf *out, const char *folder, const char *name, const char *end,
                struct err *e);
/* A whole file mapped, its head read; ERR_FORMAT is wrapped with the path. */
int packed_map(struct packed_file *out, const char *path, struct err *e);
/* Removes the files of head's sources and target that have another key. Best effort. */
void packed_remove_superseded(const char *folder, const struct packed_head *head);

#endif
