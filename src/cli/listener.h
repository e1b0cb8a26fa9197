/* SPDX-License-Identifier: MIT */
/* A client of a broker that only reads, until it is told to end: the common part of consume and
 * dashboard. Private to cli/; one thread. */
#ifndef WATTLE_CLI_LISTENER_H
#define WATTLE_CLI_LISTENER_H

#include "net/net.h"
#include "settings/settings.h"

struct listener_options {
    const struct settings *settings; /* MQTT_SETTINGS */
    const char *name;                /* of the command: part of the client id */
    const char *filter;              /* NULL: everything below MQTT_TOPIC_PREFIX */
    double duration_s;               /* 0: no limit */
    bool patient; /* what will not change by itself, as a wrong password, is waited for too */
    void (*on_message)(void *ctx, const char *topic, struct span payload, bool retained);
    void (*on_link)(void *ctx, bool connected, uint64_t reconnects); /* may be NULL */
    void *ctx;
};

struct listener {
    struct listener_options o;
    struct loop *loop;
    struct mqtt *mqtt;
    struct timer *duration;
    struct buf password;
    char broker[320]; /* "localhost:1883" */
    uint64_t connections;
    bool away, said_away, said_older, interrupted, stopping;
    struct repeats said;
    char why_away[256]; /* of the last attempt */
    int failure;        /* what ends it early, … */
    struct err e;       /* …in words */
};

/* Everything but the connection: the loop with its signals, on which the caller makes its own. l is
 * zeroed or closed. ERR_USAGE: a topic prefix or password that cannot be. */
int listener_open(struct listener *l, const struct listener_options *o, struct err *e);
/* Connects, and returns when it has ended: 0, or why. SIGINT sets interrupted; a second signal ends
 * it without a goodbye. */
int listener_run(struct listener *l, struct err *e);
void listener_stop(struct listener *l);
void listener_fail(struct listener *l, int rc); /* why stands in l->e */
void listener_close(struct listener *l);        /* half-opened is fine */

#endif
