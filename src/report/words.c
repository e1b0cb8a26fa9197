/* SPDX-License-Identifier: MIT */
#include "report/words.h"

#include <math.h>
#include <stdio.h>

const char *number_fixed(char out[NUMBER_SIZE], double v, int decimals)
{
    out[0] = '\0';
    if (!isfinite(v))
        return out;
    int n = snprintf(out, NUMBER_SIZE, fabs(v) < 1e15 ? "%.*f" : "%.*e", decimals, v);
    size_t to = 0;
    bool point = false, zero = true;
    for (int i = 0; i < n && i < NUMBER_SIZE - 1; i++) {
        if (out[i] && strchr("0123456789-+e", out[i])) {
            zero = zero && (out[i] == '0' || out[i] == '-');
            out[to++] = out[i];
        } else if (!point) { /* the locale's, of one byte or more */
            out[to++] = '.';
            point = true;
        }
    }
    out[to] = '\0';
    if (zero && out[0] == '-') /* what rounds to nothing has no sign */
        memmove(out, out + 1, to);
    return out;
}

const char *number_short(char out[NUMBER_SIZE], double v)
{
    double size = fabs(v);
    int decimals = 0;
    if (!isfinite(v) || size >= 99.95 || size == 0)
        return number_fixed(out, v, 0);
    for (decimals = 1; decimals < 8 && size < 9.995; decimals++)
        size *= 10;
    return number_fixed(out, v, decimals);
}

const char *quantity(char out[NUMBER_SIZE], double v, enum unit unit)
{
    char number[NUMBER_SIZE];
    double size = fabs(v);
    const char *name = unit_name(unit);
    v = unit_value(v, unit);
    if (!isfinite(v)) {
        snprintf(out, NUMBER_SIZE, "–");
        return out;
    }
    if (unit == UNIT_MS && size >= 999.5) {
        v /= 1000;
        name = "s";
    } else if (unit == UNIT_JOULE && size < 0.9995 && size > 0) {
        v *= 1000;
        name = "mJ";
    } else if (unit == UNIT_MB && size >= 1023.5) {
        v /= 1024;
        name = "GB";
    }
    snprintf(out, NUMBER_SIZE, "%s%s%s", number_short(number, v), name[0] ? " " : "", name);
    return out;
}

const char *unit_name(enum unit unit)
{
    static const char *const names[] = {"ms", "J", "MB", "%", "%", "/s", ""};
    return names[unit];
}

double unit_value(double v, enum unit unit)
{
    return unit == UNIT_SHARE ? v * 100 : v;
}
