/* SPDX-License-Identifier: MIT */
/* The shared engine over HTTP. */
#ifndef WATTLE_SERVE_OPENAI_H
#define WATTLE_SERVE_OPENAI_H

#include "base/base.h"

#include <wattle.h>

/* POST /v1/chat/completions, GET /v1/models, GET /health: one model for many devices
 * (docs/serve.md). Requests are answered one after the other, in the order in which they come. */
struct engine_server;

struct engine_server_options {
    struct wattle_model *model;    /* borrowed */
    struct meter *meter;           /* borrowed */
    const char *name;              /* of the model, in answers */
    struct wattle_request request; /* what requests that don't say get: limits, sampling, stops */
    size_t queue_max;              /* requests that wait; beyond it 429 */
    const char *address;           /* beyond loopback a key is demanded */
    int port;                      /* 0: a free one */
    const char *api_key;           /* "": none */
};
int engine_server_open(struct engine_server **out, const struct engine_server_options *o,
                       struct err *e);
/* "http://127.0.0.1:8090/"; valid until close. */
const char *engine_server_url(const struct engine_server *s);
/* What runs is cancelled and what waits is refused. */
void engine_server_close(struct engine_server **s);

#endif
