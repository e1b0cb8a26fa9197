/* SPDX-License-Identifier: MIT */
/* Time stamps in plain or exponent form, rewritten as text.
 *
 * The value is seen as a run of digits and the place of its point; the exponent moves the point.
 * Invariant: nothing here goes through a floating-point number. */
#include "telemetry/ts.h"

/* Seconds since 1970 below 1e11 (the year 5138): more is a stamp in milliseconds. */
enum { TS_INTEGER_DIGITS = 11, TS_DIGITS_MAX = 64, TS_EXPONENT_MAX = 99 };

struct decimal {
    char digits[TS_DIGITS_MAX];
    int n;     /* digits */
    int point; /* digits before the point; may be negative or past n after the exponent */
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The digits and the point; *pos is left at the exponent or the end. */
static bool read_mantissa(struct span s, size_t *pos, struct decimal *d)
{
    bool point_seen = false;
    d->n = d->point = 0;
    for (; *pos < s.n; ++*pos) {
        uint8_t c = s.p[*pos];
        if (c == '.' && !point_seen) {
            point_seen = true;
            d->point = d->n;
        } else if (is_digit(c)) {
            if (d->n == TS_DIGITS_MAX)
                return false;
            d->digits[d->n++] = (char)c;
        } else {
            break;
        }
    }
    if (!point_seen)
        d->point = d->n;
    return d->n > 0;
}

static bool read_exponent(struct span s, size_t *pos, int *out)
{
    bool negative = false;
    int value = 0;
    size_t start;
    if (*pos < s.n && (s.p[*pos] == '+' || s.p[*pos] == '-'))
        negative = s.p[(*pos)++] == '-';
    for (start = *pos; *pos < s.n && is_digit(s.p[*pos]); ++*pos) {
        value = value * 10 + (s.p[*pos] - '0');
        if (value > TS_EXPONENT_MAX)
            return false;
    }
    *out = negative ? -value : value;
    return *pos > start;
}

/* Writes digit i of d, which is 0 on both sides of those it has. */
static char digit_at(const struct decimal *d, int i)
{
    return i >= 0 && i < d->n ? d->digits[i] : '0';
}

bool ts_plain(struct span text, char out[TS_SIZE])
{
    struct decimal d;
    size_t pos = 0;
    int exponent = 0;
    if (!read_mantissa(text, &pos, &d))
        return false;
    if (pos < text.n && (text.p[pos] == 'e' || text.p[pos] == 'E')) {
        pos++;
        if (!read_exponent(text, &pos, &exponent))
            return false;
    }
    if (pos != text.n)
        return false;
    d.point += exponent;

    int first = 0; /* the first digit written before the point */
    while (first < d.point && digit_at(&d, first) == '0')
        first++;
    int whole = d.point > first ? d.point - first : 0;
    int fraction = d.n > d.point ? d.n - d.point : 0;
    if (whole > TS_INTEGER_DIGITS || (whole ? whole : 1) + 1 + fraction >= TS_SIZE)
        return false;
    char *w = out;
    if (whole == 0)
        *w++ = '0';
    for (int i = 0; i < whole; i++)
        *w++ = digit_at(&d, first + i);
    if (fraction > 0)
        *w++ = '.';
    for (int i = 0; i < fraction; i++)
        *w++ = digit_at(&d, d.point + i);
    *w = '\0';
    return true;
}
