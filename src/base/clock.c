/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_utc_us(void)
{
    return read_ns(CLOCK_REALTIME) / 1000u;
}

static struct tm utc_tm(uint64_t utc_us)
{
    time_t s = (time_t)(utc_us / 1000000u);
    struct tm t = {0};
    gmtime_r(&s, &t);
    return t;
}

void clock_iso(uint64_t utc_us, char out[CLOCK_ISO_SIZE])
{
    struct tm t = utc_tm(utc_us);
    snprintf(out, CLOCK_ISO_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06u+00:00",
             (unsigned)(t.tm_year + 1900) % 10000u, (unsigned)(t.tm_mon + 1) % 100u,
             (unsigned)t.tm_mday % 100u, (unsigned)t.tm_hour % 100u, (unsigned)t.tm_min % 100u,
             (unsigned)t.tm_sec % 100u, (unsigned)(utc_us % 1000000u));
}

void clock_stamp(uint64_t utc_us, char out[CLOCK_STAMP_SIZE])
{
    struct tm t = utc_tm(utc_us);
    snprintf(out, CLOCK_STAMP_SIZE, "%04u%02u%02u_%02u%02u%02u",
             (unsigned)(t.tm_year + 1900) % 10000u, (unsigned)(t.tm_mon + 1) % 100u,
             (unsigned)t.tm_mday % 100u, (unsigned)t.tm_hour % 100u, (unsigned)t.tm_min % 100u,
             (unsigned)t.tm_sec % 100u);
}
