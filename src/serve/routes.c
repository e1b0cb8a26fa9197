/* SPDX-License-Identifier: MIT */
/* Owns the paths of the dashboard and what each answers. Runs on the server's threads. */
#include "serve/assets.h"
#include "serve/dashboard.h"

#include <math.h>
#include <stdio.h>

enum {
    VALUE_MAX = 1024, /* of a parameter */
    POINTS_DEFAULT = 600,
    STALLED_MS = 10000,
};

static const char json_type[] = "application/json; charset=utf-8";

static void refuse(struct http_reply *r, int status, const char *text)
{
    r->status = status;
    buf_clear(&r->body);
    buf_printf(&r->body, "%s\n", text);
}

static int status_of(int code)
{
    switch (code) {
    case ERR_NOTFOUND:
        return 404;
    case ERR_USAGE:
    case ERR_FORMAT:
    case ERR_LIMIT:
        return 400;
    case ERR_IO:
        return 503;
    default:
        return 500;
    }
}

static void finish(struct http_reply *r, int rc, const struct err *e)
{
    if (rc)
        refuse(r, status_of(rc), e->text);
    else
        r->type = json_type;
}

/* ---- /api/history ---- */

struct asked {
    struct history_query q;
    struct buf id, model, fields, number;
};

/* Splits "temp,humidity" in place. */
static int take_fields(struct asked *a, struct err *e)
{
    char *at = a->fields.p;
    while (at && *at) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        if (a->q.n_fields == HISTORY_FIELDS_MAX)
            return err_set(e, ERR_USAGE, "field: more than %d", HISTORY_FIELDS_MAX);
        a->q.fields[a->q.n_fields++] = at;
        at = comma ? comma + 1 : NULL;
    }
    return 0;
}

/* 0 and *out as it was where the parameter is not there. */
static int take_number(struct asked *a, struct span query, const char *name, double *out,
                       struct err *e)
{
    buf_clear(&a->number);
    int rc = http_query_get(query, name, &a->number, e);
    if (rc <= 0)
        return rc;
    return num_parse_f64(buf_view(&a->number), out)
               ? 0
               : err_set(e, ERR_USAGE, "%s '%.*s': expected a number", name,
                         SPAN_FMT(buf_view(&a->number)));
}

static int read_query(struct asked *a, struct span query, struct err *e)
{
    double points = POINTS_DEFAULT;
    int id = http_query_get(query, "id", &a->id, e);
    int model = id < 0 ? id : http_query_get(query, "model", &a->model, e);
    int rc = model < 0 ? model : http_query_get(query, "field", &a->fields, e);
    if (rc < 0)
        return rc;
    a->q.id = id ? buf_cstr(&a->id) : NULL;
    a->q.model = model ? buf_cstr(&a->model) : NULL;
    a->q.to_s = (double)clock_utc_us() / 1e6;
    rc = take_fields(a, e);
    if (!rc)
        rc = take_number(a, query, "from", &a->q.from_s, e);
    if (!rc)
        rc = take_number(a, query, "to", &a->q.to_s, e);
    if (!rc)
        rc = take_number(a, query, "points", &points, e);
    if (!rc && (points != floor(points) || points < 2 || points > HISTORY_POINTS_MAX))
        rc = err_set(e, ERR_USAGE, "points: %g, expected 2 to %d", points, HISTORY_POINTS_MAX);
    if (!rc && (fabs(a->q.from_s) > 1e11 || fabs(a->q.to_s) > 1e11)) /* the year 5138 */
        rc = err_set(e, ERR_USAGE, "from, to: expected seconds since 1970");
    a->q.points = rc ? 2 : (size_t)points;
    return rc ? rc : history_check(&a->q, e);
}

static void answer_history(struct dashboard *d, const struct http_visit *q, struct http_reply *r)
{
    struct asked a = {.q = {.from_s = 0}};
    struct err e;
    buf_init(&a.id, VALUE_MAX);
    buf_init(&a.model, VALUE_MAX);
    buf_init(&a.fields, VALUE_MAX);
    buf_init(&a.number, VALUE_MAX);
    int rc = read_query(&a, q->query, &e);
    if (!rc) {
        /* A store that is not there yet, or not readable now, is no reason to show nothing. */
        bool stored = d->store && !board_reaches(d->board, &a.q) &&
                      store_write_history(d->store, d->prefix, &a.q, &r->body, &e) == 0;
        if (!stored) {
            buf_clear(&r->body);
            rc = board_write_history(d->board, &a.q, &r->body, &e);
        }
    }
    finish(r, rc, &e);
    buf_release(&a.id);
    buf_release(&a.model);
    buf_release(&a.fields);
    buf_release(&a.number);
}

/* ---- the other paths ---- */

static void answer_state(struct dashboard *d, const struct http_visit *q, struct http_reply *r)
{
    (void)q;
    board_write_state(d->board, &r->body);
    r->type = json_type;
}

static void answer_device(struct dashboard *d, const struct http_visit *q, struct http_reply *r)
{
    struct err e;
    struct buf id;
    buf_init(&id, VALUE_MAX);
    int rc = http_query_get(q->query, "id", &id, &e);
    if (rc == 0)
        rc = err_set(&e, ERR_USAGE, "id: expected a device's id");
    if (rc > 0)
        rc = board_write_device(d->board, buf_cstr(&id), &r->body, &e);
    finish(r, rc, &e);
    buf_release(&id);
}

static void answer_events(struct dashboard *d, const struct http_visit *q, struct http_reply *r)
{
    (void)d;
    (void)q;
    r->type = "text/event-stream; charset=utf-8";
    r->stream = true;
    buf_printf(&r->body, "retry: %d\n: wattle %s\n\n", RETRY_MS, WATTLE_VERSION);
}

static void answer_metrics(struct dashboard *d, const struct http_visit *q, struct http_reply *r)
{
    (void)q;
    r->type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    board_write_metrics(d->board, &r->body);
}

static void answer_health(struct dashboard *d, const struct http_visit *q, struct http_reply *r)
{
    char address[320], text[400];
    uint64_t silent_ms = clock_mono_ns() / 1000000 - atomic_load(&d->alive_ms);
    (void)q;
    if (silent_ms > STALLED_MS && silent_ms < UINT64_MAX / 2) {
        refuse(r, 503, "the dashboard's thread is held up");
    } else if (!board_connected(d->board, address, sizeof address)) {
        snprintf(text, sizeof text, "broker %s: not connected",
                 address[0] ? address : "(none yet)");
        refuse(r, 503, text);
    } else {
        buf_str(&r->body, "ok\n");
    }
}

struct route {
    const char *path;
    void (*answer)(struct dashboard *d, const struct http_visit *q, struct http_reply *r);
};

static const struct route routes[] = {
    {"/api/state", answer_state},     {"/api/device", answer_device},
    {"/api/history", answer_history}, {"/api/events", answer_events},
    {"/metrics", answer_metrics},     {"/healthz", answer_health},
};

/* It says nothing but that we are there. */
bool dashboard_is_open(void *ctx, struct span path)
{
    (void)ctx;
    return span_is(path, "/healthz");
}

void dashboard_answer(void *ctx, const struct http_visit *q, struct http_reply *r)
{
    struct dashboard *d = (struct dashboard *)ctx;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!span_is(q->path, routes[i].path))
            continue;
        routes[i].answer(d, q, r);
        return;
    }
    for (size_t i = 0; i < n_assets; i++) {
        if (!span_is(q->path, assets[i].path))
            continue;
        r->type = assets[i].type;
        r->etag = assets[i].etag;
        r->lasting = span_of(assets[i].bytes, assets[i].n);
        return;
    }
    refuse(r, 404, "there is nothing here");
}
