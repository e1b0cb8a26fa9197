/* SPDX-License-Identifier: MIT */
/* Packed weights: the same codes and scales as in the file, put in the order in which the kernels
 * read them. Nothing is rounded: a packed row is its weights, bit for bit.
 *
 * Rows go in groups of eight. A group is the row's blocks one after another, and of a block of 32
 * elements the eight rows' codes lie together, in eight steps of four elements: step s has, for row
 * 0, 1, … 7, the codes of elements 4s … 4s+3, one a byte. So 32 bytes are what one instruction
 * multiplies with four activations that are the same for all rows, and the sums of the eight rows
 * stand side by side. Codes are not negative: the type's offset is taken off a sum at its end.
 *
 * Steps of 32 codes as they are stored:
 *   nibbles  128 bytes: byte j of part p (0..3) has step p's code j low, step (p + 4)'s high
 *   5th bit   32 bytes: bit s of byte j is bit 4 of step s's code j
 *   6 bits    64 bytes: bits 2s, 2s+1 of byte j are bits 4, 5 of step s's code j; the second 32
 *             bytes are steps 4..7
 *   bytes    256 bytes: step s at 32 s
 *
 * Blocks of a group (f16[8]: one for each row, little-endian; code = what stands there):
 *   Q4_0  d f16[8], nibbles               weight = d (code - 8)
 *   Q4_1  d f16[8], m f16[8], nibbles     weight = d code + m
 *   Q5_0  d f16[8], nibbles, 5th bit      weight = d (code - 16)
 *   Q5_1  d f16[8], m f16[8], nibbles, 5th bit
 *   Q8_0  d f16[8], bytes                 weight = d (code - 128)
 * and of 256 elements, eight sub-blocks of 32 behind their scales:
 *   Q4_K  d f16[8], dmin f16[8], 8 x (scale u8[8], min u8[8], nibbles)
 *                                         weight = d scale code - dmin min
 *   Q5_K  d f16[8], dmin f16[8], 8 x (scale u8[8], min u8[8], nibbles, 5th bit)
 *   Q6_K  d f16[8], 8 x (scale i8[8][2], nibbles, 6 bits)
 *                                         weight = d scale[half] (code - 32)
 *
 * Pure, as all of kernels/. */
#ifndef WATTLE_KERNELS_PACKED_H
#define WATTLE_KERNELS_PACKED_H

#include "kernels/types.h"

#include <stdbool.h>

enum {
    PACKED_ROWS = 8,   /* of a group */
    PACKED_LAYOUT = 1, /* counts the changes of the layout above: part of a packed file's key */
};

/* Whether the type has a packed form: the eight above. */
bool packed_has(uint32_t type);

/* Bytes of one group of rows of k elements (a multiple of the type's block). false: it overflows,
 * or the type has no packed form. */
bool packed_group_bytes(uint32_t type, size_t k, size_t *out);
/* Of n_rows rows: whole groups, the last filled up with rows of zeros. */
bool packed_bytes(uint32_t type, size_t k, size_t n_rows, size_t *out);

/* One group from n_rows (1 to 8) rows of k elements in the type's own blocks, row r at
 * rows + r * row_bytes; the rows that lack are zeros. out: packed_group_bytes bytes. Any thread. */
void pack_group(uint32_t type, const void *rows, size_t row_bytes, size_t k, size_t n_rows,
                void *out);

#endif
