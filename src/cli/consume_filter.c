/* SPDX-License-Identifier: MIT */
/* Owns consume's filters: see consume_filter.h. */
#include "cli/consume_filter.h"

#include "codec/codec.h"

#include <math.h>
#include <string.h>

enum { PAYLOAD_MAX = 16 << 20 };

/* ---- time ---- */

/* n digits at *p, which moves behind them. */
static bool digits(const char **p, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++, ++*p) {
        if (**p < '0' || **p > '9')
            return false;
        *out = *out * 10 + (**p - '0');
    }
    return true;
}

static bool take(const char **p, char c)
{
    bool there = **p == c;
    *p += there;
    return there;
}

/* Days since 1970-01-01 of the Gregorian calendar; the year is counted from March, so that the leap
 * day is its last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Z, +01:00, or nothing. */
static bool read_zone(const char **p, int *offset_s)
{
    int hours, minutes, sign = **p == '-' ? -1 : 1;
    *offset_s = 0;
    if (take(p, 'Z') || !**p)
        return true;
    if (!take(p, '+') && !take(p, '-'))
        return false;
    if (!digits(p, 2, &hours) || !take(p, ':') || !digits(p, 2, &minutes) || hours > 14 ||
        minutes > 59)
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool read_clock(const char **p, double *seconds)
{
    int hour, minute, second = 0;
    double fraction = 0, unit = 0.1;
    if (!digits(p, 2, &hour) || !take(p, ':') || !digits(p, 2, &minute) || hour > 23 || minute > 59)
        return false;
    if (take(p, ':') && (!digits(p, 2, &second) || second > 60))
        return false;
    if (take(p, '.'))
        for (; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
            fraction += unit * (**p - '0');
    *seconds = hour * 3600 + minute * 60 + second + fraction;
    return true;
}

static bool read_iso(const char *p, double *out_s)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, offset_s = 0;
    double seconds = 0;
    if (!digits(&p, 4, &year) || !take(&p, '-') || !digits(&p, 2, &month) || !take(&p, '-') ||
        !digits(&p, 2, &day) || month < 1 || month > 12 || day < 1 || day > lengths[month - 1])
        return false;
    if ((take(&p, 'T') || take(&p, ' ')) &&
        (!read_clock(&p, &seconds) || !read_zone(&p, &offset_s)))
        return false;
    *out_s = (double)days_of(year, month, day) * 86400 + seconds - offset_s;
    return *p == '\0';
}

int consume_time_parse(double *out_s, const char *option, const char *text, struct err *e)
{
    if (read_iso(text, out_s) || (num_parse_f64(span_str(text), out_s) && isfinite(*out_s)))
        return 0;
    return err_set(e, ERR_USAGE,
                   "--%s '%s': no time, expected 2026-11-25, 2026-11-25T10:00:00Z or seconds since "
                   "1970",
                   option, text);
}

static double time_of(struct span payload, uint64_t now_us)
{
    struct json *doc = NULL;
    double seconds = (double)now_us / 1e6;
    if (json_parse(&doc, payload, PAYLOAD_MAX, "payload", NULL) == 0) {
        const struct json *stamp = json_get(doc, "timestamp"), *ts = json_get(doc, "ts");
        double own;
        if (json_type_of(stamp) == JSON_STRING &&
            read_iso((const char *)json_string(stamp).p, &own))
            seconds = own;
        else if (json_is_number(ts))
            seconds = json_number(ts);
        json_close(&doc);
    }
    return seconds;
}

/* ---- device ---- */

static bool is_listed(const char *list, struct span id)
{
    for (const char *at = list;;) {
        size_t n = strcspn(at, ",");
        struct span one = span_of(at, n);
        while (one.n && one.p[0] == ' ')
            one = span_sub(one, 1, one.n);
        while (one.n && one.p[one.n - 1] == ' ')
            one.n--;
        if (one.n == id.n && id.n && memcmp(one.p, id.p, id.n) == 0)
            return true;
        if (!at[n])
            return false;
        at += n + 1;
    }
}

bool consume_filter_takes(const struct consume_filter *f, const struct topic_parts *parts,
                          struct span payload, uint64_t now_us)
{
    if (f->devices && !(parts && is_listed(f->devices, parts->id)))
        return false;
    if (isinf(f->since_s) && isinf(f->until_s))
        return true;
    double seconds = time_of(payload, now_us);
    return seconds >= f->since_s && seconds <= f->until_s;
}
