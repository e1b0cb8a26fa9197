/* SPDX-License-Identifier: MIT */
/* Which messages `wattle consume` takes: by device and by time. Private to cli/. */
#ifndef WATTLE_CLI_CONSUME_FILTER_H
#define WATTLE_CLI_CONSUME_FILTER_H

#include "fleet/fleet.h"

struct consume_filter {
    const char *devices;     /* ids with commas between; NULL: all */
    double since_s, until_s; /* seconds of 1970; -INFINITY, INFINITY: no limit */
};

/* "1759833015.5", "2026-11-25", "2026-11-25T10:00:00Z", "2026-11-25 10:00+01:00": without a zone it
 * is UTC. ERR_USAGE names the option. */
int consume_time_parse(double *out_s, const char *option, const char *text, struct err *e);
/* A message's time is its own "timestamp", else its own "ts" (telemetry: of the reading), else
 * now_us. parts: NULL for a topic that is none of ours. */
bool consume_filter_takes(const struct consume_filter *f, const struct topic_parts *parts,
                          struct span payload, uint64_t now_us);

#endif
