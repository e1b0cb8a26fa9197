/* SPDX-License-Identifier: MIT */
/* Owns the server's life: its listening socket, its threads, and the clock that no connection can
 * outwait. */
#include "net/http_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    THREADS = 4,                /* a slow query of one visitor holds up a quarter of the others */
    MEMORY = 2 * HTTP_HEAD_MAX, /* of a connection: libmicrohttpd keeps a head and what it read of
                                   it there, and needs room for the reply's head */
    SILENCE_S = 30,
    HEAD_MS = 15000,
    SEND_MS = 60000,
    REAP_MS = 250,
    STREAMS_END_MS = 2000,
    BACKLOG = 128,
};

/* ---- connections and their deadlines ---- */

static void on_connection(void *ctx, struct MHD_Connection *c, void **peer,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = (struct http_server *)ctx;
    struct http_peer *p = (struct http_peer *)*peer;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        p = i ? (struct http_peer *)calloc(1, sizeof *p) : NULL;
        if (!p)
            return; /* libmicrohttpd's own limits hold for it */
        p->fd = i->connect_fd;
        p->deadline_ns = clock_mono_ns() + s->o.head_ms * 1000000;
        pthread_mutex_lock(&s->lock);
        p->next = s->peers;
        if (p->next)
            p->next->previous = p;
        s->peers = p;
        s->n_peers++;
        pthread_mutex_unlock(&s->lock);
        *peer = p;
        return;
    }
    if (!p)
        return;
    pthread_mutex_lock(&s->lock); /* before the descriptor is closed, and may be another's */
    if (p->next)
        p->next->previous = p->previous;
    if (p->previous)
        p->previous->next = p->next;
    else
        s->peers = p->next;
    s->n_peers--;
    pthread_mutex_unlock(&s->lock);
    http_request_free(p->request);
    free(p);
    *peer = NULL;
}

static void wait_ms(struct http_server *s, uint64_t ms)
{
    cond_wait_until(&s->changed, &s->lock, clock_mono_ns() + ms * 1000000);
}

static void *reap(void *ctx)
{
    struct http_server *s = (struct http_server *)ctx;
    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        uint64_t now = clock_mono_ns();
        for (struct http_peer *p = s->peers; p; p = p->next) {
            if (!p->deadline_ns || p->deadline_ns > now)
                continue;
            shutdown(p->fd, SHUT_RDWR); /* its thread sees that and closes it */
            p->deadline_ns = 0;
        }
        wait_ms(s, REAP_MS);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

size_t http_server_connections(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_peers;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- listening ---- */

/* The first address of the name that can be listened on. */
static int listen_on(struct http_server *s, const struct addrinfo *a, struct err *e)
{
    int one = 1;
    socklen_t n = sizeof(struct sockaddr_storage);
    struct sockaddr_storage bound;
    s->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return err_errno(e, errno, "%s", s->address);
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->fd, a->ai_addr, a->ai_addrlen) || listen(s->fd, BACKLOG) ||
        getsockname(s->fd, (struct sockaddr *)&bound, &n))
        return err_errno(e, errno, "cannot listen on %s, port %d", s->address, s->o.port);
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
    return 0;
}

static void write_url(struct http_server *s, const char *numeric, bool v6)
{
    bool any = strcmp(numeric, "0.0.0.0") == 0 || strcmp(numeric, "::") == 0;
    const char *host = any ? (v6 ? "::1" : "127.0.0.1") : numeric;
    snprintf(s->url, sizeof s->url, v6 ? "http://[%s]:%d/" : "http://%s:%d/", host, s->port);
}

static int listen_somewhere(struct http_server *s, struct err *e)
{
    char port[16], numeric[64] = "";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    snprintf(port, sizeof port, "%d", s->o.port);
    int code = getaddrinfo(s->address, port, &hints, &list);
    if (code)
        return err_set(e, ERR_USAGE, "'%s' is no address to listen on: %s", s->address,
                       gai_strerror(code));
    int rc = ERR_IO;
    getnameinfo(list->ai_addr, list->ai_addrlen, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST);
    s->loopback = http_is_loopback(numeric);
    if (!s->loopback && !s->token[0]) {
        rc = err_set(e, ERR_USAGE,
                     "'%s' can be reached from other machines: a token of at least %d characters "
                     "is needed",
                     s->address, HTTP_TOKEN_MIN);
    } else {
        rc = listen_on(s, list, e);
        if (!rc)
            write_url(s, numeric, list->ai_family == AF_INET6);
    }
    freeaddrinfo(list);
    return rc;
}

static int start_threads(struct http_server *s, struct err *e)
{
    unsigned shared = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    unsigned own = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION;
    s->daemon = MHD_start_daemon(
        s->o.slow ? own : shared, 0, NULL, NULL, http_on_request, s, MHD_OPTION_LISTEN_SOCKET,
        s->fd, MHD_OPTION_THREAD_POOL_SIZE, s->o.slow ? 0u : (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)s->o.silence_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_URI_LOG_CALLBACK, http_on_target,
        s, MHD_OPTION_END);
    if (!s->daemon)
        return err_errno(e, errno, "cannot start the HTTP server on %s, port %d", s->address,
                         s->port);
    s->fd = -1; /* the daemon's from here on */
    int code = pthread_create(&s->reaper, NULL, reap, s);
    if (code)
        return err_errno(e, code, "cannot start a thread of the HTTP server");
    s->has_reaper = true;
    return 0;
}

static int init_lock(struct http_server *s)
{
    return pthread_mutex_init(&s->lock, NULL) || cond_init(&s->changed) ? ERR_NOMEM : 0;
}

int http_server_open(struct http_server **out, const struct http_server_options *o, struct err *e)
{
    sigset_t all, before;
    struct http_server *s = (struct http_server *)calloc(1, sizeof *s);
    if (!s || init_lock(s)) {
        free(s);
        return err_set(e, ERR_NOMEM, "HTTP server: no memory");
    }
    s->o = *o;
    s->o.head_ms = o->head_ms ? o->head_ms : HEAD_MS;
    s->o.send_ms = o->send_ms ? o->send_ms : SEND_MS;
    s->o.silence_s = o->silence_s ? o->silence_s : SILENCE_S;
    s->fd = -1;
    s->address = strdup(o->address);
    s->token = strdup(o->token ? o->token : "");
    int rc = s->address && s->token ? 0 : err_set(e, ERR_NOMEM, "HTTP server: no memory");
    if (!rc && s->token[0])
        rc = http_check_token(s->token, e);
    if (!rc)
        rc = listen_somewhere(s, e);
    if (!rc) {
        sigfillset(&all); /* signals are the caller's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = start_threads(s, e);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (rc)
        http_server_close(&s);
    else
        *out = s;
    return rc;
}

/* libmicrohttpd may not be stopped while a connection is suspended: the streams end first. */
static void end_streams(struct http_server *s)
{
    http_streams_end(s);
    uint64_t until = clock_mono_ns() + (uint64_t)STREAMS_END_MS * 1000000;
    pthread_mutex_lock(&s->lock);
    while (s->n_streams && clock_mono_ns() < until)
        wait_ms(s, 50);
    pthread_mutex_unlock(&s->lock);
}

void http_server_close(struct http_server **server)
{
    struct http_server *s = *server;
    if (!s)
        return;
    *server = NULL;
    if (s->daemon) {
        int fd = MHD_quiesce_daemon(s->daemon);
        end_streams(s);
        if (s->has_reaper)
            pthread_join(s->reaper, NULL);
        MHD_stop_daemon(s->daemon);
        if (fd >= 0)
            close(fd);
    }
    if (s->fd >= 0)
        close(s->fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->address);
    free(s->token);
    free(s);
}

const char *http_server_url(const struct http_server *s)
{
    return s->url;
}
