/* SPDX-License-Identifier: MIT */
/* Which inferences of two models answered the same request. Private to report/. */
#ifndef WATTLE_REPORT_PAIRS_H
#define WATTLE_REPORT_PAIRS_H

#include "report/comparison.h"

struct sample_pair {
    size_t x, y; /* indices of x->samples and y->samples */
};

/* In order of requests; free(). A request that stands twice in one model pairs with its namesake of
 * the other, in the samples' order; samples without a request are left out. NULL: no memory. */
struct sample_pair *pairs_find(const struct compared *x, const struct compared *y, size_t *n);

#endif
