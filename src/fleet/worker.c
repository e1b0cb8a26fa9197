/* SPDX-License-Identifier: MIT */
/* Owns the inference thread and the line of jobs before it. The job's own memory belongs to its
 * device; whose turn it is to touch it is said by the line: see struct job. */
#include "fleet/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    struct worker_options o;
    pthread_t thread;
    pthread_mutex_t lock; /* first, last, stop */
    pthread_cond_t change;
    struct job *first, *last;
    bool stop;
    struct job *done_first, *done_last; /* lock: finished, not yet given back */
    bool exited;                        /* lock */
};

/* One post may find several jobs, a later one none. */
static void give_back(void *ctx)
{
    struct worker *w = (struct worker *)ctx;
    pthread_mutex_lock(&w->lock);
    struct job *j = w->done_first;
    w->done_first = w->done_last = NULL;
    bool exited = w->exited;
    w->exited = false;
    pthread_mutex_unlock(&w->lock);
    while (j) {
        struct job *next = j->next;
        w->o.on_done(w->o.ctx, j);
        j = next;
    }
    if (exited)
        w->o.on_stopped(w->o.ctx);
}

static struct job *next_job(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stop)
        pthread_cond_wait(&w->change, &w->lock);
    struct job *j = w->first;
    if (j) {
        w->first = j->next;
        if (!w->first)
            w->last = NULL;
        j->next = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return j;
}

/* Without memory for the post it is tried again: nobody else would tell the loop. After a stop the
 * loop waits for a bounded time only, and so do we. */
static void tell_loop(struct worker *w)
{
    static const struct timespec pause = {.tv_nsec = 50000000};
    bool stopped = false;
    while (loop_post(w->o.loop, give_back, w) && !stopped) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&w->lock);
        stopped = w->stop;
        pthread_mutex_unlock(&w->lock);
    }
}

static void *work(void *ctx)
{
    struct worker *w = (struct worker *)ctx;
    /* After a stop the rest of the line is run too: each is cancelled before it begins. */
    for (struct job *j; (j = next_job(w));) {
        inference_run(w->o.shared, j);
        pthread_mutex_lock(&w->lock);
        if (w->done_last)
            w->done_last->next = j;
        else
            w->done_first = j;
        w->done_last = j;
        pthread_mutex_unlock(&w->lock);
        tell_loop(w);
    }
    w->o.on_exit(w->o.ctx);
    pthread_mutex_lock(&w->lock);
    w->exited = true;
    pthread_mutex_unlock(&w->lock);
    tell_loop(w);
    return NULL;
}

int worker_open(struct worker **out, const struct worker_options *o, struct err *e)
{
    struct worker *w = (struct worker *)calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "inference thread: no memory");
    w->o = *o;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->change, NULL);
    int rc = pthread_create(&w->thread, NULL, work, w);
    if (rc) {
        pthread_cond_destroy(&w->change);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return err_errno(e, rc, "inference thread");
    }
    *out = w;
    return 0;
}

void worker_add(struct worker *w, struct job *j)
{
    j->next = NULL;
    j->busy = true;
    pthread_mutex_lock(&w->lock);
    if (w->last)
        w->last->next = j;
    else
        w->first = j;
    w->last = j;
    pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->lock);
}

void worker_stop(struct worker *w)
{
    atomic_store(&w->o.shared->cancelled, true);
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->lock);
}

void worker_close(struct worker **wp)
{
    struct worker *w = *wp;
    if (!w)
        return;
    *wp = NULL;
    worker_stop(w);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
