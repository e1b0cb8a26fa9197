/* SPDX-License-Identifier: MIT */
/* A chat completion's body, checked. Private to serve/. */
#ifndef WATTLE_SERVE_CHAT_REQUEST_H
#define WATTLE_SERVE_CHAT_REQUEST_H

#include "codec/codec.h"

#include <wattle.h>

enum { CHAT_BODY_MAX = 4 << 20, CHAT_MESSAGES_MAX = 1024, CHAT_STOPS_MAX = 16 };

struct chat_request {
    struct json *doc;
    struct buf texts; /* contents given in parts, put together; NUL-terminated each */
    struct wattle_message *messages;
    const char *stops[CHAT_STOPS_MAX];
    struct wattle_request request; /* messages and stops point into the above */
};

/* What the body leaves out is as in defaults. ERR_USAGE names the member and what is expected; a
 * member that asks for something that we don't do is refused too. In all cases release it. */
int chat_request_read(struct chat_request *r, struct span body,
                      const struct wattle_request *defaults, struct err *e);
void chat_request_release(struct chat_request *r);

#endif
