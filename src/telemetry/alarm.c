/* SPDX-License-Identifier: MIT */
/* Limits, and what is said of a reading beyond them. */
#include "telemetry/alarm.h"

#include "telemetry/telemetry.h"

#include <math.h>

static const char *const names[ALARM_FIELDS] = {[ALARM_TEMP] = "temp",
                                                [ALARM_HUMIDITY] = "humidity",
                                                [ALARM_CO] = "co",
                                                [ALARM_SMOKE] = "smoke",
                                                [ALARM_LPG] = "lpg"};

static double value_of(const struct reading *r, int field)
{
    switch ((enum alarm_field)field) {
    case ALARM_TEMP:
        return r->temp;
    case ALARM_HUMIDITY:
        return r->humidity;
    case ALARM_CO:
        return r->co;
    case ALARM_SMOKE:
        return r->smoke;
    case ALARM_LPG:
        return r->lpg;
    case ALARM_FIELDS:
        break;
    }
    return NAN;
}

bool alarm_limits_any(const struct alarm_limits *l)
{
    for (int i = 0; i < ALARM_FIELDS; i++)
        if (!isnan(l->min[i]) || !isnan(l->max[i]))
            return true;
    return false;
}

/* A limit that is NAN compares as not exceeded. */
static signed char side_of(double value, double min, double max)
{
    return value > max ? 1 : value < min ? -1 : 0;
}

int alarm_severity(double value, double min, double max)
{
    signed char side = side_of(value, min, max);
    double limit = side > 0 ? max : min, scale = fabs(limit);
    if (side == 0)
        return 0;
    if (max > min) /* both are set */
        scale = max - min;
    if (!(scale > 0))
        scale = 1;
    double tenths = floor(fabs(value - limit) / scale * 10);
    return tenths >= 9 ? 10 : 1 + (int)tenths;
}

/* One field of one reading. */
static void take_field(struct alarm_state *s, int i, signed char side, struct alarm_change *out)
{
    if (side != 0) {
        s->calm[i] = 0;
        if (side != s->side[i])
            out->raised[i] = side;
        s->side[i] = side;
    } else if (s->side[i] != 0 && ++s->calm[i] == ALARM_CALM) {
        out->over[i] = s->side[i];
        s->side[i] = 0;
        s->calm[i] = 0;
    }
    out->any_raised = out->any_raised || out->raised[i] != 0;
    out->any_over = out->any_over || out->over[i] != 0;
}

void alarm_take(struct alarm_state *s, const struct alarm_limits *l, const struct reading *r,
                struct alarm_change *out)
{
    *out = (struct alarm_change){.any_raised = false};
    for (int i = 0; i < ALARM_FIELDS; i++) {
        double value = value_of(r, i);
        take_field(s, i, side_of(value, l->min[i], l->max[i]), out);
        int severity = out->raised[i] ? alarm_severity(value, l->min[i], l->max[i]) : 0;
        out->severity = severity > out->severity ? severity : out->severity;
    }
}

/* ---- words ---- */

/* As people write it: 60, not 60.0. */
static void format(double v, char out[NUM_F64_SIZE])
{
    size_t n = num_format_f64(v, out);
    if (str_ends_with(out, ".0"))
        out[n - 2] = '\0';
}

static void put_value(struct buf *out, const char *name, double value, const char *relation,
                      double limit)
{
    char text[NUM_F64_SIZE], bound[NUM_F64_SIZE];
    /* Six digits are what a sensor has: 18.899999618530273 is 18.9. */
    double scale = value != 0 ? pow(10, 5 - floor(log10(fabs(value)))) : 1;
    double rounded = round(value * scale) / scale;
    /* Never so that it is no longer beyond its limit. */
    bool same_side = (rounded > limit) == (value > limit) && (rounded < limit) == (value < limit);
    format(isfinite(rounded) && same_side ? rounded : value, text);
    format(limit, bound);
    buf_printf(out, "%s%s %s %s %s", out->n ? ", " : "", name, text, relation, bound);
}

void alarm_words(struct buf *out, const struct alarm_limits *l, const struct reading *r)
{
    struct buf words;
    buf_init(&words, 1024);
    for (int i = 0; i < ALARM_FIELDS; i++) {
        double value = value_of(r, i);
        signed char side = side_of(value, l->min[i], l->max[i]);
        if (side)
            put_value(&words, names[i], value, side > 0 ? "above" : "below",
                      side > 0 ? l->max[i] : l->min[i]);
    }
    if (words.n == 0)
        buf_str(&words, "none");
    buf_append(out, &words);
    buf_release(&words);
}

void alarm_reason(struct buf *out, const struct alarm_change *c, bool over,
                  const struct alarm_limits *l, const struct reading *r)
{
    struct buf words;
    buf_init(&words, 1024);
    for (int i = 0; i < ALARM_FIELDS; i++) {
        int side = over ? c->over[i] : c->raised[i];
        const char *relation = over ? (side > 0 ? "no longer above" : "no longer below")
                                    : (side > 0 ? "above" : "below");
        if (side)
            put_value(&words, names[i], value_of(r, i), relation, side > 0 ? l->max[i] : l->min[i]);
    }
    buf_append(out, &words);
    buf_release(&words);
}

/* ---- the message ---- */

void alarm_write(struct buf *out, const struct alarm_change *c, bool over,
                 const struct alarm_limits *l, const struct reading *r, const char *device_id,
                 const char *timestamp, uint64_t seq)
{
    struct buf reason;
    const char *comma = "";
    buf_init(&reason, 1024);
    alarm_reason(&reason, c, over, l, r);
    buf_str(out, "{\"device_id\":");
    json_quote(out, span_str(device_id));
    buf_printf(out, ",\"timestamp\":\"%s\",\"verdict\":\"%s\",\"severity\":%d,\"fields\":[",
               timestamp, over ? "normal" : "anomaly", over ? 0 : c->severity);
    for (int i = 0; i < ALARM_FIELDS; i++) {
        if (over ? c->over[i] == 0 : c->raised[i] == 0)
            continue;
        buf_printf(out, "%s\"%s\"", comma, names[i]);
        comma = ",";
    }
    buf_str(out, "],\"reason\":");
    json_quote(out, buf_view(&reason));
    buf_printf(out, ",\"source\":\"threshold\",\"ts\":%s,\"seq\":%llu}", r->ts,
               (unsigned long long)seq);
    if (reason.failed)
        out->failed = true;
    buf_release(&reason);
}
