/* SPDX-License-Identifier: MIT */
/* A metrics file from bytes: refused with a message, or read into finite or unknown numbers and
 * terminated UTF-8. */
#include "metrics/metrics.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metric_summary s;
    struct metric_values values = {0};
    struct err e = {""};
    int r = metric_file_parse(&s, &values, span_of(data, size), "fuzz.json", &e);
    if (r < 0 && e.text[0] == '\0')
        abort();
    if (r == 0 && !(utf8_valid(span_str(s.device_id)) && utf8_valid(span_str(s.model_name)) &&
                    utf8_valid(span_str(s.energy_source))))
        abort();
    metric_values_release(&values);
    return 0;
}
