/* SPDX-License-Identifier: MIT */
#include "deploy/names.h"

#include "deploy/deploy.h"

#include <stdio.h>

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void service_name(char out[SERVICE_NAME_SIZE], const char *name, const char *suffix)
{
    char base[SERVICE_NAME_SIZE];
    size_t room = SERVICE_NAME_SIZE - 1 - strlen(suffix), n = 0;
    struct span rest = span_str(name);
    while (rest.n && n < room) {
        uint32_t cp;
        size_t length = utf8_decode(rest, &cp);
        char c = length == 1 ? (char)cp : '-';
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!is_lower_or_digit(c))
            c = '-';
        if (n > 0 || c != '-')
            base[n++] = c;
        rest = span_sub(rest, length ? length : 1, rest.n);
    }
    while (n > 0 && base[n - 1] == '-')
        n--;
    base[n] = '\0';
    bool begins_well = n > 0 && base[0] >= 'a';
    /* "0012" is no name for a DNS label of RFC 1035, which services of Kubernetes must have. */
    const char *before = begins_well ? "" : n > 0 ? "device-" : "device";
    int most = (int)(room - strlen(before));
    snprintf(out, SERVICE_NAME_SIZE, "%s%.*s%s", before, most, base, suffix);
    for (size_t end = strlen(out); end > 1 && out[end - 1] == '-'; end--)
        out[end - 1] = '\0';
}

bool is_dns_label(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 63 || name[0] == '-' || name[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower_or_digit(name[i]) && name[i] != '-')
            return false;
    return true;
}

/* Docker's units are powers of 1024, in either case, with or without a 'b' behind. */
bool deploy_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "bkmgt";
    struct span s = span_str(text);
    double number, unit = 1;
    uint8_t last = s.n ? (uint8_t)(s.p[s.n - 1] | 0x20) : 0;
    if (last == 'b' && s.n > 1) {
        s.n--;
        last = (uint8_t)(s.p[s.n - 1] | 0x20);
    }
    const char *at = last >= 'a' ? strchr(units, (char)last) : NULL;
    if (at && *at != 'b') {
        for (const char *p = units; p < at; p++)
            unit *= 1024;
        s.n--;
    }
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '.')
            return false;
    if (!num_parse_f64(s, &number) || number * unit < 1 || number * unit > 0x1p60)
        return false;
    *bytes = (uint64_t)(number * unit);
    return true;
}

void put_quantity(char out[QUANTITY_SIZE], uint64_t bytes)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    size_t unit = 0;
    while (unit < 4 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, QUANTITY_SIZE, "%llu%s", (unsigned long long)bytes, units[unit]);
}
