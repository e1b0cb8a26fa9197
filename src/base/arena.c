/* SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/checked.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_ALIGN = 16, BLOCK_BYTES = 64 << 10 };

struct arena_block {
    struct arena_block *next;
    size_t used, size; /* of data */
    alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_release(struct arena *a)
{
    while (a->head) {
        struct arena_block *next = a->head->next;
        free(a->head);
        a->head = next;
    }
    a->used_bytes = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded;
    if (!size_add(size ? size : 1, ARENA_ALIGN - 1, &rounded))
        return NULL;
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    if (rounded > a->max_bytes - a->used_bytes)
        return NULL;
    struct arena_block *b = a->head;
    if (!b || rounded > b->size - b->used) {
        size_t want = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES, total;
        if (!size_add(want, sizeof *b, &total))
            return NULL;
        struct arena_block *fresh = calloc(1, total);
        if (!fresh)
            return NULL;
        fresh->size = want;
        /* A large piece goes behind the head, so that the head's room is not lost. */
        if (b && want > BLOCK_BYTES) {
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            a->head = fresh;
        }
        b = fresh;
    }
    void *p = b->data + b->used;
    b->used += rounded;
    a->used_bytes += rounded;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    return size_mul(n, size, &bytes) ? arena_alloc(a, bytes) : NULL;
}

char *arena_strndup(struct arena *a, const void *p, size_t n)
{
    size_t bytes;
    char *s = size_add(n, 1, &bytes) ? arena_alloc(a, bytes) : NULL;
    if (s && n)
        memcpy(s, p, n);
    return s; /* the arena's memory is zeroed: s[n] is NUL */
}
