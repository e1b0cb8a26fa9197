/* SPDX-License-Identifier: MIT */
/* meter: what an inference costs, from counters of the machine.
 *
 * Owns: CPU time, memory, throttling, energy (RAPL, hwmon, the stated estimate), the boards' watts.
 * NVML comes with CUDA. May include: base. Start reading: meter_begin and meter_end in meter.c. */
#ifndef WATTLE_METER_METER_H
#define WATTLE_METER_METER_H

#include "base/base.h"
#include "meter/machine.h"
#include "meter/profiles.h"

enum energy_source { ENERGY_RAPL, ENERGY_HWMON, ENERGY_ESTIMATE };
const char *energy_source_name(enum energy_source s); /* "rapl", "hwmon", "estimate" */

struct meter_options {
    /* Where sys/ and proc/ are looked for: "/". Where a made-up machine has no proc/self/statm, the
     * memory is that of this process on the real one. */
    const char *sysroot;
    double idle_w, max_w; /* of the estimate: [idle + (max - idle) * CPU share] * seconds */
    const char *board;    /* whose watts those are, for the log; NULL: nobody said */
};

struct meter; /* one a process; meter_begin/meter_end from any thread, one span at a time */

/* Looks for sources once. A source that is absent or may not be read is logged once, with the
 * reason and how to allow it; never fails for that. ERR_USAGE when sysroot is no folder. */
int meter_open(struct meter **out, const struct meter_options *o, struct err *e);
void meter_close(struct meter **m);
enum energy_source meter_energy_source(const struct meter *m);
const struct cpu_limits *meter_cpus(const struct meter *m);

struct meter_sample {
    double seconds;          /* monotonic */
    double cpu_percent_avg;  /* process CPU time over the span, share of the usable processors,
                                0..100 */
    int cpu_percent_samples; /* samples taken, one every 50 ms and one at the end: at least 1 */
    double cpu_percent_max;
    double energy_j;
    enum energy_source energy_source;
    uint64_t rss_bytes;                   /* resident set at the end: mapped weights included */
    uint64_t private_bytes, shared_bytes; /* of it */
    uint64_t peak_growth_bytes; /* highest private resident memory during the span less that at its
                                   start, >= 0 */
    double throttled_ms;        /* cgroup cpu.stat throttled time; 0 where there is no quota */
    double frequency_mhz;       /* mean of scaling_cur_freq at the end, 0: unknown */
    double temperature_c;       /* hottest thermal zone; NAN: unknown */
};

/* Starts a sampling thread's work (the thread sleeps between spans). */
void meter_begin(struct meter *m);
void meter_end(struct meter *m, struct meter_sample *out);

#endif
