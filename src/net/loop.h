/* SPDX-License-Identifier: MIT */
/* The inside of struct loop, for net/ alone: who makes libuv handles on it needs its uv_loop_t. */
#ifndef WATTLE_NET_LOOP_H
#define WATTLE_NET_LOOP_H

#include "net/net.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <uv.h>

struct lookup;
struct tls;

struct post {
    struct post *next;
    void (*fn)(void *ctx);
    void *ctx;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    atomic_bool stop; /* read by the loop's thread after each wake */

    pthread_mutex_t lock; /* first, last */
    struct post *first, *last;

    bool has_signals;
    int signal_fd;
    uv_poll_t signal_poll;
    sigset_t mask_before; /* of the thread that called loop_signals */
    void (*on_signal)(void *ctx, int signal);
    void *signal_ctx;

    struct lookup *lookups; /* host names being resolved: see resolve.c */
    struct tls *tls;        /* TLS contexts: see tls.c */
};

#endif
