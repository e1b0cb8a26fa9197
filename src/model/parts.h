/* SPDX-License-Identifier: MIT */
/* A loaded model and a sequence's memory, as the files of model/ share them. */
#ifndef WATTLE_MODEL_PARTS_H
#define WATTLE_MODEL_PARTS_H

#include "kernels/kernels.h"
#include "model/model.h"
#include "model/traits.h"

/* A weight matrix in the mapped file: n_rows rows of n_cols elements; y = W x + bias. */
struct matrix {
    const uint8_t *data;
    size_t row_bytes, n_rows, n_cols;
    uint32_t type;     /* enum wtype */
    bool q8;           /* meets 8-bit activations */
    const float *bias; /* [n_rows] or NULL */
};

struct layer {
    const float *attn_norm, *ffn_norm; /* [n_embd] */
    struct matrix q, k, v, o, gate, up, down;
};

/* Immutable once loaded. */
struct model {
    struct gguf *file;
    struct arena arena; /* layers, and vectors that the file does not hold as floats */
    struct model_info info;
    struct traits traits;
    const struct kernels *kernels;
    enum model_math math;
    struct layer *layers;
    struct matrix embedding, head; /* the same for a tied head */
    const float *output_norm;
    float *rope_inverse; /* [n_rot / 2] */
    float rope_magnitude;
    uint64_t layer_weights; /* elements of one layer's matrices, in every layer the same */
    uint64_t layers_bytes;  /* of all layers' matrices */
};

/* Memory of kv: [layer][position][n_head_kv * head_dim], mapped, so that pages come as they are
 * written. */
struct kv {
    const struct model *model;
    float *keys, *values;
    size_t map_bytes;
    int32_t n, capacity;
};

static inline size_t model_kv_dim(const struct model *m)
{
    return (size_t)m->traits.n_head_kv * (size_t)m->traits.head_dim;
}

static inline size_t model_q_dim(const struct model *m)
{
    return (size_t)m->traits.n_head * (size_t)m->traits.head_dim;
}

/* The file's tensors as m's layers and matrices, each shape checked against the traits. */
int model_bind(struct model *m, struct err *e);

/* The keys tokenizer.ggml.* checked by type, count and range, without building a tokenizer. n is 0
 * when the file has no vocabulary (its model is "none" or missing). */
int vocabulary_check(const struct gguf *file, size_t *n, struct err *e);
/* The same as a struct vocab, arrays in arena. *there is false when there is none. */
int vocabulary_read(const struct gguf *file, struct arena *arena, struct vocab *out, bool *there,
                    struct err *e);

#endif
