/* SPDX-License-Identifier: MIT */
/* One measured inference. Private to fleet/. */
#ifndef WATTLE_FLEET_INFERENCE_H
#define WATTLE_FLEET_INFERENCE_H

#include "fleet/request.h"
#include "meter/meter.h"
#include "fleet/remote.h"
#include "metrics/metrics.h"
#include "settings/settings.h"
#include "telemetry/telemetry.h"

#include <wattle.h>

#include <stdatomic.h>

enum { PAYLOAD_MAX = 4 << 20 };

/* How messages are analysed; immutable, and never moved. */
struct analysis {
    struct prompt *prompt;
    struct wattle_request request; /* limits, sampling, stops and the seed of all */
    struct request_stops stops;
    struct alarm_limits limits; /* for the prompt */
};
/* ERR_USAGE: a prompt or LLM_STOP that cannot be. After a failure too it is released. */
int analysis_open(struct analysis *a, const struct settings *s, const struct alarm_limits *limits,
                  struct err *e);
void analysis_release(struct analysis *a); /* twice is fine */

/* What all inferences of a fleet share; immutable but for cancelled and
 * touched_bytes. */
struct inference_shared {
    struct wattle_model *model; /* NULL: a server has it */
    struct remote *remote;      /* …which this asks; the worker's */
    struct wattle_model_info info;
    const char *model_name; /* as the user named it */
    struct feed *feed;      /* gets the answers as they come; NULL: none */
    struct meter *meter;
    uint64_t
        touched_bytes; /* the worker's: most keys, values and scratch that a request had so far */
    uint64_t others_private, others_shared; /* of the resident set: other models', not reported */
    atomic_bool cancelled;
};

enum job_outcome { JOB_GOOD, JOB_FAILED, JOB_CANCELLED };

/* One analysis of one message. The loop fills the first part and takes the second; between
 * worker_add and the done callback all but busy is the worker's. */
struct job {
    bool busy; /* the loop's alone: with the worker, or done and not yet taken */
    struct job *next;
    void *owner; /* struct device */

    const char *device_id;
    const struct analysis *how;
    struct metric_log *log; /* NULL: none, and no payloads but the analysis */
    uint64_t request;       /* of a comparison: its verdict is read, too; else 0 */
    struct reading reading;
    uint64_t seq;
    struct buf telemetry; /* the message's payload */
    uint64_t due_ns;      /* monotonic */

    enum job_outcome outcome;
    struct buf analysis, metrics, summary; /* payloads; analysis is empty after a failure */
    struct buf text;
    double seconds, tokens_per_second, energy_j;
    int32_t tokens;
    char energy_source[16]; /* "": not known */
    enum verdict verdict;
    struct remote_answer answer; /* a server's: some of the record's strings */
    struct metric_record record; /* its strings live as long as the job and what it was run with */
    struct err error;
};

void job_init(struct job *j);
void job_release(struct job *j);
/* Runs it, adds its record to the log and writes the payloads. A cancelled one leaves no record. */
void inference_run(struct inference_shared *s, struct job *j);

#endif
