/* SPDX-License-Identifier: MIT */
/* Numbers as the `tokenizers` library reads them out of tokenizer.json: its reader (Rust's
 * serde_json, without float_roundtrip) rounds the digits, and then once more what it makes of them,
 * so that it is off by one place in the last in one of ten. Scores that are equal to it decide
 * between ways to cut a word, so they have to be equal here as well. Source: experiments with
 * tokenizers 0.23. */
#include "text/library_number.h"

#include <math.h>
#include <stdio.h>

enum {
    POWER_MAX = 308,
    EXPONENT_MAX = 100000, /* far beyond what is not 0 or too large */
};

static double power_of_ten(int exponent)
{
    char text[16];
    double power = 0;
    snprintf(text, sizeof(text), "1e%d", exponent);
    return num_parse_f64(span_str(text), &power) ? power : 0;
}

static double scale(double f, int exponent)
{
    for (; exponent < -POWER_MAX && f != 0; exponent += POWER_MAX)
        f /= power_of_ten(POWER_MAX);
    if (exponent < 0)
        return f != 0 ? f / power_of_ten(-exponent) : f;
    if (exponent > POWER_MAX)
        return f != 0 ? INFINITY : f;
    return f * power_of_ten(exponent);
}

bool library_number(struct span s, double *out)
{
    uint64_t digits = 0;
    int64_t given = 0;
    int exponent = 0;
    bool behind_point = false;
    bool full = false; /* of the digits that follow the first ones that do not fit, none counts */
    double checked;
    size_t at = s.n && s.p[0] == '-';
    if (!num_parse_f64(s, &checked)) /* what is no number; what is too large */
        return false;
    for (; at < s.n && s.p[at] != 'e' && s.p[at] != 'E'; at++) {
        if (s.p[at] == '.') {
            behind_point = true;
            continue;
        }
        unsigned digit = s.p[at] - '0';
        full = full || digits > (UINT64_MAX - digit) / 10;
        if (!full)
            digits = digits * 10 + digit;
        if (full != behind_point && exponent > -EXPONENT_MAX && exponent < EXPONENT_MAX)
            exponent += full ? 1 : -1;
    }
    if (at < s.n) {
        struct span power = span_sub(s, at + 1, SIZE_MAX);
        if (power.n && power.p[0] == '+')
            power = span_sub(power, 1, SIZE_MAX);
        if (!num_parse_i64(power, &given))
            return false;
        given = given < -EXPONENT_MAX ? -EXPONENT_MAX : given;
        given = given > EXPONENT_MAX ? EXPONENT_MAX : given;
    }
    double f = scale((double)digits, exponent + (int)given);
    *out = s.p[0] == '-' ? -f : f;
    return isfinite(f);
}
