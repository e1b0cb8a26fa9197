/* SPDX-License-Identifier: MIT */
/* Owns the event loop: posts from other threads, timers, signals. Sockets are mqtt.c's.
 *
 * Invariant: every handle is used on the loop's thread only; the one door for other threads is
 * loop_post and loop_stop, which touch the locked list, the stop flag and uv_async_send. */
#include "net/loop.h"

#include "net/resolve.h"
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct timer {
    uv_timer_t uv;
    void (*fn)(void *ctx);
    void *ctx;
};

static void run_posts(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct post *p = l->first;
    l->first = l->last = NULL;
    pthread_mutex_unlock(&l->lock);
    while (p) {
        struct post *next = p->next;
        p->fn(p->ctx);
        free(p);
        p = next;
    }
}

static void on_wake(uv_async_t *async)
{
    struct loop *l = (struct loop *)async->data;
    run_posts(l);
    if (atomic_load(&l->stop))
        uv_stop(&l->uv);
}

int loop_open(struct loop **out, struct err *e)
{
    struct loop *l = (struct loop *)calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_NOMEM, "event loop: no memory");
    int rc = uv_loop_init(&l->uv);
    if (rc) {
        free(l);
        return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
    }
    rc = uv_async_init(&l->uv, &l->wake, on_wake);
    if (rc) {
        uv_loop_close(&l->uv);
        free(l);
        return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
    }
    l->wake.data = l;
    pthread_mutex_init(&l->lock, NULL);
    /* libmosquitto writes with write(2): a peer that went away must be an error, not our end. */
    signal(SIGPIPE, SIG_IGN);
    *out = l;
    return 0;
}

void loop_run(struct loop *l)
{
    /* Posts and a stop from before the run came with a wake that the first turn sees. */
    uv_run(&l->uv, UV_RUN_DEFAULT);
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    uv_async_send(&l->wake);
}

static void assert_closing(uv_handle_t *h, void *arg)
{
    (void)arg;
    assert(uv_is_closing(h));
    (void)h;
}

static void ending_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGHUP); /* never comes where it is ignored: nohup */
}

/* What came too late for the loop must not end us now. Ignoring SIGTERM drops a waiting one. */
static void release_signals(struct loop *l)
{
    static const struct timespec at_once = {0};
    sigset_t interrupt;
    close(l->signal_fd);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    while (sigtimedwait(&interrupt, NULL, &at_once) > 0)
        ;
    pthread_sigmask(SIG_SETMASK, &l->mask_before, NULL);
}

void loop_close(struct loop **lp)
{
    struct loop *l = *lp;
    if (!l)
        return;
    *lp = NULL;
    resolve_abandon(l);
    uv_close((uv_handle_t *)&l->wake, NULL);
    if (l->has_signals)
        uv_close((uv_handle_t *)&l->signal_poll, NULL);
    uv_walk(&l->uv, assert_closing, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    (void)rc;
    if (l->has_signals)
        release_signals(l);
    while (l->first) {
        struct post *next = l->first->next;
        free(l->first);
        l->first = next;
    }
    pthread_mutex_destroy(&l->lock);
    tls_forget(l);
    free(l);
}

int loop_post(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    struct post *p = (struct post *)malloc(sizeof *p);
    if (!p)
        return ERR_NOMEM;
    *p = (struct post){NULL, fn, ctx};
    pthread_mutex_lock(&l->lock);
    if (l->last)
        l->last->next = p;
    else
        l->first = p;
    l->last = p;
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
    return 0;
}

static void on_timer(uv_timer_t *uv)
{
    struct timer *t = (struct timer *)uv->data;
    t->fn(t->ctx);
}

int timer_open(struct timer **out, struct loop *l, void (*fn)(void *ctx), void *ctx, struct err *e)
{
    struct timer *t = (struct timer *)calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "timer: no memory");
    uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    t->fn = fn;
    t->ctx = ctx;
    *out = t;
    return 0;
}

void timer_start(struct timer *t, uint64_t ms)
{
    /* The loop's clock stands still while callbacks run; without this a delay that is asked for
     * after a slow callback would be shortened by what the callback took. */
    uv_update_time(t->uv.loop);
    uv_timer_start(&t->uv, on_timer, ms, 0);
}

void timer_stop(struct timer *t)
{
    uv_timer_stop(&t->uv);
}

static void free_timer(uv_handle_t *h)
{
    free(h->data);
}

void timer_close(struct timer **tp)
{
    struct timer *t = *tp;
    if (!t)
        return;
    *tp = NULL;
    uv_close((uv_handle_t *)&t->uv, free_timer);
}

static void on_signal(uv_poll_t *poll, int status, int events)
{
    struct loop *l = (struct loop *)poll->data;
    struct signalfd_siginfo info;
    (void)status;
    (void)events;
    while (read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        l->on_signal(l->signal_ctx, (int)info.ssi_signo);
}

/* By signalfd, not by uv_signal: that would give the signals back their default action when the
 * loop closes, in the middle of the end. */
int loop_signals(struct loop *l, void (*fn)(void *ctx, int signal), void *ctx, struct err *e)
{
    sigset_t ending;
    assert(!l->has_signals);
    l->on_signal = fn;
    l->signal_ctx = ctx;
    ending_signals(&ending);
    l->signal_fd = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signal_fd < 0)
        return err_errno(e, errno, "signals");
    int rc = uv_poll_init(&l->uv, &l->signal_poll, l->signal_fd);
    if (rc) {
        close(l->signal_fd);
        return err_set(e, ERR_IO, "signals: %s", uv_strerror(rc));
    }
    l->signal_poll.data = l;
    l->has_signals = true;
    pthread_sigmask(SIG_BLOCK, &ending, &l->mask_before);
    rc = uv_poll_start(&l->signal_poll, UV_READABLE, on_signal);
    return rc ? err_set(e, ERR_IO, "signals: %s", uv_strerror(rc)) : 0;
}
