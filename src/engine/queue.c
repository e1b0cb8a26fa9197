/* SPDX-License-Identifier: MIT */
/* The turn is handed from the one who leaves to the first who waits, never taken: so nobody passes
 * by. Invariant: head is NULL unless busy. A waiter lives on its own thread's stack and is in the
 * list until it is handed the turn or takes itself out, both under the lock. */
#include "engine/queue.h"

enum { ASK_EVERY_MS = 50 }; /* half of the 100 ms in which a cancelled waiter should be gone */

struct queue_waiter {
    pthread_cond_t wake;
    struct queue_waiter *next;
    bool turn;
};

int queue_init(struct queue *q, struct err *e)
{
    *q = (struct queue){.busy = false};
    int rc = pthread_mutex_init(&q->lock, NULL);
    return rc ? err_errno(e, rc, "cannot make a lock") : 0;
}

void queue_release(struct queue *q)
{
    if (queue_enter(q, NULL, NULL, NULL) == 0)
        pthread_mutex_destroy(&q->lock);
}

static int waiter_init(struct queue_waiter *w, struct err *e)
{
    *w = (struct queue_waiter){.turn = false};
    int rc = cond_init(&w->wake);
    return rc ? err_errno(e, rc, "cannot wait") : 0;
}

static void take_out(struct queue *q, struct queue_waiter *w)
{
    struct queue_waiter *before = NULL;
    for (struct queue_waiter *i = q->head; i != w; i = i->next)
        before = i;
    if (before)
        before->next = w->next;
    else
        q->head = w->next;
    if (q->tail == w)
        q->tail = before;
}

/* With the lock held, which is given up meanwhile. True: w has the turn. */
static bool wait_for_turn(struct queue *q, struct queue_waiter *w, bool (*keep_going)(void *ctx),
                          void *ctx)
{
    while (!w->turn) {
        if (!keep_going) {
            pthread_cond_wait(&w->wake, &q->lock);
            continue;
        }
        cond_wait_until(&w->wake, &q->lock, clock_mono_ns() + (uint64_t)ASK_EVERY_MS * 1000000);
        if (w->turn)
            break;
        pthread_mutex_unlock(&q->lock);
        bool on = keep_going(ctx);
        pthread_mutex_lock(&q->lock);
        if (!on && !w->turn) {
            take_out(q, w);
            return false;
        }
    }
    return true;
}

int queue_enter(struct queue *q, bool (*keep_going)(void *ctx), void *ctx, struct err *e)
{
    if (keep_going && !keep_going(ctx))
        return err_set(e, ERR_CANCELLED, "cancelled before the request's turn");
    pthread_mutex_lock(&q->lock);
    if (!q->busy) {
        q->busy = true;
        pthread_mutex_unlock(&q->lock);
        return 0;
    }
    struct queue_waiter w;
    int rc = waiter_init(&w, e);
    if (rc == 0) {
        if (q->tail)
            q->tail->next = &w;
        else
            q->head = &w;
        q->tail = &w;
        if (!wait_for_turn(q, &w, keep_going, ctx))
            rc = err_set(e, ERR_CANCELLED, "cancelled before the request's turn");
        pthread_cond_destroy(&w.wake);
    }
    pthread_mutex_unlock(&q->lock);
    return rc;
}

void queue_leave(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queue_waiter *w = q->head;
    if (w) {
        q->head = w->next;
        if (!q->head)
            q->tail = NULL;
        w->turn = true;
        pthread_cond_signal(&w->wake);
    } else {
        q->busy = false;
    }
    pthread_mutex_unlock(&q->lock);
}
