/* SPDX-License-Identifier: MIT */
/* Owns the run: the start, the end and the counts of a fleet.
 *
 * The end comes in this order, each step bounded in time: no more telemetry; the worker cancels
 * what it has and saves the metrics files; each device says offline and sends what waits; the loop
 * stops. What a finished inference has to publish comes before "offline", since the worker's last
 * post follows its results. */
#include "fleet/state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    WORKER_STOP_MS = 1500, /* for the running inference to notice: then devices finish without it */
    FINISH_MS = 2500,      /* for what waits to be delivered; both together stay below 5 s */
};

/* ---- counts ---- */

static void add_up(struct fleet *f, struct fleet_progress *p)
{
    *p = (struct fleet_progress){
        .elapsed_s = (double)(clock_mono_ns() - f->start_ns) / 1e9,
        .devices = f->n,
        .inferences = f->inferences,
        .errors = f->errors,
        .skipped = f->skipped,
        .alarms = f->alarms,
        .watches = f->watches,
        .running = f->pending > 0,
        .queued = f->pending > 0 ? f->pending - 1 : 0,
        .last_inference_s = f->last_inference_s,
        .last_tokens_per_second = f->last_tokens_per_second,
    };
    for (size_t i = 0; i < f->n; i++) {
        struct device *d = &f->devices[i];
        device_count(d);
        p->connected += d->mqtt && mqtt_connected(d->mqtt);
        p->sent += d->seq;
        p->published += d->counters.published + d->counters.restored;
        p->acknowledged += d->counters.acknowledged;
        p->waiting += d->counters.waiting;
        p->dropped += d->counters.dropped;
        p->resent += d->counters.resent;
        p->refused += d->counters.refused;
        p->stored += d->counters.stored;
        p->restored += d->counters.restored;
        p->reconnects += d->counters.reconnects;
    }
}

static void tell_watchers(struct fleet *f, const struct fleet_progress *p)
{
    char address[320];
    snprintf(address, sizeof address, "%s:%d", f->host, f->port);
    feed_broker(f->o->feed, address, p->connected > 0, p->reconnects);
}

static void report(struct fleet *f)
{
    struct fleet_progress p;
    char note[REPEAT_NOTE_SIZE];
    add_up(f, &p);
    if (p.dropped > f->dropped_said && repeats_due(&f->said, "dropped", clock_mono_ns(), note))
        log_warning("%llu %s so far: a device keeps %zu while its broker is away",
                    (unsigned long long)p.dropped,
                    plural(p.dropped, "message dropped", "messages dropped"), f->queue_max);
    f->dropped_said = p.dropped;
    tell_watchers(f, &p);
    if (f->o->on_progress)
        f->o->on_progress(f->o->ctx, &p);
}

/* ---- the health file ---- */

static void write_health(struct fleet *f)
{
    const char *path = settings_text(f->o->settings, SET_HEALTH_FILE);
    struct health *h = &f->health;
    struct fleet_progress p;
    struct err e;
    if (!path[0])
        return;
    add_up(f, &p);
    h->state = f->stop == NOT_STOPPED ? HEALTH_RUNNING : HEALTH_ENDING;
    h->devices = p.devices;
    h->connected = p.connected;
    h->telemetry = p.sent;
    h->inferences = p.inferences;
    h->errors = p.errors;
    h->due_ms = UINT64_MAX;
    for (size_t i = 0; i < f->n; i++) {
        uint64_t due_ms = f->devices[i].due_ns / 1000000;
        h->due_ms = due_ms < h->due_ms ? due_ms : h->due_ms;
    }
    snprintf(h->broker, sizeof h->broker, "%s:%d", f->host, f->port);
    snprintf(h->why_away, sizeof h->why_away, "%s", f->n_away ? f->why_away : "");
    bool failed = health_write(path, h, &e) != 0;
    if (failed && !f->health_failed)
        log_warning("HEALTH_FILE: %s", e.text);
    f->health_failed = failed;
}

static void on_tick(void *ctx)
{
    struct fleet *f = (struct fleet *)ctx;
    report(f);
    write_health(f);
    timer_start(f->tick, TICK_MS);
}

/* ---- the end ---- */

static void finish_devices(struct fleet *f)
{
    if (f->finishing)
        return;
    f->finishing = true;
    f->unfinished = f->n;
    /* a broker that takes nobody is not waited for */
    uint64_t finish_ms = f->hopeless.text[0] ? 1 : FINISH_MS;
    timer_start(f->guard, finish_ms + 500);
    for (size_t i = 0; i < f->n; i++)
        device_finish(&f->devices[i], finish_ms);
}

static void on_guard(void *ctx)
{
    struct fleet *f = (struct fleet *)ctx;
    if (!f->finishing)
        finish_devices(f);
    else
        loop_stop(f->loop);
}

void fleet_stop(struct fleet *f, enum stop_reason reason)
{
    if (f->stop != NOT_STOPPED)
        return;
    f->stop = reason;
    for (size_t i = 0; i < f->n; i++)
        device_stop(&f->devices[i]);
    timer_stop(f->duration);
    timer_start(f->guard, WORKER_STOP_MS);
    if (f->worker)
        worker_stop(f->worker);
    else
        finish_devices(f);
}

void fleet_device_finished(struct fleet *f)
{
    if (--f->unfinished == 0 && (!f->worker || f->worker_stopped))
        loop_stop(f->loop);
}

static void on_worker_stopped(void *ctx)
{
    struct fleet *f = (struct fleet *)ctx;
    f->worker_stopped = true;
    if (!f->finishing)
        finish_devices(f);
    else if (f->unfinished == 0)
        loop_stop(f->loop);
}

static void on_duration(void *ctx)
{
    fleet_stop((struct fleet *)ctx, STOP_DONE);
}

static void on_signal(void *ctx, int number)
{
    struct fleet *f = (struct fleet *)ctx;
    /* The private broker and its folder are the keeper's care; metrics files are always whole. */
    if (f->stop == STOP_INTERRUPT && number == SIGINT)
        _exit(130);
    log_info("%s: ending", number == SIGINT ? "interrupted" : "told to end");
    if (number == SIGINT && f->stop != NOT_STOPPED)
        f->stop = STOP_INTERRUPT;
    fleet_stop(f, number == SIGINT ? STOP_INTERRUPT : STOP_TERM);
}

/* ---- what devices ask for ---- */

bool fleet_wants_inference(const struct fleet *f)
{
    return f->stop == NOT_STOPPED &&
           (f->o->inferences == 0 || f->inferences + f->pending < f->o->inferences);
}

void fleet_queue(struct fleet *f, struct device *d)
{
    f->pending++;
    worker_add(f->worker, d->job);
}

void fleet_keep(struct fleet *f, const char *topic, struct span payload)
{
    struct err e;
    feed_message(f->o->feed, topic, payload);
    if (!f->store || store_add(f->store, clock_utc_us(), topic, payload, &e) == 0)
        return;
    log_error("store: %s", e.text);
    if (f->not_kept++ == 0)
        f->first_not_kept = e;
}

/* Not the source that the meter chose at the start: it may have failed since. */
static void agree_on_source(struct fleet *f, const char *source)
{
    if (strcmp(f->energy_source, source) != 0)
        snprintf(f->energy_source, sizeof f->energy_source, "%s",
                 f->energy_source[0] ? "mixed" : source);
}

static void on_job_done(void *ctx, struct job *j)
{
    struct fleet *f = (struct fleet *)ctx;
    struct device *d = (struct device *)j->owner;
    f->pending--;
    if (j->outcome != JOB_CANCELLED) {
        f->inferences++;
        f->health.inference_ms = clock_mono_ns() / 1000000;
        if (j->outcome == JOB_FAILED && f->errors++ == 0)
            f->first_failed = j->error;
        if (j->outcome == JOB_GOOD) {
            f->last_inference_s = j->seconds;
            f->last_tokens_per_second = j->tokens_per_second;
            agree_on_source(f, j->energy_source);
        }
    }
    device_take(d);
    report(f);
    if (f->o->inferences && f->inferences >= f->o->inferences)
        fleet_stop(f, STOP_DONE);
}

/* On the worker's thread: nobody else touches the logs by then. */
static void save_metrics(void *ctx)
{
    struct fleet *f = (struct fleet *)ctx;
    struct err e;
    for (size_t i = 0; i < f->n; i++) {
        if (!f->devices[i].log || metric_log_save(f->devices[i].log, &e) == 0)
            continue;
        err_set(&f->not_saved, ERR_IO, "metrics of %s: %s", f->devices[i].name, e.text);
        log_error("%s", f->not_saved.text);
    }
}

/* A run that lost what it was to keep has failed, however well it went on. The worker is gone. */
static int check_kept(const struct fleet *f, struct err *e)
{
    if (f->not_saved.text[0])
        return err_set(e, ERR_IO, "%s", f->not_saved.text);
    for (size_t i = 0; i < f->n; i++) {
        const struct device *d = &f->devices[i];
        if (d->log && metric_log_count(d->log) < d->inferences)
            return err_set(e, ERR_NOMEM,
                           "metrics of %s: %llu of %llu inferences are not in its file: no memory",
                           d->name, (unsigned long long)(d->inferences - metric_log_count(d->log)),
                           (unsigned long long)d->inferences);
    }
    if (f->not_kept)
        return err_set(e, ERR_IO, "%llu %s not in the store, the first: %s",
                       (unsigned long long)f->not_kept,
                       plural(f->not_kept, "message is", "messages are"), f->first_not_kept.text);
    return 0;
}

/* A script must not take a run in which nothing worked for a good one. Not asked of a run that was
 * interrupted: that is its outcome. */
static int check_worked(const struct fleet *f, const struct fleet_progress *total, struct err *e)
{
    if (f->inferences == 1 && f->errors == 1)
        return err_set(e, ERR_IO, "the only inference failed: %s", f->first_failed.text);
    if (f->inferences && f->errors == f->inferences)
        return err_set(e, ERR_IO, "all %llu inferences failed: %s", (unsigned long long)f->errors,
                       f->first_failed.text);
    if (f->hopeless.text[0])
        return err_set(e, ERR_IO, "%s", f->hopeless.text);
    if (total->sent && !total->acknowledged)
        return err_set(e, ERR_IO, "no message was ever acknowledged by %s:%d: %s", f->host, f->port,
                       f->why_away[0] ? f->why_away : "no answer in time");
    return 0;
}

/* ---- the run ---- */

static int start(struct fleet *f, struct err *e)
{
    struct worker_options w = {
        .shared = &f->shared,
        .loop = f->loop,
        .on_done = on_job_done,
        .on_exit = save_metrics,
        .on_stopped = on_worker_stopped,
        .ctx = f,
    };
    int rc = timer_open(&f->tick, f->loop, on_tick, f, e);
    if (!rc)
        rc = timer_open(&f->duration, f->loop, on_duration, f, e);
    if (!rc)
        rc = timer_open(&f->guard, f->loop, on_guard, f, e);
    if (!rc)
        rc = loop_signals(f->loop, on_signal, f, e);
    for (size_t i = 0; !rc && i < f->n; i++)
        rc = device_open(&f->devices[i], e);
    if (!rc && f->has_llm)
        rc = worker_open(&f->worker, &w, e);
    if (rc)
        return rc;
    f->start_ns = clock_mono_ns();
    timer_start(f->tick, TICK_MS);
    if (f->o->duration_s > 0)
        timer_start(f->duration, (uint64_t)(f->o->duration_s * 1e3) + 1);
    for (size_t i = 0; i < f->n; i++) {
        feed_device(f->o->feed, f->devices[i].id, f->devices[i].name);
        device_start(&f->devices[i]);
    }
    write_health(f);
    return 0;
}

static void announce(struct fleet *f)
{
    char address[320];
    snprintf(address, sizeof address, strchr(f->host, ':') ? "mqtt%s://[%s]:%d" : "mqtt%s://%s:%d",
             !f->broker && settings_text(f->o->settings, SET_MQTT_CA_FILE)[0] ? "s" : "", f->host,
             f->port);
    if (f->o->on_start)
        f->o->on_start(f->o->ctx, address, f->broker != NULL);
}

static void close_all(struct fleet *f)
{
    worker_close(&f->worker);
    for (size_t i = 0; i < f->n; i++)
        device_close(&f->devices[i]);
    timer_close(&f->tick);
    timer_close(&f->duration);
    timer_close(&f->guard);
}

void fleet_result_release(struct fleet_result *r)
{
    for (size_t i = 0; r->devices && i < r->n_devices; i++) {
        free(r->devices[i].name);
        free(r->devices[i].id);
        free(r->devices[i].metrics_file);
    }
    free(r->devices);
    *r = (struct fleet_result){.n_devices = 0};
}

static int fill_device(struct fleet_device *out, const struct device *d)
{
    const struct mqtt_counters *c = &d->counters;
    uint64_t good = d->inferences - d->errors;
    bool written = d->log && metric_log_count(d->log) > 0 &&
                   access(metric_log_path(d->log), F_OK) == 0; /* else it could not be saved */
    *out = (struct fleet_device){
        .name = strdup(d->name),
        .id = strdup(d->id),
        .metrics_file = strdup(written ? metric_log_path(d->log) : ""),
        .sent = d->seq,
        .published = c->published + c->restored,
        .acknowledged = c->acknowledged,
        .waiting = c->waiting,
        .dropped = c->dropped,
        .resent = c->resent,
        .refused = c->refused,
        .restored = c->restored,
        .on_disk = d->on_disk,
        .inferences = d->inferences,
        .errors = d->errors,
        .skipped = d->skipped,
        .alarms = d->alarms,
        .avg_ms = good ? d->seconds * 1e3 / (double)good : 0,
        .tokens_per_second = d->n_rates ? d->rates / (double)d->n_rates : 0,
        .energy_j = d->energy_j,
    };
    return out->name && out->id && out->metrics_file ? 0 : ERR_NOMEM;
}

static int fill_result(struct fleet *f, struct fleet_result *r, struct err *e)
{
    r->devices = (struct fleet_device *)calloc(f->n, sizeof *r->devices);
    if (!r->devices)
        return err_set(e, ERR_NOMEM, "result of the fleet: no memory");
    r->n_devices = f->n;
    add_up(f, &r->total);
    snprintf(r->energy_source, sizeof r->energy_source, "%s", f->energy_source);
    if (f->has_llm)
        snprintf(r->compute_device, sizeof r->compute_device, "%s", f->shared.info.device);
    for (size_t i = 0; i < f->n; i++) {
        if (fill_device(&r->devices[i], &f->devices[i])) {
            fleet_result_release(r);
            return err_set(e, ERR_NOMEM, "result of the fleet: no memory");
        }
    }
    return 0;
}

/* Before the first message: nothing is there to be saved, the private broker is its keeper's care,
 * and a large model may take long to load. */
static void on_early_signal(int number)
{
    _exit(number == SIGINT ? 130 : 0);
}

void fleet_catch_early_signals(void)
{
    struct sigaction sa = {.sa_handler = on_early_signal};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

int fleet_run(const struct fleet_options *o, struct fleet_result *result, struct err *e)
{
    struct fleet f;
    fleet_catch_early_signals();
    int rc = fleet_setup(&f, o, e);
    if (rc)
        goto done;
    rc = start(&f, e);
    if (!rc) {
        announce(&f);
        loop_run(f.loop);
    }
    close_all(&f);
    if (rc)
        goto done;
    if (result)
        rc = fill_result(&f, result, e);
    if (!rc && f.store)
        rc = store_flush(f.store, e);
    if (!rc)
        rc = check_kept(&f, e);
    struct fleet_progress total;
    add_up(&f, &total);
    fleet_say_what_waits(&f, &total);
    if (!rc)
        rc = f.stop == STOP_INTERRUPT ? ERR_CANCELLED : check_worked(&f, &total, e);
done:
    fleet_release(&f);
    return rc;
}
