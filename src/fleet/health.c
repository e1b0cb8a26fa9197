/* SPDX-License-Identifier: MIT */
/* Owns the health file: its layout, and what counts as being well.
 *
 * Being alive does not depend on the broker: a device that is told to start anew because its broker
 * is away gains nothing and loses its queue. Being ready does. */
#include "fleet/health.h"

#include "codec/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 8192, NS_PER_MS = 1000000 };

static const char *const state_names[] = {"starting", "running", "ending"};

/* ---- writing ---- */

int health_write(const char *path, const struct health *h, struct err *e)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, FILE_BYTES_MAX);
    json_write_init(&w, &text, 0);
    json_write_object(&w);
    json_put_u64(&w, "pid", (uint64_t)getpid());
    json_put_str(&w, "state", state_names[h->state]);
    json_put_u64(&w, "written_ms", clock_mono_ns() / NS_PER_MS);
    json_put_u64(&w, "devices", h->devices);
    json_put_u64(&w, "connected", h->connected);
    json_put_str(&w, "broker", h->broker);
    json_put_str(&w, "why_away", h->why_away);
    json_put_u64(&w, "telemetry", h->telemetry);
    json_put_u64(&w, "telemetry_ms", h->telemetry_ms);
    json_put_u64(&w, "due_ms", h->due_ms);
    json_put_u64(&w, "inferences", h->inferences);
    json_put_u64(&w, "errors", h->errors);
    json_put_u64(&w, "inference_ms", h->inference_ms);
    json_write_object_end(&w);
    buf_char(&text, '\n');
    int rc = buf_check(&text, "the health file", e);
    if (!rc)
        rc = file_write_atomic(path, buf_view(&text), e);
    buf_release(&text);
    return rc;
}

/* It is replaced each second and removed at the end: a slip in HEALTH_FILE must not cost a file. An
 * empty one is what a loss of power may leave. */
static int check_ours(const char *path, struct err *e)
{
    struct health before;
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return 0;
    int rc = health_read(&before, path, NULL);
    return rc == ERR_FORMAT || rc == ERR_LIMIT
               ? err_set(e, ERR_USAGE, "'%s' is there already, and no health file", path)
               : 0;
}

int health_begin(const char *path, struct err *e)
{
    const struct health starting = {.state = HEALTH_STARTING};
    if (!path[0])
        return 0;
    int rc = check_ours(path, e);
    if (!rc)
        rc = health_write(path, &starting, e);
    return rc ? err_wrap(e, rc, "HEALTH_FILE") : 0;
}

void health_end(const char *path)
{
    if (path[0])
        unlink(path);
}

/* ---- reading ---- */

static int read_u64(uint64_t *out, const struct json *doc, const char *key, const char *what,
                    struct err *e)
{
    const struct json *v = json_get(doc, key);
    if (!v)
        return 0;
    if (json_type_of(v) != JSON_INT || json_int(v) < 0)
        return err_set(e, ERR_FORMAT, "%s: %s: expected an integer of 0 or more", what, key);
    *out = (uint64_t)json_int(v);
    return 0;
}

static int read_text(char *out, size_t size, const struct json *doc, const char *key,
                     const char *what, struct err *e)
{
    const struct json *v = json_get(doc, key);
    struct span s = json_string(v);
    if (v && json_type_of(v) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "%s: %s: expected a text", what, key);
    if (s.n >= size)
        return err_set(e, ERR_FORMAT, "%s: %s: %zu bytes, expected at most %zu", what, key, s.n,
                       size - 1);
    memcpy(out, s.n ? (const char *)s.p : "", s.n);
    out[s.n] = '\0';
    return 0;
}

static int read_state(enum health_state *out, const struct json *doc, const char *what,
                      struct err *e)
{
    struct span name = json_string(json_get(doc, "state"));
    for (size_t i = 0; i < sizeof state_names / sizeof *state_names; i++) {
        if (span_is(name, state_names[i])) {
            *out = (enum health_state)i;
            return 0;
        }
    }
    return err_set(e, ERR_FORMAT, "%s: state '%.*s': expected starting, running or ending", what,
                   SPAN_FMT(name));
}

static int read_counts(struct health *h, const struct json *doc, const char *what, struct err *e)
{
    uint64_t pid = 0;
    const struct {
        const char *key;
        uint64_t *out;
    } fields[] = {
        {"pid", &pid},
        {"written_ms", &h->written_ms},
        {"devices", &h->devices},
        {"connected", &h->connected},
        {"telemetry", &h->telemetry},
        {"telemetry_ms", &h->telemetry_ms},
        {"due_ms", &h->due_ms},
        {"inferences", &h->inferences},
        {"errors", &h->errors},
        {"inference_ms", &h->inference_ms},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof fields / sizeof *fields; i++)
        rc = read_u64(fields[i].out, doc, fields[i].key, what, e);
    if (!rc && (pid == 0 || pid > INT32_MAX))
        rc = err_set(e, ERR_FORMAT, "%s: pid %" PRIu64 ": expected a process's", what, pid);
    h->pid = (int64_t)pid;
    return rc;
}

int health_parse(struct health *out, struct span text, const char *what, struct err *e)
{
    struct json *doc = NULL;
    struct health h = {.state = HEALTH_STARTING};
    int rc = json_parse(&doc, text, FILE_BYTES_MAX, what, e);
    if (!rc && json_type_of(doc) != JSON_OBJECT)
        rc = err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                     json_type_name(json_type_of(doc)));
    if (!rc)
        rc = read_state(&h.state, doc, what, e);
    if (!rc)
        rc = read_counts(&h, doc, what, e);
    if (!rc)
        rc = read_text(h.broker, sizeof h.broker, doc, "broker", what, e);
    if (!rc)
        rc = read_text(h.why_away, sizeof h.why_away, doc, "why_away", what, e);
    if (!rc)
        *out = h;
    json_close(&doc);
    return rc;
}

int health_read(struct health *out, const char *path, struct err *e)
{
    struct buf text, what;
    buf_init(&text, FILE_BYTES_MAX);
    buf_init(&what, FILE_BYTES_MAX);
    buf_printf(&what, "'%s'", path);
    int rc = file_read_regular(path, &text, e);
    if (!rc)
        rc = health_parse(out, buf_view(&text), buf_cstr(&what), e);
    buf_release(&text);
    buf_release(&what);
    return rc;
}

/* ---- judging ---- */

int health_alive(const struct health *h, struct err *e)
{
    if (kill((pid_t)h->pid, 0) == 0 || errno == EPERM)
        return 0;
    return err_set(e, ERR_NOTFOUND, "process %" PRId64 " is gone", h->pid);
}

static double age_s(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? (double)(now_ms - then_ms) / 1e3 : 0;
}

static void describe(const struct health *h, uint64_t now_ms, char line[HEALTH_LINE_SIZE])
{
    int n = snprintf(line, HEALTH_LINE_SIZE, "%s: %" PRIu64 " of %" PRIu64 " %s connected",
                     state_names[h->state], h->connected, h->devices,
                     plural(h->devices, "device", "devices"));
    if (h->telemetry_ms)
        n += snprintf(line + n, (size_t)(HEALTH_LINE_SIZE - n), ", last telemetry %.0f s ago",
                      age_s(now_ms, h->telemetry_ms));
    if (h->inference_ms)
        n += snprintf(line + n, (size_t)(HEALTH_LINE_SIZE - n), ", last inference %.0f s ago",
                      age_s(now_ms, h->inference_ms));
    if (h->errors)
        snprintf(line + n, (size_t)(HEALTH_LINE_SIZE - n), ", %" PRIu64 " of %" PRIu64 " %s failed",
                 h->errors, h->inferences, plural(h->inferences, "inference", "inferences"));
}

static int check_ready(const struct health *h, struct err *e)
{
    if (h->state != HEALTH_RUNNING)
        return err_set(e, ERR_RANGE, "not ready: %s", state_names[h->state]);
    if (h->connected < h->devices)
        return err_set(e, ERR_RANGE, "not ready: %" PRIu64 " of %" PRIu64 " %s connected to %s%s%s",
                       h->connected, h->devices, plural(h->devices, "device", "devices"), h->broker,
                       h->why_away[0] ? ": " : "", h->why_away);
    return 0;
}

int health_check(const struct health *h, const struct health_rule *rule, uint64_t now_ms,
                 char line[HEALTH_LINE_SIZE], struct err *e)
{
    double silent_s = age_s(now_ms, h->written_ms), late_s = age_s(now_ms, h->due_ms);
    /* CLOCK_MONOTONIC begins anew when the machine does; a second's grace for rounding. */
    if (h->written_ms > now_ms + 1000)
        return err_set(e, ERR_RANGE, "not alive: the file is from before the machine started");
    if (h->state == HEALTH_RUNNING && silent_s > rule->max_age_s)
        return err_set(e, ERR_RANGE, "not alive: no sign of it for %.0f s, expected one a second",
                       silent_s);
    if (h->state == HEALTH_RUNNING && h->due_ms && late_s > rule->max_age_s)
        return err_set(e, ERR_RANGE, "not alive: a message of telemetry is overdue for %.0f s",
                       late_s);
    int rc = rule->ready ? check_ready(h, e) : 0;
    if (rc)
        return rc;
    if (h->state == HEALTH_STARTING)
        snprintf(line, HEALTH_LINE_SIZE, "starting for %.0f s", silent_s);
    else
        describe(h, now_ms, line);
    return 0;
}
