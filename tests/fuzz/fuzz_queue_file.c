/* SPDX-License-Identifier: MIT */
/* The file of waiting messages, from hostile bytes: as they are, and with checksums made right, so
 * that what lies behind them is reached. */
#include "net/queue_format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *ctx, uint64_t number, const char *topic, struct span payload, bool retain)
{
    uint64_t *last = (uint64_t *)ctx;
    (void)retain;
    if (number <= *last || !topic[0] || strlen(topic) > 65535 || !utf8_valid(span_str(topic)))
        abort();
    for (size_t i = 0; i < payload.n; i++)
        *last ^= payload.p[i] & 0; /* every byte is ours to read */
    *last = number;
}

static uint32_t crc32(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
    }
    return crc ^ UINT32_MAX;
}

/* Every byte is accounted for. */
static void parse(const uint8_t *bytes, size_t size, uint64_t *last)
{
    struct queue_found found;
    queue_parse(span_of(bytes, size), look, last, &found);
    if (found.whole > size || found.loss.skipped > found.whole || *last > found.last ||
        (found.whole && found.whole + found.loss.torn != size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t last = 0;
    parse(data, size, &last);
    uint8_t *copy = (uint8_t *)malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    for (size_t at = 8; size >= 16 && at <= size - 8;) {
        size_t n = copy[at] | (size_t)copy[at + 1] << 8;
        copy[at + 2] = copy[at + 3] = 0;
        if (n > size - at - 8)
            break;
        uint32_t crc = crc32(copy + at + 8, n);
        for (int i = 0; i < 4; i++)
            copy[at + 4 + (size_t)i] = (uint8_t)(crc >> (8 * i));
        at += 8 + n;
    }
    last = 0;
    parse(copy, size, &last);
    free(copy);
    return 0;
}
