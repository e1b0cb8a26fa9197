/* SPDX-License-Identifier: MIT */
/* Monotonic time for durations, UTC for stamps. Any thread. */
#ifndef WATTLE_BASE_CLOCK_H
#define WATTLE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_cpu_ns(void);  /* CPU time of the whole process so far, user + system */
uint64_t clock_utc_us(void);  /* microseconds since 1970 */

/* "2025-10-07T10:30:15.123456+00:00" for a clock_utc_us value. */
#define CLOCK_ISO_SIZE 40
void clock_iso(uint64_t utc_us, char out[CLOCK_ISO_SIZE]);
/* "20251007_103015" in UTC, for file names. */
#define CLOCK_STAMP_SIZE 16
void clock_stamp(uint64_t utc_us, char out[CLOCK_STAMP_SIZE]);

#endif
