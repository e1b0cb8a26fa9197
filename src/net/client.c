/* SPDX-License-Identifier: MIT */
/* Owns what we know of libmosquitto 2.0: how a client of it is made, connected and fed without its
 * thread. When that happens, and what follows, is mqtt.c's. */
#include "net/client.h"

#include "net/resolve.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <string.h>
#include <sys/socket.h>

enum {
    KEEPALIVE_S = 60,
    QUEUE_BYTES = 64 << 20,
    TEXTS_MAX = 1 << 20,
};

/* ---- options ---- */

static const char *copy(struct arena *a, const char *text)
{
    return text && text[0] ? arena_strndup(a, text, strlen(text)) : NULL;
}

int client_check_options(const struct mqtt_options *o, struct err *e)
{
    size_t host = o->host ? strlen(o->host) : 0;
    if (host == 0 || host > HOST_MAX)
        return err_set(e, ERR_USAGE, "MQTT host: %zu bytes, expected 1 to %d", host, HOST_MAX);
    if (o->port < 1 || o->port > 65535)
        return err_set(e, ERR_USAGE, "MQTT port: %d, expected 1 to 65535", o->port);
    if (!o->client_id || !o->client_id[0] || strlen(o->client_id) > 65535)
        return err_set(e, ERR_USAGE, "MQTT client id: expected 1 to 65535 bytes");
    bool cert = o->cert_file && o->cert_file[0], key = o->key_file && o->key_file[0];
    if (cert != key)
        return err_set(e, ERR_USAGE, "MQTT over TLS: %s is given, its %s is missing",
                       cert ? "a certificate" : "a key", cert ? "key" : "certificate");
    if (cert && !tls_wanted(o))
        return err_set(e, ERR_USAGE,
                       "MQTT_CERT_FILE '%s': given without TLS, expected MQTT_TLS or "
                       "MQTT_CA_FILE too",
                       o->cert_file);
    if (o->queue_max == 0)
        return err_set(e, ERR_USAGE, "MQTT queue: 0 messages, expected at least 1");
    return 0;
}

int client_copy_options(struct mqtt_options *out, struct arena *texts, const struct mqtt_options *o,
                        struct err *e)
{
    arena_init(texts, TEXTS_MAX);
    *out = *o;
    out->host = copy(texts, o->host);
    out->client_id = copy(texts, o->client_id);
    out->username = copy(texts, o->username);
    out->password = copy(texts, o->password);
    out->ca_file = copy(texts, o->ca_file);
    out->cert_file = copy(texts, o->cert_file);
    out->key_file = copy(texts, o->key_file);
    out->will_topic = copy(texts, o->will_topic);
    out->will_payload = copy(texts, o->will_payload);
    if (out->will_topic && !out->will_payload)
        out->will_payload = "";
    out->queue_dir = copy(texts, o->queue_dir);
    out->queue_name = copy(texts, o->queue_name);
    out->keepalive_s = o->keepalive_s ? o->keepalive_s : KEEPALIVE_S;
    out->queue_bytes = o->queue_bytes ? o->queue_bytes : QUEUE_BYTES;
    out->backoff_min_ms = o->backoff_min_ms ? o->backoff_min_ms : 500;
    out->backoff_max_ms = o->backoff_max_ms ? o->backoff_max_ms : 30000;
    return out->host && out->client_id ? client_check_options(out, e)
                                       : err_set(e, ERR_NOMEM, "MQTT client: no memory");
}

/* ---- a client ---- */

static int set_options(struct mosquitto *c, const struct mqtt_options *o, enum mqtt_version version,
                       const struct tls *tls)
{
    int rc =
        mosquitto_int_option(c, MOSQ_OPT_PROTOCOL_VERSION,
                             version == MQTT_VERSION_5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    if (!rc && o->username)
        rc = mosquitto_username_pw_set(c, o->username, o->password);
    if (!rc && o->will_topic)
        rc = mosquitto_will_set(c, o->will_topic, (int)strlen(o->will_payload), o->will_payload, 1,
                                o->will_retain);
    /* Our context as it is: see tls.c. */
    if (!rc && tls)
        rc = mosquitto_int_option(c, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    if (!rc && tls)
        rc = mosquitto_void_option(c, MOSQ_OPT_SSL_CTX, tls->context);
    return rc;
}

int client_make(const struct mqtt_options *o, enum mqtt_version version, const struct tls *tls,
                const struct client_calls *calls, void *ctx, struct mosquitto **out, struct err *e)
{
    struct mosquitto *c = mosquitto_new(o->client_id, true, ctx);
    if (!c && errno == ENOMEM)
        return err_set(e, ERR_NOMEM, "MQTT client '%s': no memory", o->client_id);
    if (!c)
        return err_set(e, ERR_USAGE,
                       "MQTT client id '%s': refused, expected UTF-8 without control "
                       "characters",
                       o->client_id);
    int rc = set_options(c, o, version, tls);
    if (rc) {
        char why[LIBRARY_WORDS_SIZE];
        err_set(e, ERR_USAGE, "MQTT options: %s", library_words(why, mosquitto_strerror(rc)));
        mosquitto_destroy(c);
        return rc == MOSQ_ERR_NOMEM ? ERR_NOMEM : ERR_USAGE;
    }
    mosquitto_int_option(c, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_v5_callback_set(c, calls->on_connack);
    mosquitto_publish_v5_callback_set(c, calls->on_puback);
    mosquitto_subscribe_v5_callback_set(c, calls->on_suback);
    mosquitto_message_v5_callback_set(c, calls->on_message);
    mosquitto_disconnect_v5_callback_set(c, calls->on_disconnect);
    mosquitto_log_callback_set(c, calls->on_log);
    *out = c;
    return 0;
}

/* libmosquitto connects without blocking but resolves with getaddrinfo: a numeric address costs it
 * nothing. Where the broker is quick it makes the whole TLS handshake in here, and would write
 * CONNECT behind it without a look at what the broker said of our certificate: a client "with a
 * thread" leaves its packets to the loop, ours. */
int client_connect(struct mosquitto *c, const struct mqtt_options *o, const char *address)
{
    mosquitto_threaded_set(c, true);
    int rc = mosquitto_connect_async(c, address, o->port, o->keepalive_s);
    int error_number = errno;
    mosquitto_threaded_set(c, false);
    errno = error_number;
    return rc;
}

void client_limits(struct client_limits *out, const mosquitto_property *p)
{
    uint8_t byte;
    *out = (struct client_limits){0, UINT16_MAX, true, true};
    mosquitto_property_read_int32(p, MQTT_PROP_MAXIMUM_PACKET_SIZE, &out->packet_bytes, false);
    mosquitto_property_read_int16(p, MQTT_PROP_RECEIVE_MAXIMUM, &out->in_flight, false);
    if (mosquitto_property_read_byte(p, MQTT_PROP_RETAIN_AVAILABLE, &byte, false))
        out->keeps_retained = byte;
    if (mosquitto_property_read_byte(p, MQTT_PROP_MAXIMUM_QOS, &byte, false))
        out->takes_qos_1 = byte;
}

int client_socket_error(struct mosquitto *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(mosquitto_socket(c), SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

int client_transfer(struct mosquitto *c, bool readable, bool writable, bool handshake, bool hold)
{
    int rc = MOSQ_ERR_SUCCESS;
    /* libmosquitto looks at errno even after a call that did not fail: hence the zeros. Its write
     * takes no step of a TLS handshake, its read does; and the handshake's last step comes with a
     * read, after which CONNECT has to be written. */
    if (readable) {
        errno = 0;
        rc = mosquitto_loop_read(c, 1);
    }
    if (!rc && handshake && writable) {
        errno = 0;
        rc = mosquitto_loop_read(c, 1);
    }
    if (!rc && !hold && (handshake || writable)) {
        errno = 0;
        rc = mosquitto_loop_write(c, 1);
    }
    return rc;
}

const char *client_reason(char out[LIBRARY_WORDS_SIZE], int rc, int error_number)
{
    /* an end of file in the middle of a packet is an ERRNO without one */
    bool lost = rc == MOSQ_ERR_CONN_LOST || (rc == MOSQ_ERR_ERRNO && !error_number);
    return lost                       ? "the connection was lost"
           : rc == MOSQ_ERR_ERRNO     ? strerror(error_number)
           : rc == MOSQ_ERR_KEEPALIVE ? "the broker no longer answers"
                                      : library_words(out, mosquitto_strerror(rc));
}
