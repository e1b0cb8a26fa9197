/* SPDX-License-Identifier: MIT */
/* Messages that wait for the broker's acknowledgement, in the order in which they were published.
 *
 * Invariants: the list is ordered by age; a message that was handed to the present connection has
 * mid != 0 and stands before every one that was not (next points to the first of those); in_flight
 * counts the former; n <= max; bytes (of topics and payloads) <= max_bytes unless n is 1; messages
 * that are in the queue's file stand before all that are not. Private to net/, one thread. */
#ifndef WATTLE_NET_OUTBOX_H
#define WATTLE_NET_OUTBOX_H

#include "base/base.h"

struct message {
    struct message *newer, *older;
    const char *topic; /* both lie behind the struct */
    struct span payload;
    int mid; /* MQTT message id on the present connection; 0: not handed to it */
    bool retain;
    uint64_t stored;  /* its number in the queue's file; 0: it is in memory only */
    bool sent_before; /* handed to an earlier connection, which ended without acknowledgement */
};

struct outbox {
    struct message *oldest, *newest;
    struct message *next; /* the oldest that the present connection has not got */
    size_t n, in_flight, max;
    size_t bytes, max_bytes;
};

void outbox_init(struct outbox *q, size_t max, size_t max_bytes); /* max >= 1 */
void outbox_release(struct outbox *q);
/* Copies. While the queue is full the oldest message that is not in flight goes (the oldest of all
 * if every one is); *dropped becomes how many went. ERR_NOMEM changes nothing. */
int outbox_push(struct outbox *q, const char *topic, struct span payload, bool retain,
                size_t *dropped);
void outbox_sent(struct outbox *q, int mid);        /* q->next was handed to the connection */
bool outbox_acknowledge(struct outbox *q, int mid); /* false: no such message in flight */
void outbox_rewind(struct outbox *q);               /* a new connection: all go again */
void outbox_drop_next(struct outbox *q);            /* q->next can never be sent */
void outbox_drop_oldest(struct outbox *q);          /* q->oldest, in flight or not */
struct message *outbox_find(const struct outbox *q, int mid); /* in flight; NULL: none */

#endif
