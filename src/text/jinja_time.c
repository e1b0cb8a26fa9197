/* SPDX-License-Identifier: MIT */
/* strftime of the rendering's clock, in the C locale and without libc, which would look at the
 * process's locale and time zone.
 *
 * Days to dates: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
#include "text/jinja.h"

#include <stdio.h>

struct moment {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int weekday; /* 0 is Sunday */
    int yearday; /* from 0 */
    int64_t seconds;
};

static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

static bool is_leap(int64_t y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static int days_before_month(int64_t year, int month)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[month - 1] + (month > 2 && is_leap(year));
}

static void moment_of(int64_t seconds, struct moment *m)
{
    /* Years 1 to 9999, as Python's datetime. */
    const int64_t first = -62135596800, last = 253402300799;
    seconds = seconds < first ? first : seconds > last ? last : seconds;
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t z = days + 719468; /* days since 0000-03-01 */
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;                                      /* [0, 146096] */
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365; /* [0, 399] */
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    m->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    m->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    m->year = yoe + era * 400 + (m->month <= 2);
    m->hour = (int)(rest / 3600);
    m->minute = (int)(rest / 60 % 60);
    m->second = (int)(rest % 60);
    m->weekday = (int)(((days % 7) + 11) % 7); /* 1970-01-01 was a Thursday */
    m->yearday = days_before_month(m->year, m->month) + m->day - 1;
    m->seconds = seconds;
}

/* ISO 8601: the week that holds the year's first Thursday is week 1. */
static int iso_week(const struct moment *m, int64_t *year)
{
    int monday = (m->weekday + 6) % 7, week = (m->yearday - monday + 10) / 7;
    *year = m->year;
    if (week < 1) {
        int64_t before = m->year - 1;
        int length = 365 + is_leap(before);
        *year = before;
        return (m->yearday + length - monday + 10) / 7;
    }
    if (week == 53 && m->yearday - monday + 3 >= 365 + is_leap(m->year)) {
        *year = m->year + 1;
        return 1;
    }
    return week;
}

/* A number in width places. flag: '-' none, '_' blanks, else pad ('0' or ' '). */
static void put_padded(struct jinja *j, int64_t v, int width, char pad, char flag)
{
    char text[32];
    if (flag == '_' || flag == '0')
        pad = flag == '_' ? ' ' : '0';
    int n = flag == '-'  ? snprintf(text, sizeof text, "%lld", (long long)v)
            : pad == ' ' ? snprintf(text, sizeof text, "%*lld", width, (long long)v)
                         : snprintf(text, sizeof text, "%0*lld", width, (long long)v);
    jinja_put_bytes(j, text, (size_t)n);
}

static void put_text(struct jinja *j, const char *s, size_t n, char flag)
{
    for (size_t i = 0; i < n && s[i]; i++) {
        char c = s[i];
        if (flag == '^' && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        jinja_put_bytes(j, &c, 1);
    }
}

static void put_all(struct jinja *j, const struct moment *m, struct span format);

/* Directives that stand for others; NULL for the rest. */
static const char *composite(uint8_t c)
{
    switch (c) {
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case 'x':
    case 'D':
        return "%m/%d/%y";
    case 'X':
    case 'T':
        return "%H:%M:%S";
    case 'R':
        return "%H:%M";
    case 'r':
        return "%I:%M:%S %p";
    case 'F':
        return "%Y-%m-%d";
    default:
        return NULL;
    }
}

static bool put_number(struct jinja *j, const struct moment *m, uint8_t c, char flag)
{
    int64_t iso_year;
    int hour12 = m->hour % 12 == 0 ? 12 : m->hour % 12, week = iso_week(m, &iso_year);
    const struct {
        uint8_t c;
        char pad;
        int width;
        int64_t value;
    } numbers[] = {
        {'d', '0', 2, m->day},
        {'e', ' ', 2, m->day},
        {'m', '0', 2, m->month},
        {'y', '0', 2, m->year % 100},
        {'Y', '0', 1, m->year},
        {'C', '0', 2, m->year / 100},
        {'H', '0', 2, m->hour},
        {'k', ' ', 2, m->hour},
        {'I', '0', 2, hour12},
        {'l', ' ', 2, hour12},
        {'M', '0', 2, m->minute},
        {'S', '0', 2, m->second},
        {'f', '0', 6, 0},
        {'j', '0', 3, m->yearday + 1},
        {'w', '0', 1, m->weekday},
        {'u', '0', 1, m->weekday ? m->weekday : 7},
        {'U', '0', 2, (m->yearday + 7 - m->weekday) / 7},
        {'W', '0', 2, (m->yearday + 7 - (m->weekday + 6) % 7) / 7},
        {'V', '0', 2, week},
        {'G', '0', 1, iso_year},
        {'g', '0', 2, iso_year % 100},
        {'s', '0', 1, m->seconds},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].c == c) {
            put_padded(j, numbers[i].value, numbers[i].width, numbers[i].pad, flag);
            return true;
        }
    }
    return false;
}

/* False: not a directive. */
static bool put_directive(struct jinja *j, const struct moment *m, uint8_t c, char flag)
{
    if (composite(c)) {
        put_all(j, m, span_str(composite(c)));
        return true;
    }
    switch (c) {
    case 'a':
        put_text(j, weekdays[m->weekday], 3, flag);
        return true;
    case 'A':
        put_text(j, weekdays[m->weekday], 16, flag);
        return true;
    case 'b':
    case 'h':
        put_text(j, months[m->month - 1], 3, flag);
        return true;
    case 'B':
        put_text(j, months[m->month - 1], 16, flag);
        return true;
    case 'p':
        put_text(j, m->hour < 12 ? "AM" : "PM", 2, flag);
        return true;
    case 'P':
        put_text(j, m->hour < 12 ? "am" : "pm", 2, flag);
        return true;
    case 'n':
    case 't':
    case '%':
        jinja_put_bytes(j, c == 'n' ? "\n" : c == 't' ? "\t" : "%", 1);
        return true;
    case 'z':
    case 'Z':
        return true; /* the clock has no zone */
    default:
        return put_number(j, m, c, flag);
    }
}

static void put_all(struct jinja *j, const struct moment *m, struct span format)
{
    for (size_t i = 0; i < format.n && !j->rc; i++) {
        size_t at = i + 1;
        char flag = 0;
        if (format.p[i] != '%' || at == format.n) {
            jinja_put_bytes(j, format.p + i, 1);
            continue;
        }
        if (format.p[at] && strchr("-_0^#", format.p[at]))
            flag = (char)format.p[at++];
        if (at < format.n && put_directive(j, m, format.p[at], flag))
            i = at;
        else
            jinja_put_bytes(j, "%", 1); /* the rest of it follows as text */
    }
}

void jinja_put_time(struct jinja *j, const struct jstring *format)
{
    struct moment m;
    moment_of(j->now_seconds, &m);
    put_all(j, &m, jstring_span(format));
}
