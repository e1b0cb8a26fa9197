/* SPDX-License-Identifier: MIT */
#include "meter/span_cpu.h"

/* Shorter stretches say little about a maximum: the clocks are not read at one moment. */
static const uint64_t least_stretch_ns = 5000000;

/* 100 is all that the process may use; a quota lets it take more for a moment. */
static double percent(uint64_t cpu_ns, uint64_t ns, double usable)
{
    if (ns == 0 || usable <= 0)
        return 0;
    double p = 100.0 * (double)cpu_ns / ((double)ns * usable);
    return p > 100 ? 100 : p;
}

void span_cpu_begin(struct span_cpu *s, uint64_t now_ns, uint64_t cpu_ns, double usable)
{
    *s = (struct span_cpu){usable, now_ns, cpu_ns, now_ns, cpu_ns, 0, 0};
}

void span_cpu_sample(struct span_cpu *s, uint64_t now_ns, uint64_t cpu_ns)
{
    uint64_t ns = now_ns - s->last_ns;
    double p = percent(cpu_ns - s->last_cpu_ns, ns, s->usable);
    if ((s->samples == 0 || ns >= least_stretch_ns) && p > s->max_percent)
        s->max_percent = p;
    s->last_ns = now_ns;
    s->last_cpu_ns = cpu_ns;
    s->samples++;
}

double span_cpu_average(const struct span_cpu *s)
{
    return percent(s->last_cpu_ns - s->start_cpu_ns, s->last_ns - s->start_ns, s->usable);
}
