/* SPDX-License-Identifier: MIT */
/* Telemetry payloads: written by devices, read by the gateway and by `consume`.
 *
 * Format: {"data":{"co","humidity","light","lpg","motion","smoke","temp"},"device_id","ts","seq"}.
 * A payload comes from whoever can publish on the broker: read strictly, nothing filled in. */
#include "telemetry/telemetry.h"
#include "telemetry/ts.h"

#include <math.h>

enum { PAYLOAD_MAX = 64 * 1024 };

static void put_number(struct buf *out, const char *key, double v)
{
    char text[NUM_F64_SIZE];
    size_t n = num_format_f64(v, text);
    buf_str(out, key);
    buf_put(out, text, n);
}

static void put_bool(struct buf *out, const char *key, bool v)
{
    buf_str(out, key);
    buf_str(out, v ? "true" : "false");
}

/* ts goes in as it stands: by struct reading's invariant it is a JSON number already, and on its
 * way through a double it would lose digits. That is why no json_writer is used. */
void telemetry_write(struct buf *out, const struct reading *r, const char *device_id, uint64_t seq)
{
    put_number(out, "{\"data\":{\"co\":", r->co);
    put_number(out, ",\"humidity\":", r->humidity);
    put_bool(out, ",\"light\":", r->light);
    put_number(out, ",\"lpg\":", r->lpg);
    put_bool(out, ",\"motion\":", r->motion);
    put_number(out, ",\"smoke\":", r->smoke);
    put_number(out, ",\"temp\":", r->temp);
    buf_str(out, "},\"device_id\":");
    json_quote(out, span_str(device_id));
    buf_str(out, ",\"ts\":");
    buf_str(out, r->ts);
    buf_printf(out, ",\"seq\":%llu}", (unsigned long long)seq);
}

static int wrong(struct err *e, const char *field, const struct json *found, const char *expected)
{
    if (!found)
        return err_set(e, ERR_FORMAT, "telemetry payload: '%s' is missing, expected %s", field,
                       expected);
    return err_set(e, ERR_FORMAT, "telemetry payload: '%s' is %s, expected %s", field,
                   json_type_name(json_type_of(found)), expected);
}

static int get_number(const struct json *data, const char *field, double *out, struct err *e)
{
    const struct json *v = json_get(data, field);
    if (!json_is_number(v) || !isfinite(json_number(v)))
        return wrong(e, field, v, "a number");
    *out = json_number(v);
    return 0;
}

static int get_bool(const struct json *data, const char *field, bool *out, struct err *e)
{
    const struct json *v = json_get(data, field);
    if (!v || json_type_of(v) != JSON_BOOL)
        return wrong(e, field, v, "a boolean");
    *out = json_bool(v);
    return 0;
}

static int get_data(const struct json *data, struct reading *r, struct err *e)
{
    int rc;
    if (!data || json_type_of(data) != JSON_OBJECT)
        return wrong(e, "data", data, "an object");
    if ((rc = get_number(data, "co", &r->co, e)) ||
        (rc = get_number(data, "humidity", &r->humidity, e)) ||
        (rc = get_bool(data, "light", &r->light, e)) ||
        (rc = get_number(data, "lpg", &r->lpg, e)) ||
        (rc = get_bool(data, "motion", &r->motion, e)) ||
        (rc = get_number(data, "smoke", &r->smoke, e)) ||
        (rc = get_number(data, "temp", &r->temp, e)))
        return rc;
    return 0;
}

static int get_ts(const struct json *v, char out[TS_SIZE], struct err *e)
{
    char text[NUM_F64_SIZE];
    size_t n;
    if (!json_is_number(v))
        return wrong(e, "ts", v, "a number");
    n = num_format_f64(json_number(v), text);
    if (!ts_plain(span_of(text, n), out))
        return err_set(e, ERR_FORMAT,
                       "telemetry payload: 'ts' is %.*s, expected seconds from 0 to 1e11", (int)n,
                       text);
    return 0;
}

static int get_device_id(const struct json *v, char out[DEVICE_ID_MAX + 1], struct err *e)
{
    if (!v || json_type_of(v) != JSON_STRING)
        return wrong(e, "device_id", v, "a string");
    struct span s = json_string(v);
    if (device_id_check((const char *)s.p, e))
        return err_wrap(e, ERR_FORMAT, "telemetry payload");
    memcpy(out, s.p, s.n + 1);
    return 0;
}

int telemetry_parse(struct telemetry_message *out, struct span payload, struct err *e)
{
    struct json *doc = NULL;
    struct telemetry_message m = {0};
    int rc;
    if (payload.n == 0)
        return err_set(e, ERR_FORMAT, "telemetry payload: is empty, expected a JSON object");
    if ((rc = json_parse(&doc, payload, PAYLOAD_MAX, "telemetry payload", e)))
        return rc;
    if (json_type_of(doc) != JSON_OBJECT) {
        rc = err_set(e, ERR_FORMAT, "telemetry payload: is %s, expected an object",
                     json_type_name(json_type_of(doc)));
        goto done;
    }
    if ((rc = get_device_id(json_get(doc, "device_id"), m.device_id, e)) ||
        (rc = get_ts(json_get(doc, "ts"), m.reading.ts, e)) ||
        (rc = get_data(json_get(doc, "data"), &m.reading, e)))
        goto done;
    const struct json *seq = json_get(doc, "seq");
    if (seq && (json_type_of(seq) != JSON_INT || json_int(seq) < 1)) {
        rc = err_set(e, ERR_FORMAT, "telemetry payload: 'seq' is not an integer from 1 on");
        goto done;
    }
    m.seq = (uint64_t)json_int(seq);
    *out = m;
done:
    json_close(&doc);
    return rc;
}
