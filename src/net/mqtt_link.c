/* SPDX-License-Identifier: MIT */
/* Owns one connection of a client: the attempt, its socket, what libmosquitto calls back.
 *
 * libmosquitto runs without its thread: we poll its socket and call its read, write and misc
 * functions. Each attempt has a libmosquitto client of its own, so that nothing of a dead
 * connection (half-written packets, message ids, its own retry queue) reaches the next one; what
 * has to survive is in our queue, and counts as delivered with its PUBACK alone. Protocol: MQTT 5
 * and 3.1.1 (OASIS), clean start. */
#include "net/mqtt.h"
#include "net/reason.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TLS_AGAIN_MAX = 3,
    HOLD_MS = 125, /* twice that for the first attempt that is made again */
};

static void free_link(uv_handle_t *h)
{
    free(h->data);
}

void mqtt_link_drop(struct mqtt *m)
{
    struct mqtt_link *k = m->link;
    if (!k)
        return;
    m->link = NULL;
    k->m = NULL;
    /* The poll goes before the socket: its number may be given out again at once. */
    uv_poll_stop(&k->poll);
    mosquitto_destroy(k->client);
    uv_close((uv_handle_t *)&k->poll, free_link);
}

/* ---- callbacks of libmosquitto: they only note, for depth > 0 ---- */

/* NULL: the link was dropped, or is the probe of mqtt_link_probe. */
static struct mqtt *owner(void *ctx)
{
    struct mqtt_link *k = (struct mqtt_link *)ctx;
    return k ? k->m : NULL;
}

static void refuse_connection(struct mqtt *m, int code)
{
    char reason[256];
    struct mqtt_link *k = m->link;
    if (code == REASON_UNSUPPORTED_VERSION && k->version == MQTT_VERSION_5) {
        m->version = MQTT_VERSION_311;
        m->again_at_once = true;
    }
    snprintf(reason, sizeof reason, "the broker refuses the connection: %s", reason_text(code));
    mqtt_lose(m, reason, reason_is_lasting(code));
}

static void on_connack(struct mosquitto *client, void *ctx, int code, int flags,
                       const mosquitto_property *p)
{
    (void)client;
    (void)flags;
    struct mqtt *m = owner(ctx);
    struct mqtt_link *k = (struct mqtt_link *)ctx;
    if (!m)
        return;
    k->answered = true;
    code = reason_of_connack(code, k->version == MQTT_VERSION_5);
    client_limits(&k->limits, p);
    if (code != 0) {
        refuse_connection(m, code);
    } else if (!k->limits.takes_qos_1) {
        mqtt_lose(m, "the broker takes messages of QoS 0 only, expected QoS 1", true);
    } else {
        m->state = MQTT_UP;
        m->up_ns = clock_mono_ns();
        m->version_proved = true;
        if (m->connected_once)
            m->counters.reconnects++;
        m->connected_once = true;
    }
}

static void on_puback(struct mosquitto *client, void *ctx, int mid, int code,
                      const mosquitto_property *p)
{
    (void)client;
    (void)p;
    struct mqtt *m = owner(ctx);
    if (m)
        mqtt_send_acknowledged(m, mid, code);
}

/* One filter a SUBSCRIBE: see subscribe_all. */
static void on_suback(struct mosquitto *client, void *ctx, int mid, int n, const int *granted,
                      const mosquitto_property *p)
{
    (void)client;
    (void)p;
    struct mqtt *m = owner(ctx);
    const struct mqtt_filter *f = m ? m->filters : NULL;
    while (f && !(f->asked && f->mid == mid))
        f = f->next;
    if (!f || n < 1 || granted[0] < REASON_REFUSED) /* 3.1.1 has one code: 0x80 */
        return;
    char note[REPEAT_NOTE_SIZE];
    if (m->o.on_refused && !m->closed)
        m->o.on_refused(m->o.ctx, f->text, reason_text(granted[0]));
    else if (!m->o.on_refused && repeats_due(&m->said, f->text, clock_mono_ns(), note))
        log_warning("MQTT %s: the broker refuses the subscription to '%s': %s%s", m->o.client_id,
                    f->text, reason_text(granted[0]), note);
}

static void on_incoming(struct mosquitto *client, void *ctx, const struct mosquitto_message *msg,
                        const mosquitto_property *p)
{
    (void)client;
    (void)p;
    struct mqtt *m = owner(ctx);
    if (!m || m->closed || !m->o.on_message)
        return;
    size_t n = msg->payloadlen > 0 ? (size_t)msg->payloadlen : 0;
    char note[REPEAT_NOTE_SIZE];
    if (n <= MQTT_PAYLOAD_MAX)
        m->o.on_message(m->o.ctx, msg->topic, span_of(msg->payload, n), msg->retain);
    else if (repeats_due(&m->said, "too large", clock_mono_ns(), note))
        log_warning("MQTT %s: a message of %zu %s on '%.200s' is left out, expected at most %d%s",
                    m->o.client_id, n, plural(n, "byte", "bytes"), msg->topic, MQTT_PAYLOAD_MAX,
                    note);
}

/* The broker's DISCONNECT (MQTT 5), else a code of libmosquitto, which its caller gets too. */
static void on_disconnect(struct mosquitto *client, void *ctx, int code,
                          const mosquitto_property *p)
{
    char reason[256];
    (void)client;
    (void)p;
    struct mqtt *m = owner(ctx);
    if (!m || code < REASON_REFUSED || m->state == MQTT_LEAVING)
        return;
    snprintf(reason, sizeof reason, "the broker ended the connection: %s", reason_text(code));
    /* At once would be a war with the other one. */
    if (code == REASON_TAKEN_OVER)
        m->backoff_ms = m->o.backoff_max_ms;
    mqtt_lose(m, reason, false);
}

/* What went wrong in a TLS handshake is told here alone. */
static void on_library_log(struct mosquitto *client, void *ctx, int level, const char *text)
{
    (void)client;
    char words[LIBRARY_WORDS_SIZE];
    struct mqtt *m = owner(ctx);
    if (m && level == MOSQ_LOG_ERR && !m->words[0])
        snprintf(m->words, sizeof m->words, "%s", library_words(words, text));
}

static const struct client_calls calls = {on_connack,  on_puback,     on_suback,
                                          on_incoming, on_disconnect, on_library_log};

/* ---- the socket ---- */

static bool handshakes(const struct mqtt *m)
{
    return m->link->tls && m->state == MQTT_CONNECTING;
}

/* Nothing of MQTT came: the broker may not know this version. The next attempt tries the other
 * one, until one is proved. */
static void doubt_version(struct mqtt *m, const struct mqtt_link *k)
{
    if (m->o.version == MQTT_VERSION_5 && !m->version_proved && k->reachable && !k->answered)
        m->version = m->version == MQTT_VERSION_5 ? MQTT_VERSION_311 : MQTT_VERSION_5;
}

static void note_failure(struct mqtt *m, const struct mqtt_link *k, const char *why)
{
    char reason[sizeof m->lost];
    bool lasting = false;
    if (k->tls && (tls_has_problem(k->tls) || m->words[0]) && !k->answered) {
        tls_problem(k->tls, m->words, reason, sizeof reason, &lasting);
        mqtt_lose(m, reason, lasting);
        return;
    }
    /* Who is reset in the middle of a handshake may not get to read the alert that tells why: RFC
     * 8446, 6.2, lets the broker hang up behind it, and what we have sent meanwhile makes that a
     * reset. Another attempt holds CONNECT back for a moment, so that the alert can be read. */
    if (k->tls && !k->answered && !m->version_proved && m->tls_again < TLS_AGAIN_MAX) {
        m->tls_again++;
        m->again_at_once = true;
        mqtt_lose(m, "the TLS handshake was broken off", false);
        return;
    }
    bool early = m->state == MQTT_CONNECTING && k->reachable && !k->answered;
    if (early)
        doubt_version(m, k);
    if (m->words[0])
        snprintf(reason, sizeof reason, "%s (%s)", why, m->words);
    else
        snprintf(reason, sizeof reason, "%s%s", why,
                 !early   ? ""
                 : k->tls ? " before the broker answered: does this port speak TLS?"
                          : " before the broker answered: does this port want TLS?");
    mqtt_lose(m, reason, false);
}

void mqtt_link_check(struct mqtt *m, int rc)
{
    int error_number = errno;
    char why[LIBRARY_WORDS_SIZE];
    if (rc != MOSQ_ERR_SUCCESS && m->state != MQTT_LEAVING && !m->lost[0])
        note_failure(m, m->link, client_reason(why, rc, error_number));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct mqtt_link *k = (struct mqtt_link *)poll->data;
    struct mqtt *m = k->m;
    if (!m)
        return;
    int error = 0;
    char why[LIBRARY_WORDS_SIZE];
    m->depth++;
    if (!k->reachable) {
        error = client_socket_error(k->client);
        /* Who is reset was connected: a handshake may be over before we come here first. */
        k->reachable = !error || error == ECONNRESET || error == EPIPE;
        if (!k->reachable)
            mqtt_lose(m, strerror(error), false);
    }
    if (k->tls)
        tls_clear(k->tls);
    if ((status < 0 || error) && !m->lost[0]) {
        /* libuv says EBADF for whatever error the socket has */
        if (!error)
            error = client_socket_error(k->client);
        /* The broker's last words may lie before the error: they say more. */
        client_transfer(k->client, true, false, handshakes(m), k->hold);
        if (!m->lost[0])
            note_failure(m, k,
                         error                ? strerror(error)
                         : status == UV_EBADF ? client_reason(why, MOSQ_ERR_CONN_LOST, 0)
                                              : uv_strerror(status));
    }
    if (!m->lost[0])
        mqtt_link_check(m, client_transfer(k->client, events & (UV_READABLE | UV_DISCONNECT),
                                           events & UV_WRITABLE, handshakes(m), k->hold));
    m->depth--;
    mqtt_settle(m);
}

void mqtt_link_watch(struct mqtt *m)
{
    struct mqtt_link *k = m->link;
    int events = UV_READABLE;
    /* During a TLS handshake libmosquitto says want_write all the time: that would spin. */
    if (!k->reachable || (!handshakes(m) && mosquitto_want_write(k->client)))
        events |= UV_WRITABLE;
    uv_poll_start(&k->poll, events, on_poll);
}

static void on_tick(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    mqtt_link_tick(m);
    mqtt_settle(m);
}

void mqtt_link_tick(struct mqtt *m)
{
    if (m->state == MQTT_CONNECTING && m->link->hold) {
        m->link->hold = false;
        uv_timer_start(&m->timer, on_tick, MQTT_CONNECT_MS, MQTT_TICK_MS);
        m->depth++;
        mqtt_link_check(m, client_transfer(m->link->client, false, true, handshakes(m), false));
        m->depth--;
    } else if (m->state == MQTT_CONNECTING) {
        doubt_version(m, m->link);
        mqtt_lose(m, "no answer in 10 seconds", false);
    } else if (m->link) {
        m->depth++;
        mqtt_link_check(m, mosquitto_loop_misc(m->link->client));
        m->depth--;
    }
}

/* ---- an attempt ---- */

int mqtt_link_probe(struct mqtt *m, struct err *e)
{
    struct mosquitto *probe = NULL;
    struct tls *tls = NULL;
    int rc = tls_wanted(&m->o) ? tls_get(&tls, m->loop, &m->o, e) : 0;
    if (!rc)
        rc = client_make(&m->o, m->version, tls, &calls, NULL, &probe, e);
    if (!rc)
        mosquitto_destroy(probe);
    return rc;
}

void mqtt_link_connect(struct mqtt *m)
{
    struct err e = {""};
    char why[LIBRARY_WORDS_SIZE];
    struct mqtt_link *k = (struct mqtt_link *)calloc(1, sizeof *k);
    m->state = MQTT_CONNECTING;
    if (!k) {
        mqtt_lose(m, "no memory", false);
        return;
    }
    k->m = m;
    k->version = m->version;
    k->limits.in_flight = UINT16_MAX;
    if ((tls_wanted(&m->o) && tls_get(&k->tls, m->loop, &m->o, &e)) ||
        client_make(&m->o, m->version, k->tls, &calls, k, &k->client, &e)) {
        free(k);
        mqtt_lose(m, e.text, true);
        return;
    }
    if (k->tls)
        tls_clear(k->tls);
    errno = 0;
    /* A handshake may fail in here already: on the loopback the broker's answer comes at once. */
    int rc = client_connect(k->client, &m->o, m->addresses.text[m->address]);
    int fd = mosquitto_socket(k->client);
    int error_number = errno;
    if (rc || fd < 0 || (rc = uv_poll_init(&m->loop->uv, &k->poll, fd)) != 0) {
        if (rc < 0)
            mqtt_lose(m, uv_strerror(rc), false);
        else
            note_failure(m, k, client_reason(why, rc, error_number));
        mosquitto_destroy(k->client);
        free(k);
        return;
    }
    k->poll.data = k;
    m->link = k;
    uv_update_time(m->timer.loop);
    k->hold = k->tls && m->tls_again;
    uv_timer_start(&m->timer, on_tick, k->hold ? HOLD_MS << m->tls_again : MQTT_CONNECT_MS,
                   MQTT_TICK_MS);
}

void mqtt_link_attempt(struct mqtt *m)
{
    struct err e;
    m->state = MQTT_RESOLVING;
    m->depth++; /* a numeric address is there at once; the caller settles */
    if (resolve_start(m->loop, m->o.host, &m->resolve, &e))
        mqtt_lose(m, e.text, false);
    m->depth--;
}
