/* SPDX-License-Identifier: MIT */
/* wattle consume: what is on the broker, one line a message, checked and counted.
 *
 * Whoever can publish decides what comes here, so nothing is printed as it came: bytes that are no
 * UTF-8, and control characters, which could command a terminal, are escaped. */
#include "cli/cli.h"

#include "cli/consume_files.h"
#include "cli/consume_filter.h"
#include "cli/groups.h"
#include "cli/listener.h"
#include "fleet/fleet.h"
#include "metrics/metrics.h"
#include "telemetry/telemetry.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAYLOAD_MAX = 16 << 20,
    LINE_MAX_BYTES = 6 * PAYLOAD_MAX + (1 << 20), /* \u00NN for each byte */
    FLUSH_MS = 1000,
};

struct consumer {
    const struct settings *settings;
    const char *prefix; /* of our topics */
    struct listener listener;
    struct timer *flush;
    struct store *store;
    struct line_file *jsonl;
    struct csv_folder *csv;
    struct consume_filter filter;
    struct buf line;
    bool json;
    uint64_t limit; /* 0: none */
    uint64_t messages, bad;
    struct repeats said;
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

/* Not by buf_printf: this is done for each byte of megabytes. */
static void put_hex(struct buf *out, const char *before, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    buf_str(out, before);
    buf_char(out, digits[byte >> 4]);
    buf_char(out, digits[byte & 15]);
}

static void put_escaped(struct buf *out, struct span s)
{
    while (s.n && !out->failed) {
        uint32_t cp = 0;
        size_t n = utf8_decode(s, &cp);
        bool plain = n > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0);
        n = n ? n : 1;
        for (size_t i = 0; !plain && i < n; i++)
            put_hex(out, "\\x", s.p[i]);
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
        json_put_value(w, "payload", doc);
        json_close(&doc);
    } else if (utf8_valid(payload)) {
        json_put_span(w, "payload", payload);
    } else {
        struct buf hex;
        buf_init(&hex, 2 * PAYLOAD_MAX);
        for (size_t i = 0; i < payload.n; i++)
            put_hex(&hex, "", payload.p[i]);
        json_put_span(w, "payload_hex", buf_view(&hex));
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
    json_put_str(&w, "timestamp", stamp);
    json_put_str(&w, "topic", topic);
    json_put_bool(&w, "retained", retained);
    write_payload(&w, payload);
    if (error)
        json_put_str(&w, "error", error);
    json_write_object_end(&w);
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
    char note[REPEAT_NOTE_SIZE];
    if (c->line.failed) {
        if (repeats_due(&c->said, "too long", clock_mono_ns(), note))
            log_warning("a message of %zu bytes on '%.200s' is too long to be printed%s", payload.n,
                        topic, note);
    } else if (printf("%s\n", buf_cstr(&c->line)) >= 0 && fflush(stdout) == 0) {
        return;
    } else if (reader_has_gone()) {
        listener_stop(&c->listener); /* what came is kept in the files all the same */
    } else {
        listener_fail(&c->listener,
                      err_errno(&c->listener.e, errno, "cannot write to the standard output"));
    }
}

static void keep_message(struct consumer *c, uint64_t now, const char *topic, struct span payload,
                         const struct topic_parts *parts, const struct buf *json)
{
    struct span kind = parts ? parts->kind : span_str("");
    struct span suffix = parts ? parts->suffix : span_str("");
    int rc = c->store ? store_add(c->store, now, topic, payload, &c->listener.e) : 0;
    if (!rc && c->jsonl && !json->failed)
        rc = line_file_write(c->jsonl, json, &c->listener.e);
    if (!rc && c->csv)
        rc = csv_folder_add(c->csv, now, topic, kind, suffix, payload, &c->listener.e);
    if (rc)
        listener_fail(&c->listener, ERR_IO);
}

static void on_message(void *ctx, const char *topic, struct span payload, bool retained)
{
    struct consumer *c = (struct consumer *)ctx;
    struct err why;
    struct topic_parts split;
    struct buf json;
    char note[REPEAT_NOTE_SIZE];
    uint64_t now = clock_utc_us();
    const struct topic_parts *parts = topic_split(&split, topic, c->prefix) ? &split : NULL;
    if (!consume_filter_takes(&c->filter, parts, payload, now))
        return;
    bool bad = check(parts, payload, &why) != 0;
    c->messages++;
    c->bad += bad;
    buf_init(&json, LINE_MAX_BYTES);
    if (payload.n > PAYLOAD_MAX) {
        json.failed = true;
        if (repeats_due(&c->said, "too large", clock_mono_ns(), note))
            log_warning("a message of %zu bytes on '%.200s' is not shown%s: expected at most %d%s",
                        payload.n, topic, c->jsonl ? " and not in --jsonl" : "", PAYLOAD_MAX, note);
    } else {
        if (c->json || c->jsonl)
            write_json(&json, topic, payload, retained, now, bad ? why.text : NULL);
        print_message(c, topic, payload, &json, bad ? why.text : NULL);
    }
    keep_message(c, now, topic, payload, parts, &json);
    buf_release(&json);
    if (c->limit && c->messages == c->limit)
        listener_stop(&c->listener);
}

static void on_flush(void *ctx)
{
    struct consumer *c = (struct consumer *)ctx;
    if ((c->jsonl && line_file_flush(c->jsonl, &c->listener.e)) ||
        (c->csv && csv_folder_flush(c->csv, &c->listener.e)))
        listener_fail(&c->listener, ERR_IO);
    timer_start(c->flush, FLUSH_MS);
}

/* ---- the command ---- */

static int read_filter(struct consumer *c, struct err *e)
{
    const char *since = settings_option_text(c->settings, "since");
    const char *until = settings_option_text(c->settings, "until");
    c->filter = (struct consume_filter){.devices = settings_option_text(c->settings, "device"),
                                        .since_s = -INFINITY,
                                        .until_s = INFINITY};
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
    const struct settings *s = c->settings;
    struct listener_options l = {
        .settings = s,
        .name = "consume",
        .filter = settings_option_text(s, "topic"),
        .duration_s =
            settings_option_given(s, "duration") ? settings_option_float(s, "duration") : 0,
        .on_message = on_message,
        .ctx = c,
    };
    c->prefix = settings_text(s, SET_MQTT_TOPIC_PREFIX);
    int rc = read_filter(c, e);
    if (!rc)
        rc = listener_open(&c->listener, &l, e);
    if (!rc)
        rc = open_files(c, e);
    return rc ? rc : timer_open(&c->flush, c->listener.loop, on_flush, c, e);
}

/* "0 messages" of a broker that nobody talked to is no answer. */
static int never_reached(const struct listener *l, struct err *e)
{
    return err_set(e, ERR_IO, "broker %s was never reached: %s", l->broker,
                   l->why_away[0] ? l->why_away : "no answer in time");
}

static int flush_files(struct consumer *c, struct err *e)
{
    int rc = c->store ? store_flush(c->store, e) : 0;
    if (!rc && c->jsonl)
        rc = line_file_flush(c->jsonl, e);
    return rc || !c->csv ? rc : csv_folder_flush(c->csv, e);
}

static int run(const struct settings *s, struct err *e)
{
    struct consumer c = {
        .settings = s,
        .json = settings_option_flag(s, "json"),
        .limit = settings_option_given(s, "count") ? (uint64_t)settings_option_int(s, "count") : 0,
    };
    buf_init(&c.line, LINE_MAX_BYTES);
    int rc = prepare(&c, e);
    if (!rc) {
        timer_start(c.flush, FLUSH_MS);
        rc = listener_run(&c.listener, e);
        if (!rc && c.listener.connections)
            consume_filter_tell(&c.filter, c.messages);
        if (!rc || c.listener.failure)
            fprintf(stderr, "%llu %s, %llu bad\n", (unsigned long long)c.messages,
                    plural(c.messages, "message", "messages"), (unsigned long long)c.bad);
        if (!rc && !c.listener.connections && !c.listener.interrupted)
            rc = never_reached(&c.listener, e);
        if (!rc)
            rc = flush_files(&c, e);
    }
    timer_close(&c.flush);
    listener_close(&c.listener);
    store_close(&c.store);
    line_file_close(&c.jsonl);
    csv_folder_close(&c.csv);
    buf_release(&c.line);
    return rc ? exit_code_of(rc) : c.listener.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
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
    DURATION_OPTION,
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
