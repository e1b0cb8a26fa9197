/* SPDX-License-Identifier: MIT */
/* Scratch of a forward pass and the parallel steps it is made of.
 *
 * A step is one job of the pool: rows of matrices, heads of tokens, or tokens, cut into chunks that
 * any thread may take. No step's result depends on the cut: each output is one kernel's sum over
 * one row. */
#ifndef WATTLE_MODEL_FORWARD_H
#define WATTLE_MODEL_FORWARD_H

#include "model/parts.h"

struct forward {
    const struct model *model;
    struct pool *pool; /* borrowed */
    int n_threads;
    int32_t n_batch;
    void *map; /* all arrays below */
    size_t map_bytes;
    float *x;               /* [n_batch][n_embd] the residual stream */
    float *normed;          /* [n_batch][n_embd] */
    float *projected;       /* [n_batch][n_embd] */
    float *query;           /* [n_batch][n_head][head_dim] */
    float *attended;        /* [n_batch][n_head][head_dim] */
    float *gate, *up;       /* [n_batch][n_ff] */
    struct q8_block *q8;    /* [n_batch][longest row / 32] */
    float *cosines, *sines; /* [n_batch][n_rot / 2] */
    float *row;             /* [n_threads][longest row] a dequantized row */
    float *scores;          /* [n_threads][n_ctx] */
    size_t longest_row;
};

/* n columns that matrices are multiplied with: floats, and the same as 8-bit blocks where some
 * matrix wants them. */
struct columns {
    const float *x;            /* [n][length] */
    const struct q8_block *q8; /* [n][length / 32] or NULL */
    size_t n, length;
};

/* Where W x goes: column c's row r to out[c * stride + r]. */
struct product {
    const struct matrix *w;
    float *out;
    size_t stride;
};

/* Normalizes n rows of n_embd floats at x into f->normed. */
void step_norm(struct forward *f, const float *x, const float *weight, size_t n);
/* x as columns for the n_parts products that follow; quantizes into f->q8 if one of them wants. */
struct columns step_columns(struct forward *f, const float *x, size_t n, size_t length,
                            const struct product *parts, size_t n_parts);
/* Up to 3 products over the same columns, biases added. residual [n][rows of the one part] or NULL:
 * then the product is added to it as well. */
void step_products(struct forward *f, const struct columns *in, const struct product *parts,
                   size_t n_parts, float *residual);
/* gate.out = silu(gate) * up. */
void step_gated(struct forward *f, const struct columns *in, const struct product *gate,
                const struct product *up);
/* Rotates n tokens' queries in f->query, and their keys, [n][n_head_kv][head_dim]. */
void step_rotate(struct forward *f, float *keys, size_t n);
/* n tokens' queries from f->query over the layer's keys and values, the first of them at position
 * first, into f->attended. */
void step_attend(struct forward *f, const float *query, const float *keys, const float *values,
                 size_t first, size_t n);

#endif
