/* SPDX-License-Identifier: MIT */
/* Weights that are read once, by a tile of several rows, are asked for ahead of time. Included
 * after an ISA's lanes.h. */
#ifndef WATTLE_KERNELS_WIDE_PREFETCH_H
#define WATTLE_KERNELS_WIDE_PREFETCH_H

#include "kernels/wide/inline.h"

#include <stddef.h>
#include <stdint.h>

/* Asks for the part of the tiles ahead that corresponds to blocks [at, at + bytes) of this one,
 * counted in the order of memory, which the machine's own prefetcher does not see behind four
 * streams. Small tiles: two ahead, into the first-level cache; large ones would push out each other
 * there. There need be no memory at that address: a prefetch never faults. */
wide_inline void prefetch_ahead(const uint8_t *tile, size_t tile_bytes, size_t at, size_t bytes)
{
    uintptr_t from = (uintptr_t)tile + at;
    if (tile_bytes <= 8192)
#pragma GCC unroll 16
        for (size_t i = 0; i < (bytes + 63) / 64; i++)
            __builtin_prefetch((const void *)(from + 2 * tile_bytes + 64 * i), 0, 3);
    else
#pragma GCC unroll 16
        for (size_t i = 0; i < (bytes + 63) / 64; i++)
            __builtin_prefetch((const void *)(from + tile_bytes + 64 * i), 0, 2);
}

#endif
