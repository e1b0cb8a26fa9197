/* SPDX-License-Identifier: MIT */
/* Which known name somebody may have meant. */
#ifndef WATTLE_SETTINGS_NEAREST_H
#define WATTLE_SETTINGS_NEAREST_H

#include <stddef.h>

enum { NEAREST_MAX = 64 }; /* longer names are near to nothing */

/* Insertions, deletions, substitutions and swaps of neighbours that lead from a to b; NEAREST_MAX
 * if either is longer than that. */
size_t name_distance(const char *a, const char *b);

#endif
