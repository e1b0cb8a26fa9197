/* SPDX-License-Identifier: MIT */
/* wattle consume: what is on the broker, one line a message, checked and counted.
 *
 * Whoever can publish decides what comes here, so nothing is printed as it came: bytes that are no
 * UTF-8, and control characters, which could command a terminal, are escaped. */
#include "cli/cli.h"

#include "cli/consume_files.h"
#include "cli/consume_filter.h"
#include "cli/groups.h"
#include "fleet/fleet.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "telemetry/telemetry.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAYLOAD_MAX = 16 << 20,
    LINE_MAX_BYTES = 5 * PAYLOAD_MAX + (1 << 20), /* \xNN for each byte */
    FLUSH_MS = 1000,
    FINISH_MS = 1000,
};

struct consumer {
    const struct settings *settings;
    const char *prefix; /* of our topics */
    struct loop *loop;
    struct mqtt *mqtt;
    struct timer *duration, *flush;
    struct store *store;
    struct line_file *jsonl;
    struct csv_folder *csv;
    struct consume_filter filter;
    struct buf line, password;
    bool json;
    uint64_t limit; /* 0: none */
    uint64_t messages, bad;
    bool away, reached, said_older, interrupted, stopping;
    char why_away[256]; /* of the last attempt */
    int failure;        /* what ends it early */
    struct err e;
};

/* ---- one message ---- */

/* What is promised for a topic of ours; others may hold anything. */
static int check(const struct topic_parts *parts, struct span payload, struct err *e)
{
    static const char *const objects[] = {"analysis", "metrics", "anomaly"};
    struct json *doc = NULL;
    if (!parts)
        return 0;
    if (span_is(parts->kind, "telemetry")) {
        struct telemetry_message m;
        return telemetry_parse(&m, payload, e);
    }
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        if (!span_is(parts->kind, objects[i]))
            continue;
        int rc = json_parse(&doc, payload, PAYLOAD_MAX, "payload", e);
        enum json_type type = json_type_of(doc);
        json_close(&doc);
        if (!rc && type != JSON_OBJECT)
            rc = err_set(e, ERR_FORMAT, "payload: %s, expected an object", json_type_name(type));
        return rc;
    }
    return 0;
}

static void put_escaped(struct buf *out, struct span s)
{
    while (s.n) {
        uint32_t cp = 0;
        size_t n = utf8_decode(s, &cp);
        bool plain = n > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0);
        n = n ? n : 1;
        for (size_t i = 0; !plain && i < n; i++)
            buf_printf(out, "\\x%02x", s.p[i]);
        if (plain)
            buf_put(out, s.p, n);
        s = span_sub(s, n, s.n);
    }
}

static void write_text(struct buf *out, const char *topic, struct span payload, const char *error)
{
    put_escaped(out, span_str(topic));
    if (error) {
        buf_str(out, " bad (");
        put_escaped(out, span_str(error));
        buf_str(out, "):");
    }
    buf_char(out, ' ');
    put_escaped(out, payload);
}

static void write_payload(struct json_writer *w, struct span payload)
{
    struct json *doc = NULL;
    if (json_parse(&doc, payload, PAYLOAD_MAX, "payload", NULL) == 0) {
        json_write_key(w, "payload");
        json_write_value(w, doc);
        json_close(&doc);
    } else if (utf8_valid(payload)) {
        json_write_key(w, "payload");
        json_write_span(w, payload);
    } else {
        struct buf hex;
        buf_init(&hex, 2 * PAYLOAD_MAX);
        for (size_t i = 0; i < payload.n; i++)
            buf_printf(&hex, "%02x", payload.p[i]);
        json_write_key(w, "payload_hex");
        json_write_span(w, buf_view(&hex));
        buf_release(&hex);
    }
}

static void write_json(struct buf *out, const char *topic, struct span payload, bool retained,
                       uint64_t utc_us, const char *error)
{
    struct json_writer w;
    char stamp[CLOCK_ISO_SIZE];
    clock_iso(utc_us, stamp);
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_write_key(&w, "timestamp");
    json_write_str(&w, stamp);
    json_write_key(&w, "topic");
    json_write_str(&w, topic);
    json_write_key(&w, "retained");
    json_write_bool(&w, retained);
    write_payload(&w, payload);
    if (error) {
        json_write_key(&w, "error");
        json_write_str(&w, error);
    }
    json_write_object_end(&w);
}

/* ---- the end ---- */

static void on_finished(void *ctx)
{
    loop_stop(((struct consumer *)ctx)->loop);
}

static void stop(struct consumer *c)
{
    if (c->stopping)
        return;
    c->stopping = true;
    mqtt_finish(c->mqtt, FINISH_MS, on_finished, c);
}

static void on_signal(void *ctx, int number)
{
    struct consumer *c = (struct consumer *)ctx;
    if (c->stopping) {
        loop_stop(c->loop);
        return;
    }
    c->interrupted = number == SIGINT;
    stop(c);
}

static void on_duration(void *ctx)
{
    stop((struct consumer *)ctx);
}

static void fail(struct consumer *c, int rc)
{
    c->failure = rc;
    stop(c);
}

/* ---- events ---- */

static void print_message(struct consumer *c, const char *topic, struct span payload,
                          const struct buf *json, const char *why)
{
    buf_clear(&c->line);
    if (c->json)
        buf_append(&c->line, json);
    else
        write_text(&c->line, topic, payload, why);
    if (c->line.failed)
        log_warning("a message of %zu bytes on '%s' is too long to be printed", payload.n, topic);
    else if (printf("%s\n", buf_cstr(&c->line)) < 0 || fflush(stdout) != 0)
        fail(c, err_errno(&c->e, errno, "cannot write to the standard output"));
}

static void keep_message(struct consumer *c, uint64_t now, const char *topic, struct span payload,
                         const struct topic_parts *parts, const struct buf *json)
{
    struct span kind = parts ? parts->kind : span_str("");
    struct span suffix = parts ? parts->suffix : span_str("");
    int rc = c->store ? store_add(c->store, now, topic, payload, &c->e) : 0;
    if (!rc && c->jsonl && !json->failed)
        rc = line_file_write(c->jsonl, json, &c->e);
    if (!rc && c->csv)
        rc = csv_folder_add(c->csv, now, topic, kind, suffix, payload, &c->e);
    if (rc)
        fail(c, ERR_IO);
}

static void on_message(void *ctx, const char *topic, struct span payload, bool retained)
{
    struct consumer *c = (struct consumer *)ctx;
    struct err why;
    struct topic_parts split;
    struct buf json;
    uint64_t now = clock_utc_us();
    const struct topic_parts *parts = topic_split(&split, topic, c->prefix) ? &split : NULL;
    if (c->stopping || !consume_filter_takes(&c->filter, parts, payload, now))
        return;
    bool bad = check(parts, payload, &why) != 0;
    c->messages++;
    c->bad += bad;
    buf_init(&json, LINE_MAX_BYTES);
    if (c->json || c->jsonl)
        write_json(&json, topic, payload, retained, now, bad ? why.text : NULL);
    print_message(c, topic, payload, &json, bad ? why.text : NULL);
    keep_message(c, now, topic, payload, parts, &json);
    buf_release(&json);
    if (c->limit && c->messages == c->limit)
        stop(c);
}

static void on_connect(void *ctx)
{
    struct consumer *c = (struct consumer *)ctx;
    c->away = false;
    c->reached = true;
    log_info("connected to %s:%d", settings_text(c->settings, SET_MQTT_BROKER),
             (int)settings_int(c->settings, SET_MQTT_PORT));
    if (mqtt_fell_back(c->mqtt) && !c->said_older)
        log_info("the broker does not speak MQTT 5: 3.1.1 is spoken");
    c->said_older = mqtt_fell_back(c->mqtt);
}

/* What a broker that never took us says, and will say again, ends it: somebody is waiting. */
static void on_disconnect(void *ctx, const char *reason, bool lasting)
{
    struct consumer *c = (struct consumer *)ctx;
    const char *host = settings_text(c->settings, SET_MQTT_BROKER);
    int port = (int)settings_int(c->settings, SET_MQTT_PORT);
    if (lasting && !c->reached) {
        fail(c, err_set(&c->e, ERR_IO, "broker %s:%d: %s", host, port, reason));
        return;
    }
    bool news = !c->away || strcmp(c->why_away, reason) != 0;
    log_line(news ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "broker %s:%d: %s; trying again", host,
             port, reason);
    c->away = true;
    snprintf(c->why_away, sizeof c->why_away, "%s", reason);
}

static void on_refused(void *ctx, const char *filter, const char *reason)
{
    struct consumer *c = (struct consumer *)ctx;
    fail(c, err_set(&c->e, ERR_IO, "broker %s:%d refuses the subscription to '%s': %s",
                    settings_text(c->settings, SET_MQTT_BROKER),
                    (int)settings_int(c->settings, SET_MQTT_PORT), filter, reason));
}

static void on_flush(void *ctx)
{
    struct consumer *c = (struct consumer *)ctx;
    if ((c->jsonl && line_file_flush(c->jsonl, &c->e)) ||
        (c->csv && csv_folder_flush(c->csv, &c->e)))
        fail(c, ERR_IO);
    timer_start(c->flush, FLUSH_MS);
}

/* ---- the command ---- */

static int connect_client(struct consumer *c, struct err *e)
{
    const struct settings *s = c->settings;
    const char *filter = settings_option_text(s, "topic");
    char id[64], all[TOPIC_SIZE];
    snprintf(id, sizeof id, "wattle-consume-%016llx", (unsigned long long)rng_entropy());
    struct mqtt_options o = {
        .client_id = id,
        .queue_max = 1,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_message = on_message,
        .on_refused = on_refused,
        .ctx = c,
    };
    fleet_broker_options(&o, s, &c->password);
    int rc = mqtt_open(&c->mqtt, c->loop, &o, e);
    topic_write(all, c->prefix, "#", "", "");
    return rc ? rc : mqtt_subscribe(c->mqtt, filter ? filter : all, e);
}

static int read_filter(struct consumer *c, struct err *e)
{
    const char *since = settings_option_text(c->settings, "since");
    const char *until = settings_option_text(c->settings, "until");
    c->filter =
        (struct consume_filter){settings_option_text(c->settings, "device"), -INFINITY, INFINITY};
    int rc = since ? consume_time_parse(&c->filter.since_s, "since", since, e) : 0;
    return rc || !until ? rc : consume_time_parse(&c->filter.until_s, "until", until, e);
}

static int open_files(struct consumer *c, struct err *e)
{
    const char *store = settings_option_text(c->settings, "store");
    const char *jsonl = settings_option_text(c->settings, "jsonl");
    const char *csv = settings_option_text(c->settings, "csv");
    int rc = store ? store_open(&c->store, store, e) : 0;
    if (!rc && store)
        rc = store_use_prefix(c->store, c->prefix, e);
    if (!rc && jsonl)
        rc = line_file_open(&c->jsonl, jsonl, e);
    if (!rc && csv)
        rc = csv_folder_open(&c->csv, csv, e);
    return rc;
}

static int prepare(struct consumer *c, struct err *e)
{
    c->prefix = settings_text(c->settings, SET_MQTT_TOPIC_PREFIX);
    int rc = topic_prefix_check(c->prefix, e);
    if (!rc)
        rc = settings_mqtt_password(c->settings, &c->password, e);
    if (!rc)
        rc = read_filter(c, e);
    if (!rc)
        rc = open_files(c, e);
    if (!rc)
        rc = loop_open(&c->loop, e);
    if (!rc)
        rc = connect_client(c, e);
    if (!rc)
        rc = timer_open(&c->duration, c->loop, on_duration, c, e);
    if (!rc)
        rc = timer_open(&c->flush, c->loop, on_flush, c, e);
    if (!rc)
        rc = loop_signals(c->loop, on_signal, c, e);
    return rc;
}

/* "0 messages" of a broker that nobody talked to is no answer. */
static int never_reached(const struct consumer *c, struct err *e)
{
    return err_set(e, ERR_IO, "broker %s:%d was never reached: %s",
                   settings_text(c->settings, SET_MQTT_BROKER),
                   (int)settings_int(c->settings, SET_MQTT_PORT),
                   c->why_away[0] ? c->why_away : "no answer in time");
}

static int run(const struct settings *s, struct err *e)
{
    struct consumer c = {
        .settings = s,
        .json = settings_option_flag(s, "json"),
        .limit = settings_option_given(s, "count") ? (uint64_t)settings_option_int(s, "count") : 0,
    };
    buf_init(&c.line, LINE_MAX_BYTES);
    buf_init(&c.password, SETTINGS_PASSWORD_MAX);
    int rc = prepare(&c, e);
    if (!rc) {
        if (settings_option_given(s, "duration"))
            timer_start(c.duration, (uint64_t)(settings_option_float(s, "duration") * 1e3));
        timer_start(c.flush, FLUSH_MS);
        loop_run(c.loop);
        fprintf(stderr, "%llu messages, %llu bad\n", (unsigned long long)c.messages,
                (unsigned long long)c.bad);
        rc = c.failure;
        if (rc)
            *e = c.e;
        else if (!c.reached && !c.interrupted)
            rc = never_reached(&c, e);
        if (!rc && c.store)
            rc = store_flush(c.store, e);
        if (!rc && c.jsonl)
            rc = line_file_flush(c.jsonl, e);
        if (!rc && c.csv)
            rc = csv_folder_flush(c.csv, e);
    }
    mqtt_close(&c.mqtt);
    timer_close(&c.duration);
    timer_close(&c.flush);
    loop_close(&c.loop);
    store_close(&c.store);
    line_file_close(&c.jsonl);
    csv_folder_close(&c.csv);
    buf_release(&c.line);
    buf_release(&c.password);
    return rc ? exit_code_of(rc) : c.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

static const struct option options[] = {
    {.name = "topic",
     .type = OPTION_TEXT,
     .value = "FILTER",
     .help = "what to subscribe to (default: MQTT_TOPIC_PREFIX/#)"},
    {.name = "json", .type = OPTION_FLAG, .help = "one JSON object a line"},
    {.name = "count",
     .type = OPTION_INT,
     .value = "N",
     .min = 1,
     .max = 1e15,
     .help = "end after so many messages"},
    {.name = "duration",
     .type = OPTION_DURATION,
     .value = "TIME",
     .min = 0.001,
     .max = 31536000,
     .help = "end after this long: 30m, 90s, 2h"},
    {.name = "store",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "keep every message in this SQLite file"},
    {.name = "jsonl",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "append every message to this file as a line of JSON"},
    {.name = "csv",
     .type = OPTION_TEXT,
     .value = "FOLDER",
     .help = "append every message to telemetry.csv, metrics.csv, … in this folder"},
    {.name = "device",
     .type = OPTION_TEXT,
     .value = "LIST",
     .help = "only messages of these device ids, with commas between"},
    {.name = "since",
     .type = OPTION_TEXT,
     .value = "TIME",
     .help = "only messages from then on, by their own time: 2026-11-25T10:00:00Z or seconds"},
    {.name = "until", .type = OPTION_TEXT, .value = "TIME", .help = "only messages up to then"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MQTT_SETTINGS, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "consume",
    .usage =
        "wattle consume [--mqtt-broker HOST] [--topic FILTER] [--json] [--count N | --duration "
        "TIME] [--device LIST] [--since TIME] [--until TIME] [--store FILE] [--jsonl FILE] [--csv "
        "FOLDER]",
    .summary = "prints what is on the broker",
    .notes =
        "One line a message: topic and payload. Telemetry, analyses and metrics are checked; a "
        "message that is not what its topic promises is printed as bad, with the reason and "
        "its bytes escaped, and counted.\n\n"
        "  wattle consume --mqtt-broker localhost --topic 'iot/metrics/+' --json",
    .options = options,
    .settings = settings,
};

const struct command command_consume = {.spec = &spec, .run = run};
