/* SPDX-License-Identifier: MIT */
/* wide_inline: a function whose type and tile parameters must become constants where it is called,
 * also at -O0. The short loops over a tile carry "#pragma GCC unroll" (clang knows it too), so that
 * the tile's arrays become registers. */
#ifndef WATTLE_KERNELS_WIDE_INLINE_H
#define WATTLE_KERNELS_WIDE_INLINE_H

#define wide_inline static inline __attribute__((always_inline))

#endif
