/* SPDX-License-Identifier: MIT */
/* Owns what a client publishes between mqtt_publish and the broker's word on it: the window, what
 * is refused, and what goes to the queue's file while the broker is away.
 *
 * The list in memory (outbox.c) is what is sent from; the file is a copy of its older part. While
 * the broker takes messages nothing is written. What is written survives our end at once; a sync a
 * second, by libuv's threads, makes it survive the machine's. */
#include "net/mqtt.h"
#include "net/reason.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SPILL_AT = 1000,  /* waiting messages, from which on a slow broker is as good as none */
    MARK_EVERY = 100, /* at most so many are sent twice after a kill */
    SYNC_MS = 1000,
    RECORD_OVER = 32,        /* a record beyond topic and payload, and its share of marks */
    REWRITE_BYTES = 4 << 20, /* beyond twice what is needed */
    ALONE_AFTER = 2,         /* fruitless connections: then one message at a time, … */
    DENIED_S = 300,          /* then it is tried whether the broker's rights have changed */
    GIVE_UP_AFTER = 8,       /* … and then the one that ends them goes */
};

/* ---- the file ---- */

static void on_restored(void *ctx, uint64_t number, const char *topic, struct span payload,
                        bool retain)
{
    struct mqtt *m = (struct mqtt *)ctx;
    size_t dropped = 0;
    if (outbox_push(&m->queue, topic, payload, retain, &dropped))
        return; /* no memory: it stays in the file */
    m->queue.newest->stored = number;
    m->counters.restored++;
    m->counters.dropped += dropped;
}

static void say_loss(const struct mqtt *m, const struct queue_loss *loss)
{
    const char *path = queue_disk_path(m->disk);
    char messages[64] = "";
    if (loss->messages)
        snprintf(messages, sizeof messages, ", at least %llu messages,",
                 (unsigned long long)loss->messages);
    if (loss->places)
        log_warning("queue '%s': damaged in %llu %s: %llu bytes%s are lost; the messages around "
                    "them are kept",
                    path, (unsigned long long)loss->places, plural(loss->places, "place", "places"),
                    (unsigned long long)loss->skipped, messages);
    if (loss->torn)
        log_warning("queue '%s': %llu bytes of a torn end were cut off", path,
                    (unsigned long long)loss->torn);
}

static int open_disk(struct mqtt *m, struct err *e)
{
    struct queue_loss loss;
    int rc = queue_disk_open(&m->disk, m->o.queue_dir, m->o.queue_name, on_restored, m, &loss, e);
    if (!rc)
        say_loss(m, &loss);
    return rc;
}

int mqtt_send_open(struct mqtt *m, struct err *e)
{
    if (!m->o.queue_dir)
        return 0;
    if (!m->o.queue_name)
        m->o.queue_name = m->o.client_id;
    bool there = queue_disk_exists(m->o.queue_dir, m->o.queue_name);
    int rc = there || m->o.queue_now ? open_disk(m, e) : 0;
    if (!rc && m->counters.restored)
        log_info("queue '%s': %llu %s an earlier start are sent first", queue_disk_path(m->disk),
                 (unsigned long long)m->counters.restored,
                 plural(m->counters.restored, "message of", "messages of"));
    return rc;
}

static void on_synced(uv_fs_t *request);

static void on_sync_timer(uv_timer_t *t)
{
    struct mqtt *m = (struct mqtt *)t->data;
    if (m->syncing || !m->disk || m->closed)
        return;
    m->sync.data = m;
    m->sync_due = false;
    m->syncing = uv_fs_fdatasync(&m->loop->uv, &m->sync, queue_disk_fd(m->disk), on_synced) == 0;
    m->open_handles += m->syncing;
}

static void sync_soon(struct mqtt *m)
{
    m->sync_due = true;
    if (!m->syncing && !m->closed && !uv_is_active((uv_handle_t *)&m->sync_timer))
        uv_timer_start(&m->sync_timer, on_sync_timer, SYNC_MS, 0);
}

static void on_synced(uv_fs_t *request)
{
    struct mqtt *m = (struct mqtt *)request->data;
    uv_fs_req_cleanup(request);
    m->syncing = false;
    if (m->sync_due)
        sync_soon(m);
    mqtt_release(m);
}

static void disk_failed(struct mqtt *m, const struct err *e)
{
    if (!m->disk_failed)
        log_warning("%s: messages wait in memory only, and are lost if this process ends", e->text);
    m->disk_failed = true;
}

/* Everything in memory that is not in the file yet, in order. */
static void store_all(struct mqtt *m)
{
    struct err e;
    if (!m->o.queue_dir)
        return;
    if (!m->disk && open_disk(m, &e)) {
        disk_failed(m, &e);
        return;
    }
    /* From the newest back: those that are in the file stand before all others. */
    struct message *first = NULL;
    for (struct message *at = m->queue.newest; at && !at->stored; at = at->older)
        first = at;
    for (struct message *at = first; at; at = at->newer) {
        if (queue_disk_add(m->disk, at->topic, at->payload, at->retain, &at->stored, &e)) {
            disk_failed(m, &e);
            return;
        }
        m->counters.stored++;
    }
    m->disk_failed = false;
    if (first)
        sync_soon(m);
}

/* The file, grown by what came and went, is written anew with what waits. */
static void rewrite(struct mqtt *m)
{
    struct err e;
    int rc = queue_disk_rewrite_begin(m->disk, &e);
    if (rc) {
        disk_failed(m, &e);
        return;
    }
    for (const struct message *at = m->queue.oldest; !rc && at && at->stored; at = at->newer)
        rc = queue_disk_copy(m->disk, at->topic, at->payload, at->retain, at->stored, &e);
    if (rc)
        queue_disk_rewrite_abandon(m->disk);
    else
        rc = queue_disk_rewrite_end(m->disk, &e);
    if (rc)
        disk_failed(m, &e);
}

/* Tells the file what is done with, when that is worth a write. */
static void mark(struct mqtt *m, uint64_t worth)
{
    struct err e;
    const struct message *oldest = m->queue.oldest;
    int rc = 0;
    if (!m->disk)
        return;
    if (!oldest || !oldest->stored)
        rc = queue_disk_empty(m->disk, &e);
    else if (oldest->stored >= m->marked + worth) {
        rc = queue_disk_mark(m->disk, oldest->stored, &e);
        m->marked = oldest->stored;
    }
    if (rc)
        disk_failed(m, &e);
    uint64_t needed = m->queue.bytes + m->queue.n * RECORD_OVER;
    if (!m->syncing && queue_disk_bytes(m->disk) > 2 * needed + REWRITE_BYTES)
        rewrite(m);
}

void mqtt_send_added(struct mqtt *m)
{
    if (m->away || m->queue.n > SPILL_AT) {
        store_all(m);
        mark(m, 1); /* what was dropped for it must not come back */
    }
}

void mqtt_send_park(struct mqtt *m)
{
    if (m->queue.n)
        store_all(m);
    mark(m, 1);
}

/* ---- what the broker does not take ---- */

static struct mqtt_denied *find_denied(struct mqtt *m, const char *topic, uint32_t *hash)
{
    *hash = 2166136261U; /* FNV-1a */
    for (const char *p = topic; *p; p++)
        *hash = (*hash ^ (uint8_t)*p) * 16777619U;
    for (size_t i = 0; i < m->n_denied; i++) {
        if (m->denied[i].hash == *hash)
            return &m->denied[i];
    }
    return NULL;
}

/* The message is counted; the topic is said once. rest: what comes on the topic is not even tried
 * for a while: mosquitto 2.0.11 ends the connection with each refusal. */
static void note_refused(struct mqtt *m, const char *topic, const char *reason, bool rest)
{
    uint32_t hash;
    struct mqtt_denied *d = find_denied(m, topic, &hash);
    uint64_t until_ns = rest ? clock_mono_ns() + (uint64_t)DENIED_S * 1000000000 : 0;
    m->counters.refused++;
    if (d)
        d->until_ns = until_ns;
    if (d || m->n_denied == MQTT_DENIED_MAX)
        return;
    m->denied[m->n_denied++] = (struct mqtt_denied){hash, until_ns};
    if (m->closed || !m->o.on_undeliverable) {
        log_warning("MQTT %s: a message on '%s' cannot be delivered: %s", m->o.client_id, topic,
                    reason);
        return;
    }
    m->depth++;
    m->o.on_undeliverable(m->o.ctx, topic, reason);
    m->depth--;
}

static bool is_denied(struct mqtt *m, const char *topic)
{
    uint32_t hash;
    const struct mqtt_denied *d = m->n_denied ? find_denied(m, topic, &hash) : NULL;
    return d && clock_mono_ns() < d->until_ns;
}

static void forget_denied(struct mqtt *m, const char *topic)
{
    uint32_t hash;
    struct mqtt_denied *d = m->n_denied ? find_denied(m, topic, &hash) : NULL;
    if (d)
        *d = m->denied[--m->n_denied];
}

/* 1 byte of type, the length, topic with its length, packet id, no properties, payload. */
static size_t packet_bytes(const struct message *p, enum mqtt_version version)
{
    size_t rest = 2 + strlen(p->topic) + 2 + (version == MQTT_VERSION_5) + p->payload.n;
    size_t length = rest < 1U << 7 ? 1 : rest < 1U << 14 ? 2 : rest < 1U << 21 ? 3 : 4;
    return 1 + length + rest;
}

/* q->next would never go, and hold up all that come after it. */
static void refuse_next(struct mqtt *m, const char *reason)
{
    note_refused(m, m->queue.next->topic, reason, false);
    outbox_drop_next(&m->queue);
}

static bool fits(struct mqtt *m)
{
    char reason[128];
    const struct mqtt_link *k = m->link;
    size_t bytes = packet_bytes(m->queue.next, k->version);
    if (k->limits.packet_bytes == 0 || bytes <= k->limits.packet_bytes)
        return true;
    snprintf(reason, sizeof reason,
             "its packet has %zu bytes, the broker takes at most %lu (maximum packet size)", bytes,
             (unsigned long)k->limits.packet_bytes);
    refuse_next(m, reason);
    return false;
}

static bool never_goes(int rc)
{
    return rc == MOSQ_ERR_OVERSIZE_PACKET || rc == MOSQ_ERR_PAYLOAD_SIZE || rc == MOSQ_ERR_INVAL ||
           rc == MOSQ_ERR_MALFORMED_UTF8;
}

/* ---- the window ---- */

static size_t window(const struct mqtt *m)
{
    if (m->fruitless >= ALONE_AFTER && !m->link->productive)
        return 1;
    return m->link->limits.in_flight < MQTT_IN_FLIGHT_MAX ? m->link->limits.in_flight
                                                          : MQTT_IN_FLIGHT_MAX;
}

void mqtt_send_waiting(struct mqtt *m)
{
    while (m->queue.next && m->queue.in_flight < window(m) && !m->lost[0]) {
        struct message *next = m->queue.next;
        struct mqtt_link *k = m->link;
        int mid = 0;
        if (is_denied(m, next->topic)) {
            m->counters.refused++;
            outbox_drop_next(&m->queue);
            continue;
        }
        if (!fits(m))
            continue;
        errno = 0;
        int rc = mosquitto_publish(k->client, &mid, next->topic, (int)next->payload.n,
                                   next->payload.p, 1, next->retain && k->limits.keeps_retained);
        if (never_goes(rc)) {
            char why[LIBRARY_WORDS_SIZE];
            refuse_next(m, library_words(why, mosquitto_strerror(rc)));
            continue;
        }
        if (mid) {
            m->counters.resent += next->sent_before;
            outbox_sent(&m->queue, mid);
        }
        mqtt_link_check(m, rc);
    }
}

void mqtt_send_acknowledged(struct mqtt *m, int mid, int code)
{
    char reason[256];
    const struct message *p = outbox_find(&m->queue, mid);
    if (!p)
        return;
    if (code >= REASON_REFUSED && reason_is_passing_limit(code)) {
        /* It stays, and so does the order: all goes again over the next connection. */
        snprintf(reason, sizeof reason, "the broker does not take a message on '%.128s': %s",
                 p->topic, reason_text(code));
        mqtt_lose(m, reason, false);
        return;
    }
    if (code >= REASON_REFUSED) {
        snprintf(reason, sizeof reason, "the broker refuses it: %s", reason_text(code));
        note_refused(m, p->topic, reason, reason_is_lasting(code));
    } else {
        m->counters.acknowledged++;
        forget_denied(m, p->topic);
    }
    m->fruitless = 0;
    m->link->productive = true;
    outbox_acknowledge(&m->queue, mid);
    mark(m, MARK_EVERY);
}

void mqtt_send_up(struct mqtt *m)
{
    m->away = false;
}

/* Brokers of 3.1.1, and some of 5, end the connection for a message that they do not want; sent
 * again first each time, it would hold up all others for ever. */
static void look_for_culprit(struct mqtt *m)
{
    char reason[128];
    if (!m->link || !m->link->announced || m->link->productive || m->queue.in_flight == 0)
        return;
    if (++m->fruitless < GIVE_UP_AFTER)
        return;
    snprintf(reason, sizeof reason,
             "%d connections ended without a word when it was sent (%zu bytes)", m->fruitless,
             m->queue.oldest->payload.n);
    note_refused(m, m->queue.oldest->topic, reason, false);
    outbox_drop_oldest(&m->queue);
    m->fruitless = ALONE_AFTER;
}

void mqtt_send_away(struct mqtt *m)
{
    look_for_culprit(m);
    outbox_rewind(&m->queue);
    m->away = true;
    if (m->queue.n)
        store_all(m);
    mark(m, 1);
}
