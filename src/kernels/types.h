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
    WTYPE_Q2_K = 10,
    WTYPE_Q3_K = 11,
    WTYPE_Q4_K = 12,
    WTYPE_Q5_K = 13,
    WTYPE_Q6_K = 14,
    WTYPE_Q8_K = 15,
    WTYPE_IQ4_NL = 20,
    WTYPE_IQ4_XS = 23,
    WTYPE_I8 = 24,
    WTYPE_F64 = 28,
    WTYPE_BF16 = 30,
    WTYPE_TQ1_0 = 34,
    WTYPE_TQ2_0 = 35,
    WTYPE_MXFP4 = 39,
    WTYPE_NVFP4 = 40,
};

struct wtype_info {
    const char *name;     /* "Q4_0" */
    uint32_t block_elems; /* values in a block: 1, 32, 64 or 256 */
    uint32_t block_bytes;
};

/* NULL for a type that we cannot compute with; the number comes from a file. */
const struct wtype_info *wtype_info(uint32_t type);

/* The name of any type that GGUF has a number for, also of those that wtype_info does not know, for
 * messages; NULL for other numbers. */
const char *wtype_name(uint32_t type);

#endif
