/* SPDX-License-Identifier: MIT */
/* Owns consume's filters: see consume_filter.h. */
#include "cli/consume_filter.h"

#include "codec/codec.h"

#include <math.h>
#include <stdio.h>
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

/* The next id of a list, without the blanks around it; false: there is none. *at: NULL at its end.
 */
static bool next_listed(const char **at, struct span *one)
{
    if (!*at)
        return false;
    size_t n = strcspn(*at, ",");
    *one = span_of(*at, n);
    while (one->n && one->p[0] == ' ')
        *one = span_sub(*one, 1, one->n);
    while (one->n && one->p[one->n - 1] == ' ')
        one->n--;
    *at = (*at)[n] ? *at + n + 1 : NULL;
    return true;
}

static bool is_same(struct span a, struct span b)
{
    return a.n == b.n && a.n && memcmp(a.p, b.p, a.n) == 0;
}

static void note_seen(struct consume_filter *f, struct span id)
{
    id.n = id.n < CONSUME_SEEN_BYTES ? id.n : CONSUME_SEEN_BYTES;
    for (size_t i = 0; i < f->n_seen; i++)
        if (is_same(id, span_str(f->seen[i])))
            return;
    f->more_seen = f->more_seen || f->n_seen == CONSUME_SEEN_MAX;
    if (f->n_seen == CONSUME_SEEN_MAX || span_find(id, 0))
        return;
    snprintf(f->seen[f->n_seen++], CONSUME_SEEN_BYTES + 1, "%.*s", SPAN_FMT(id));
}

static bool is_listed(struct consume_filter *f, struct span id)
{
    struct span one;
    const char *at = f->devices;
    for (int i = 0; next_listed(&at, &one); i++) {
        if (!is_same(one, id))
            continue;
        f->listed_came |= i < CONSUME_LISTED_MAX ? UINT64_C(1) << i : 0;
        return true;
    }
    note_seen(f, id);
    return false;
}

bool consume_filter_takes(struct consume_filter *f, const struct topic_parts *parts,
                          struct span payload, uint64_t now_us)
{
    if (f->devices && !(parts && is_listed(f, parts->id)))
        return false;
    if (isinf(f->since_s) && isinf(f->until_s))
        return true;
    double seconds = time_of(payload, now_us);
    bool taken = seconds >= f->since_s && seconds <= f->until_s;
    f->other_times += !taken;
    return taken;
}

/* ---- the end ---- */

static void write_seen(struct buf *out, const struct consume_filter *f)
{
    buf_str(out, f->n_seen ? "; other ids that came: " : "; nor of another id");
    for (size_t i = 0; i < f->n_seen; i++)
        buf_printf(out, "%s%s", i ? ", " : "", f->seen[i]);
    if (f->more_seen)
        buf_str(out, " and more");
}

void consume_filter_tell(const struct consume_filter *f, uint64_t taken)
{
    enum { TEXT_MAX = 2 * CONSUME_SEEN_MAX * CONSUME_SEEN_BYTES };
    struct buf seen;
    struct span one;
    const char *at = f->devices;
    buf_init(&seen, TEXT_MAX);
    write_seen(&seen, f);
    for (int i = 0; i < CONSUME_LISTED_MAX && next_listed(&at, &one); i++) {
        if (!one.n || f->listed_came >> i & 1)
            continue;
        log_warning("--device: no message of the device id '%.*s'%s", SPAN_FMT(one),
                    buf_cstr(&seen));
        buf_clear(&seen); /* once */
    }
    buf_release(&seen);
    if (taken == 0 && f->other_times)
        log_warning("%llu %s before --since or after --until, none was taken",
                    (unsigned long long)f->other_times,
                    plural(f->other_times, "message was of a time", "messages were of times"));
}
