/* SPDX-License-Identifier: MIT */
/* Random weights by the stream: valid blocks of any type, without quantizing a whole model. Private
 * to lab/. */
#ifndef WATTLE_LAB_SYNTH_DATA_H
#define WATTLE_LAB_SYNTH_DATA_H

#include "lab/lab.h"
#include "lab/synth_tensors.h"

enum { SYNTH_POOLS_MAX = 16 };

/* Blocks of one type, of values whose products over a row have the size of what they multiply. */
struct synth_pool {
    uint32_t type;
    uint64_t row_elems;
    size_t unit_bytes, n_units; /* units are what rows are put together from */
    uint8_t *bytes;
};

struct synth_data {
    const struct lab_synth_options *options; /* borrowed: progress and cancelling */
    uint64_t done_bytes, all_bytes;
    struct rng rng;
    struct synth_pool pools[SYNTH_POOLS_MAX];
    size_t n_pools;
    uint8_t *chunk;
    float *floats;
};

typedef int synth_sink(void *ctx, struct span bytes, struct err *e);

int synth_data_open(struct synth_data *d, const struct lab_synth_options *o, uint64_t all_bytes,
                    struct err *e);
void synth_data_close(struct synth_data *d); /* zeroed is fine */

uint64_t synth_tensor_bytes(const struct synth_tensor *t, uint32_t type);
/* Gives the tensor's bytes to the sink, piece by piece; ERR_CANCELLED when asked to stop. norm:
 * what norms are about. */
int synth_tensor_data(struct synth_data *d, const struct synth_shape *s,
                      const struct synth_tensor *t, uint32_t type, float norm, synth_sink *sink,
                      void *ctx, struct err *e);

#endif
