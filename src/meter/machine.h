/* SPDX-License-Identifier: MIT */
/* The machine that something was measured on, and how quiet it was. A part of meter.h. */
#ifndef WATTLE_METER_MACHINE_H
#define WATTLE_METER_MACHINE_H

#include "base/base.h"

/* One line: board or processor, processors that may be used, memory, kernel. sysroot as in
 * meter_options. */
void machine_describe(struct buf *out, const char *sysroot);
/* Memory that a new process could take without swapping: MemAvailable, or what the tightest cgroup
 * has left if that is less. 0: unknown. */
uint64_t machine_memory_available(const char *sysroot);

/* What the processors of the machine did since load_begin, from /proc/stat (proc(5)). */
struct load_probe {
    char *path;
    uint64_t busy, steal, total; /* ticks */
    uint64_t own_ns, start_ns;   /* CPU time of this process; monotonic */
};
struct load {
    double others; /* processors' worth of work of other processes; NAN: unknown */
    double steal;  /* share of the time that a hypervisor took away, 0..1; NAN: unknown */
};
int load_open(struct load_probe *p, const char *sysroot, struct err *e);
void load_close(struct load_probe *p);
void load_begin(struct load_probe *p);
void load_end(const struct load_probe *p, struct load *out);

/* A fixed calculation whose time tells how steady the machine is: integer work over a buffer that
 * fits the second-level cache, on the calling thread. The same number of rounds for as long as the
 * probe lives. */
struct noise_probe {
    uint64_t *words; /* [NOISE_WORDS] */
    uint64_t rounds;
    uint64_t result; /* so that no compiler leaves the work out */
};
/* Chooses the rounds so that one measurement takes about ms milliseconds now. */
int noise_open(struct noise_probe *p, double ms, struct err *e);
void noise_close(struct noise_probe *p);
double noise_measure(struct noise_probe *p); /* milliseconds */

#endif
