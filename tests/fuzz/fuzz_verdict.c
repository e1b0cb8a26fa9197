/* SPDX-License-Identifier: MIT */
/* Answers of models. */
#include "telemetry/telemetry.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum verdict v = verdict_read(span_of(data, size));
    if (verdict_read(span_of(data, size)) != v || !verdict_name(v))
        abort();
    return 0;
}
