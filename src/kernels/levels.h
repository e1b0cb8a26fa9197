/* SPDX-License-Identifier: MIT */
/* What each processor family gives to the dispatch in kernels.c. Private to kernels/. */
#ifndef WATTLE_KERNELS_LEVELS_H
#define WATTLE_KERNELS_LEVELS_H

#include "kernels/kernels.h"

/* Tables that this CPU runs, from the plainest up, NULL-terminated. One of ref/levels.c,
 * x86/levels.c and arm/levels.c is built. */
const struct kernels *const *kernels_levels(void);

/* Names of all tables that were built, in the same order, NULL-terminated. */
extern const char *const kernels_level_names[];

#endif
