/* SPDX-License-Identifier: MIT */
/* CPU use of a span from two clocks that are passed in. Not for two threads at once. */
#ifndef WATTLE_METER_SPAN_CPU_H
#define WATTLE_METER_SPAN_CPU_H

#include <stdint.h>

struct span_cpu {
    double usable;                   /* processors */
    uint64_t start_ns, start_cpu_ns; /* monotonic; CPU time of the process */
    uint64_t last_ns, last_cpu_ns;   /* of the last sample */
    int samples;
    double max_percent;
};
void span_cpu_begin(struct span_cpu *s, uint64_t now_ns, uint64_t cpu_ns, double usable);
void span_cpu_sample(struct span_cpu *s, uint64_t now_ns, uint64_t cpu_ns);
/* Over the whole span until the last sample, not the mean of the samples: 0 to 100. */
double span_cpu_average(const struct span_cpu *s);

#endif
