/* SPDX-License-Identifier: MIT */
/* An analysis made elsewhere: by a server with OpenAI's chat completions, `wattle serve` or
 * another, that LLM_ENDPOINT names. Private to fleet/. */
#ifndef WATTLE_FLEET_REMOTE_H
#define WATTLE_FLEET_REMOTE_H

#include "meter/meter.h"
#include "net/net.h"

#include <wattle.h>

struct remote; /* one thread at a time */

struct remote_options {
    const char *endpoint; /* http://engine:8090, with or without /v1 */
    const char *api_key;  /* "": none */
    const char *ca_file;  /* "": the system's */
    const char *model;    /* what requests call it */
    bool (*keep_going)(void *ctx);
    void *ctx;
};
/* Asks nothing yet: the server may come later. ERR_USAGE: no URL. */
int remote_open(struct remote **out, const struct remote_options *o, struct err *e);
void remote_close(struct remote **r);

/* What the server says of its own work; a server that is not wattle leaves the measured part
 * out. */
struct remote_answer {
    struct wattle_result result; /* release it */
    double seconds;              /* of the inference, without waiting for its turn; else of all */
    double queue_ms;             /* NAN: not said */
    bool measured;
    struct meter_sample sample; /* if measured; energy_source is in the text below */
    double memory_used_mb;
    char energy_source[16], quantization[40], device[8];
};
/* q: messages, limits, sampling (what is WATTLE_UNSET is left to the server), stops and seed. Waits
 * as long as a 429 or 503 asks for, a few times. A failure's line names the server. */
int remote_generate(struct remote *r, const struct wattle_request *q, struct remote_answer *out,
                    struct err *e);

#endif
