/* SPDX-License-Identifier: MIT */
/* Telemetry payloads from a broker: what is taken can be written and read again without a change;
 * what is not leaves the output alone and says why. */
#include "telemetry/telemetry.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct telemetry_message *a, const struct telemetry_message *b)
{
    const struct reading *x = &a->reading, *y = &b->reading;
    return a->seq == b->seq && strcmp(a->device_id, b->device_id) == 0 &&
           strcmp(x->ts, y->ts) == 0 && x->co == y->co && x->humidity == y->humidity &&
           x->lpg == y->lpg && x->smoke == y->smoke && x->temp == y->temp && x->light == y->light &&
           x->motion == y->motion;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct telemetry_message m = {.seq = 42}, again;
    struct err e = {""};
    struct buf out;
    if (telemetry_parse(&m, span_of(data, size), &e)) {
        if (m.seq != 42 || e.text[0] == '\0' || !utf8_valid(span_str(e.text)))
            abort();
        return 0;
    }
    uint64_t seq = m.seq;
    buf_init(&out, 4096);
    m.seq = seq ? seq : 1; /* written telemetry always has one */
    telemetry_write(&out, &m.reading, m.device_id, m.seq);
    if (out.failed || telemetry_parse(&again, buf_view(&out), &e) || !same(&m, &again))
        abort();
    buf_release(&out);
    return 0;
}
