/* SPDX-License-Identifier: MIT */
/* Owns how the board looks as JSON (docs/dashboard.md). */
#include "metrics/board.h"

static void put_utc(struct json_writer *w, const char *key, uint64_t utc_us)
{
    json_put_fixed(w, key, utc_us ? (double)utc_us / 1e6 : NAN, 3);
}

static void put_notes(struct json_writer *w, const char *key, const struct notes *n)
{
    json_put_array(w, key);
    for (size_t i = 0; n && i < n->n; i++)
        json_write_raw(w, span_str(n->texts[(n->at + i) % n->max]));
    json_write_array_end(w);
}

/* ---- devices ---- */

static void put_reading(struct json_writer *w, const struct board_device *d)
{
    json_write_key(w, "telemetry");
    if (!d->has_reading) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_put_f64(w, "ts", d->ts);
    json_write_key(w, "seq");
    if (d->seq)
        json_write_u64(w, d->seq);
    else
        json_write_null(w);
    for (size_t i = 0; i < READINGS; i++) {
        bool yes_no = i >= READINGS - 2; /* light, motion */
        json_write_key(w, board_readings[i]);
        if (yes_no && isfinite(d->reading[i]))
            json_write_bool(w, d->reading[i] != 0);
        else
            json_write_f64(w, d->reading[i]);
    }
    json_write_object_end(w);
}

static void put_device(struct json_writer *w, const struct board_device *d)
{
    json_put_text(w, "id", d->id);
    json_put_text(w, "name", d->name);
    json_put_text(w, "status",
                  d->status == 'n'   ? "online"
                  : d->status == 'f' ? "offline"
                                     : "unknown");
    put_utc(w, "last_seen_utc", d->seen_us);
    put_reading(w, d);
    json_put_text(w, "model", d->model);
    json_put_object(w, "counts");
    json_put_u64(w, "telemetry", d->telemetry);
    json_put_u64(w, "analyses", d->analyses);
    json_put_u64(w, "inferences", d->inferences);
    json_put_u64(w, "errors", d->errors);
    json_put_u64(w, "anomalies", d->anomalies);
    json_write_object_end(w);
    json_put_bool(w, "alarm", d->alarm);
}

/* ---- models ---- */

static double mean(double sum, uint64_t n)
{
    return n ? sum / (double)n : NAN;
}

static void put_model(struct json_writer *w, struct board_model *m)
{
    if (m->stale) {
        double sorted[BOARD_RECENT];
        struct metric_stats s;
        memcpy(sorted, m->recent, m->n_recent * sizeof *sorted);
        metric_stats_of(&s, sorted, m->n_recent);
        m->p50 = s.p50;
        m->p95 = s.p95;
        m->stale = false;
    }
    json_write_object(w);
    json_put_text(w, "name", m->name);
    json_put_u64(w, "inferences", m->inferences);
    json_put_u64(w, "errors", m->errors);
    json_put_object(w, "time_ms");
    json_put_fixed(w, "avg", mean(m->seconds * 1e3, m->timed), 2);
    json_put_fixed(w, "p50", m->timed ? m->p50 : NAN, 2);
    json_put_fixed(w, "p95", m->timed ? m->p95 : NAN, 2);
    json_write_object_end(w);
    json_put_fixed(w, "tokens_per_second", mean(m->rates, m->n_rates), 2);
    json_put_fixed(w, "memory_mb", mean(m->memory, m->n_memory), 2);
    json_put_fixed(w, "cpu_percent", mean(m->cpu, m->n_cpu), 2);
    json_put_fixed(w, "power_w", m->joules_seconds > 0 ? m->joules / m->joules_seconds : NAN, 3);
    json_put_fixed(w, "joules_per_analysis", mean(m->joules, m->n_joules), 4);
    json_put_fixed(w, "joules_total", m->n_joules ? m->joules : NAN, 4);
    json_put_text(w, "energy_source", m->energy_source);
    json_write_object_end(w);
}

/* ---- what all answers share ---- */

static void put_common(struct json_writer *w, struct board *b)
{
    put_utc(w, "now_utc", clock_utc_us());
    json_put_object(w, "broker");
    json_put_text(w, "address", b->broker.address);
    json_put_bool(w, "connected", b->broker.connected);
    put_utc(w, "since_utc", b->broker.since_us);
    json_put_u64(w, "reconnects", b->broker.reconnects);
    json_write_object_end(w);
    json_put_object(w, "counters");
    json_put_u64(w, "telemetry", b->telemetry);
    json_put_u64(w, "analyses", b->analyses);
    json_put_u64(w, "inferences", b->inferences);
    json_put_u64(w, "errors", b->errors);
    json_put_u64(w, "anomalies", b->n_anomalies);
    json_put_u64(w, "bad", b->bad);
    json_put_u64(w, "dropped", b->dropped);
    json_put_u64(w, "left_out", b->left_out);
    json_write_object_end(w);
    json_put_array(w, "models");
    for (size_t i = 0; i < b->n_models; i++)
        put_model(w, b->models[i]);
    json_write_array_end(w);
}

void board_write_state(struct board *b, struct buf *out)
{
    struct json_writer w;
    pthread_mutex_lock(&b->lock);
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_put_text(&w, "version", WATTLE_VERSION);
    put_utc(&w, "started_utc", b->started_us);
    json_put_text(&w, "source", b->source);
    json_put_text(&w, "machine", b->machine);
    put_common(&w, b);
    json_put_array(&w, "devices");
    for (size_t i = 0; i < b->n_devices; i++) {
        json_write_object(&w);
        put_device(&w, b->devices[i]);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    put_notes(&w, "anomalies", b->anomalies);
    json_write_object_end(&w);
    pthread_mutex_unlock(&b->lock);
}

bool board_write_changes(struct board *b, struct buf *out)
{
    struct json_writer w;
    pthread_mutex_lock(&b->lock);
    bool any = b->changed || b->n_dirty;
    if (any) {
        json_write_init(&w, out, 0);
        json_write_object(&w);
        put_common(&w, b);
        json_put_array(&w, "devices");
        for (size_t i = 0; i < b->n_dirty; i++) {
            struct board_device *d = b->devices[b->dirty[i]];
            d->dirty = false;
            json_write_object(&w);
            put_device(&w, d);
            json_write_object_end(&w);
        }
        json_write_array_end(&w);
        json_write_object_end(&w);
        b->n_dirty = 0;
        b->changed = false;
    }
    pthread_mutex_unlock(&b->lock);
    return any;
}

int board_write_device(struct board *b, const char *id, struct buf *out, struct err *e)
{
    struct json_writer w;
    pthread_mutex_lock(&b->lock);
    const struct board_device *d = board_device_find(b, span_str(id));
    if (d) {
        json_write_init(&w, out, 0);
        json_write_object(&w);
        put_device(&w, d);
        put_notes(&w, "analyses", d->said);
        put_notes(&w, "inferences", d->measured);
        put_notes(&w, "anomalies", d->wrong);
        json_write_object_end(&w);
    }
    pthread_mutex_unlock(&b->lock);
    return d ? 0 : err_set(e, ERR_NOTFOUND, "no device '%s'", id);
}

/* ---- series ---- */

static const struct points *points_of(const struct board *b, const struct history_query *q)
{
    const struct board_device *d = q->id ? board_device_find(b, span_str(q->id)) : NULL;
    const struct board_model *m = q->model ? board_model_find(b, span_str(q->model)) : NULL;
    return d ? &d->points : m ? &m->points : NULL;
}

bool board_reaches(struct board *b, const struct history_query *q)
{
    pthread_mutex_lock(&b->lock);
    const struct points *s = points_of(b, q);
    bool reaches = s && s->n && board_point_at(s, 0)->t <= q->from_s;
    pthread_mutex_unlock(&b->lock);
    return reaches;
}

int board_write_history(struct board *b, const struct history_query *q, struct buf *out,
                        struct err *e)
{
    int rc = history_check(q, e);
    if (rc)
        return rc;
    pthread_mutex_lock(&b->lock);
    const struct points *s = points_of(b, q);
    double first = s && s->n ? board_point_at(s, 0)->t : q->from_s;
    struct thin *t =
        s ? thin_open(first > q->from_s ? first : q->from_s, q->to_s, q->n_fields, q->points)
          : NULL;
    for (size_t i = 0; t && i < s->n; i++) {
        const struct point *p = board_point_at(s, i);
        for (size_t k = 0; k < q->n_fields; k++)
            thin_add(t, k, p->t, p->v[history_field(q, q->fields[k])]);
    }
    pthread_mutex_unlock(&b->lock);
    if (!s)
        return err_set(e, ERR_NOTFOUND, "no %s '%s'", q->id ? "device" : "model",
                       q->id ? q->id : q->model);
    if (!t)
        return err_set(e, ERR_NOMEM, "history: no memory");
    thin_write(t, q, "memory", true, out);
    thin_close(t);
    return 0;
}
