/* SPDX-License-Identifier: MIT */
/* The head of a packed model from bytes. Its checksum would turn all that is not as written away,
 * so it is made right first: what is behind it is what is tried. */
#include "cache/cache.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *p, size_t n)
{
    struct cache_hash *h = NULL;
    char text[CACHE_HASH_SIZE];
    if (cache_hash_open(&h, CACHE_SHA256, 0, NULL))
        abort();
    cache_hash_add(h, span_of(p, n - PACKED_SUM));
    cache_hash_end(h, text);
    cache_hash_close(&h);
    for (size_t i = 0; i < PACKED_SUM; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        p[n - PACKED_SUM + i] = (uint8_t)byte;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packed_head h;
    struct err e = {""};
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    size_t n = size > 16 ? copy[12] | (size_t)copy[13] << 8 | (size_t)copy[14] << 16 : 0;
    if (n > PACKED_SUM && n <= size)
        seal(copy, n);
    int code = packed_head_read(&h, span_of(copy, size), size, &e);
    if (code && !e.text[0])
        abort();
    if (!code && (h.data_offset > size || h.data_bytes != size - h.data_offset))
        abort();
    for (size_t i = 0; !code && i < PACKED_TEXTS; i++)
        if (h.text[i].p < copy || h.text[i].n > size ||
            (size_t)(h.text[i].p - copy) > size - h.text[i].n)
            abort();
    free(copy);
    return 0;
}
