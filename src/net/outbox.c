/* SPDX-License-Identifier: MIT */
/* Owns the messages of one MQTT client between publish and PUBACK: see outbox.h. */
#include "net/outbox.h"

#include <stdlib.h>
#include <string.h>

void outbox_init(struct outbox *q, size_t max, size_t max_bytes)
{
    *q = (struct outbox){.max = max, .max_bytes = max_bytes};
}

static size_t size_of(const struct message *m)
{
    return strlen(m->topic) + m->payload.n;
}

static void unlink_message(struct outbox *q, struct message *m)
{
    *(m->older ? &m->older->newer : &q->oldest) = m->newer;
    *(m->newer ? &m->newer->older : &q->newest) = m->older;
    if (q->next == m)
        q->next = m->newer;
    if (m->mid)
        q->in_flight--;
    q->n--;
    q->bytes -= size_of(m);
    free(m);
}

void outbox_release(struct outbox *q)
{
    while (q->oldest)
        unlink_message(q, q->oldest);
}

int outbox_push(struct outbox *q, const char *topic, struct span payload, bool retain,
                size_t *dropped)
{
    size_t topic_size = strlen(topic) + 1, size;
    if (!size_add(sizeof(struct message), topic_size, &size) || !size_add(size, payload.n, &size))
        return ERR_NOMEM;
    struct message *m = (struct message *)malloc(size);
    if (!m)
        return ERR_NOMEM;
    char *text = (char *)(m + 1);
    memcpy(text, topic, topic_size);
    if (payload.n)
        memcpy(text + topic_size, payload.p, payload.n);
    *m = (struct message){
        .topic = text, .payload = span_of(text + topic_size, payload.n), .retain = retain};
    size_t bytes = size_of(m);
    *dropped = 0;
    while (q->n && (q->n >= q->max || bytes > q->max_bytes || q->bytes > q->max_bytes - bytes)) {
        unlink_message(q, q->next ? q->next : q->oldest);
        ++*dropped;
    }
    m->older = q->newest;
    *(q->newest ? &q->newest->newer : &q->oldest) = m;
    q->newest = m;
    if (!q->next)
        q->next = m;
    q->n++;
    q->bytes += bytes;
    return 0;
}

void outbox_sent(struct outbox *q, int mid)
{
    q->next->mid = mid;
    q->next->sent_before = true;
    q->next = q->next->newer;
    q->in_flight++;
}

struct message *outbox_find(const struct outbox *q, int mid)
{
    /* The window is small, and brokers acknowledge in order: the first is nearly always the one. */
    for (struct message *m = q->oldest; m != q->next; m = m->newer) {
        if (m->mid == mid)
            return m;
    }
    return NULL;
}

bool outbox_acknowledge(struct outbox *q, int mid)
{
    struct message *m = outbox_find(q, mid);
    if (m)
        unlink_message(q, m);
    return m != NULL;
}

void outbox_rewind(struct outbox *q)
{
    for (struct message *m = q->oldest; m != q->next; m = m->newer)
        m->mid = 0;
    q->next = q->oldest;
    q->in_flight = 0;
}

void outbox_drop_oldest(struct outbox *q)
{
    unlink_message(q, q->oldest);
}

void outbox_drop_next(struct outbox *q)
{
    unlink_message(q, q->next);
}
