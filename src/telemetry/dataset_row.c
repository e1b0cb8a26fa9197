/* SPDX-License-Identifier: MIT */
/* What the fields of a dataset row mean, and when a row is refused.
 *
 * A row is taken whole or not at all: a value that is missing or not finite is never sent as 0. */
#include "telemetry/dataset_row.h"
#include "telemetry/ts.h"

#include <strings.h>

static const char *const column_names[DATASET_COLUMNS] = {
    [COLUMN_TS] = "ts",         [COLUMN_DEVICE] = "device",
    [COLUMN_CO] = "co",         [COLUMN_HUMIDITY] = "humidity",
    [COLUMN_LIGHT] = "light",   [COLUMN_LPG] = "lpg",
    [COLUMN_MOTION] = "motion", [COLUMN_SMOKE] = "smoke",
    [COLUMN_TEMP] = "temp",
};

static struct span trim(struct span s)
{
    return span_trim(s, " \t");
}

int dataset_columns_find(struct dataset_columns *c, const struct csv_row *header, struct err *e)
{
    bool found[DATASET_COLUMNS] = {false};
    for (size_t i = 0; i < header->n; i++) {
        struct span name = trim(header->fields[i]);
        for (size_t k = 0; k < i && name.n > 0; k++) {
            if (span_eq(trim(header->fields[k]), name))
                return err_set(e, ERR_FORMAT, "line %zu: column '%.*s' is there twice",
                               header->line, SPAN_FMT(name));
        }
        for (int k = 0; k < DATASET_COLUMNS; k++) {
            if (span_is(name, column_names[k])) {
                c->at[k] = i;
                found[k] = true;
            }
        }
    }
    for (int k = 0; k < DATASET_COLUMNS; k++) {
        if (!found[k])
            return err_set(e, ERR_FORMAT,
                           "line %zu: column '%s' is missing, expected ts, device, co, humidity, "
                           "light, lpg, motion, smoke, temp",
                           header->line, column_names[k]);
    }
    c->n = header->n;
    return 0;
}

static int bad(const struct csv_row *row, enum dataset_column column, struct span value,
               const char *expected, struct err *e)
{
    return err_set(e, ERR_FORMAT, "line %zu: %s: '%.*s', expected %s", row->line,
                   column_names[column], SPAN_FMT(value), expected);
}

static int read_number(const struct dataset_columns *c, const struct csv_row *row,
                       enum dataset_column column, double *out, struct err *e)
{
    struct span s = trim(row->fields[c->at[column]]);
    if (!num_parse_f64(s, out))
        return bad(row, column, s, "a finite number", e);
    return 0;
}

static int read_bool(const struct dataset_columns *c, const struct csv_row *row,
                     enum dataset_column column, bool *out, struct err *e)
{
    static const struct {
        const char *text;
        bool value;
    } forms[] = {{"true", true}, {"false", false}, {"1", true},
                 {"0", false},   {"yes", true},    {"no", false}};
    struct span s = trim(row->fields[c->at[column]]);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (s.n == strlen(forms[i].text) &&
            strncasecmp((const char *)s.p, forms[i].text, s.n) == 0) {
            *out = forms[i].value;
            return 0;
        }
    }
    return bad(row, column, s, "true, false, 1, 0, yes or no", e);
}

static int read_device(const struct dataset_columns *c, const struct csv_row *row,
                       struct span *device, struct err *e)
{
    char id[DEVICE_ID_MAX + 1];
    struct span s = trim(row->fields[c->at[COLUMN_DEVICE]]);
    if (s.n > DEVICE_ID_MAX || span_find(s, '\0'))
        return bad(row, COLUMN_DEVICE, s, "1 to 128 bytes without NUL", e);
    span_copy(id, s);
    id[s.n] = '\0';
    if (device_id_check(id, e))
        return err_wrap(e, ERR_FORMAT, "line %zu: device", row->line);
    *device = s;
    return 0;
}

int dataset_row_read(const struct dataset_columns *c, const struct csv_row *row, struct reading *r,
                     struct span *device, struct err *e)
{
    int rc;
    if (row->n != c->n)
        return err_set(e, ERR_FORMAT, "line %zu: %zu %s, expected %zu", row->line, row->n,
                       plural(row->n, "field", "fields"), c->n);
    struct span ts = trim(row->fields[c->at[COLUMN_TS]]);
    if (!ts_plain(ts, r->ts))
        return bad(row, COLUMN_TS, ts, "seconds since 1970 from 0 to 1e11", e);
    if ((rc = read_device(c, row, device, e)) || (rc = read_number(c, row, COLUMN_CO, &r->co, e)) ||
        (rc = read_number(c, row, COLUMN_HUMIDITY, &r->humidity, e)) ||
        (rc = read_bool(c, row, COLUMN_LIGHT, &r->light, e)) ||
        (rc = read_number(c, row, COLUMN_LPG, &r->lpg, e)) ||
        (rc = read_bool(c, row, COLUMN_MOTION, &r->motion, e)) ||
        (rc = read_number(c, row, COLUMN_SMOKE, &r->smoke, e)))
        return rc;
    return read_number(c, row, COLUMN_TEMP, &r->temp, e);
}
