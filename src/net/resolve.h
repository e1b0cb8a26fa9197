/* SPDX-License-Identifier: MIT */
/* Host names to addresses without holding the loop up. Private to net/. */
#ifndef WATTLE_NET_RESOLVE_H
#define WATTLE_NET_RESOLVE_H

#include "net/loop.h"

enum { ADDRESSES_MAX = 8, ADDRESS_SIZE = 64, HOST_MAX = 255 };

/* Numeric, in the order in which they should be tried, without repeats. */
struct addresses {
    int n;
    char text[ADDRESSES_MAX][ADDRESS_SIZE];
};

struct resolve_wait {
    struct resolve_wait *next;
    struct lookup *lookup; /* NULL: not waiting */
    /* problem NULL: found has at least one. May start another resolve with the same wait. */
    void (*fn)(void *ctx, const struct addresses *found, const char *problem);
    void *ctx;
};

/* Calls w->fn on the loop's thread, later; for a numeric host it is called before this returns.
 * ERR_NOMEM, ERR_IO (no thread): w->fn is not called. host: at most HOST_MAX bytes. */
int resolve_start(struct loop *l, const char *host, struct resolve_wait *w, struct err *e);
void resolve_cancel(struct resolve_wait *w); /* not waiting is fine */
/* For loop_close: lookups that still run finish into nothing. */
void resolve_abandon(struct loop *l);

#endif
