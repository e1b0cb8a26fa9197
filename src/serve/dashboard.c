/* SPDX-License-Identifier: MIT */
/* Owns the dashboard's life and its one thread, which empties the feed into the board eight times a
 * second and tells the watchers what came of it. Nobody who publishes ever waits for it, and
 * however many messages come, a watcher gets at most four ticks a second, with each device once. */
#include "serve/dashboard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

enum {
    TURN_MS = 125,
    TICK_TURNS = 2, /* a tick every second turn at most */
    HEARTBEAT_MS = 15000,
};

/* ---- events ---- */

static void put_event(struct dashboard *d, const char *kind, struct span json)
{
    buf_printf(&d->events, "event: %s\nid: %llu\ndata: ", kind, (unsigned long long)++d->event_id);
    buf_span(&d->events, json);
    buf_str(&d->events, "\n\n");
}

static void on_event(void *ctx, const struct feed_event *ev)
{
    static const char *const kinds[] = {"", "token", "analysis", "anomaly"};
    struct dashboard *d = (struct dashboard *)ctx;
    buf_clear(&d->news);
    enum board_news kind = board_apply(d->board, ev, &d->news);
    /* What is too much for one turn is left out: the next tick counts it. */
    if (kind != BOARD_NOTHING && !d->news.failed && d->news.n < EVENT_MAX - d->events.n)
        put_event(d, kinds[kind], buf_view(&d->news));
}

/* JSON holds no line break, so it is one data line. */
static void tick(struct dashboard *d)
{
    buf_clear(&d->news);
    if (board_write_changes(d->board, &d->news) && !d->news.failed)
        put_event(d, "tick", buf_view(&d->news));
}

static void renew(struct dashboard *d)
{
    struct buf state;
    if (!http_server_wants_renewal(d->server))
        return;
    buf_init(&state, STATE_MAX);
    buf_printf(&state, "event: state\nid: %llu\ndata: ", (unsigned long long)d->event_id);
    board_write_state(d->board, &state);
    buf_str(&state, "\n\n");
    if (!state.failed)
        http_server_renew(d->server, buf_view(&state));
    buf_release(&state);
}

static bool wait_turn(struct dashboard *d)
{
    uint64_t until = clock_mono_ns() + (uint64_t)TURN_MS * 1000000;
    pthread_mutex_lock(&d->lock);
    while (!d->closing && cond_wait_until(&d->changed, &d->lock, until))
        ;
    bool go_on = !d->closing;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

static void *work(void *ctx)
{
    struct dashboard *d = (struct dashboard *)ctx;
    uint64_t sent_ms = clock_mono_ns() / 1000000;
    for (uint64_t turn = 0; wait_turn(d); turn++) {
        uint64_t now_ms = clock_mono_ns() / 1000000;
        atomic_store(&d->alive_ms, now_ms);
        buf_clear(&d->events);
        feed_take(d->feed, on_event, d);
        board_dropped(d->board, feed_dropped(d->feed));
        if (turn % TICK_TURNS == 0)
            tick(d);
        if (d->events.n == 0 && now_ms - sent_ms >= HEARTBEAT_MS)
            buf_str(&d->events, ": alive\n\n");
        if (d->events.n) {
            sent_ms = now_ms;
            http_server_post(d->server, buf_view(&d->events));
        }
        renew(d);
    }
    return NULL;
}

/* ---- life ---- */

static void describe_machine(char *out, size_t size)
{
    struct utsname u;
    struct cpu_limits c;
    cpu_limits_read(&c, "/");
    if (uname(&u) == 0)
        snprintf(out, size, "%s: %s %s %s, %d %s", u.nodename, u.sysname, u.release, u.machine,
                 c.threads, plural((uint64_t)c.threads, "processor", "processors"));
}

/* Only one of the two settings may say it, and a file that is named has one. */
static int read_token(const struct settings *s, struct buf *out, struct err *e)
{
    const char *file = settings_text(s, SET_DASHBOARD_TOKEN_FILE);
    const char *token = settings_text(s, SET_DASHBOARD_TOKEN);
    if (token[0] && file[0])
        return err_set(e, ERR_USAGE,
                       "DASHBOARD_TOKEN and DASHBOARD_TOKEN_FILE are both given, expected one");
    int rc = settings_secret(s, SET_DASHBOARD_TOKEN, SET_DASHBOARD_TOKEN_FILE, out, e);
    if (!rc && file[0] && !out->n)
        rc = err_set(e, ERR_USAGE, "DASHBOARD_TOKEN_FILE '%s' holds no token", file);
    return rc;
}

static int open_server(struct dashboard *d, const struct settings *s, struct err *e)
{
    struct buf token;
    buf_init(&token, 4096);
    int rc = read_token(s, &token, e);
    struct http_server_options o = {
        .address = settings_text(s, SET_DASHBOARD_ADDRESS),
        .port = (int)settings_int(s, SET_DASHBOARD_PORT),
        .token = buf_cstr(&token),
        .is_open = dashboard_is_open,
        .answer = dashboard_answer,
        .ctx = d,
    };
    if (!rc) {
        rc = http_server_open(&d->server, &o, e);
        if (rc)
            err_wrap(e, rc, rc == ERR_USAGE ? "DASHBOARD_ADDRESS, DASHBOARD_TOKEN" : "dashboard");
    }
    buf_release(&token);
    return rc;
}

static int start_thread(struct dashboard *d, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the caller's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&d->thread, NULL, work, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        return err_errno(e, code, "cannot start the dashboard's thread");
    d->has_thread = true;
    return 0;
}

static bool init_lock(struct dashboard *d)
{
    return !pthread_mutex_init(&d->lock, NULL) && !cond_init(&d->changed);
}

int dashboard_open(struct dashboard **out, const struct dashboard_options *o, struct err *e)
{
    char machine[512] = "";
    struct dashboard *d = (struct dashboard *)calloc(1, sizeof *d);
    if (!d || !init_lock(d)) {
        free(d);
        return err_set(e, ERR_NOMEM, "dashboard: no memory");
    }
    describe_machine(machine, sizeof machine);
    d->feed = o->feed;
    d->prefix = strdup(settings_text(o->settings, SET_MQTT_TOPIC_PREFIX));
    d->store = o->store ? strdup(o->store) : NULL;
    buf_init(&d->news, EVENT_MAX);
    buf_init(&d->events, 2 * EVENT_MAX);
    atomic_store(&d->alive_ms, clock_mono_ns() / 1000000);
    struct board_options b = {.prefix = d->prefix, .source = o->source, .machine = machine};
    int rc = d->prefix && (d->store || !o->store) ? board_open(&d->board, &b, e)
                                                  : err_set(e, ERR_NOMEM, "dashboard: no memory");
    if (!rc)
        rc = open_server(d, o->settings, e);
    if (!rc)
        rc = start_thread(d, e);
    if (rc)
        dashboard_close(&d);
    else
        *out = d;
    return rc;
}

const char *dashboard_url(const struct dashboard *d)
{
    return http_server_url(d->server);
}

void dashboard_close(struct dashboard **dashboard)
{
    struct dashboard *d = *dashboard;
    if (!d)
        return;
    *dashboard = NULL;
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (d->has_thread)
        pthread_join(d->thread, NULL);
    http_server_close(&d->server);
    board_close(&d->board);
    buf_release(&d->news);
    buf_release(&d->events);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d->prefix);
    free(d->store);
    free(d);
}
