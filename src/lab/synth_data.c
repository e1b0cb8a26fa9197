/* SPDX-License-Identifier: MIT */
/* Only a pool of a quarter of a million values is drawn and quantized for each type and length of a
 * row; matrices are put together from pieces of it, drawn at random. So the blocks are as true as a
 * quantizer's, and a file is written about as fast as the disk takes it. */
#include "lab/synth_data.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

enum {
    POOL_ELEMS = 1 << 18,
    CHUNK_BYTES = 1 << 20,
    VECTOR_ELEMS_MAX = 1 << 19, /* the bias of the longest vocabulary */
};

int synth_data_open(struct synth_data *d, const struct lab_synth_options *o, uint64_t all_bytes,
                    struct err *e)
{
    *d = (struct synth_data){.options = o, .all_bytes = all_bytes};
    rng_seed(&d->rng, o->seed);
    d->chunk = malloc(CHUNK_BYTES);
    d->floats = calloc(VECTOR_ELEMS_MAX, sizeof *d->floats);
    if (d->chunk && d->floats)
        return 0;
    synth_data_close(d);
    return err_set(e, ERR_NOMEM, "no memory for random weights");
}

void synth_data_close(struct synth_data *d)
{
    for (size_t i = 0; i < d->n_pools; i++)
        free(d->pools[i].bytes);
    free(d->chunk);
    free(d->floats);
    *d = (struct synth_data){.n_pools = 0};
}

uint64_t synth_tensor_bytes(const struct synth_tensor *t, uint32_t type)
{
    const struct wtype_info *info = wtype_info(type);
    uint64_t rows = t->n_dims == 2 ? t->dims[1] : 1;
    return t->dims[0] / info->block_elems * info->block_bytes * rows;
}

/* About the normal distribution: the sum of four uniform numbers, of mean 0 and variance 1. */
static float normal(struct rng *r)
{
    uint64_t bits = rng_u64(r);
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (uint32_t)(bits >> 16 * i & 0xffff);
    return ((float)sum / 65536 - 2) * 1.7320508f;
}

/* ---- matrices ---- */

static int make_pool(struct synth_data *d, uint32_t type, uint64_t row_elems,
                     const struct synth_pool **out, struct err *e)
{
    const struct wtype_info *info = wtype_info(type);
    size_t unit = row_elems % 256 == 0 ? 256 : row_elems % 32 == 0 ? 32 : 1;
    struct synth_pool p = {type, row_elems, unit / info->block_elems * info->block_bytes,
                           POOL_ELEMS / unit, NULL};
    if (d->n_pools == SYNTH_POOLS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d kinds of matrices", SYNTH_POOLS_MAX);
    p.bytes = malloc(p.unit_bytes * p.n_units);
    if (!p.bytes)
        return err_set(e, ERR_NOMEM, "no memory for random weights");
    float deviation = 1 / sqrtf((float)row_elems);
    for (size_t i = 0; i < POOL_ELEMS; i++)
        d->floats[i] = normal(&d->rng) * deviation;
    quantize_row(type, d->floats, NULL, p.bytes, POOL_ELEMS);
    d->pools[d->n_pools] = p;
    *out = &d->pools[d->n_pools++];
    return 0;
}

static int find_pool(struct synth_data *d, uint32_t type, uint64_t row_elems,
                     const struct synth_pool **out, struct err *e)
{
    for (size_t i = 0; i < d->n_pools; i++) {
        if (d->pools[i].type == type && d->pools[i].row_elems == row_elems) {
            *out = &d->pools[i];
            return 0;
        }
    }
    return make_pool(d, type, row_elems, out, e);
}

static int give(struct synth_data *d, struct span bytes, synth_sink *sink, void *ctx, struct err *e)
{
    const struct lab_synth_options *o = d->options;
    if (o->keep_going && !o->keep_going(o->ctx))
        return err_set(e, ERR_CANCELLED, "interrupted");
    int code = sink(ctx, bytes, e);
    d->done_bytes += bytes.n;
    if (!code && o->on_progress)
        o->on_progress(o->ctx, d->done_bytes, d->all_bytes);
    return code;
}

static int matrix_data(struct synth_data *d, const struct synth_tensor *t, uint32_t type,
                       synth_sink *sink, void *ctx, struct err *e)
{
    const struct synth_pool *p = NULL;
    int code = find_pool(d, type, t->dims[0], &p, e);
    uint64_t left = code ? 0 : synth_tensor_bytes(t, type);
    while (!code && left) {
        size_t n = 0;
        while (left && CHUNK_BYTES - n >= p->unit_bytes) {
            memcpy(d->chunk + n, p->bytes + rng_below(&d->rng, p->n_units) * p->unit_bytes,
                   p->unit_bytes);
            n += p->unit_bytes;
            left -= p->unit_bytes;
        }
        code = give(d, span_of(d->chunk, n), sink, ctx, e);
    }
    return code;
}

/* ---- vectors ---- */

static float element(struct synth_data *d, const struct synth_shape *s, enum synth_filling filling,
                     size_t i, float norm)
{
    switch (filling) {
    case SYNTH_NORM:
        return norm + 0.1f * normal(&d->rng);
    case SYNTH_LONG_FACTORS:
        return synth_long_factor(s, (int32_t)i);
    case SYNTH_SHORT_FACTORS:
        return synth_short_factor(s, (int32_t)i);
    case SYNTH_LLAMA3_DIVISORS:
        return synth_llama3_divisor(s, (int32_t)i);
    case SYNTH_BIAS:
    case SYNTH_MATRIX:
        break;
    }
    return 0.02f * normal(&d->rng);
}

int synth_tensor_data(struct synth_data *d, const struct synth_shape *s,
                      const struct synth_tensor *t, uint32_t type, float norm, synth_sink *sink,
                      void *ctx, struct err *e)
{
    if (t->filling == SYNTH_MATRIX)
        return matrix_data(d, t, type, sink, ctx, e);
    uint64_t bytes = synth_tensor_bytes(t, type);
    if (t->dims[0] > VECTOR_ELEMS_MAX || bytes > CHUNK_BYTES)
        return err_set(e, ERR_LIMIT, "tensor '%s': %llu elements, expected at most %d", t->name,
                       (unsigned long long)t->dims[0], CHUNK_BYTES / 4);
    for (size_t i = 0; i < t->dims[0]; i++)
        d->floats[i] = element(d, s, t->filling, i, norm);
    quantize_row(type, d->floats, NULL, d->chunk, (size_t)t->dims[0]);
    return give(d, span_of(d->chunk, (size_t)bytes), sink, ctx, e);
}
