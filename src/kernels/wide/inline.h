/* SPDX-License-Identifier: MIT */
/* wide_inline: a function whose type and tile parameters must become constants where it is called,
 * also at -O0. unroll: the short loops over a tile, so that its arrays become registers. */
#ifndef WATTLE_KERNELS_WIDE_INLINE_H
#define WATTLE_KERNELS_WIDE_INLINE_H

#define wide_inline static inline __attribute__((always_inline))

#ifdef __clang__
#define unroll _Pragma("clang loop unroll(full)")
#else
#define unroll _Pragma("GCC unroll 16")
#endif

#endif
