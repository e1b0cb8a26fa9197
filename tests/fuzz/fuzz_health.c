/* SPDX-License-Identifier: MIT */
/* A health file from bytes: refused with a message, or read and judged without one side's numbers
 * overflowing the other's. */
#include "fleet/fleet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct health_rule rules[] = {{30, false}, {2, true}};
    struct health h;
    struct err e = {""};
    char line[HEALTH_LINE_SIZE];
    int rc = health_parse(&h, span_of(data, size), "fuzz", &e);
    if (rc && !e.text[0])
        abort();
    for (size_t i = 0; !rc && i < sizeof rules / sizeof *rules; i++) {
        e.text[0] = line[0] = '\0';
        if (health_check(&h, &rules[i], 51967300, line, &e) ? !e.text[0] : !line[0])
            abort();
    }
    return 0;
}
