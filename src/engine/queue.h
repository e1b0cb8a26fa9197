/* SPDX-License-Identifier: MIT */
/* Whose turn it is: callers are served one at a time, in the order they came. */
#ifndef WATTLE_ENGINE_QUEUE_H
#define WATTLE_ENGINE_QUEUE_H

#include "base/base.h"

#include <pthread.h>

struct queue_waiter;

struct queue {
    pthread_mutex_t lock;
    bool busy;                 /* lock: somebody has the turn */
    struct queue_waiter *head; /* lock: who waits, first come first */
    struct queue_waiter *tail; /* lock */
};

int queue_init(struct queue *q, struct err *e);
/* Waits until everybody who came before has left. */
void queue_release(struct queue *q);

/* Returns 0 with the turn, to be given up with queue_leave; ERR_CANCELLED without it once
 * keep_going(ctx) says no (asked at once and every 50 ms, without the lock; NULL: never). */
int queue_enter(struct queue *q, bool (*keep_going)(void *ctx), void *ctx, struct err *e);
void queue_leave(struct queue *q);

#endif
