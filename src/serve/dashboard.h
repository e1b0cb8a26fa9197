/* SPDX-License-Identifier: MIT */
/* The dashboard's inside. Private to serve/. */
#ifndef WATTLE_SERVE_DASHBOARD_H
#define WATTLE_SERVE_DASHBOARD_H

#include "net/net.h"
#include "serve/serve.h"

#include <pthread.h>
#include <stdatomic.h>

struct dashboard {
    struct feed *feed;
    struct board *board;
    struct http_server *server;
    char *prefix, *store;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of closing */
    pthread_cond_t changed;
    bool closing;
    atomic_uint_least64_t alive_ms; /* CLOCK_MONOTONIC of the thread's last turn */
    uint64_t event_id;              /* the thread's, as is all below */
    struct buf news, events;
};

enum { STATE_MAX = 64 << 20, EVENT_MAX = 16 << 20, RETRY_MS = 2000 };

/* routes.c: answers a request; on the server's threads. */
void dashboard_answer(void *ctx, const struct http_visit *q, struct http_reply *r);
bool dashboard_is_open(void *ctx, struct span path);

#endif
