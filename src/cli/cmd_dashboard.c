/* SPDX-License-Identifier: MIT */
/* wattle dashboard: the live page of what is on a broker. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/listener.h"
#include "metrics/metrics.h"
#include "serve/serve.h"

#include <stdio.h>

struct watcher {
    struct listener listener;
    struct feed *feed;
    struct dashboard *dashboard;
};

static void on_link(void *ctx, bool connected, uint64_t reconnects)
{
    const struct watcher *w = (const struct watcher *)ctx;
    feed_broker(w->feed, w->listener.broker, connected, reconnects);
}

static void on_message(void *ctx, const char *topic, struct span payload, bool retained)
{
    (void)retained;
    feed_message(((struct watcher *)ctx)->feed, topic, payload);
}

static int prepare(struct watcher *w, const struct settings *s, struct err *e)
{
    struct dashboard_options o = {
        .settings = s, .source = "broker", .store = settings_option_text(s, "store")};
    struct listener_options l = {
        .settings = s,
        .name = "dashboard",
        .duration_s =
            settings_option_given(s, "duration") ? settings_option_float(s, "duration") : 0,
        .patient = true, /* a page may wait for a broker that is being mended */
        .on_message = on_message,
        .on_link = on_link,
        .ctx = w,
    };
    int rc = listener_open(&w->listener, &l, e); /* its signals are for the page's threads too */
    if (!rc)
        rc = feed_open(&w->feed, FEED_BYTES_MAX, e);
    o.feed = w->feed;
    return rc ? rc : dashboard_open(&w->dashboard, &o, e);
}

static int run(const struct settings *s, struct err *e)
{
    struct watcher w = {.feed = NULL};
    int rc = prepare(&w, s, e);
    if (!rc) {
        printf("Dashboard: %s\n", dashboard_url(w.dashboard));
        fflush(stdout);
        rc = listener_run(&w.listener, e);
    }
    dashboard_close(&w.dashboard);
    listener_close(&w.listener);
    feed_close(&w.feed);
    return rc ? exit_code_of(rc) : w.listener.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

static const struct option options[] = {
    DURATION_OPTION,
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
