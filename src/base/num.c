/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "base/checked.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

bool num_parse_u64(struct span s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit = s.p[i] - '0';
        if (s.p[i] < '0' || digit > 9 || !u64_mul(v, 10, &v) || !u64_add(v, digit, &v))
            return false;
    }
    *out = v;
    return true;
}

bool num_parse_i64(struct span s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    if (!num_parse_u64(negative ? span_sub(s, 1, s.n) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static size_t digits(struct span s, size_t i)
{
    size_t from = i;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    return i - from;
}

/* The C locale, for strtod_l: made once, never freed, so that the process's locale does not matter.
 */
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C",
                         (locale_t)0); /* "C" is built in: glibc allocates nothing for it */
}

static double read_f64(const char *text)
{
    pthread_once(&c_locale_once, make_c_locale);
    return strtod_l(text, NULL, c_locale);
}

bool num_parse_f64(struct span s, double *out)
{
    size_t i = 0;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    size_t whole = digits(s, i), fraction = 0;
    i += whole;
    if (i < s.n && s.p[i] == '.') {
        fraction = digits(s, ++i);
        i += fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        size_t exponent = digits(s, i);
        if (exponent == 0)
            return false;
        i += exponent;
    }
    char text[400]; /* longer than any number that means something */
    if (i != s.n || s.n >= sizeof text)
        return false;
    span_copy(text, s);
    text[s.n] = '\0';
    double v = read_f64(text);
    if (!isfinite(v))
        return false;
    *out = v;
    return true;
}

/* Digits and decimal exponent of v > 0 with the fewest digits that read back as v: v = 0.D1D2… *
 * 10^*point. */
static int shortest_digits(double v, char d[20], int *point)
{
    char text[32];
    /* Any decimal of up to 15 digits survives the way through a double, so if v has such a form, 15
     * digits show it with zeros behind; 17 digits always suffice. */
    for (int precision = 14;; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        for (char *p = text; *p; p++)
            if (*p == ',')
                *p = '.'; /* whatever the locale says */
        if (precision == 16 || read_f64(text) == v)
            break;
    }
    int n = 0;
    char *p = text;
    for (; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && n < 19)
            d[n++] = *p;
    int64_t exponent = 0;
    bool minus = p[1] == '-';
    num_parse_i64(span_str(p + 2), &exponent);
    *point = (int)(minus ? -exponent : exponent) + 1;
    while (n > 1 && d[n - 1] == '0')
        n--;
    return n;
}

size_t num_format_f64(double v, char out[NUM_F64_SIZE])
{
    char *o = out;
    if (v == 0) {
        memcpy(out, "0.0", 4);
        return 3;
    }
    if (v < 0)
        *o++ = '-';
    char d[20];
    int point, n = shortest_digits(fabs(v), d, &point);
    if (point > 21 || point < -6) {
        *o++ = d[0];
        if (n > 1) {
            *o++ = '.';
            memcpy(o, d + 1, (size_t)n - 1);
            o += n - 1;
        }
        o += snprintf(o, 8, "e%+03d", point - 1);
        return (size_t)(o - out);
    }
    if (point <= 0) {
        *o++ = '0';
        *o++ = '.';
        for (int i = point; i < 0; i++)
            *o++ = '0';
        memcpy(o, d, (size_t)n);
        o += n;
    } else {
        for (int i = 0; i < point; i++)
            *o++ = i < n ? d[i] : '0';
        *o++ = '.';
        if (n > point) {
            memcpy(o, d + point, (size_t)(n - point));
            o += n - point;
        } else {
            *o++ = '0'; /* "21.0": still a real number for the reader */
        }
    }
    *o = '\0';
    return (size_t)(o - out);
}
