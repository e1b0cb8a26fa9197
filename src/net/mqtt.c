/* SPDX-License-Identifier: MIT */
/* Owns one MQTT connection and its coming back: when to connect, what goes over it, when it is
 * given up. One attempt at libmosquitto is client.c's, the messages that wait are outbox.c's, host
 * names resolve.c's.
 *
 * libmosquitto runs without its thread: we poll its socket and call its read, write and misc
 * functions. Each attempt to connect has a libmosquitto client of its own (struct link), so that
 * nothing of a dead connection (half-written packets, message ids, its own retry queue) reaches the
 * next one; what has to survive is in our queue, and counts as delivered with its PUBACK alone.
 *
 * Long because it is one state machine, whose steps call each other and share what they note.
 *
 * Invariants: link is NULL exactly in the states AWAY, RESOLVING and DONE. While depth > 0 a
 * callback of the user or of libmosquitto is on the stack: then nothing calls libmosquitto and
 * nothing is freed; settle() does what is due once the stack is unwound. Protocol: MQTT 3.1.1
 * (OASIS), clean session. */
#include "net/client.h"
#include "net/loop.h"
#include "net/outbox.h"
#include "net/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 5000,     /* how often the keepalive is looked at */
    CONNECT_MS = 10000, /* from connect(2) to CONNACK */
    LASTED_S = 30,      /* a connection that lasted: the back-off starts over */
    IN_FLIGHT_MAX = 20, /* libmosquitto's own window; more would only wait inside it */
    FILTERS_MAX = 64,
    PAYLOAD_MAX = 64 << 20, /* of one message that we publish */
};

enum state {
    AWAY,       /* timer: the next attempt */
    RESOLVING,  /* resolve: the wait for an address */
    CONNECTING, /* timer: the deadline */
    UP,         /* timer: the tick */
    LEAVING,    /* DISCONNECT is being written */
    DONE
};

/* One attempt. Outlives its mqtt until libuv has closed the poll handle. */
struct link {
    uv_poll_t poll;
    struct mosquitto *client;
    struct mqtt *m; /* NULL: dropped */
    bool reachable; /* connect(2) is through */
    bool announced; /* CONNACK came and start_connection was called */
};

struct filter {
    struct filter *next;
    bool asked; /* on the present connection, … */
    int mid;    /* … with this message id */
    char text[];
};

struct mqtt {
    struct loop *loop;
    struct mqtt_options o; /* its texts are in the arena */
    struct arena texts;
    enum state state;
    struct link *link;
    uv_timer_t timer, deadline; /* deadline: of mqtt_finish */
    int open_handles;
    struct resolve_wait resolve;
    struct addresses addresses;
    int address; /* of them, the one in use */
    struct outbox queue;
    struct filter *filters;
    size_t n_filters;
    struct mqtt_counters counters;
    bool connected_once;
    uint64_t up_ns;
    uint64_t backoff_ms;
    struct rng rng;
    int depth;
    bool closed;
    char lost[sizeof(struct err)]; /* why the link must go; "": it is fine */
    char said[256];                /* libmosquitto's complaint about it, " (…)"; "": none */
    bool finishing;
    void (*done)(void *ctx);
    void *done_ctx;
};

static void attempt(struct mqtt *m);
static void settle(struct mqtt *m);

/* ---- end of a connection ---- */

static void free_link(uv_handle_t *h)
{
    free(h->data);
}

static void drop_link(struct mqtt *m)
{
    struct link *k = m->link;
    if (!k)
        return;
    m->link = NULL;
    k->m = NULL;
    /* The poll goes before the socket: its number may be given out again at once. */
    uv_poll_stop(&k->poll);
    mosquitto_destroy(k->client);
    uv_close((uv_handle_t *)&k->poll, free_link);
}

static void on_attempt_timer(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    attempt(m);
    settle(m);
}

static void go_away(struct mqtt *m)
{
    bool lasted = m->state == UP && (clock_mono_ns() - m->up_ns) / 1000000000 >= LASTED_S;
    drop_link(m);
    m->state = AWAY;
    if (lasted || m->finishing) /* what finishes has no time to wait */
        m->backoff_ms = m->o.backoff_min_ms;
    /* Half fixed, half random: many clients of one dead broker spread out. */
    uint64_t ms = m->backoff_ms / 2 + rng_below(&m->rng, m->backoff_ms / 2 + 1);
    m->backoff_ms =
        m->backoff_ms > m->o.backoff_max_ms / 2 ? m->o.backoff_max_ms : m->backoff_ms * 2;
    uv_update_time(m->timer.loop);
    uv_timer_start(&m->timer, on_attempt_timer, ms, 0);
}

static void report_disconnect(struct mqtt *m, const char *reason)
{
    if (!m->o.on_disconnect || m->closed)
        return;
    m->depth++;
    m->o.on_disconnect(m->o.ctx, reason);
    m->depth--;
}

static void become_done(struct mqtt *m)
{
    if (m->state == DONE)
        return;
    drop_link(m);
    resolve_cancel(&m->resolve);
    uv_timer_stop(&m->timer);
    uv_timer_stop(&m->deadline);
    m->state = DONE;
    if (m->done && !m->closed) {
        m->depth++;
        m->done(m->done_ctx);
        m->depth--;
    }
}

static void lose(struct mqtt *m, const char *reason)
{
    if (!m->lost[0])
        snprintf(m->lost, sizeof m->lost, "%s", reason);
}

/* ---- callbacks of libmosquitto: they only note, for depth > 0 ---- */

static void on_connack(struct mosquitto *client, void *ctx, int code)
{
    (void)client;
    struct mqtt *m = ((struct link *)ctx)->m;
    if (code != 0) {
        char reason[256];
        snprintf(reason, sizeof reason, "the broker refuses: %s", mosquitto_connack_string(code));
        lose(m, reason);
        return;
    }
    m->state = UP;
    m->up_ns = clock_mono_ns();
    if (m->connected_once)
        m->counters.reconnects++;
    m->connected_once = true;
}

static void on_puback(struct mosquitto *client, void *ctx, int mid)
{
    (void)client;
    struct mqtt *m = ((struct link *)ctx)->m;
    if (outbox_acknowledge(&m->queue, mid))
        m->counters.acknowledged++;
}

/* One filter a SUBSCRIBE: see subscribe_all. */
static void on_suback(struct mosquitto *client, void *ctx, int mid, int n, const int *granted)
{
    (void)client;
    struct mqtt *m = ((struct link *)ctx)->m;
    const struct filter *f = m->filters;
    while (f && !(f->asked && f->mid == mid))
        f = f->next;
    if (!f || n < 1 || granted[0] <= 2) /* 0x80: failure (OASIS 3.1.1, 3.9.3) */
        return;
    if (!m->o.on_refused)
        log_warning("MQTT %s: the broker refuses the subscription to '%s'", m->o.client_id,
                    f->text);
    else if (!m->closed)
        m->o.on_refused(m->o.ctx, f->text);
}

static void on_incoming(struct mosquitto *client, void *ctx, const struct mosquitto_message *msg)
{
    (void)client;
    struct mqtt *m = ((struct link *)ctx)->m;
    if (m->closed || !m->o.on_message)
        return;
    size_t n = msg->payloadlen > 0 ? (size_t)msg->payloadlen : 0;
    m->o.on_message(m->o.ctx, msg->topic, span_of(msg->payload, n), msg->retain);
}

/* What went wrong in a TLS handshake is told here alone: it becomes part of the reason. */
static void on_library_log(struct mosquitto *client, void *ctx, int level, const char *text)
{
    (void)client;
    struct link *k = (struct link *)ctx;
    if (level == MOSQ_LOG_ERR && k && k->m && !k->m->said[0])
        snprintf(k->m->said, sizeof k->m->said, " (%s)", text);
}

/* ---- the socket ---- */

static void check(struct mqtt *m, int rc)
{
    if (rc != MOSQ_ERR_SUCCESS && m->state != LEAVING)
        lose(m, client_reason(rc, errno));
}

static bool handshakes(const struct mqtt *m)
{
    return client_uses_tls(&m->o) && m->state == CONNECTING;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *k = (struct link *)poll->data;
    struct mqtt *m = k->m;
    if (!m)
        return;
    m->depth++;
    if (!k->reachable) {
        int error = client_socket_error(k->client);
        if (error)
            lose(m, strerror(error));
        k->reachable = !error;
    }
    /* libuv says EBADF for whatever error the socket has */
    if (status < 0) {
        int error = client_socket_error(k->client);
        lose(m, error                ? strerror(error)
                : status == UV_EBADF ? client_reason(MOSQ_ERR_CONN_LOST, 0)
                                     : uv_strerror(status));
    }
    if (!m->lost[0])
        check(m, client_transfer(k->client, events & (UV_READABLE | UV_DISCONNECT),
                                 events & UV_WRITABLE, handshakes(m)));
    m->depth--;
    settle(m);
}

static void watch(struct mqtt *m)
{
    struct link *k = m->link;
    int events = UV_READABLE;
    /* During a TLS handshake libmosquitto says want_write all the time: that would spin. */
    if (!k->reachable || (!handshakes(m) && mosquitto_want_write(k->client)))
        events |= UV_WRITABLE;
    uv_poll_start(&k->poll, events, on_poll);
}

static void on_tick(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    if (m->state == CONNECTING) {
        lose(m, "no answer in 10 seconds");
    } else if (m->link) {
        m->depth++;
        check(m, mosquitto_loop_misc(m->link->client));
        m->depth--;
    }
    settle(m);
}

static const struct client_calls calls = {on_connack, on_puback, on_suback, on_incoming,
                                          on_library_log};

/* ---- an attempt ---- */

static void connect_to_address(struct mqtt *m)
{
    struct err e = {""};
    struct link *k = (struct link *)calloc(1, sizeof *k);
    m->state = CONNECTING;
    if (!k) {
        lose(m, "no memory");
        return;
    }
    k->m = m;
    if (client_make(&m->o, &calls, k, &k->client, &e)) {
        free(k);
        lose(m, e.text);
        return;
    }
    errno = 0;
    int rc = client_connect(k->client, &m->o, m->addresses.text[m->address]);
    int fd = mosquitto_socket(k->client);
    int error_number = errno;
    if (rc || fd < 0 || (rc = uv_poll_init(&m->loop->uv, &k->poll, fd)) != 0) {
        lose(m, rc < 0 ? uv_strerror(rc) : client_reason(rc, error_number));
        mosquitto_destroy(k->client);
        free(k);
        return;
    }
    k->poll.data = k;
    m->link = k;
    uv_update_time(m->timer.loop);
    uv_timer_start(&m->timer, on_tick, CONNECT_MS, TICK_MS);
}

static void on_resolved(void *ctx, const struct addresses *found, const char *problem)
{
    struct mqtt *m = (struct mqtt *)ctx;
    if (problem) {
        char reason[256];
        snprintf(reason, sizeof reason, "host name: %s", problem);
        lose(m, reason);
    } else {
        m->addresses = *found;
        m->address = 0;
        connect_to_address(m);
    }
    settle(m);
}

static void attempt(struct mqtt *m)
{
    struct err e;
    m->state = RESOLVING;
    m->depth++; /* a numeric address is there at once; the caller settles */
    if (resolve_start(m->loop, m->o.host, &m->resolve, &e))
        lose(m, e.text);
    m->depth--;
}

/* ---- what is due ---- */

static void subscribe_all(struct mqtt *m)
{
    for (struct filter *f = m->filters; f && !m->lost[0]; f = f->next) {
        if (!f->asked)
            check(m, mosquitto_subscribe(m->link->client, &f->mid, f->text, 1));
        f->asked = true;
    }
}

static void send_waiting(struct mqtt *m)
{
    while (m->queue.next && m->queue.in_flight < IN_FLIGHT_MAX && !m->lost[0]) {
        struct message *next = m->queue.next;
        int mid = 0;
        errno = 0;
        int rc = mosquitto_publish(m->link->client, &mid, next->topic, (int)next->payload.n,
                                   next->payload.p, 1, next->retain);
        if (rc == MOSQ_ERR_OVERSIZE_PACKET || rc == MOSQ_ERR_PAYLOAD_SIZE || rc == MOSQ_ERR_INVAL ||
            rc == MOSQ_ERR_MALFORMED_UTF8) {
            /* It would never go, and hold up all that come after it. */
            log_warning("MQTT %s: a message on '%s' cannot be sent: %s", m->o.client_id,
                        next->topic, mosquitto_strerror(rc));
            outbox_drop_next(&m->queue);
            m->counters.dropped++;
            continue;
        }
        if (mid) {
            m->counters.resent += next->sent_before;
            outbox_sent(&m->queue, mid);
        }
        check(m, rc);
    }
}

static void start_connection(struct mqtt *m)
{
    for (struct filter *f = m->filters; f; f = f->next)
        f->asked = false;
    uv_timer_start(&m->timer, on_tick, TICK_MS, TICK_MS);
    if (m->o.on_connect && !m->closed) {
        m->depth++;
        m->o.on_connect(m->o.ctx);
        m->depth--;
    }
}

static void handle_loss(struct mqtt *m)
{
    char reason[sizeof m->lost + sizeof m->said];
    snprintf(reason, sizeof reason, "%s%s", m->lost, m->said);
    m->lost[0] = m->said[0] = '\0';
    if (m->state == LEAVING) {
        become_done(m);
        return;
    }
    outbox_rewind(&m->queue);
    /* A name with several addresses (localhost is ::1 and 127.0.0.1): all of them are one attempt.
     */
    if (m->state == CONNECTING && m->address + 1 < m->addresses.n) {
        drop_link(m);
        m->address++;
        connect_to_address(m);
        return;
    }
    go_away(m);
    report_disconnect(m, reason);
}

static void free_mqtt(uv_handle_t *h)
{
    struct mqtt *m = (struct mqtt *)h->data;
    if (--m->open_handles)
        return;
    outbox_release(&m->queue);
    while (m->filters) {
        struct filter *next = m->filters->next;
        free(m->filters);
        m->filters = next;
    }
    arena_release(&m->texts);
    free(m);
    mosquitto_lib_cleanup();
}

/* Called after everything that may have changed something; never inside of a callback. */
static void settle(struct mqtt *m)
{
    static const int rounds_max = 2 * ADDRESSES_MAX + 4;
    if (m->depth)
        return;
    for (int round = 0; round < rounds_max && !m->closed && m->state != DONE; round++) {
        bool socket_gone = m->link && mosquitto_socket(m->link->client) < 0;
        if (m->state == LEAVING && socket_gone) {
            become_done(m); /* DISCONNECT is out */
        } else if (m->lost[0] || socket_gone) {
            lose(m, "the connection was lost");
            handle_loss(m);
        } else if (m->state == UP && !m->link->announced) {
            m->link->announced = true;
            start_connection(m);
        } else if (m->state == UP) {
            subscribe_all(m);
            send_waiting(m);
            if (m->lost[0])
                continue;
            if (!m->finishing || m->queue.n)
                break;
            m->state = LEAVING;
            if (mosquitto_disconnect(m->link->client))
                become_done(m);
        } else if (m->finishing && m->queue.n == 0 && m->state != LEAVING) {
            become_done(m);
        } else {
            break;
        }
    }
    if (m->closed && !uv_is_closing((uv_handle_t *)&m->timer)) {
        drop_link(m);
        resolve_cancel(&m->resolve);
        uv_close((uv_handle_t *)&m->timer, free_mqtt);
        uv_close((uv_handle_t *)&m->deadline, free_mqtt);
    } else if (m->link) {
        watch(m);
    }
}

/* ---- the face ---- */

static void on_deadline(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    become_done(m);
    settle(m);
}

int mqtt_open(struct mqtt **out, struct loop *l, const struct mqtt_options *o, struct err *e)
{
    struct mosquitto *probe;
    int rc = client_check_options(o, e);
    if (rc)
        return rc;
    struct mqtt *m = (struct mqtt *)calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_NOMEM, "MQTT client: no memory");
    mosquitto_lib_init();
    rc = client_copy_options(&m->o, &m->texts, o, e);
    m->backoff_ms = m->o.backoff_min_ms;
    if (!rc)
        rc = client_make(&m->o, &calls, NULL, &probe,
                         e); /* wrong options show here, not at each attempt */
    if (rc) {
        arena_release(&m->texts);
        free(m);
        mosquitto_lib_cleanup();
        return rc;
    }
    mosquitto_destroy(probe);
    m->loop = l;
    m->resolve = (struct resolve_wait){.fn = on_resolved, .ctx = m};
    outbox_init(&m->queue, o->queue_max);
    rng_seed(&m->rng, rng_entropy());
    uv_timer_init(&l->uv, &m->timer);
    uv_timer_init(&l->uv, &m->deadline);
    m->timer.data = m->deadline.data = m;
    m->open_handles = 2;
    uv_timer_start(&m->timer, on_attempt_timer, 0, 0);
    *out = m;
    return 0;
}

int mqtt_publish(struct mqtt *m, const char *topic, struct span payload, bool retain, struct err *e)
{
    bool dropped = false;
    size_t n = strlen(topic);
    if (n == 0 || n > 65535 || !utf8_valid(span_of(topic, n)) || strpbrk(topic, "+#"))
        return err_set(e, ERR_USAGE,
                       "MQTT topic '%s': expected 1 to 65535 bytes of UTF-8 without + and #",
                       topic);
    if (payload.n > PAYLOAD_MAX)
        return err_set(e, ERR_LIMIT, "MQTT message on '%s': %zu bytes, at most %d", topic,
                       payload.n, PAYLOAD_MAX);
    if (m->state == DONE || m->closed)
        return err_set(e, ERR_USAGE, "MQTT client '%s': closed", m->o.client_id);
    if (outbox_push(&m->queue, topic, payload, retain, &dropped))
        return err_set(e, ERR_NOMEM, "MQTT message on '%s': no memory", topic);
    m->counters.published++;
    m->counters.dropped += dropped;
    settle(m);
    return 0;
}

int mqtt_subscribe(struct mqtt *m, const char *filter, struct err *e)
{
    size_t n = strlen(filter);
    if (n == 0 || n > 65535 || mosquitto_sub_topic_check(filter) || !utf8_valid(span_of(filter, n)))
        return err_set(e, ERR_USAGE, "MQTT topic filter '%s': not a valid one", filter);
    if (m->n_filters == FILTERS_MAX)
        return err_set(e, ERR_LIMIT, "MQTT topic filter '%s': at most %d of them", filter,
                       FILTERS_MAX);
    struct filter *f = (struct filter *)calloc(1, sizeof *f + n + 1);
    if (!f)
        return err_set(e, ERR_NOMEM, "MQTT topic filter '%s': no memory", filter);
    memcpy(f->text, filter, n);
    struct filter **at = &m->filters;
    while (*at)
        at = &(*at)->next;
    *at = f;
    m->n_filters++;
    settle(m);
    return 0;
}

bool mqtt_connected(const struct mqtt *m)
{
    return m->state == UP;
}

void mqtt_counters(const struct mqtt *m, struct mqtt_counters *out)
{
    *out = m->counters;
    out->waiting = m->queue.n;
}

void mqtt_finish(struct mqtt *m, uint64_t timeout_ms, void (*done)(void *ctx), void *ctx)
{
    m->finishing = true;
    m->done = done;
    m->done_ctx = ctx;
    bool nothing = m->queue.n == 0 && m->state != UP;
    uv_update_time(m->timer.loop);
    uv_timer_start(&m->deadline, on_deadline, nothing ? 0 : timeout_ms, 0);
    /* done must not be called from inside of this call: the timers see to the rest. */
    if (m->state == UP)
        uv_timer_start(&m->timer, on_tick, 0, TICK_MS);
    else if (m->state == AWAY && !nothing)
        uv_timer_start(&m->timer, on_attempt_timer, 0, 0);
}

void mqtt_close(struct mqtt **mp)
{
    struct mqtt *m = *mp;
    if (!m)
        return;
    *mp = NULL;
    m->closed = true;
    settle(m);
}
