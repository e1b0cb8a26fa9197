/* SPDX-License-Identifier: MIT */
/* Numbers from and to text, the same in every locale. */
#ifndef WATTLE_BASE_NUM_H
#define WATTLE_BASE_NUM_H

#include "base/span.h"

/* The whole of s must be the number (no blanks around it): false otherwise, *out untouched. */
bool num_parse_i64(struct span s, int64_t *out); /* decimal, '-' allowed, overflow is false */
bool num_parse_u64(struct span s, uint64_t *out);
bool num_parse_f64(struct span s,
                   double *out); /* decimal or exponent form, finite only: no nan, inf, hex */

/* Shortest decimal text that reads back as v (of a subnormal: a text that does), in JSON's grammar,
 * without exponent for 1e-7 <= |v| < 1e21; returns its length. v must be finite. */
#define NUM_F64_SIZE 40
size_t num_format_f64(double v, char out[NUM_F64_SIZE]);

#endif
