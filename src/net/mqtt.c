/* SPDX-License-Identifier: MIT */
/* Owns the life of one MQTT client and its coming back: when to connect, when to give a connection
 * up, how it ends. One connection is mqtt_link.c's, what goes over it mqtt_send.c's. */
#include "net/mqtt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LASTED_S = 30, /* a connection that lasted: the back-off starts over */
    FILTERS_MAX = 64,
};

/* ---- end of a connection ---- */

void mqtt_lose(struct mqtt *m, const char *reason, bool lasting)
{
    if (m->lost[0])
        return;
    snprintf(m->lost, sizeof m->lost, "%s", reason);
    m->lasting = lasting;
}

static void on_attempt_timer(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    mqtt_link_attempt(m);
    mqtt_settle(m);
}

static void go_away(struct mqtt *m)
{
    bool lasted = m->state == MQTT_UP && (clock_mono_ns() - m->up_ns) / 1000000000 >= LASTED_S;
    mqtt_send_away(m);
    mqtt_link_drop(m);
    m->state = MQTT_AWAY;
    if (lasted || m->finishing) /* what finishes has no time to wait */
        m->backoff_ms = m->o.backoff_min_ms;
    /* Half fixed, half random: many clients of one dead broker spread out. */
    uint64_t ms = m->backoff_ms / 2 + rng_below(&m->rng, m->backoff_ms / 2 + 1);
    m->backoff_ms =
        m->backoff_ms > m->o.backoff_max_ms / 2 ? m->o.backoff_max_ms : m->backoff_ms * 2;
    uv_update_time(m->timer.loop);
    uv_timer_start(&m->timer, on_attempt_timer, ms, 0);
}

static void report_disconnect(struct mqtt *m, const char *reason, bool lasting)
{
    if (!m->o.on_disconnect || m->closed)
        return;
    m->depth++;
    m->o.on_disconnect(m->o.ctx, reason, lasting);
    m->depth--;
}

static void become_done(struct mqtt *m)
{
    if (m->state == MQTT_DONE)
        return;
    mqtt_link_drop(m);
    resolve_cancel(&m->resolve);
    uv_timer_stop(&m->timer);
    uv_timer_stop(&m->deadline);
    m->state = MQTT_DONE;
    mqtt_send_park(m);
    if (m->done && !m->closed) {
        m->depth++;
        m->done(m->done_ctx);
        m->depth--;
    }
}

static void handle_loss(struct mqtt *m)
{
    char reason[sizeof m->lost];
    bool lasting = m->lasting, again = m->again_at_once;
    snprintf(reason, sizeof reason, "%s", m->lost);
    m->lost[0] = m->words[0] = '\0';
    m->again_at_once = false;
    if (m->state == MQTT_LEAVING) {
        become_done(m);
        return;
    }
    /* A name with several addresses (localhost is ::1 and 127.0.0.1): all of them are one attempt.
     */
    bool next = m->state == MQTT_CONNECTING && !lasting && m->address + 1 < m->addresses.n;
    if (again || next) {
        outbox_rewind(&m->queue);
        mqtt_link_drop(m);
        m->address += !again;
        mqtt_link_connect(m);
        return;
    }
    go_away(m);
    report_disconnect(m, reason, lasting);
}

void mqtt_release(struct mqtt *m)
{
    if (--m->open_handles)
        return;
    outbox_release(&m->queue);
    queue_disk_close(&m->disk);
    while (m->filters) {
        struct mqtt_filter *next = m->filters->next;
        free(m->filters);
        m->filters = next;
    }
    arena_release(&m->texts);
    free(m);
    mosquitto_lib_cleanup();
}

static void on_closed(uv_handle_t *h)
{
    mqtt_release((struct mqtt *)h->data);
}

/* ---- what is due ---- */

static void on_resolved(void *ctx, const struct addresses *found, const char *problem)
{
    struct mqtt *m = (struct mqtt *)ctx;
    if (problem) {
        char reason[256];
        snprintf(reason, sizeof reason, "host name: %s", problem);
        mqtt_lose(m, reason, false);
    } else {
        m->addresses = *found;
        m->address = 0;
        mqtt_link_connect(m);
    }
    mqtt_settle(m);
}

static void on_tick(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    mqtt_link_tick(m);
    mqtt_settle(m);
}

static void subscribe_all(struct mqtt *m)
{
    for (struct mqtt_filter *f = m->filters; f && !m->lost[0]; f = f->next) {
        if (!f->asked)
            mqtt_link_check(m, mosquitto_subscribe(m->link->client, &f->mid, f->text, 1));
        f->asked = true;
    }
}

static void start_connection(struct mqtt *m)
{
    for (struct mqtt_filter *f = m->filters; f; f = f->next)
        f->asked = false;
    mqtt_send_up(m);
    uv_timer_start(&m->timer, on_tick, MQTT_TICK_MS, MQTT_TICK_MS);
    if (m->o.on_connect && !m->closed) {
        m->depth++;
        m->o.on_connect(m->o.ctx);
        m->depth--;
    }
}

static void close_handles(struct mqtt *m)
{
    if (m->state != MQTT_DONE)
        mqtt_send_park(m);
    mqtt_link_drop(m);
    resolve_cancel(&m->resolve);
    uv_close((uv_handle_t *)&m->timer, on_closed);
    uv_close((uv_handle_t *)&m->deadline, on_closed);
    uv_close((uv_handle_t *)&m->sync_timer, on_closed);
}

static void send_what_waits(struct mqtt *m)
{
    subscribe_all(m);
    mqtt_send_waiting(m);
    if (m->lost[0] || !m->finishing || m->queue.n)
        return;
    m->state = MQTT_LEAVING;
    if (mosquitto_disconnect(m->link->client))
        become_done(m);
}

void mqtt_settle(struct mqtt *m)
{
    static const int rounds_max = 2 * ADDRESSES_MAX + 6;
    if (m->depth)
        return;
    for (int round = 0; round < rounds_max && !m->closed && m->state != MQTT_DONE; round++) {
        bool socket_gone = m->link && mosquitto_socket(m->link->client) < 0;
        if (m->state == MQTT_LEAVING && socket_gone) {
            become_done(m); /* DISCONNECT is out */
        } else if (m->lost[0] || socket_gone) {
            mqtt_lose(m, "the connection was lost", false);
            handle_loss(m);
        } else if (m->state == MQTT_UP && !m->link->announced) {
            m->link->announced = true;
            start_connection(m);
        } else if (m->state == MQTT_UP) {
            send_what_waits(m);
            if (!m->lost[0] && m->state == MQTT_UP)
                break;
        } else if (m->finishing && m->queue.n == 0 && m->state != MQTT_LEAVING) {
            become_done(m);
        } else {
            break;
        }
    }
    if (m->closed && !uv_is_closing((uv_handle_t *)&m->timer))
        close_handles(m);
    else if (m->link && !m->closed)
        mqtt_link_watch(m);
}

/* ---- the face ---- */

static void on_deadline(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    become_done(m);
    mqtt_settle(m);
}

static void init_timer(struct mqtt *m, uv_timer_t *t)
{
    uv_timer_init(&m->loop->uv, t);
    t->data = m;
    m->open_handles++;
}

int mqtt_open(struct mqtt **out, struct loop *l, const struct mqtt_options *o, struct err *e)
{
    int rc = client_check_options(o, e);
    if (rc)
        return rc;
    struct mqtt *m = (struct mqtt *)calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_NOMEM, "MQTT client: no memory");
    mosquitto_lib_init();
    m->loop = l;
    rc = client_copy_options(&m->o, &m->texts, o, e);
    m->version = m->o.version;
    m->backoff_ms = m->o.backoff_min_ms;
    outbox_init(&m->queue, o->queue_max, m->o.queue_bytes);
    if (!rc)
        rc = mqtt_link_probe(m, e); /* wrong options show here, not at each attempt */
    if (!rc)
        rc = mqtt_send_open(m, e);
    if (rc) {
        m->open_handles = 1;
        mqtt_release(m);
        return rc;
    }
    m->resolve = (struct resolve_wait){.fn = on_resolved, .ctx = m};
    rng_seed(&m->rng, rng_entropy());
    init_timer(m, &m->timer);
    init_timer(m, &m->deadline);
    init_timer(m, &m->sync_timer);
    uv_timer_start(&m->timer, on_attempt_timer, 0, 0);
    *out = m;
    return 0;
}

int mqtt_publish(struct mqtt *m, const char *topic, struct span payload, bool retain, struct err *e)
{
    size_t dropped = 0;
    size_t n = strlen(topic);
    if (n == 0 || n > 65535 || !utf8_valid(span_of(topic, n)) || strpbrk(topic, "+#"))
        return err_set(e, ERR_USAGE,
                       "MQTT topic '%s': expected 1 to 65535 bytes of UTF-8 without + and #",
                       topic);
    if (payload.n > MQTT_PAYLOAD_MAX)
        return err_set(e, ERR_LIMIT, "MQTT message on '%s': %zu bytes, at most %d", topic,
                       payload.n, MQTT_PAYLOAD_MAX);
    if (m->state == MQTT_DONE || m->closed)
        return err_set(e, ERR_USAGE, "MQTT client '%s': closed", m->o.client_id);
    if (outbox_push(&m->queue, topic, payload, retain, &dropped))
        return err_set(e, ERR_NOMEM, "MQTT message on '%s': no memory", topic);
    m->counters.published++;
    m->counters.dropped += dropped;
    mqtt_send_added(m);
    mqtt_settle(m);
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
    struct mqtt_filter *f = (struct mqtt_filter *)calloc(1, sizeof *f + n + 1);
    if (!f)
        return err_set(e, ERR_NOMEM, "MQTT topic filter '%s': no memory", filter);
    memcpy(f->text, filter, n);
    struct mqtt_filter **at = &m->filters;
    while (*at)
        at = &(*at)->next;
    *at = f;
    m->n_filters++;
    mqtt_settle(m);
    return 0;
}

bool mqtt_fell_back(const struct mqtt *m)
{
    return m->version_proved && m->version != m->o.version;
}

size_t mqtt_on_disk(const struct mqtt *m)
{
    size_t n = 0;
    for (const struct message *p = m->queue.oldest; p && p->stored; p = p->newer)
        n++;
    return n;
}

bool mqtt_connected(const struct mqtt *m)
{
    return m->state == MQTT_UP;
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
    bool nothing = m->queue.n == 0 && m->state != MQTT_UP;
    uv_update_time(m->timer.loop);
    uv_timer_start(&m->deadline, on_deadline, nothing ? 0 : timeout_ms, 0);
    /* done must not be called from inside of this call: the timers see to the rest. */
    if (m->state == MQTT_UP)
        uv_timer_start(&m->timer, on_tick, 0, MQTT_TICK_MS);
    else if (m->state == MQTT_AWAY && !nothing)
        uv_timer_start(&m->timer, on_attempt_timer, 0, 0);
}

void mqtt_close(struct mqtt **mp)
{
    struct mqtt *m = *mp;
    if (!m)
        return;
    *mp = NULL;
    m->closed = true;
    mqtt_settle(m);
}
