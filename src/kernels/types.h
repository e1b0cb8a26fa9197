/* SPDX-License-Identifier: MIT */
/* The tensor element types that weights come in, and the sizes of their blocks.
 * Numbers and layouts: GGUF specification (ggml docs/gguf.md, enum ggml_type) and ggml-common.h. */
#ifndef WATTLE_KERNELS_TYPES_H
#define WATTLE_KERNELS_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum wtype {
    WTYPE_F32 = 0,
    WTYPE_F16 = 1,
    WTYPE_Q4_0 = 2,
    WTYPE_Q4_1 = 3,
    WTYPE_Q5_0 = 6,
    WTYPE_Q5_1 = 7,
    WTYPE_Q8_0 = 8,
    WTYPE_Q4_K = 12,
    WTYPE_Q5_K = 13,
    WTYPE_Q6_K = 14,
    WTYPE_BF16 = 30,
};

struct wtype_info {
    const char *name;     /* "Q4_0" */
    uint32_t block_elems; /* values in a block: 1, 32 or 256 */
    uint32_t block_bytes;
};

/* NULL for a type that we do not know; the number comes from a file. */
const struct wtype_info *wtype_info(uint32_t type);

#endif
