/* SPDX-License-Identifier: MIT */
/* One client of libmosquitto, for one attempt to connect. Private to net/. What returns int without
 * an err returns libmosquitto's codes. */
#ifndef WATTLE_NET_CLIENT_H
#define WATTLE_NET_CLIENT_H

#include "net/net.h"
#include "net/tls.h"

#include <mosquitto.h>

/* Codes are reason codes of MQTT 5, those of on_connack of 3.1.1 where that is spoken. */
struct client_calls {
    void (*on_connack)(struct mosquitto *c, void *ctx, int code, int flags,
                       const mosquitto_property *p);
    void (*on_puback)(struct mosquitto *c, void *ctx, int mid, int code,
                      const mosquitto_property *p);
    void (*on_suback)(struct mosquitto *c, void *ctx, int mid, int n, const int *granted,
                      const mosquitto_property *p);
    void (*on_message)(struct mosquitto *c, void *ctx, const struct mosquitto_message *m,
                       const mosquitto_property *p);
    void (*on_disconnect)(struct mosquitto *c, void *ctx, int code, const mosquitto_property *p);
    void (*on_log)(struct mosquitto *c, void *ctx, int level, const char *text);
};

int client_check_options(const struct mqtt_options *o, struct err *e);
/* Checked, texts copied into the arena (which it makes; release it on failure too), empty texts
 * made NULL, defaults filled in. */
int client_copy_options(struct mqtt_options *out, struct arena *texts, const struct mqtt_options *o,
                        struct err *e);

/* mosquitto_destroy is the caller's. tls: NULL for none. */
int client_make(const struct mqtt_options *o, enum mqtt_version version, const struct tls *tls,
                const struct client_calls *calls, void *ctx, struct mosquitto **out, struct err *e);
/* Begins; address is one of those that o->host was resolved to. */
int client_connect(struct mosquitto *c, const struct mqtt_options *o, const char *address);
int client_socket_error(struct mosquitto *c); /* errno of connect(2); 0: it is through */
/* handshake: TLS, and CONNACK has not come; hold: nor is CONNECT to be written yet. */
int client_transfer(struct mosquitto *c, bool readable, bool writable, bool handshake, bool hold);
const char *client_reason(char out[LIBRARY_WORDS_SIZE], int rc, int error_number);

/* What a broker allows, from CONNACK's properties. */
struct client_limits {
    uint32_t packet_bytes; /* 0: it says none */
    uint16_t in_flight;    /* 65535: it says none */
    bool keeps_retained, takes_qos_1;
};
void client_limits(struct client_limits *out, const mosquitto_property *p);

#endif
