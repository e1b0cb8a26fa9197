/* SPDX-License-Identifier: MIT */
/* feed: a queue of copies. The lock is held for as long as it takes to hang one in, and the taker
 * takes the whole queue at once, so no watcher can hold up a producer. */
#include "metrics/metrics.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    struct entry *next;
    struct feed_event ev; /* name and text lie behind */
    size_t size;
    char bytes[];
};

struct feed {
    pthread_mutex_t lock; /* of all below */
    struct entry *first, *last;
    size_t bytes, max_bytes;
    uint64_t dropped;
};

int feed_open(struct feed **out, size_t max_bytes, struct err *e)
{
    struct feed *f = (struct feed *)calloc(1, sizeof *f);
    if (!f || pthread_mutex_init(&f->lock, NULL)) {
        free(f);
        return err_set(e, ERR_NOMEM, "live feed: no memory");
    }
    f->max_bytes = max_bytes;
    *out = f;
    return 0;
}

static void drop_first(struct feed *f)
{
    struct entry *x = f->first;
    f->first = x->next;
    if (!f->first)
        f->last = NULL;
    f->bytes -= x->size;
    free(x);
}

void feed_close(struct feed **feed)
{
    struct feed *f = *feed;
    if (!f)
        return;
    while (f->first)
        drop_first(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
    *feed = NULL;
}

static void put(struct feed *f, struct feed_event ev)
{
    size_t name = strlen(ev.name) + 1, size = sizeof(struct entry) + name;
    if (!f)
        return;
    bool fits = size_add(size, ev.text.n, &size) && size <= f->max_bytes;
    struct entry *x = fits ? (struct entry *)malloc(size) : NULL;
    if (x) {
        ev.utc_us = clock_utc_us();
        *x = (struct entry){.ev = ev, .size = size};
        memcpy(x->bytes, ev.name, name);
        span_copy(x->bytes + name, ev.text);
        x->ev.name = x->bytes;
        x->ev.text = span_of(x->bytes + name, ev.text.n);
    }
    pthread_mutex_lock(&f->lock);
    if (!x)
        f->dropped++;
    while (x && f->first && f->bytes > f->max_bytes - size) {
        drop_first(f);
        f->dropped++;
    }
    if (x) {
        if (f->last)
            f->last->next = x;
        else
            f->first = x;
        f->last = x;
        f->bytes += size;
    }
    pthread_mutex_unlock(&f->lock);
}

void feed_message(struct feed *f, const char *topic, struct span payload)
{
    put(f, (struct feed_event){.kind = FEED_MESSAGE, .name = topic, .text = payload});
}

void feed_token(struct feed *f, const char *device_id, struct span text, bool first)
{
    put(f, (struct feed_event){.kind = FEED_TOKEN, .name = device_id, .text = text, .flag = first});
}

void feed_device(struct feed *f, const char *id, const char *name)
{
    put(f, (struct feed_event){.kind = FEED_DEVICE, .name = id, .text = span_str(name)});
}

void feed_broker(struct feed *f, const char *address, bool connected, uint64_t reconnects)
{
    put(f, (struct feed_event){
               .kind = FEED_BROKER, .name = address, .flag = connected, .number = reconnects});
}

size_t feed_take(struct feed *f, void (*fn)(void *ctx, const struct feed_event *ev), void *ctx)
{
    pthread_mutex_lock(&f->lock);
    struct entry *x = f->first;
    f->first = f->last = NULL;
    f->bytes = 0;
    pthread_mutex_unlock(&f->lock);
    size_t n = 0;
    for (struct entry *next; x; x = next, n++) {
        next = x->next;
        fn(ctx, &x->ev);
        free(x);
    }
    return n;
}

uint64_t feed_dropped(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    uint64_t n = f->dropped;
    pthread_mutex_unlock(&f->lock);
    return n;
}
