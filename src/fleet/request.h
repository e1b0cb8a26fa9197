/* SPDX-License-Identifier: MIT */
/* From settings to what is asked of the model. */
#ifndef WATTLE_FLEET_REQUEST_H
#define WATTLE_FLEET_REQUEST_H

#include "settings/settings.h"

struct wattle_request;

enum { STOPS_MAX = 16 }; /* of one request: <wattle.h> */

/* The memory behind a request's stop texts. */
struct request_stops {
    struct buf text; /* LLM_STOP, cut at its newlines */
    const char *stops[STOPS_MAX];
};

/* Sets limits, sampling, stop texts and seed (a fresh one where LLM_SEED is empty) of a request
 * that wattle_request_init made; what the user did not say of sampling is left to the model. stops,
 * which is initialised here and released by the caller also after a failure, must outlive the
 * request. */
int request_configure(struct wattle_request *r, struct request_stops *stops,
                      const struct settings *s, struct err *e);
void request_stops_release(struct request_stops *stops);

#endif
