/* SPDX-License-Identifier: MIT */
/* Owns one device: its messages in time, which of them are analysed, what it publishes.
 *
 * Invariants: telemetry waits for nothing; a message is analysed only if the device's earlier
 * analysis is done, else it is counted as skipped; the messages of a topic leave in the order of
 * their making, since the device has one connection and one queue. */
#include "fleet/state.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TELEMETRY_MAX = 4096,
    PATH_BYTES_MAX = 8192,
    BURST_MAX = 1000, /* messages in one turn of the loop, when the loop was held up */
};

static const uint64_t second_ns = 1000000000;

static void publish(struct device *d, const char *kind, const char *suffix, struct span payload,
                    bool retain)
{
    char topic[TOPIC_SIZE];
    struct err e;
    topic_write(topic, d->fleet->prefix, kind, d->id, suffix);
    if (mqtt_publish(d->mqtt, topic, payload, retain, &e))
        log_error("%s: %s", d->name, e.text);
    else
        fleet_keep(d->fleet, topic, payload);
}

/* A payload that memory was too short for is not sent by half. */
static void publish_buf(struct device *d, const char *kind, const char *suffix, const struct buf *b)
{
    if (b->failed)
        log_error("%s: %s%s: no memory for the message", d->name, kind, suffix);
    else
        publish(d, kind, suffix, buf_view(b), false);
}

/* ---- telemetry ---- */

static double delay_s(struct device *d)
{
    if (d->rate > 0)
        return 1 / d->rate;
    return d->interval_min_s + rng_unit(&d->rng) * (d->interval_max_s - d->interval_min_s);
}

static void wait_for_due(struct device *d)
{
    uint64_t now = clock_mono_ns();
    timer_start(d->timer, d->due_ns > now ? (d->due_ns - now + 999999) / 1000000 : 0);
}

/* The data is °C, whatever other labels of such data say. */
static void log_sent(const struct device *d, const struct reading *r)
{
    enum log_level level = d->fleet->n == 1 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
    log_line(level,
             "%s%sSent telemetry #%llu: temp %.4g °C, humidity %.4g %%, co %.4g, lpg %.4g, "
             "smoke %.4g, light %s, motion %s",
             d->fleet->n == 1 ? "" : d->name, d->fleet->n == 1 ? "" : ": ",
             (unsigned long long)d->seq, r->temp, r->humidity, r->co, r->lpg, r->smoke,
             r->light ? "true" : "false", r->motion ? "true" : "false");
}

static void ask_for_analysis(struct device *d, const struct reading *r, struct span payload)
{
    struct job *j = d->job;
    if (!fleet_wants_inference(d->fleet))
        return;
    if (j->busy) {
        d->skipped++;
        d->fleet->skipped++;
        log_debug("%s: analysis of telemetry #%llu skipped, the earlier one is not done", d->name,
                  (unsigned long long)d->seq);
        return;
    }
    j->reading = *r;
    j->seq = d->seq;
    j->due_ns = clock_mono_ns();
    buf_clear(&j->telemetry);
    buf_span(&j->telemetry, payload);
    fleet_queue(d->fleet, d);
}

/* ---- alarms ---- */

static void publish_alarm(struct device *d, const struct alarm_change *c, bool over,
                          const struct reading *r)
{
    struct buf payload, reason;
    char stamp[CLOCK_ISO_SIZE];
    clock_iso(clock_utc_us(), stamp);
    buf_init(&payload, TELEMETRY_MAX);
    buf_init(&reason, TELEMETRY_MAX);
    alarm_write(&payload, c, over, &d->limits, r, d->id, stamp, d->seq);
    alarm_reason(&reason, c, over, &d->limits, r);
    publish_buf(d, "anomaly", "", &payload);
    log_line(over ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s: %s: %s (telemetry #%llu)", d->name,
             over ? "alarm over" : "alarm", buf_cstr(&reason), (unsigned long long)d->seq);
    buf_release(&payload);
    buf_release(&reason);
}

static void watch(struct device *d, const struct reading *r)
{
    struct alarm_change c;
    alarm_take(&d->alarm, &d->limits, r, &c);
    if (c.any_over)
        publish_alarm(d, &c, true, r);
    if (!c.any_raised)
        return;
    d->alarms++;
    d->fleet->alarms++;
    publish_alarm(d, &c, false, r);
}

static void send_telemetry(struct device *d)
{
    struct buf payload;
    const struct reading *r = dataset_walk_next(&d->walk);
    buf_init(&payload, TELEMETRY_MAX);
    telemetry_write(&payload, r, d->id, ++d->seq);
    publish_buf(d, "telemetry", "", &payload);
    d->fleet->health.telemetry_ms = clock_mono_ns() / 1000000;
    log_sent(d, r);
    watch(d, r);
    if (d->llm && !payload.failed && d->seq % d->interval == 0)
        ask_for_analysis(d, r, buf_view(&payload));
    buf_release(&payload);
}

static void on_due(void *ctx)
{
    struct device *d = (struct device *)ctx;
    for (int i = 0; i < BURST_MAX && d->due_ns <= clock_mono_ns(); i++) {
        send_telemetry(d);
        d->due_ns += (uint64_t)(delay_s(d) * 1e9);
    }
    /* The machine slept, or was held up for long: what would have been sent is not made up for. */
    uint64_t now = clock_mono_ns();
    if (d->due_ns + second_ns < now)
        d->due_ns = now;
    wait_for_due(d);
}

/* ---- its connection ---- */

static void on_connect(void *ctx)
{
    struct device *d = (struct device *)ctx;
    fleet_device_connected(d->fleet, d);
    /* Each time: the broker has put the will in its place, or was restarted and knows nothing. */
    if (!d->fleet->finishing)
        publish(d, "status", "", span_str("online"), true);
}

static void on_disconnect(void *ctx, const char *reason, bool lasting)
{
    struct device *d = (struct device *)ctx;
    fleet_device_away(d->fleet, d, reason, lasting);
}

static void on_undeliverable(void *ctx, const char *topic, const char *reason)
{
    struct device *d = (struct device *)ctx;
    fleet_device_refused(d->fleet, d, topic, reason);
}

static void on_finished(void *ctx)
{
    struct device *d = (struct device *)ctx;
    device_count(d);
    d->on_disk = mqtt_on_disk(d->mqtt);
    fleet_device_finished(d->fleet);
}

/* NAME_ID. A name may hold what MQTT lets a broker hang up for (control characters and code points
 * that are none: OASIS 3.1.1, 1.5.3): those become '-'. */
static void make_client_id(const struct device *d, char *out, size_t size)
{
    size_t n = 0;
    for (struct span rest = span_str(d->name); rest.n;) {
        uint32_t cp = 0;
        size_t length = utf8_decode(rest, &cp);
        bool refused = length == 0 || cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) ||
                       (cp >= 0xfdd0 && cp <= 0xfdef) || (cp & 0xfffe) == 0xfffe;
        length = length ? length : 1;
        if (refused)
            out[n++] = '-';
        else
            n += (size_t)snprintf(out + n, size - n, "%.*s", (int)length, (const char *)rest.p);
        rest = span_sub(rest, length, rest.n);
    }
    snprintf(out + n, size - n, "_%s", d->id);
}

/* Not for the private broker, which ends with us. queue/ in METRICS_DIR is made when the first
 * message has to wait; a folder that was named is tried at once. */
static int choose_queue(const struct fleet *f, struct mqtt_options *o, struct buf *folder,
                        struct err *e)
{
    const struct settings *s = f->o->settings;
    if (f->broker)
        return 0;
    o->queue_now = settings_text(s, SET_MQTT_QUEUE_DIR)[0];
    if (o->queue_now)
        buf_str(folder, settings_text(s, SET_MQTT_QUEUE_DIR));
    else
        buf_printf(folder, "%s/queue", settings_text(s, SET_METRICS_DIR));
    o->queue_dir = buf_cstr(folder);
    return buf_check(folder, "MQTT_QUEUE_DIR", e);
}

static int open_client(struct device *d, struct err *e)
{
    struct fleet *f = d->fleet;
    struct buf folder;
    char client_id[DEVICE_NAME_MAX + DEVICE_ID_MAX + 2], will[TOPIC_SIZE];
    make_client_id(d, client_id, sizeof client_id);
    topic_write(will, f->prefix, "status", d->id, "");
    struct mqtt_options o = {
        .host = f->host,
        .port = f->port,
        .client_id = client_id,
        .will_topic = will,
        .will_payload = "offline",
        .will_retain = true,
        .queue_max = f->queue_max,
        .queue_bytes = f->queue_bytes,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_undeliverable = on_undeliverable,
        .ctx = d,
    };
    if (!f->broker)
        fleet_broker_options(&o, f->o->settings, &f->password);
    buf_init(&folder, PATH_BYTES_MAX);
    int rc = choose_queue(f, &o, &folder, e);
    if (!rc)
        rc = mqtt_open(&d->mqtt, f->loop, &o, e);
    buf_release(&folder);
    return rc;
}

/* ---- life ---- */

int device_open(struct device *d, struct err *e)
{
    int rc = timer_open(&d->timer, d->fleet->loop, on_due, d, e);
    if (rc)
        return rc;
    rng_seed(&d->rng, rng_entropy());
    return open_client(d, e);
}

void device_start(struct device *d)
{
    /* Spread over the shortest distance of two messages, so that a fleet does not act as one. */
    double first_s = rng_unit(&d->rng) * (d->rate > 0 ? 1 / d->rate : d->interval_min_s);
    d->due_ns = clock_mono_ns() + (uint64_t)(first_s * 1e9);
    wait_for_due(d);
}

void device_stop(struct device *d)
{
    timer_stop(d->timer);
}

void device_finish(struct device *d, uint64_t timeout_ms)
{
    publish(d, "status", "", span_str("offline"), true);
    mqtt_finish(d->mqtt, timeout_ms, on_finished, d);
}

void device_count(struct device *d)
{
    if (d->mqtt)
        mqtt_counters(d->mqtt, &d->counters);
}

void device_close(struct device *d)
{
    device_count(d);
    if (d->mqtt)
        d->on_disk = mqtt_on_disk(d->mqtt);
    mqtt_close(&d->mqtt);
    timer_close(&d->timer);
}

/* The answer as one line: what breaks lines becomes a blank. A long one is cut by the log. */
static void log_answer(const struct device *d, const struct job *j)
{
    struct buf line;
    buf_init(&line, j->text.n);
    for (size_t i = 0; i < j->text.n; i++) {
        char c = j->text.p[i];
        buf_char(&line, c == '\n' || c == '\r' || c == '\t' ? ' ' : c);
    }
    log_info("%s: \"%s\"", d->name, buf_cstr(&line));
    buf_release(&line);
}

static void log_analysis(const struct device *d, const struct job *j)
{
    if (j->outcome == JOB_FAILED) {
        log_error("%s: analysis of telemetry #%llu: %s", d->name, (unsigned long long)j->seq,
                  j->error.text);
        return;
    }
    log_info("%s: analysis of telemetry #%llu: %.2f s, %d %s, %.1f tokens/s, %.1f J", d->name,
             (unsigned long long)j->seq, j->seconds, (int)j->tokens,
             plural(j->tokens, "token", "tokens"), j->tokens_per_second, j->energy_j);
    log_answer(d, j);
}

void device_take(struct device *d)
{
    struct job *j = d->job;
    if (j->outcome == JOB_CANCELLED) {
        j->busy = false;
        return;
    }
    d->inferences++;
    bool open = !d->fleet->finishing; /* else it is too late: the goodbye is on its way */
    if (j->outcome == JOB_GOOD) {
        d->seconds += j->seconds;
        d->energy_j += j->energy_j;
        d->rates += j->tokens_per_second;
        d->n_rates += j->tokens_per_second > 0;
        if (open)
            publish_buf(d, "analysis", "", &j->analysis);
    } else {
        d->errors++;
    }
    log_analysis(d, j);
    if (open) {
        publish_buf(d, "metrics", "", &j->metrics);
        publish_buf(d, "metrics", "/summary", &j->summary);
    }
    j->busy = false;
}
