/* SPDX-License-Identifier: MIT */
/* Scratch of a forward pass and the parallel steps it is made of.
 *
 * A step is one job of the pool: rows of matrices, heads of tokens, or tokens, cut into chunks that
 * any thread may take. No step's result depends on the cut: each output is one kernel's sum over
 * one row. */
#ifndef WATTLE_MODEL_FORWARD_H
#define WATTLE_MODEL_FORWARD_H

#include "model/parts.h"

/* The angles of the tokens of one call, by one of the traits' two ropes. */
struct rotation {
    const struct rope_traits *traits; /* n_rot 0: unused */
    float *inverse;                   /* [n_rot / 2] of the current regime */
    float magnitude;
    float *cosines, *sines; /* [n_batch][n_rot / 2] */
};

/* n columns that matrices are multiplied with: floats, and the same as 8-bit blocks where some
 * matrix wants them. */
struct columns {
    const float *x;            /* [n][length] */
    const struct q8_block *q8; /* [n][length / 32] or NULL */
    size_t n, length;
};

/* out = W x + bias, or the gated activation(W x + bias) * (up x + bias): column c's row r is
 * out[c * stride + r]. up_out is scratch of the same form. */
struct product {
    struct columns in;
    const struct matrix *w, *up; /* up: NULL if not gated */
    float *out, *up_out;
    size_t stride;
};

/* What is done to a product's result where it is made, in this order; 0: not. */
struct finish {
    float clamp;
    bool activated;
    float scale;
    float softcap;
    float *residual; /* the result is added to this as well; as out in form */
};

struct forward {
    const struct model *model;
    struct pool *pool; /* borrowed */
    int n_threads;
    int32_t n_batch;
    int32_t regime; /* rope_regime of the rotations */
    struct rotation rope, rope_local;
    void *map; /* all arrays: here, in the rotations, in experts */
    size_t map_bytes;
    float *x;            /* [n_batch][n_embd] the residual stream */
    float *normed;       /* [n_batch][n_embd] */
    float *projected;    /* [n_batch][n_embd] */
    float *token;        /* [n_batch][n_embd_token], where that is another length */
    float *query;        /* [n_batch][n_head][head_dim] */
    float *attended;     /* [n_batch][n_head][head_dim] */
    float *gate, *up;    /* [n_batch][the longer of n_ff and n_ff_shared] */
    struct q8_block *q8; /* [n_batch][longest row / 32] */
    float *row;          /* [n_threads][longest row] a dequantized row */
    float *scores;       /* [n_threads][scores_size] */
    size_t longest_row;
    size_t scores_size; /* n_ctx for each query head that is attended at once */

    /* For layers with experts. An entry is a token with one of the experts it chose; entries lie
     * expert by expert, so that each expert's tokens are its columns. */
    struct {
        float *router;       /* [n_batch][n_expert] logits, then probabilities */
        float *shared_gate;  /* [n_batch] */
        int32_t *chosen;     /* [n_batch][n_expert_used] rising */
        float *share;        /* [n_batch][n_expert_used] */
        int32_t *entry;      /* [n_batch][n_expert_used] */
        int32_t *count;      /* [n_expert] entries of it; then where its next one goes */
        float *rows;         /* [n_batch * n_expert_used][n_embd] tokens, then results */
        float *gate, *up;    /* [n_batch * n_expert_used][n_ff_expert] */
        struct q8_block *q8; /* [n_batch * n_expert_used][longest row / 32] */
        struct product *parts;
        uint64_t bytes; /* of experts read since this was 0 */
    } experts;
};

/* Sets the rotations' frequencies, if they are not those of the regime. */
void forward_set_regime(struct forward *f, int32_t regime);

/* x as columns; quantizes into q8 if told. */
struct columns step_columns(struct forward *f, const float *x, size_t n, size_t length,
                            bool quantize, struct q8_block *q8);
/* All parts in one job. */
void step_products(struct forward *f, const struct product *parts, size_t n_parts,
                   const struct finish *finish);

/* Embeddings of tokens at positions from first on into f->x, and the rotations' angles. */
void step_embed(struct forward *f, const int32_t *ids, size_t first, size_t n);
/* Normalizes n rows of n_embd floats into y, which may be x. */
void step_norm(struct forward *f, const float *x, const struct norm *norm, float *y, size_t n);
/* QK norm and rotation of n tokens' queries in f->query, and their keys, [n][n_head_kv][head_dim].
 * rotation NULL: none. */
void step_heads(struct forward *f, const struct layer *layer, const struct rotation *rotation,
                float *keys, size_t n);
/* x += residual_scale * post(f->projected), then x = after(x) (NULL: not). */
void step_residual(struct forward *f, float *x, const struct norm *post, const struct norm *after,
                   size_t n);
/* Query heads of a KV head that are attended at once: all that share it, or a part of them that
 * divides them evenly. */
size_t attend_queries(const struct traits *t);
/* n tokens' queries over the layer's keys and values, the first of them at position first, into
 * f->attended. window 0: all positions are seen; scale: of q·k. */
void step_attend(struct forward *f, const float *query, const float *keys, const float *values,
                 size_t first, size_t n, size_t window, float scale);
/* The experts of n tokens, [n][n_embd], into f->projected. Several steps. */
void step_experts(struct forward *f, const struct layer *layer, const float *x, size_t n);

#endif
