/* SPDX-License-Identifier: MIT */
/* How a running device or fleet is, in a file that it writes and `wattle health` reads. A part of
 * fleet.h.
 *
 * The file, HEALTH_FILE, is one JSON object, replaced once a second: pid, state, written_ms,
 * devices, connected, broker, why_away, telemetry, telemetry_ms, due_ms, inferences, errors,
 * inference_ms. Times are milliseconds of CLOCK_MONOTONIC, so that a clock that is set (a board
 * without a battery gets the time from the network) neither ages the file nor makes it young; 0 or
 * absent: never. */
#ifndef WATTLE_FLEET_HEALTH_H
#define WATTLE_FLEET_HEALTH_H

#include "base/base.h"

enum { HEALTH_BROKER_SIZE = 320, HEALTH_REASON_SIZE = 256, HEALTH_LINE_SIZE = 512 };

enum health_state {
    HEALTH_STARTING, /* the model is being fetched or loaded; the file stays as it is meanwhile */
    HEALTH_RUNNING,
    HEALTH_ENDING
};

struct health {
    int64_t pid;
    enum health_state state;
    uint64_t written_ms;
    uint64_t devices, connected;
    uint64_t telemetry, inferences, errors; /* errors: inferences that failed */
    uint64_t telemetry_ms, inference_ms;    /* when the last one was sent, or done */
    uint64_t due_ms;                        /* when the next message of any device is due */
    char broker[HEALTH_BROKER_SIZE];
    char why_away[HEALTH_REASON_SIZE]; /* "": connected, or nothing is known */
};

/* Writes path atomically, written_ms and pid being filled in. */
int health_write(const char *path, const struct health *h, struct err *e);
/* path "": nothing. Says HEALTH_STARTING; ERR_IO here means that the file cannot be written at all.
 */
int health_begin(const char *path, struct err *e);
void health_end(const char *path); /* removes the file; path "" is fine */

int health_parse(struct health *out, struct span text, const char *what, struct err *e);
/* ERR_NOTFOUND: no such file. */
int health_read(struct health *out, const char *path, struct err *e);

struct health_rule {
    double max_age_s; /* longest silence of the loop, and longest that a message may be overdue */
    bool ready;       /* every device must be connected, too, and the start be over */
};
/* Judges at now_ms: 0 and a line that says how it is, or ERR_RANGE with the reason. Does not look
 * whether the process lives: see health_alive. */
int health_check(const struct health *h, const struct health_rule *rule, uint64_t now_ms,
                 char line[HEALTH_LINE_SIZE], struct err *e);
/* Whether the process that wrote h is there; ERR_NOTFOUND says that it is not. */
int health_alive(const struct health *h, struct err *e);

#endif
