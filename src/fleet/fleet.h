/* SPDX-License-Identifier: MIT */
/* fleet: devices that send telemetry, have it analysed, and report what that cost.
 *
 * Owns: the life of a device (timer, telemetry, due analyses, publishing, its metrics file), the
 * fleet of them on one event loop, the worker that runs inferences beside it. May include: base,
 * codec, settings, meter, metrics, telemetry, net, wattle.h. Start reading: device.c (one device),
 * then fleet.c. */
#ifndef WATTLE_FLEET_FLEET_H
#define WATTLE_FLEET_FLEET_H

#include "base/base.h"
#include "settings/settings.h"

struct fleet_progress;

struct fleet_options {
    const struct settings *settings; /* borrowed */
    size_t n_devices;                /* 1..100000 */
    const char *llm_devices;         /* "1,3,5"; NULL: all, when ENABLE_LLM */
    bool single;            /* wattle device: name, id and broker from the settings, as they are */
    double duration_s;      /* 0: no limit */
    uint64_t inferences;    /* stop after so many in all; 0: no limit */
    const char *store;      /* SQLite file, NULL: none */
    const char *model_path; /* resolved file; NULL when no device has an LLM */
    /* Progress, once a second and at events: for the terminal. */
    void (*on_progress)(void *ctx, const struct fleet_progress *p);
    void *ctx;
};

struct fleet_progress {
    double elapsed_s;
    size_t devices, connected;
    uint64_t sent, acknowledged, waiting, dropped, reconnects;
    uint64_t inferences, running, skipped, errors;
    double last_inference_s, last_tokens_per_second;
    const char *last_device, *last_text; /* borrowed during the call */
};

/* Runs until duration, inferences, SIGINT or SIGTERM; everything is published, saved and closed
 * when it returns. Returns 0 when done or ended by SIGTERM, ERR_CANCELLED after SIGINT; final (may
 * be NULL) gets the last counts. */
int fleet_run(const struct fleet_options *o, struct fleet_progress *final, struct err *e);

#endif
