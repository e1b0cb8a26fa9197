/* SPDX-License-Identifier: MIT */
/* Owns what the board makes of messages. They may come from anybody who can publish: whatever is
 * not as it should be is counted as bad and changes nothing else; what is missing is not known. */
#include "metrics/board.h"

#include <stdlib.h>

const char *const board_readings[READINGS] = {"temp",  "humidity", "co",    "lpg",
                                              "smoke", "light",    "motion"};
const char *const board_measures[MEASURES] = {"inference_time_ms", "tokens_per_second",
                                              "memory_used_mb",    "cpu_percent_avg",
                                              "power_w",           "energy_consumed_j"};
/* From a small model on a fast machine to a large one on a slow board. */
const double board_buckets[BOARD_BUCKETS] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500};

int board_open(struct board **out, const struct board_options *o, struct err *e)
{
    struct board *b = (struct board *)calloc(1, sizeof *b);
    if (!b || pthread_mutex_init(&b->lock, NULL)) {
        free(b);
        return err_set(e, ERR_NOMEM, "dashboard: no memory");
    }
    b->prefix = strdup(o->prefix);
    b->source = strdup(o->source);
    b->machine = strdup(o->machine);
    b->started_us = clock_utc_us();
    b->hash_seed = rng_entropy();
    if (!b->prefix || !b->source || !b->machine) {
        board_close(&b);
        return err_set(e, ERR_NOMEM, "dashboard: no memory");
    }
    *out = b;
    return 0;
}

void board_close(struct board **b)
{
    if (!*b)
        return;
    pthread_mutex_destroy(&(*b)->lock);
    board_free(*b);
    *b = NULL;
}

/* ---- values of a payload ---- */

/* NAN: not there, or no number. */
static double number_of(const struct json *o, const char *key)
{
    const struct json *v = json_get(o, key);
    if (json_type_of(v) == JSON_BOOL)
        return json_bool(v);
    return json_is_number(v) ? json_number(v) : NAN;
}

/* The same where less than nothing is no value. */
static double amount_of(const struct json *o, const char *key)
{
    double v = number_of(o, key);
    return v >= 0 ? v : NAN;
}

static void copy_text(char *out, size_t size, struct span s)
{
    s.n = s.n < size ? s.n : size - 1;
    s.n -= utf8_incomplete_tail(s);
    span_copy(out, s);
    out[s.n] = '\0';
}

static double seconds_of(uint64_t utc_us)
{
    return (double)utc_us / 1e6;
}

/* ---- telemetry ---- */

static bool take_telemetry(struct board *b, struct board_device *d, const struct json *doc,
                           uint64_t utc_us)
{
    const struct json *data = json_get(doc, "data");
    struct point p = {.t = seconds_of(utc_us)};
    if (json_type_of(data) != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < READINGS; i++)
        d->reading[i] = p.v[i] = number_of(data, board_readings[i]);
    int64_t seq = json_int(json_get(doc, "seq"));
    d->seq = seq > 0 ? (uint64_t)seq : 0;
    if (d->seq == 1) /* it starts anew, and would say an alarm again */
        d->alarm = false;
    d->ts = number_of(doc, "ts");
    d->has_reading = true;
    d->telemetry++;
    b->telemetry++;
    board_point(b, &d->points, &p);
    return true;
}

/* ---- analyses ---- */

static bool take_analysis(struct board *b, struct board_device *d, const struct json *doc,
                          uint64_t utc_us, struct buf *news)
{
    const struct json *text = json_get(doc, "analysis"), *telemetry = json_get(doc, "telemetry");
    struct json_writer w;
    struct buf note;
    if (json_type_of(text) != JSON_STRING)
        return false;
    struct span cut = json_string(text);
    cut.n = cut.n < BOARD_TEXT_MAX / 2 ? cut.n : BOARD_TEXT_MAX / 2;
    cut.n -= utf8_incomplete_tail(cut);
    d->analyses++;
    b->analyses++;
    json_write_init(&w, news, 0);
    json_write_object(&w);
    json_put_str(&w, "device_id", d->id);
    json_put_fixed(&w, "utc", seconds_of(utc_us), 3);
    json_put_span(&w, "text", cut);
    json_write_object_end(&w);
    buf_init(&note, 4 * BOARD_TEXT_MAX);
    json_write_init(&w, &note, 0);
    json_write_object(&w);
    json_put_fixed(&w, "utc", seconds_of(utc_us), 3);
    json_put_span(&w, "text", cut);
    json_put_value(&w, "telemetry", json_type_of(telemetry) == JSON_OBJECT ? telemetry : NULL);
    json_write_object_end(&w);
    board_note(b, board_notes(&d->said, BOARD_NOTES), &note);
    buf_release(&note);
    return true;
}

/* ---- metrics ---- */

static void take_time(struct board_model *m, double ms)
{
    size_t i = 0;
    while (i < BOARD_BUCKETS && ms / 1e3 > board_buckets[i])
        i++;
    m->buckets[i]++;
    m->recent[m->timed++ % BOARD_RECENT] = ms;
    m->n_recent = m->timed < BOARD_RECENT ? (size_t)m->timed : BOARD_RECENT;
    m->seconds += ms / 1e3;
    m->stale = true;
}

static void add_known(double *sum, uint64_t *n, double v)
{
    if (!isfinite(v))
        return;
    *sum += v;
    ++*n;
}

static void take_model(struct board *b, struct board_model *m, const struct json *doc, bool failed,
                       uint64_t utc_us)
{
    struct point p = {.t = seconds_of(utc_us)};
    m->inferences++;
    m->errors += failed;
    p.v[0] = amount_of(doc, "inference_time_ms");
    p.v[1] = amount_of(doc, "tokens_per_second");
    p.v[2] = amount_of(doc, "memory_used_mb");
    p.v[3] = amount_of(doc, "cpu_percent_avg");
    p.v[5] = amount_of(doc, "energy_consumed_j");
    if (!isfinite(p.v[5]))
        p.v[5] = amount_of(doc, "energy_consumed_mj") / 1e3; /* of older programs */
    p.v[4] = p.v[0] > 0 ? p.v[5] / (p.v[0] / 1e3) : NAN;
    p.v[6] = NAN;
    if (isfinite(p.v[0]))
        take_time(m, p.v[0]);
    add_known(&m->rates, &m->n_rates, p.v[1]);
    add_known(&m->memory, &m->n_memory, p.v[2]);
    add_known(&m->cpu, &m->n_cpu, p.v[3]);
    add_known(&m->joules, &m->n_joules, p.v[5]);
    if (isfinite(p.v[4]))
        m->joules_seconds += p.v[0] / 1e3;
    double tokens = amount_of(doc, "completion_tokens");
    m->tokens += isfinite(tokens) ? tokens : 0;
    struct span source = json_string(json_get(doc, "energy_source"));
    if (source.n && isfinite(p.v[5]) && !span_is(source, m->energy_source))
        copy_text(m->energy_source, sizeof m->energy_source,
                  m->energy_source[0] ? span_str("mixed") : source);
    board_point(b, &m->points, &p);
}

static bool take_metrics(struct board *b, struct board_device *d, const struct json *doc,
                         uint64_t utc_us)
{
    struct span name = json_string(json_get(doc, "model_name"));
    bool failed = json_string(json_get(doc, "error")).n > 0;
    if (name.n == 0)
        return false;
    struct board_model *m = board_model_of(b, name);
    struct json_writer w;
    struct buf note;
    if (m)
        take_model(b, m, doc, failed, utc_us);
    copy_text(d->model, sizeof d->model, name);
    d->inferences++;
    d->errors += failed;
    b->inferences++;
    b->errors += failed;
    buf_init(&note, BOARD_TEXT_MAX);
    json_write_init(&w, &note, 0);
    json_write_value(&w, doc);
    board_note(b, board_notes(&d->measured, BOARD_NOTES), &note);
    buf_release(&note);
    return true;
}

/* ---- anomalies and states ---- */

static void write_member(struct json_writer *w, const struct json *doc, const char *key,
                         enum json_type type)
{
    const struct json *v = json_get(doc, key);
    bool fits = json_type_of(v) == type || (type == JSON_REAL && json_is_number(v));
    json_put_value(w, key, fits ? v : NULL);
}

static bool take_anomaly(struct board *b, struct board_device *d, const struct json *doc,
                         uint64_t utc_us, struct buf *news)
{
    struct json_writer w;
    struct buf note;
    if (!span_is(json_string(json_get(doc, "verdict")), "anomaly")) {
        d->alarm = false;
        return json_type_of(json_get(doc, "verdict")) == JSON_STRING;
    }
    buf_init(&note, BOARD_TEXT_MAX);
    json_write_init(&w, &note, 0);
    json_write_object(&w);
    json_put_str(&w, "device_id", d->id);
    json_put_fixed(&w, "utc", seconds_of(utc_us), 3);
    write_member(&w, doc, "verdict", JSON_STRING);
    write_member(&w, doc, "severity", JSON_REAL);
    write_member(&w, doc, "fields", JSON_ARRAY);
    write_member(&w, doc, "reason", JSON_STRING);
    json_write_object_end(&w);
    d->alarm = true;
    d->anomalies++;
    b->n_anomalies++;
    board_note(b, board_notes(&b->anomalies, BOARD_ANOMALIES), &note);
    board_note(b, board_notes(&d->wrong, BOARD_NOTES), &note);
    if (!note.failed)
        buf_append(news, &note);
    buf_release(&note);
    return true;
}

static bool take_status(struct board_device *d, struct span text)
{
    bool online = span_is(text, "online");
    if (!online && !span_is(text, "offline"))
        return false;
    d->status = online ? 'n' : 'f';
    return true;
}

/* ---- events ---- */

/* PREFIX/KIND/ID, and nothing behind. */
static bool split_topic(const struct board *b, const char *topic, struct span *kind,
                        struct span *id)
{
    size_t n = strlen(b->prefix);
    if (strncmp(topic, b->prefix, n) != 0 || topic[n] != '/')
        return false;
    struct span rest = span_str(topic + n + 1);
    const uint8_t *slash = span_find(rest, '/');
    if (!slash)
        return false;
    *kind = span_sub(rest, 0, (size_t)(slash - rest.p));
    *id = span_sub(rest, kind->n + 1, rest.n);
    return id->n && !span_find(*id, '/');
}

static enum board_news take_message(struct board *b, const struct feed_event *ev, struct buf *news)
{
    static const char *const kinds[] = {"telemetry", "analysis", "metrics", "anomaly", "status"};
    enum { TELEMETRY, ANALYSIS, METRICS, ANOMALY, STATUS, OTHER };
    struct span kind, id;
    struct json *doc = NULL;
    bool good = false;
    int what = 0;
    if (!split_topic(b, ev->name, &kind, &id))
        return BOARD_NOTHING;
    while (what < OTHER && !span_is(kind, kinds[what]))
        what++;
    if (what == OTHER)
        return BOARD_NOTHING;
    if (what != STATUS && json_parse(&doc, ev->text, BOARD_PAYLOAD_MAX, "payload", NULL) == 0 &&
        json_type_of(doc) != JSON_OBJECT)
        json_close(&doc);
    /* What is no message of a device makes no device. */
    struct board_device *d = what == STATUS || doc ? board_device_of(b, id) : NULL;
    if (d) {
        good = what == TELEMETRY  ? take_telemetry(b, d, doc, ev->utc_us)
               : what == ANALYSIS ? take_analysis(b, d, doc, ev->utc_us, news)
               : what == METRICS  ? take_metrics(b, d, doc, ev->utc_us)
               : what == ANOMALY  ? take_anomaly(b, d, doc, ev->utc_us, news)
                                  : take_status(d, ev->text);
        if (good && what != STATUS)
            d->seen_us = ev->utc_us;
        board_mark(b, d);
    }
    json_close(&doc);
    b->bad += !good;
    b->changed = true;
    if (!good || !news->n)
        return BOARD_NOTHING;
    return what == ANALYSIS ? BOARD_ANALYSIS : BOARD_ANOMALY;
}

static void write_token(const struct feed_event *ev, struct buf *news)
{
    struct json_writer w;
    json_write_init(&w, news, 0);
    json_write_object(&w);
    json_put_str(&w, "device_id", ev->name);
    json_put_span(&w, "text", ev->text);
    json_put_bool(&w, "start", ev->flag);
    json_write_object_end(&w);
}

static void take_broker(struct board *b, const struct feed_event *ev)
{
    if (!b->broker.since_us || b->broker.connected != ev->flag)
        b->broker.since_us = ev->utc_us;
    else if (b->broker.reconnects == ev->number)
        return;
    copy_text(b->broker.address, sizeof b->broker.address, span_str(ev->name));
    b->broker.connected = ev->flag;
    b->broker.reconnects = ev->number;
    b->changed = true;
}

enum board_news board_apply(struct board *b, const struct feed_event *ev, struct buf *news)
{
    enum board_news result = BOARD_NOTHING;
    struct board_device *d;
    pthread_mutex_lock(&b->lock);
    switch (ev->kind) {
    case FEED_MESSAGE:
        result = take_message(b, ev, news);
        break;
    case FEED_TOKEN:
        write_token(ev, news);
        result = BOARD_TOKEN;
        break;
    case FEED_DEVICE:
        d = board_device_of(b, span_str(ev->name));
        if (d) {
            copy_text(d->name, sizeof d->name, ev->text);
            board_mark(b, d);
        }
        break;
    case FEED_BROKER:
        take_broker(b, ev);
        break;
    }
    pthread_mutex_unlock(&b->lock);
    return result;
}

void board_dropped(struct board *b, uint64_t dropped)
{
    pthread_mutex_lock(&b->lock);
    b->changed |= b->dropped != dropped;
    b->dropped = dropped;
    pthread_mutex_unlock(&b->lock);
}

bool board_connected(struct board *b, char *address, size_t size)
{
    pthread_mutex_lock(&b->lock);
    copy_text(address, size, span_str(b->broker.address));
    bool connected = b->broker.connected;
    pthread_mutex_unlock(&b->lock);
    return connected;
}
