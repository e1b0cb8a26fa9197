/* SPDX-License-Identifier: MIT */
/* A loaded model and a sequence's memory, as the files of model/ share them. */
#ifndef WATTLE_MODEL_PARTS_H
#define WATTLE_MODEL_PARTS_H

#include "cache/cache.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/traits.h"

/* A weight matrix, in the mapped file at first: n_rows rows of n_cols elements; y = W x + bias. Its
 * rows may lie in groups with others' between them (fused matrices): row r begins at data + (r /
 * group_rows * group_apart + r % group_rows) * row_bytes. */
struct matrix {
    const uint8_t *data;
    size_t row_bytes, n_rows, n_cols;
    size_t group_rows, group_apart; /* in rows; n_rows, n_rows for a matrix of its own */
    uint32_t type;                  /* enum wtype */
    bool q8;                        /* meets 8-bit activations */
    const float *bias;              /* [n_rows] or NULL */
    const uint8_t *packed; /* the rows as kernels/packed.h has them (data is NULL, and there
                            * are no groups then); NULL: not packed */
};

/* y = normed x * weight + bias. Both NULL: no norm here, or one without weights (norm_plain). */
struct norm {
    const float *weight, *bias; /* traits' norm_offset is in weight */
    bool there;
};

struct layer {
    struct norm attn_norm, attn_post_norm, ffn_norm, ffn_post_norm; /* [n_embd] */
    struct norm q_norm, k_norm;                                     /* as traits' qk_norm says */
    struct matrix q, k, v, o;
    struct matrix gate, up, down; /* of the shared expert, where the layer has experts; gate only if
                                   * gated */
    struct matrix router;         /* [n_expert][n_embd]; n_rows 0: a layer without experts */
    struct matrix shared_router;  /* [1][n_embd]; n_rows 0: none */
    struct expert {
        struct matrix gate, up, down;
    } * experts; /* [n_expert] */
};

/* Immutable once loaded. */
struct model {
    struct weights *file;
    struct packed_file packed_file; /* what packed matrices lie in; or */
    void *packed_memory;            /* mapped, NULL: none */
    size_t packed_memory_bytes;
    struct arena arena; /* layers, traits' arrays, and vectors that the file does not hold as floats
                         */
    struct model_info info;
    struct traits traits;
    const struct kernels *kernels;
    enum model_math math;
    struct layer *layers;
    struct matrix embedding, head;       /* the same for a tied head */
    struct matrix positions;             /* n_rows 0: none */
    struct matrix embedding_in, head_in; /* n_rows 0: none */
    struct norm embedding_norm, output_norm;
    const float *rope_divisors; /* GGUF's rope_freqs (Llama 3), or NULL */
    float *alibi_slopes;        /* [n_head] or NULL */
    float *alibi_biases;        /* [n_head][model_alibi_stride], in place of slopes, or NULL */
    uint64_t layers_weights;    /* elements of all layers' matrices that one token meets */
    uint64_t layers_bytes;      /* the bytes of those */
};

/* Memory of kv: [layer][position][n_head_kv * head_dim], mapped, so that pages come as they are
 * written. */
struct kv {
    const struct model *model;
    float *keys, *values;
    size_t map_bytes;
    int32_t n, capacity;
    int32_t *ids;     /* [capacity]: what was appended; for models whose rotation depends on the
                       * sequence's length, which are computed anew when it changes; else NULL */
    int32_t expected; /* kv_expect */
    int32_t regime;   /* rope_regime that the keys were made under */
};

static inline size_t model_kv_dim(const struct model *m)
{
    return (size_t)m->traits.n_head_kv * (size_t)m->traits.head_dim;
}

static inline size_t model_q_dim(const struct model *m)
{
    return (size_t)m->traits.n_head * (size_t)m->traits.head_dim;
}

/* What attention reads beyond the last position's bias is there. */
static inline size_t model_alibi_stride(const struct model *m)
{
    return (size_t)m->traits.n_ctx + 7;
}

/* Slopes or biases as the traits say. */
int model_alibi(struct model *m, struct err *e);

/* The file's tensors as m's layers and matrices, each shape checked against the traits. */
int model_bind(struct model *m, const struct family *family, bool hf, struct err *e);
/* layers_weights and layers_bytes, from what the layers' matrices are now. */
void model_count_work(struct model *m);

/* The keys tokenizer.ggml.* checked by type, count and range, without building a tokenizer. n is 0
 * when the file has no vocabulary (its model is "none" or missing). */
int vocabulary_check(const struct gguf *file, size_t *n, struct err *e);
/* The same as a struct vocab, arrays in arena. *there is false when there is none. */
int vocabulary_read(const struct gguf *file, struct arena *arena, struct vocab *out, bool *there,
                    struct err *e);

#endif
