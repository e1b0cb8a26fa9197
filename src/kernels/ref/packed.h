/* SPDX-License-Identifier: MIT */
/* What the packed layout of a type is made of, for those that write and read it in plain C. */
#ifndef WATTLE_KERNELS_REF_PACKED_H
#define WATTLE_KERNELS_REF_PACKED_H

#include "kernels/packed.h"

/* Bytes of eight rows' block: head first, then n_subs times scales and codes. */
struct packed_form {
    uint32_t type;
    uint8_t n_subs; /* of 32 elements: 1 or 8 */
    uint8_t head;   /* 16: d; 32: d and a minimum */
    uint8_t scales; /* of a sub-block */
    uint8_t bits;   /* of a code: 4, 5, 6 or 8 */
    uint8_t offset; /* of a code */
};

/* NULL for a type without a packed form. */
const struct packed_form *packed_form(uint32_t type);
/* Bytes of a sub-block: scales and codes. */
size_t packed_sub_bytes(const struct packed_form *f);
size_t packed_block_bytes(const struct packed_form *f);

#endif
