/* SPDX-License-Identifier: MIT */
/* What is read beside time and energy: memory, throttling, frequency, temperature. Each is 0 (or
 * NAN) where the machine does not show it. root as in energy.h. */
#ifndef WATTLE_METER_PROBES_H
#define WATTLE_METER_PROBES_H

#include "base/base.h"

/* Resident memory, from /proc/self/statm: one short read, where smaps_rollup would walk every page
 * of the mapped weights. A kernel may be behind by some pages a thread. */
struct memory_probe {
    char *path;
};
struct memory_now {
    uint64_t rss_bytes;
    uint64_t private_bytes; /* anonymous */
    uint64_t shared_bytes;  /* of files and shared memory: mapped weights */
};
int memory_open(struct memory_probe *p, const char *root, struct err *e);
void memory_close(struct memory_probe *p);
void memory_read(const struct memory_probe *p, struct memory_now *out);

/* Time for which the quota of our cgroup, or of one above it, has held our threads back. */
enum { THROTTLE_LEVELS = 8 };
struct throttle_level {
    char *path;      /* …/cpu.stat */
    bool in_ns;      /* v1: throttled_time; v2: throttled_usec */
    double begin_ms; /* value at the last throttle_begin */
};
struct throttle_probe {
    struct throttle_level levels[THROTTLE_LEVELS]; /* only those that have the field */
    int n;
};
void throttle_open(struct throttle_probe *p, const char *root);
void throttle_close(struct throttle_probe *p);
void throttle_begin(struct throttle_probe *p);
/* Milliseconds since throttle_begin, of the level that was held back most. */
double throttle_end(const struct throttle_probe *p);

/* Files whose values are read together: frequencies of processors, temperatures of zones. */
enum { GROUP_MAX = 16 };
struct file_group {
    char *paths[GROUP_MAX];
    int n;
};
void frequency_open(struct file_group *g, const char *root);
double frequency_mhz(const struct file_group *g); /* mean; 0: unknown */
void temperature_open(struct file_group *g, const char *root);
double temperature_c(const struct file_group *g); /* hottest; NAN: unknown */
void file_group_close(struct file_group *g);

#endif
