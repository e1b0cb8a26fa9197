/* SPDX-License-Identifier: MIT */
/* How far a download is: a bar that is drawn over itself on a terminal, else a line every few
 * seconds. Private to hub/. */
#ifndef WATTLE_HUB_PROGRESS_H
#define WATTLE_HUB_PROGRESS_H

#include "hub/hub.h"

struct progress {
    FILE *out; /* NULL: says nothing */
    bool terminal;
    bool drawn; /* the cursor is in a bar */
    const char *name;
    size_t n_files, files_done;
    bool has_total;
    uint64_t total, have; /* bytes; have counts what lay there */
    uint64_t last_ns, last_have, told_ns;
    double rate; /* bytes a second, smoothed */
};

void progress_init(struct progress *p, FILE *out, const char *name);
void progress_show(struct progress *p); /* as often as one likes */
/* A line of its own above the bar. */
void progress_say(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_end(struct progress *p); /* leaves a last bar, or nothing */

#endif
