/* SPDX-License-Identifier: MIT */
/* What measuring a model and measuring the machine share. Private to lab/. */
#ifndef WATTLE_LAB_BENCH_H
#define WATTLE_LAB_BENCH_H

#include "lab/lab.h"

#include "kernels/kernels.h"

struct limits_buffer {
    uint8_t *bytes;
    size_t n;
};

/* Memory to read that no cache holds: at least four times the last level's, less on a machine that
 * lacks it. */
int limits_open(struct limits_buffer *b, struct err *e);
void limits_close(struct limits_buffer *b);
/* All threads of the pool at once, a quarter of a second for each limit; raises what is in best, so
 * that the best of several calls stays. ERR_CANCELLED. */
int limits_measure(const struct limits_buffer *b, const struct peak *peak, struct pool *pool,
                   const struct lab_bench_options *o, struct lab_bench_limits *best, struct err *e);

#endif
