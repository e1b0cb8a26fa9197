/* SPDX-License-Identifier: MIT */
/* Owns the connection, what is said of it in the log, and the ways to end. */
#include "cli/listener.h"

#include "fleet/fleet.h"

#include <signal.h>
#include <stdio.h>

enum { FINISH_MS = 1000 };

/* ---- the end ---- */

static void on_finished(void *ctx)
{
    loop_stop(((struct listener *)ctx)->loop);
}

void listener_stop(struct listener *l)
{
    if (l->stopping)
        return;
    l->stopping = true;
    if (l->mqtt)
        mqtt_finish(l->mqtt, FINISH_MS, on_finished, l);
    else
        loop_stop(l->loop);
}

void listener_fail(struct listener *l, int rc)
{
    l->failure = rc;
    listener_stop(l);
}

static void on_signal(void *ctx, int number)
{
    struct listener *l = ctx;
    if (l->stopping) {
        loop_stop(l->loop);
        return;
    }
    l->interrupted = number == SIGINT;
    listener_stop(l);
}

static void on_duration(void *ctx)
{
    listener_stop(ctx);
}

/* ---- the connection ---- */

static void tell_link(const struct listener *l, bool connected)
{
    if (l->o.on_link && !l->stopping)
        l->o.on_link(l->o.ctx, connected, l->connections > 1 ? l->connections - 1 : 0);
}

static void on_connect(void *ctx)
{
    struct listener *l = ctx;
    bool news = !l->connections || l->said_away;
    l->away = l->said_away = false;
    l->connections++;
    tell_link(l, true);
    log_line(news ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "connected to %s", l->broker);
    if (mqtt_fell_back(l->mqtt) && !l->said_older)
        log_info("the broker does not speak MQTT 5: 3.1.1 is spoken");
    l->said_older = mqtt_fell_back(l->mqtt);
}

/* What a broker that never took us says, and will say again, ends it: somebody is waiting. */
static void on_disconnect(void *ctx, const char *reason, bool lasting)
{
    struct listener *l = ctx;
    if (lasting && !l->connections && !l->o.patient) {
        listener_fail(l, err_set(&l->e, ERR_IO, "broker %s: %s", l->broker, reason));
        return;
    }
    /* A broker that takes us each time and then does not: not one line an attempt. */
    char note[REPEAT_NOTE_SIZE] = "";
    bool news = (!l->away || strcmp(l->why_away, reason) != 0) &&
                repeats_due(&l->said, reason, clock_mono_ns(), note);
    log_line(news ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "broker %s: %s; trying again%s", l->broker,
             reason, note);
    l->away = true;
    l->said_away = l->said_away || news;
    snprintf(l->why_away, sizeof l->why_away, "%s", reason);
    tell_link(l, false);
}

static void on_message(void *ctx, const char *topic, struct span payload, bool retained)
{
    struct listener *l = ctx;
    if (!l->stopping)
        l->o.on_message(l->o.ctx, topic, payload, retained);
}

static void on_refused(void *ctx, const char *filter, const char *reason)
{
    struct listener *l = ctx;
    listener_fail(l, err_set(&l->e, ERR_IO, "broker %s refuses the subscription to '%s': %s",
                             l->broker, filter, reason));
}

static int connect_client(struct listener *l, struct err *e)
{
    const struct settings *s = l->o.settings;
    char id[64], all[TOPIC_SIZE];
    snprintf(id, sizeof id, "wattle-%s-%016llx", l->o.name, (unsigned long long)rng_entropy());
    struct mqtt_options o = {
        .client_id = id,
        .queue_max = 1,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_message = on_message,
        .on_refused = on_refused,
        .ctx = l,
    };
    fleet_broker_options(&o, s, &l->password);
    snprintf(l->broker, sizeof l->broker, "%s:%d", o.host, o.port);
    tell_link(l, false);
    topic_write(all, settings_text(s, SET_MQTT_TOPIC_PREFIX), "#", "", "");
    int rc = mqtt_open(&l->mqtt, l->loop, &o, e);
    return rc ? rc : mqtt_subscribe(l->mqtt, l->o.filter ? l->o.filter : all, e);
}

/* ---- a listener ---- */

int listener_open(struct listener *l, const struct listener_options *o, struct err *e)
{
    *l = (struct listener){.o = *o};
    buf_init(&l->password, SETTINGS_SECRET_MAX);
    int rc = topic_prefix_check(settings_text(o->settings, SET_MQTT_TOPIC_PREFIX), e);
    if (!rc)
        rc = settings_secret(o->settings, SET_MQTT_PASSWORD, SET_MQTT_PASSWORD_FILE, &l->password,
                             e);
    if (!rc)
        rc = loop_open(&l->loop, e);
    if (!rc)
        rc = loop_signals(l->loop, on_signal, l, e);
    if (!rc)
        rc = timer_open(&l->duration, l->loop, on_duration, l, e);
    return rc;
}

int listener_run(struct listener *l, struct err *e)
{
    int rc = connect_client(l, e);
    if (rc)
        return rc;
    if (l->o.duration_s > 0)
        timer_start(l->duration, (uint64_t)(l->o.duration_s * 1e3));
    loop_run(l->loop);
    if (l->failure)
        *e = l->e;
    return l->failure;
}

void listener_close(struct listener *l)
{
    mqtt_close(&l->mqtt);
    timer_close(&l->duration);
    loop_close(&l->loop);
    buf_release(&l->password);
}
