/* SPDX-License-Identifier: MIT */
/* The processors and the memory that this process may really use: affinity mask, cpuset and CPU
 * quota of its cgroup (v1 and v2, every level up to the root), not what the host has. */
#ifndef WATTLE_BASE_CPUS_H
#define WATTLE_BASE_CPUS_H

#include <stdint.h>

struct cpu_limits {
    double usable; /* processors' worth of time a second: min(affinity, cpuset, quota), > 0 */
    int threads;   /* compute threads worth starting: floor(usable), at least 1 */
    int online;    /* processors in the affinity mask */
    double quota;  /* quota / period, or 0 where there is no limit */
    uint64_t memory_bytes; /* the tightest memory limit, or 0 where there is none */
};

/* sysroot: where /proc and /sys are looked for ("/" for the real machine). Under another root the
 * host's affinity mask does not count. Files that are absent or make no sense mean "no limit".
 * Never fails. Any thread. Formats: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 */
void cpu_limits_read(struct cpu_limits *out, const char *sysroot);

/* The same for one cgroup folder tree as the tests have it: cgroup_dir is the mounted tree itself
 * (v2 files in it, or v1 controllers below it) and online the processors to begin from. */
void cpu_limits_read_cgroup(struct cpu_limits *out, const char *cgroup_dir, int online);

#endif
