/* SPDX-License-Identifier: MIT */
/* POST /v1/chat/completions: a body in, an answer out, with what it cost. Private to serve/ but for
 * tests. Knows no socket. Format: OpenAI's chat completions, and our own member "wattle" in the
 * answer: the inference's metrics as docs/metrics.md names them. */
#ifndef WATTLE_SERVE_CHAT_H
#define WATTLE_SERVE_CHAT_H

#include "base/base.h"

#include <wattle.h>

struct chat; /* any thread */

struct chat_options {
    struct wattle_model *model;    /* borrowed: lives longer */
    const char *name;              /* what answers call it */
    struct meter *meter;           /* borrowed */
    size_t queue_max;              /* requests that may wait; beyond it 429 */
    struct wattle_request request; /* limits and sampling of a request that doesn't say */
};
int chat_open(struct chat **out, const struct chat_options *o, struct err *e);
void chat_close(struct chat **c); /* after the last request */

/* Who asks may go away: asked several times a token; false ends it. NULL: never asked. */
struct chat_caller {
    bool (*keep_going)(void *ctx);
    void *ctx;
};
enum { CHAT_CANCELLED = 499 }; /* nobody is there to read the answer */
/* Blocks. Returns the HTTP status; answer gets the JSON, an error's too. */
int chat_complete(struct chat *c, struct span body, const struct chat_caller *caller,
                  struct buf *answer);

/* {"error":{"message","type","code"}} as OpenAI's. */
void chat_write_error(struct buf *answer, int status, const char *message);

#endif
