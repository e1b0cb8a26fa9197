/* SPDX-License-Identifier: MIT */
/* Memory that is freed all at once: one arena a load, a request, a parse. */
#ifndef WATTLE_BASE_ARENA_H
#define WATTLE_BASE_ARENA_H

#include "base/span.h"

struct arena_block;

/* used_bytes counts what was handed out; it never passes max_bytes. Not for two threads at once. */
struct arena {
    struct arena_block *head;
    size_t used_bytes;
    size_t max_bytes;
};

void arena_init(struct arena *a, size_t max_bytes); /* allocates nothing */
void arena_release(struct arena *a);
/* Zeroed memory aligned for any type (16); NULL when max_bytes would be passed or none is left. A
 * size of 0 gives a valid pointer. Valid until arena_release. */
void *arena_alloc(struct arena *a, size_t size);
/* n elements of size bytes each; NULL also on overflow. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A NUL-terminated copy. */
char *arena_strndup(struct arena *a, const void *p, size_t n);

#endif
