/* SPDX-License-Identifier: MIT */
/* Owns the streams of events: a bounded queue of posts for each watcher.
 *
 * Invariant, under the server's lock: a stream is suspended only while it has nothing to send and
 * has not ended; whoever changes that resumes it. A post is kept once for all watchers. One that
 * is being sent is sent to its end, since half an event would spoil the next. */
#include "net/http_serve.h"

#include <stdlib.h>

enum { BLOCK = 16 << 10 };

struct http_message {
    size_t refs, n;
    char bytes[];
};

struct http_stream {
    struct http_stream *next, *previous;
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_message *queue[HTTP_STREAM_POSTS_MAX]; /* a ring */
    size_t first, n, bytes;
    size_t sent; /* bytes of the first */
    bool suspended, lost;
};

static struct http_message *message_new(struct span bytes)
{
    struct http_message *m = (struct http_message *)malloc(sizeof *m + bytes.n);
    if (!m)
        return NULL;
    *m = (struct http_message){.refs = 1, .n = bytes.n};
    span_copy(m->bytes, bytes);
    return m;
}

static void message_drop(struct http_message *m)
{
    if (--m->refs == 0)
        free(m);
}

/* ---- one stream's queue; the lock is held ---- */

static void take_first(struct http_stream *t)
{
    struct http_message *m = t->queue[t->first];
    t->first = (t->first + 1) % HTTP_STREAM_POSTS_MAX;
    t->n--;
    t->bytes -= m->n;
    t->sent = 0;
    message_drop(m);
}

static void forget_unsent(struct http_stream *t)
{
    size_t keep = t->sent > 0 ? 1 : 0;
    while (t->n > keep) {
        struct http_message *m = t->queue[(t->first + --t->n) % HTTP_STREAM_POSTS_MAX];
        t->bytes -= m->n;
        message_drop(m);
    }
}

static void wake(struct http_stream *t)
{
    if (!t->suspended)
        return;
    t->suspended = false;
    MHD_resume_connection(t->connection);
}

static void add(struct http_stream *t, struct http_message *m)
{
    if (t->n == HTTP_STREAM_POSTS_MAX || (t->n > 0 && m->n > HTTP_STREAM_BYTES_MAX - t->bytes) ||
        t->bytes > HTTP_STREAM_BYTES_MAX) {
        forget_unsent(t);
        t->lost = true;
        return;
    }
    m->refs++;
    t->queue[(t->first + t->n++) % HTTP_STREAM_POSTS_MAX] = m;
    t->bytes += m->n;
    wake(t);
}

/* ---- what libmicrohttpd calls ---- */

static ssize_t read_stream(void *ctx, uint64_t at, char *out, size_t max)
{
    struct http_stream *t = (struct http_stream *)ctx;
    struct http_server *s = t->server;
    size_t n = 0;
    ssize_t result;
    (void)at;
    pthread_mutex_lock(&s->lock);
    while (n < max && t->n > 0) {
        const struct http_message *m = t->queue[t->first];
        size_t part = m->n - t->sent < max - n ? m->n - t->sent : max - n;
        memcpy(out + n, m->bytes + t->sent, part);
        n += part;
        t->sent += part;
        if (t->sent == m->n)
            take_first(t);
    }
    result = (ssize_t)n;
    if (n == 0 && s->closing) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (n == 0) {
        t->suspended = true;
        MHD_suspend_connection(t->connection);
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

static void free_stream(void *ctx)
{
    struct http_stream *t = (struct http_stream *)ctx;
    struct http_server *s = t->server;
    pthread_mutex_lock(&s->lock);
    t->sent = 0;
    forget_unsent(t);
    if (t->next)
        t->next->previous = t->previous;
    if (t->previous)
        t->previous->next = t->next;
    else
        s->streams = t->next;
    s->n_streams--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    free(t);
}

struct MHD_Response *http_stream_response(struct http_server *s, struct MHD_Connection *c,
                                          struct span first)
{
    struct http_message *m = message_new(first);
    struct http_stream *t = (struct http_stream *)calloc(1, sizeof *t);
    struct MHD_Response *r = NULL;
    if (!m || !t)
        goto fail;
    t->server = s;
    t->connection = c;
    pthread_mutex_lock(&s->lock);
    bool room = !s->closing && s->n_streams < HTTP_STREAMS_MAX;
    if (room) {
        t->next = s->streams;
        if (t->next)
            t->next->previous = t;
        s->streams = t;
        s->n_streams++;
        if (m->n)
            add(t, m);
        message_drop(m);
        m = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (!room)
        goto fail;
    r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, t, free_stream);
    if (!r)
        free_stream(t);
    return r;
fail:
    free(m);
    free(t);
    return NULL;
}

/* ---- the server's side ---- */

void http_streams_end(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    for (struct http_stream *t = s->streams; t; t = t->next)
        wake(t);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

size_t http_server_streams(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_streams;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static bool left_behind(const struct http_stream *t)
{
    return t->lost && t->n == 0;
}

static void post(struct http_server *s, struct span bytes, bool renewal)
{
    struct http_message *m = bytes.n ? message_new(bytes) : NULL;
    pthread_mutex_lock(&s->lock);
    for (struct http_stream *t = s->streams; t && !s->closing; t = t->next) {
        if (!m && bytes.n)
            t->lost = true; /* no memory */
        if (!m || (renewal ? !left_behind(t) : t->lost))
            continue;
        t->lost = false;
        add(t, m);
    }
    if (m)
        message_drop(m);
    pthread_mutex_unlock(&s->lock);
}

void http_server_post(struct http_server *s, struct span bytes)
{
    post(s, bytes, false);
}

void http_server_renew(struct http_server *s, struct span bytes)
{
    post(s, bytes, true);
}

bool http_server_wants_renewal(struct http_server *s)
{
    bool wanted = false;
    pthread_mutex_lock(&s->lock);
    for (const struct http_stream *t = s->streams; t && !wanted; t = t->next)
        wanted = left_behind(t);
    pthread_mutex_unlock(&s->lock);
    return wanted;
}
