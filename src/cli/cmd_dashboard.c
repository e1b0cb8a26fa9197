/* SPDX-License-Identifier: MIT */
/* wattle dashboard: the live page of what is on a broker. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "fleet/fleet.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "serve/serve.h"

#include <signal.h>
#include <stdio.h>

enum { FINISH_MS = 1000 };

struct watcher {
    const struct settings *settings;
    struct loop *loop;
    struct mqtt *mqtt;
    struct timer *duration;
    struct feed *feed;
    struct dashboard *dashboard;
    struct buf password;
    char broker[320];
    uint64_t connections;
    bool away, interrupted, stopping;
    int failure; /* what ends it early */
    struct err e;
};

static void on_finished(void *ctx)
{
    loop_stop(((struct watcher *)ctx)->loop);
}

static void stop(struct watcher *w)
{
    if (w->stopping)
        return;
    w->stopping = true;
    mqtt_finish(w->mqtt, FINISH_MS, on_finished, w);
}

static void on_signal(void *ctx, int number)
{
    struct watcher *w = (struct watcher *)ctx;
    if (w->stopping) {
        loop_stop(w->loop);
        return;
    }
    w->interrupted = number == SIGINT;
    stop(w);
}

static void on_duration(void *ctx)
{
    stop((struct watcher *)ctx);
}

static void tell_broker(struct watcher *w, bool connected)
{
    feed_broker(w->feed, w->broker, connected, w->connections > 1 ? w->connections - 1 : 0);
}

static void on_connect(void *ctx)
{
    struct watcher *w = (struct watcher *)ctx;
    w->away = false;
    w->connections++;
    tell_broker(w, true);
    log_info("connected to %s", w->broker);
}

static void on_disconnect(void *ctx, const char *reason, bool lasting)
{
    struct watcher *w = (struct watcher *)ctx;
    (void)lasting; /* a page may wait for a broker that is being mended */
    log_line(w->away ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "broker %s: %s; trying again",
             w->broker, reason);
    w->away = true;
    if (!w->stopping)
        tell_broker(w, false);
}

static void on_message(void *ctx, const char *topic, struct span payload, bool retained)
{
    (void)retained;
    feed_message(((struct watcher *)ctx)->feed, topic, payload);
}

static void on_refused(void *ctx, const char *filter, const char *reason)
{
    struct watcher *w = (struct watcher *)ctx;
    w->failure = err_set(&w->e, ERR_IO, "broker %s refuses the subscription to '%s': %s", w->broker,
                         filter, reason);
    stop(w);
}

static int connect_client(struct watcher *w, struct err *e)
{
    const struct settings *s = w->settings;
    char id[64], all[TOPIC_SIZE];
    snprintf(id, sizeof id, "wattle-dashboard-%016llx", (unsigned long long)rng_entropy());
    struct mqtt_options o = {
        .client_id = id,
        .queue_max = 1,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_message = on_message,
        .on_refused = on_refused,
        .ctx = w,
    };
    fleet_broker_options(&o, s, &w->password);
    snprintf(w->broker, sizeof w->broker, "%s:%d", o.host, o.port);
    tell_broker(w, false);
    topic_write(all, settings_text(s, SET_MQTT_TOPIC_PREFIX), "#", "", "");
    int rc = mqtt_open(&w->mqtt, w->loop, &o, e);
    return rc ? rc : mqtt_subscribe(w->mqtt, all, e);
}

static int prepare(struct watcher *w, struct err *e)
{
    const struct settings *s = w->settings;
    struct dashboard_options o = {
        .settings = s, .source = "broker", .store = settings_option_text(s, "store")};
    int rc = topic_prefix_check(settings_text(s, SET_MQTT_TOPIC_PREFIX), e);
    if (!rc)
        rc = settings_mqtt_password(s, &w->password, e);
    if (!rc)
        rc = feed_open(&w->feed, FEED_BYTES_MAX, e);
    o.feed = w->feed;
    if (!rc)
        rc = loop_open(&w->loop, e);
    if (!rc)
        rc = loop_signals(w->loop, on_signal, w, e);
    if (!rc)
        rc = dashboard_open(&w->dashboard, &o, e);
    if (!rc)
        rc = timer_open(&w->duration, w->loop, on_duration, w, e);
    if (!rc)
        rc = connect_client(w, e);
    return rc;
}

static int run(const struct settings *s, struct err *e)
{
    struct watcher w = {.settings = s};
    buf_init(&w.password, SETTINGS_PASSWORD_MAX);
    int rc = prepare(&w, e);
    if (!rc) {
        if (settings_option_given(s, "duration"))
            timer_start(w.duration, (uint64_t)(settings_option_float(s, "duration") * 1e3));
        printf("Dashboard: %s\n", dashboard_url(w.dashboard));
        fflush(stdout);
        loop_run(w.loop);
        rc = w.failure;
        if (rc)
            *e = w.e;
    }
    dashboard_close(&w.dashboard);
    mqtt_close(&w.mqtt);
    timer_close(&w.duration);
    loop_close(&w.loop);
    feed_close(&w.feed);
    buf_release(&w.password);
    return rc ? exit_code_of(rc) : w.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

static const struct option options[] = {
    {.name = "duration",
     .type = OPTION_DURATION,
     .value = "TIME",
     .min = 0.001,
     .max = 31536000,
     .help = "end after this long: 30m, 90s, 2h"},
    {.name = "store",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "show history from this SQLite file, which run or consume --store writes"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MQTT_SETTINGS, DASHBOARD_SETTINGS, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "dashboard",
    .usage = "wattle dashboard [--mqtt-broker HOST] [--store FILE] [--dashboard-port N]",
    .summary = "a live web page of what is on the broker",
    .notes =
        "Devices, readings, analyses, alarms, and what inferences cost, as they come, in a "
        "browser; for Prometheus under /metrics. It listens on this machine only unless "
        "DASHBOARD_ADDRESS says otherwise, and then a DASHBOARD_TOKEN is needed. wattle run has "
        "--dashboard for its own devices.\n\n"
        "  wattle dashboard --mqtt-broker localhost --store messages.db",
    .options = options,
    .settings = settings,
};

const struct command command_dashboard = {.spec = &spec, .run = run};
