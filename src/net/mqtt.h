/* SPDX-License-Identifier: MIT */
/* The inside of struct mqtt. Private to net/: mqtt.c is its life, mqtt_link.c one connection,
 * mqtt_send.c what goes over it and waits for it.
 *
 * Invariants: link is NULL exactly in the states AWAY, RESOLVING and DONE. While depth > 0 a
 * callback of the user or of libmosquitto is on the stack: then nothing calls libmosquitto and
 * nothing is freed; mqtt_settle does what is due once the stack is unwound. */
#ifndef WATTLE_NET_MQTT_H
#define WATTLE_NET_MQTT_H

#include "net/client.h"
#include "net/loop.h"
#include "net/outbox.h"
#include "net/queue_disk.h"
#include "net/resolve.h"

enum {
    MQTT_TICK_MS = 5000,         /* how often the keepalive is looked at */
    MQTT_CONNECT_MS = 10000,     /* from connect(2) to CONNACK */
    MQTT_IN_FLIGHT_MAX = 20,     /* libmosquitto's own window; more would only wait inside it */
    MQTT_DENIED_MAX = 16,        /* topics that are remembered */
    MQTT_PAYLOAD_MAX = 64 << 20, /* of one message, either way */
};

enum mqtt_state {
    MQTT_AWAY,       /* timer: the next attempt */
    MQTT_RESOLVING,  /* resolve: the wait for an address */
    MQTT_CONNECTING, /* timer: the deadline */
    MQTT_UP,         /* timer: the tick */
    MQTT_LEAVING,    /* DISCONNECT is being written */
    MQTT_DONE
};

/* One attempt. Outlives its mqtt until libuv has closed the poll handle. */
struct mqtt_link {
    uv_poll_t poll;
    struct mosquitto *client;
    struct mqtt *m;  /* NULL: dropped */
    struct tls *tls; /* NULL: none */
    enum mqtt_version version;
    bool reachable;  /* connect(2) is through */
    bool answered;   /* CONNACK came, whatever it says, or an answer that we cannot read */
    bool announced;  /* CONNACK came and what follows it was begun */
    bool productive; /* a message was acknowledged */
    bool hold;       /* CONNECT waits: see note_failure */
    struct client_limits limits;
};

struct mqtt_filter {
    struct mqtt_filter *next;
    bool asked; /* on the present connection, … */
    int mid;    /* … with this message id */
    char text[];
};

/* A topic of which a message was refused; that was said. */
struct mqtt_denied {
    uint32_t hash;
    uint64_t until_ns; /* no message on it is sent before; 0: they are */
};

struct mqtt {
    struct loop *loop;
    struct mqtt_options o; /* its texts are in the arena */
    struct arena texts;
    enum mqtt_state state;
    struct mqtt_link *link;
    uv_timer_t timer, deadline; /* deadline: of mqtt_finish */
    int open_handles;
    struct resolve_wait resolve;
    struct addresses addresses;
    int address; /* of them, the one in use */

    enum mqtt_version version; /* of the next attempt */
    bool version_proved;       /* the broker has taken a connection in it */

    struct outbox queue;
    struct queue_disk *disk; /* NULL: not needed yet, or none */
    uint64_t marked;         /* in the file: all before it is done with */
    bool away;               /* an attempt or a connection has ended since the last connection */
    bool disk_failed;        /* said; in memory alone until the disk has room again */
    bool syncing, sync_due;  /* a sync of the file is under way; another is wanted */
    uv_fs_t sync;
    uv_timer_t sync_timer;
    struct repeats said; /* of warnings that the broker can cause at will */
    struct mqtt_denied denied[MQTT_DENIED_MAX];
    size_t n_denied;
    int fruitless; /* connections in a row that took messages and acknowledged none */

    struct mqtt_filter *filters;
    size_t n_filters;
    struct mqtt_counters counters;
    bool connected_once;
    uint64_t up_ns;
    uint64_t backoff_ms;
    struct rng rng;
    int depth;
    bool closed;
    char lost[sizeof(struct err)]; /* why the link must go; "": it is fine */
    bool lasting;                  /* of lost */
    bool again_at_once;            /* of lost: the same address once more, and nothing is said */
    int tls_again;                 /* how often that was for a handshake; see note_failure */
    char words[256];               /* libmosquitto's complaint; "": none */
    bool finishing;
    void (*done)(void *ctx);
    void *done_ctx;
};

/* mqtt.c. Called after everything that may have changed something; never inside of a callback. */
void mqtt_settle(struct mqtt *m);
void mqtt_lose(struct mqtt *m, const char *reason, bool lasting); /* the first reason counts */

/* mqtt_link.c */
int mqtt_link_probe(struct mqtt *m, struct err *e); /* wrong options show here */
void mqtt_link_attempt(struct mqtt *m);
void mqtt_link_connect(struct mqtt *m); /* to the present address */
void mqtt_link_drop(struct mqtt *m);
void mqtt_link_watch(struct mqtt *m);
void mqtt_link_check(struct mqtt *m, int rc); /* of a call of libmosquitto */
void mqtt_link_tick(struct mqtt *m);

/* mqtt_send.c */
int mqtt_send_open(struct mqtt *m, struct err *e); /* the queue on disk, where that is due */
void mqtt_send_added(struct mqtt *m);              /* a message came to the outbox */
void mqtt_send_waiting(struct mqtt *m);            /* as many as the window takes */
void mqtt_send_acknowledged(struct mqtt *m, int mid, int code);
void mqtt_send_up(struct mqtt *m);   /* a connection begins */
void mqtt_send_away(struct mqtt *m); /* it has ended, or could not be made */
void mqtt_send_park(struct mqtt *m); /* the end: what waits is put into the file */

/* mqtt.c: one of the handles or requests that need m is through; the last frees it. */
void mqtt_release(struct mqtt *m);

#endif
