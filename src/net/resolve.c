/* SPDX-License-Identifier: MIT */
/* Owns lookups of host names. One thread per name that is being looked up, whoever many wait for
 * it: getaddrinfo can take ten seconds where the name server is dead.
 *
 * Not uv_getaddrinfo: libuv joins its threads when the process ends, so a dead name server would
 * hold up our exit. These threads are detached, and know by `loop == NULL` that nobody waits. */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
    struct lookup *next;          /* loop's thread */
    struct resolve_wait *waiting; /* loop's thread */
    char host[HOST_MAX + 1];
    struct addresses found; /* the thread's until it posts */
    char problem[128];      /* the thread's until it posts; "": none */
    pthread_mutex_t lock;   /* loop, users */
    struct loop *loop;
    int users; /* the loop and the thread */
};

static void leave(struct lookup *k)
{
    pthread_mutex_lock(&k->lock);
    int left = --k->users;
    pthread_mutex_unlock(&k->lock);
    if (left)
        return;
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void lookup_done(void *ctx)
{
    struct lookup *k = (struct lookup *)ctx;
    for (struct lookup **at = &k->loop->lookups; *at; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            break;
        }
    }
    while (k->waiting) {
        struct resolve_wait *w = k->waiting;
        k->waiting = w->next;
        w->lookup = NULL;
        w->fn(w->ctx, &k->found, k->problem[0] ? k->problem : NULL);
    }
    leave(k);
}

static void add_address(struct addresses *a, const struct sockaddr *sa, socklen_t n)
{
    char text[ADDRESS_SIZE];
    if (a->n == ADDRESSES_MAX ||
        getnameinfo(sa, n, text, sizeof text, NULL, 0, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    for (int i = 0; i < a->n; i++) {
        if (strcmp(a->text[i], text) == 0)
            return;
    }
    memcpy(a->text[a->n++], text, sizeof text);
}

/* RFC 6761, section 6.3: localhost is always the loopback, also where no /etc/hosts says so, as in
 * a bare container. */
static void add_loopback(struct addresses *a)
{
    static const char *const texts[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2 && a->n < ADDRESSES_MAX; i++)
        snprintf(a->text[a->n++], sizeof a->text[0], "%s", texts[i]);
}

static void *lookup_thread(void *ctx)
{
    struct lookup *k = (struct lookup *)ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(k->host, NULL, &hints, &list);
    for (struct addrinfo *a = list; a; a = a->ai_next)
        add_address(&k->found, a->ai_addr, a->ai_addrlen);
    if (list)
        freeaddrinfo(list);
    if (k->found.n == 0 && strcasecmp(k->host, "localhost") == 0)
        add_loopback(&k->found);
    if (k->found.n == 0)
        snprintf(k->problem, sizeof k->problem, "%s", rc ? gai_strerror(rc) : "no address");
    pthread_mutex_lock(&k->lock);
    if (k->loop)
        loop_post(k->loop, lookup_done, k);
    pthread_mutex_unlock(&k->lock);
    leave(k);
    return NULL;
}

static int start_thread(struct lookup *k)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &attr, lookup_thread, k);
    pthread_attr_destroy(&attr);
    return rc;
}

static int new_lookup(struct lookup **out, struct loop *l, const char *host, struct err *e)
{
    struct lookup *k = (struct lookup *)calloc(1, sizeof *k);
    if (!k)
        return err_set(e, ERR_NOMEM, "host '%s': no memory", host);
    snprintf(k->host, sizeof k->host, "%s", host);
    pthread_mutex_init(&k->lock, NULL);
    k->loop = l;
    k->users = 2;
    int rc = start_thread(k);
    if (rc) {
        pthread_mutex_destroy(&k->lock);
        free(k);
        return err_errno(e, rc, "host '%s': cannot start a thread to look it up", host);
    }
    k->next = l->lookups;
    l->lookups = k;
    *out = k;
    return 0;
}

static bool is_numeric(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

int resolve_start(struct loop *l, const char *host, struct resolve_wait *w, struct err *e)
{
    if (is_numeric(host)) {
        struct addresses one = {.n = 1};
        snprintf(one.text[0], ADDRESS_SIZE, "%s", host);
        w->fn(w->ctx, &one, NULL);
        return 0;
    }
    struct lookup *k = l->lookups;
    while (k && strcmp(k->host, host) != 0)
        k = k->next;
    if (!k) {
        int rc = new_lookup(&k, l, host, e);
        if (rc)
            return rc;
    }
    w->lookup = k;
    w->next = k->waiting;
    k->waiting = w;
    return 0;
}

void resolve_cancel(struct resolve_wait *w)
{
    if (!w->lookup)
        return;
    for (struct resolve_wait **at = &w->lookup->waiting; *at; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    w->lookup = NULL;
}

void resolve_abandon(struct loop *l)
{
    while (l->lookups) {
        struct lookup *k = l->lookups;
        l->lookups = k->next;
        pthread_mutex_lock(&k->lock);
        k->loop = NULL;
        pthread_mutex_unlock(&k->lock);
        leave(k);
    }
}
