/* SPDX-License-Identifier: MIT */
/* Energy of a span, from the best source that there is: RAPL counters, a board's power sensor, or
 * the estimate. Time is passed in, so that tests need not wait for it. Not for two threads at once.
 */
#ifndef WATTLE_METER_ENERGY_H
#define WATTLE_METER_ENERGY_H

#include "meter/meter.h"

/* RAPL: one counter a processor package.
 * Source: Linux Documentation/power/powercap/powercap.rst. */
struct rapl_domain {
    char *path;        /* …/energy_uj */
    uint64_t range_uj; /* the counter goes from 0 to this and starts over; 0: unknown */
    uint64_t last_uj;
};
struct rapl {
    struct rapl_domain *domains;
    size_t n;
};
/* False when there is no counter or one may not be read; why then says so, for people. */
bool rapl_open(struct rapl *r, const char *root, struct buf *why);
void rapl_close(struct rapl *r);
/* Microjoules since the last read. False if a counter cannot be read or has gone back by an amount
 * that nobody knows; every counter's last value is new then too. */
bool rapl_read(struct rapl *r, double *uj);

/* hwmon: one channel that shows the power of the whole board.
 * Source: Linux Documentation/hwmon/sysfs-interface.rst. */
struct hwmon {
    char *path; /* …/power1_input */
};
bool hwmon_open(struct hwmon *h, const char *root, struct buf *why);
void hwmon_close(struct hwmon *h);
bool hwmon_read(const struct hwmon *h, double *watts);

struct energy {
    enum energy_source source;
    double idle_w, max_w;
    struct rapl rapl;
    struct hwmon hwmon;
    bool complained; /* that a source failed in a span: once */
    /* of the span */
    uint64_t start_ns, last_ns;
    double joules;
    double last_w; /* NAN: no reading yet */
    bool failed;
};
/* root: "" for the real machine, else a folder without a slash at its end. board: whose watts those
 * are, or NULL. Logs one line when what it found is not RAPL. */
int energy_open(struct energy *en, const char *root, double idle_w, double max_w, const char *board,
                struct err *e);
void energy_close(struct energy *en);
void energy_begin(struct energy *en, uint64_t now_ns);
void energy_tick(struct energy *en, uint64_t now_ns);
/* cpu_share: 0 to 1, for the estimate. Returns what was used: the estimate too where the source
 * failed during this span. */
enum energy_source energy_end(struct energy *en, uint64_t now_ns, double cpu_share, double *joules);

#endif
