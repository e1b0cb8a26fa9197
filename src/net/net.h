/* SPDX-License-Identifier: MIT */
/* net: transport. MQTT clients on one event loop, the private broker, an HTTP client. Knows no
 * payload.
 *
 * Owns: libuv, libmosquitto and libcurl (used here and nowhere else), reconnecting, the private
 * mosquitto process. May include: base. Start reading: loop.c, then mqtt.c; http.h. */
#ifndef WATTLE_NET_NET_H
#define WATTLE_NET_NET_H

#include "base/base.h"
#include "net/http.h"
#include "net/http_post.h"
#include "net/http_server.h"

/* ---- the event loop: everything below happens on its thread unless said otherwise ---- */
struct loop;
int loop_open(struct loop **out, struct err *e);
void loop_run(struct loop *l);    /* until loop_stop */
void loop_stop(struct loop *l);   /* any thread, and signal callbacks */
void loop_close(struct loop **l); /* after everything made on it is closed */

/* fn(ctx) on the loop's thread, soon; any thread; in order. */
int loop_post(struct loop *l, void (*fn)(void *ctx), void *ctx);

struct timer;
int timer_open(struct timer **out, struct loop *l, void (*fn)(void *ctx), void *ctx, struct err *e);
void timer_start(struct timer *t, uint64_t ms); /* once; starting again moves it */
void timer_stop(struct timer *t);
void timer_close(struct timer **t);

/* fn(ctx, signal) for SIGINT, SIGTERM and SIGHUP (the terminal was closed), as loop events, and
 * from now on in no other way: call it before starting threads, which inherit that. After
 * loop_close SIGINT does what it did before; SIGTERM and SIGHUP are ignored: who was told to end is
 * ending, and may have to print what came of it. */
int loop_signals(struct loop *l, void (*fn)(void *ctx, int signal), void *ctx, struct err *e);

/* ---- one MQTT connection: docs/mqtt.md tells users what follows ---- */
struct mqtt;

enum mqtt_version { MQTT_VERSION_5, MQTT_VERSION_311 };

struct mqtt_options {
    const char *host;
    int port;
    const char *client_id;
    const char *username, *password; /* NULL: none */
    enum mqtt_version version;       /* a broker that does not know 5 is spoken to in 3.1.1 */
    int keepalive_s;                 /* 0: 60 */
    bool tls; /* without ca_file: the system's authorities; ca_file means it too */
    const char *ca_file, *cert_file, *key_file; /* NULL or empty: none */
    const char *will_topic, *will_payload;      /* NULL: none */
    bool will_retain;
    size_t queue_max;   /* messages kept until acknowledged, in order, at least 1; beyond it the
                           oldest that is not in flight goes and is counted */
    size_t queue_bytes; /* of them; 0: 64 MiB */
    /* Folder of the file, QUEUE_NAME.queue, in which messages wait while the broker is away, and
     * from which those of an earlier process are sent first: see queue_disk.h. NULL: none. */
    const char *queue_dir, *queue_name;
    bool queue_now; /* the file and its lock are taken by mqtt_open, not when they are needed */
    uint64_t backoff_min_ms, backoff_max_ms; /* 0: 500, 30000; jittered; starts over after a
                                                connection of 30 s */
    /* All may be NULL, and may call everything below, mqtt_close included. */
    void (*on_connect)(void *ctx); /* each time */
    /* Each time a connection or an attempt ends; may come from inside of mqtt_publish. lasting:
     * trying again, which is done all the same, will not help until somebody changes something
     * (a password, a certificate, the broker's rights). */
    void (*on_disconnect)(void *ctx, const char *reason, bool lasting);
    void (*on_message)(void *ctx, const char *topic, struct span payload, bool retained);
    /* The broker refuses the subscription: nothing will come for it on this connection. */
    void (*on_refused)(void *ctx, const char *filter, const char *reason);
    /* A message on this topic cannot be delivered, now or later, and was counted as refused: once
     * a topic. */
    void (*on_undeliverable)(void *ctx, const char *topic, const char *reason);
    void *ctx;
};

struct mqtt_counters {
    uint64_t published;    /* handed to mqtt_publish */
    uint64_t acknowledged; /* PUBACK came */
    uint64_t dropped;      /* oldest ones that went because the queue was full */
    uint64_t resent;       /* sent again after a reconnect: possible duplicates */
    uint64_t refused;      /* the broker's no, or too large for it: went without being sent again */
    uint64_t stored;       /* written to the queue on disk */
    uint64_t restored;     /* of an earlier process, out of it; not in published */
    uint64_t reconnects;
    size_t waiting; /* not yet acknowledged */
};

/* Starts connecting; fails only for wrong options (unreadable certificate, …). Texts are copied. A
 * name with several addresses has them tried in turn, as one attempt. */
int mqtt_open(struct mqtt **out, struct loop *l, const struct mqtt_options *o, struct err *e);
/* QoS 1; kept until acknowledged (PUBACK, nothing less), sent again in order on the next
 * connection. payload is copied. ERR_USAGE: no valid topic, or the client has finished; ERR_LIMIT:
 * more than 64 MiB. */
int mqtt_publish(struct mqtt *m, const char *topic, struct span payload, bool retain,
                 struct err *e);
int mqtt_subscribe(struct mqtt *m, const char *filter,
                   struct err *e); /* again after each reconnect */
bool mqtt_connected(const struct mqtt *m);
/* The broker does not speak MQTT 5, which was wanted. */
bool mqtt_fell_back(const struct mqtt *m);
void mqtt_counters(const struct mqtt *m, struct mqtt_counters *out);
/* Of those that wait: how many are in the queue's file too, to be sent after the next start. */
size_t mqtt_on_disk(const struct mqtt *m);
/* Sends what waits, then DISCONNECT; done(ctx) once that is through or after timeout_ms. The will
 * is not sent. */
void mqtt_finish(struct mqtt *m, uint64_t timeout_ms, void (*done)(void *ctx), void *ctx);
void mqtt_close(struct mqtt **m); /* at once */

/* ---- a private mosquitto on a free loopback port ---- */
struct broker;
/* Starts it with its files in a fresh folder (mode 0700) below TMPDIR (or /tmp); returns when it
 * answers. It lives until broker_close, or until we end, in whatever way: then a small process that
 * we left beside it ends it and removes its folder. Ctrl-C in our terminal does not reach it.
 * ERR_NOTFOUND: mosquitto is not installed, or TMPDIR does not exist. */
int broker_open(struct broker **out, struct err *e);
int broker_port(const struct broker *b);
void broker_close(struct broker **b);

#endif
