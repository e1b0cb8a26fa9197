/* SPDX-License-Identifier: MIT */
/* Whether a model fits into the memory that its container may use. Private to fleet/. */
#ifndef WATTLE_FLEET_MEMORY_LIMIT_H
#define WATTLE_FLEET_MEMORY_LIMIT_H

#include "meter/meter.h"

#include <wattle.h>

struct memory_need {
    uint64_t private_bytes;           /* that the process has now */
    uint64_t scratch_bytes, kv_bytes; /* that it will touch when it works */
    uint64_t file_bytes;              /* of the model, mapped */
};
/* limit 0: none. ERR_LIMIT: the process would be ended by the kernel; a limit that is merely slow
 * is a warning in the log. */
int memory_limit_check(const struct memory_need *n, uint64_t limit, struct err *e);

#endif
