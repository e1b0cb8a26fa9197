/* SPDX-License-Identifier: MIT */
/* One file on its way into a blob. Private to hub/.
 *
 * Its bytes go to blobs/ETAG.incomplete, under the lock of that blob, and its sha256 is taken as
 * they pass. Once all have come and are right the file is synced and renamed to blobs/ETAG: a blob
 * without ".incomplete" is whole, whatever happens. An incomplete file that is cut off or
 * interrupted stays, and the next pull goes on at its end; one that turns out wrong is removed.
 * Invariant: item->have bytes are in the file, and in the hash if there is one. */
#ifndef WATTLE_HUB_ITEM_H
#define WATTLE_HUB_ITEM_H

#include "hub/parts.h"

/* What a call back of the transport ends a call with, besides errors, which are negative. */
enum { END_HAVE_BLOB = 1, END_LOCKED, END_AGAIN };

enum item_state { ITEM_NEW, ITEM_LOCKED, ITEM_RUNS, ITEM_DONE };

struct item {
    struct download *all;
    struct wanted_file *file;
    enum item_state state;
    struct cache_lock lock;
    struct buf part_path; /* …/ETAG.incomplete */
    int fd;               /* of it; -1: not claimed */
    uint64_t have;
    uint64_t resumed;        /* of them, what lay there when this pull began */
    bool in_pieces;          /* some of them came by another answer than the rest */
    bool had_wrong;          /* a first attempt gave other bytes than the etag is of */
    bool own_error;          /* the call was ended by one of our call backs */
    struct cache_hash *hash; /* NULL: the etag is no sha256 */
    struct http_call *call;
};

struct download {
    struct pull *p;
    struct item *items;
    size_t n;
    int code; /* of the first failure */
    struct err error;
    uint64_t locks_tried_ns;
    bool told_waiting;
};

/* 0: the incomplete file is ours to write; END_HAVE_BLOB, END_LOCKED; below: an error. */
int item_claim(struct item *it, struct err *e);
void item_release_claim(struct item *it);
int item_start_over(struct item *it, struct err *e); /* from its first byte again */
/* All bytes have come: checked and made a blob (ITEM_DONE), or, once, emptied to be fetched again
 * (ITEM_NEW). */
int item_finish(struct item *it, struct err *e);

#endif
