/* SPDX-License-Identifier: MIT */
/* Products of packed weights with the dot product instructions. Compiled with them allowed; nothing
 * but this one function leaves the file. */
#include "kernels/arm/neon.h"

#include "kernels/arm/dots_dotprod.h"

#include "kernels/wide/mul_packed.h"

void dotprod_mul_packed(uint32_t type, const void *w, size_t k, size_t row0, size_t row1,
                        const struct q8_block *x, size_t n, float *out, size_t out_stride)
{
    wide_mul_packed(type, w, k, row0, row1, x, n, out, out_stride);
}
