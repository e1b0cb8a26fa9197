/* SPDX-License-Identifier: MIT */
/* A metrics file from bytes: refused with a message, or read into finite or unknown numbers and
 * terminated UTF-8; its single inferences too. */
#include "metrics/metrics.h"

#include <math.h>

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

    struct metric_samples samples;
    metric_samples_init(&samples);
    struct err why = {""};
    int code = metric_samples_parse(&samples, span_of(data, size), "fuzz.json", &why);
    if ((code < 0) != (why.text[0] != '\0'))
        abort();
    for (size_t i = 0; i < samples.n; i++)
        if (isinf(samples.v[i].time_ms) || isinf(samples.v[i].utc_s) ||
            !utf8_valid(span_str(samples.v[i].energy_source)))
            abort();
    metric_samples_release(&samples);
    return 0;
}
