/* SPDX-License-Identifier: MIT */
/* Device ids and names: what is allowed, and the ids of a fleet.
 *
 * An id becomes a level of an MQTT topic and, with the name, a client id; so what MQTT (OASIS
 * 3.1.1 and 5.0, sections 1.5 and 4.7) gives a meaning of its own, or lets a broker refuse, is
 * refused here before anything connects. */
#include "telemetry/telemetry.h"

#include <stdio.h>

/* Code points that MQTT lets a broker close the connection for (mosquitto does). */
static bool refused_by_brokers(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || (cp >= 0xfdd0 && cp <= 0xfdef) ||
           (cp & 0xfffe) == 0xfffe;
}

static int check_length(const char *setting, const char *value, size_t max, struct err *e)
{
    size_t n = value ? strlen(value) : 0;
    if (n == 0)
        return err_set(e, ERR_USAGE, "%s '': is empty, expected 1 to %zu bytes of UTF-8", setting,
                       max);
    if (n > max)
        return err_set(e, ERR_USAGE, "%s '%s': has %zu bytes, expected 1 to %zu", setting, value, n,
                       max);
    return 0;
}

int device_id_check(const char *id, struct err *e)
{
    int rc = check_length("DEVICE_ID", id, DEVICE_ID_MAX, e);
    if (rc)
        return rc;
    struct span rest = span_str(id);
    while (rest.n > 0) {
        uint32_t cp;
        size_t n = utf8_decode(rest, &cp);
        if (n == 0)
            return err_set(e, ERR_USAGE, "DEVICE_ID '%s': byte 0x%02x is not UTF-8", id,
                           (unsigned)rest.p[0]);
        if (cp == '+' || cp == '#' || cp == '/')
            return err_set(e, ERR_USAGE,
                           "DEVICE_ID '%s': character '%c' has a meaning in MQTT topics, expected "
                           "none of + # /",
                           id, (char)cp);
        if (refused_by_brokers(cp))
            return err_set(e, ERR_USAGE,
                           "DEVICE_ID '%s': character U+%04X, expected no control characters", id,
                           (unsigned)cp);
        rest = span_sub(rest, n, rest.n - n);
    }
    return 0;
}

int device_name_check(const char *name, struct err *e)
{
    int rc = check_length("DEVICE_NAME", name, DEVICE_NAME_MAX, e);
    if (rc)
        return rc;
    if (!utf8_valid(span_str(name)))
        return err_set(e, ERR_USAGE, "DEVICE_NAME '%s': is not UTF-8", name);
    return 0;
}

enum { MADE_UP_BITS = 40 }; /* what "02:" leaves of a 48-bit address */

/* A one-to-one scramble of 40-bit numbers: different numbers give different addresses. Each step
 * can be undone: a multiplication by an odd constant modulo 2^40, and x ^ x >> 20. */
static uint64_t scramble40(uint64_t x)
{
    const uint64_t mask = (UINT64_C(1) << MADE_UP_BITS) - 1;
    x &= mask;
    for (int i = 0; i < 3; i++) {
        x = x * UINT64_C(0x9e3779b97f4a7c15) & mask;
        x ^= x >> (MADE_UP_BITS / 2);
    }
    return x;
}

static bool in_dataset(const struct dataset *d, const char *id)
{
    struct dataset_walk w;
    if (!d)
        return false;
    dataset_walk_init(&w, d, id, 0);
    return !w.fallback;
}

void fleet_device_id(const struct dataset *d, size_t number, char out[DEVICE_ID_MAX + 1])
{
    if (d && number >= 1 && number <= dataset_devices(d)) {
        snprintf(out, DEVICE_ID_MAX + 1, "%s", dataset_device(d, number - 1));
        return;
    }
    /* The upper 8 bits count the attempts, so that a second one cannot meet another number's
     * first. 256 ids of a dataset made to collide with one number would end the search. */
    for (uint64_t attempt = 0; attempt < 256; attempt++) {
        uint64_t x = scramble40(attempt << 32 | (number & UINT32_MAX));
        snprintf(out, DEVICE_ID_MAX + 1, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(x >> 32 & 0xff),
                 (unsigned)(x >> 24 & 0xff), (unsigned)(x >> 16 & 0xff), (unsigned)(x >> 8 & 0xff),
                 (unsigned)(x & 0xff));
        if (!in_dataset(d, out))
            return;
    }
}
