/* SPDX-License-Identifier: MIT */
/* Which messages `wattle consume` takes: by device and by time. Private to cli/. */
#ifndef WATTLE_CLI_CONSUME_FILTER_H
#define WATTLE_CLI_CONSUME_FILTER_H

#include "fleet/fleet.h"

enum {
    CONSUME_LISTED_MAX = 64,  /* ids of the list of which it is known whether they came */
    CONSUME_SEEN_MAX = 10,    /* others that are remembered */
    CONSUME_SEEN_BYTES = 128, /* of each */
};

struct consume_filter {
    const char *devices;     /* ids with commas between; NULL: all */
    double since_s, until_s; /* seconds of 1970; -INFINITY, INFINITY: no limit */

    /* What came, for who wonders why nothing was taken; zero at first. */
    uint64_t listed_came; /* bit i: the list's id i did */
    char seen[CONSUME_SEEN_MAX][CONSUME_SEEN_BYTES + 1];
    size_t n_seen;
    bool more_seen;
    uint64_t other_times;
};

/* "1759833015.5", "2026-11-25", "2026-11-25T10:00:00Z", "2026-11-25 10:00+01:00": without a zone it
 * is UTC. ERR_USAGE names the option. */
int consume_time_parse(double *out_s, const char *option, const char *text, struct err *e);
/* A message's time is its own "timestamp", else its own "ts" (telemetry: of the reading), else
 * now_us. parts: NULL for a topic that is none of ours. */
bool consume_filter_takes(struct consume_filter *f, const struct topic_parts *parts,
                          struct span payload, uint64_t now_us);

/* What is to be said of it at the end, each in a line of the log: of which listed devices nothing
 * came, and which came; that no message was of the time asked for. */
void consume_filter_tell(const struct consume_filter *f, uint64_t taken);

#endif
