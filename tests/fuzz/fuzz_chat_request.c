/* SPDX-License-Identifier: MIT */
/* The body of a chat completion out of hostile bytes. */
#include "serve/chat_request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chat_request r;
    struct err e = {""};
    struct wattle_request defaults = {.max_length = 1};
    int rc = chat_request_read(&r, span_of(data, size), &defaults, &e);
    if (rc ? e.text[0] == '\0' : r.request.n_messages == 0)
        abort();
    for (size_t i = 0; !rc && i < r.request.n_messages; i++)
        if (!r.request.messages[i].content || !utf8_valid(span_str(r.request.messages[i].content)))
            abort();
    chat_request_release(&r);
    return 0;
}
