/* SPDX-License-Identifier: MIT */
/* What a family of models does, as data: one forward pass reads it and serves all of them.
 *
 * A family is a file in families/ that fills traits from a config and names the tensors, and one
 * row in families.c. traits_init gives what most models do; a family sets what it does otherwise.
 */
#ifndef WATTLE_MODEL_TRAITS_H
#define WATTLE_MODEL_TRAITS_H

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/names.h"

enum { TRAITS_VOCAB_MAX = 4 << 20, TRAITS_LAYERS_MAX = 1024, TRAITS_ROTATIONS_MAX = 2048 };

enum rope_scaling {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR,   /* positions / factor */
    ROPE_SCALING_YARN,     /* https://arxiv.org/abs/2309.00071 */
    ROPE_SCALING_LLAMA3,   /* Llama 3.1: long waves / factor, short ones as they are, a ramp between
                            */
    ROPE_SCALING_LONGROPE, /* https://arxiv.org/abs/2402.13753: a divisor a pair, two sets of them
                            */
    ROPE_SCALING_DYNAMIC,  /* NTK: the base grows with the sequence beyond original_ctx */
};

struct rope_traits {
    int32_t n_rot;    /* elements of a head that are rotated, even; the rest stay. 0: no rotation */
    bool partial;     /* config.json may say how much of a head rotates: a family's setting */
    bool interleaved; /* pairs (2i, 2i+1), else (i, i + n_rot/2) */
    double base;
    enum rope_scaling scaling;
    double factor;               /* context is stretched by this; 1: not */
    int32_t original_ctx;        /* what the model was trained with before */
    double attention_factor;     /* cosines and sines times this; 0: as the scaling's paper says */
    double beta_fast, beta_slow; /* YaRN */
    bool truncate;               /* YaRN: the ramp's ends are whole numbers */
    double mscale, mscale_all_dim;            /* YaRN: 0: not given */
    double low_freq_factor, high_freq_factor; /* LLAMA3 */
    const float *short_factor, *long_factor;  /* LONGROPE: [n_rot / 2], in the traits' arena. A
                                               * sequence of more than original_ctx tokens takes the
                                               * long  ones at all of its positions */
};

enum norm_kind {
    NORM_RMS,
    NORM_LAYER, /* mean and variance */
};

enum qk_norm {
    QK_NORM_NONE,
    QK_NORM_HEAD,  /* each head by itself, one weight [head_dim] for all */
    QK_NORM_HEADS, /* each head by itself, each with its own weight: [n_head][head_dim] */
    QK_NORM_ROW,   /* all heads together: [n_head * head_dim] */
};

/* How a fused query-key-value matrix orders its rows. */
enum qkv_order {
    QKV_PARTS,  /* all queries, then all keys, then all values */
    QKV_GROUPS, /* for each key head: its queries, its key, its value */
};

/* Bits of traits.layers[i]. */
enum layer_flag {
    LAYER_SLIDING = 1,    /* sees window positions only */
    LAYER_NO_ROPE = 2,    /* no rotation */
    LAYER_LOCAL_ROPE = 4, /* rotates by rope_local */
    LAYER_DENSE = 8,      /* a plain feed-forward block in a model with experts */
};

/* Bounds are those of read_*: every product of three fits in 63 bits. */
struct traits {
    int32_t n_vocab; /* 0: as many as the embedding has rows */
    int32_t n_ctx, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;

    enum norm_kind norm;
    float norm_eps;
    float norm_offset; /* added to the weights of norms as stored: 1 for Gemma */
    bool norm_plain;   /* norms have no weights (OLMo 1) */
    bool norm_before;  /* x + f(norm(x)); else blocks take x as it is */
    bool norm_after;   /* norm(x + f(x)), by the norms that are otherwise before (OPT 350M) */
    bool attn_post_norm, ffn_post_norm; /* x + norm(f(…)) */
    enum qk_norm qk_norm;               /* before rotation */
    enum norm_kind qk_norm_kind;
    float qk_norm_eps;
    bool residual_normed;   /* norm(x) + f(norm(x)): blocks add to what they take */
    bool parallel;          /* x + attention(norm(x)) + ffn(norm'(x)) */
    bool parallel_one_norm; /* …of the same norm: there is no norm' */

    bool fused_qkv, fused_gate_up; /* one matrix: gate's rows, then up's */
    enum qkv_order qkv_order;
    bool transposed;               /* matrices of layers are stored [in][out] (GPT-2's Conv1D) */
    float attention_scale;         /* of q·k */
    bool attention_scale_by_layer; /* … divided by the layer's number, from 1 */
    float attention_softcap;       /* 0: none */
    float clip_qkv;                /* queries, keys, values to [-c, c]; 0: not */
    int32_t window; /* a token sees itself and the window - 1 before it, in sliding layers */
    uint8_t layers[TRAITS_LAYERS_MAX]; /* enum layer_flag */
    struct rope_traits rope, rope_local;
    bool alibi;             /* https://arxiv.org/abs/2108.12409 */
    float alibi_max;        /* the first slope is 2^(-alibi_max / n_head) */
    float alibi_scale;      /* biases times this */
    bool alibi_bf16;        /* slope, position and their product rounded to bfloat16 */
    bool positions;         /* a learned vector a position is added to the embedding… */
    int32_t positions_from; /* …which is row position + this of the matrix (OPT: 2) */

    enum activation activation;
    bool gated; /* down(act(gate(x)) * up(x)), else down(act(up(x))) */

    int32_t n_expert, n_expert_used, n_ff_expert; /* n_expert 0: none */
    int32_t n_ff_shared;                          /* an expert that all tokens take; 0: none */
    bool shared_gated; /* … times sigmoid of a product with the token */
    bool expert_norm;  /* the chosen experts' probabilities are divided by their sum */

    float embedding_scale; /* the embedding times this */
    bool embedding_norm;   /* … then a norm (BLOOM) */
    int32_t n_embd_token; /* tokens' vectors are this long, with a matrix into n_embd and one out of
                           * it (OPT 350M); 0: n_embd */
    bool output_norm;     /* a norm before the head (all but OPT 350M) */
    float residual_scale; /* what a block adds, times this */
    float logit_scale;
    float final_softcap; /* of logits; 0: none */
    bool tied;           /* the head is the embedding */
};

/* A family as families/ describes it. Lists end with NULL or {0}; those of names hold only what
 * differs from names.h's defaults. */
struct family {
    const char *const *model_types; /* config.json: model_type */
    const char *const *archs;       /* GGUF: general.architecture */
    const struct config_alias *aliases;
    const struct tensor_name *hf_names, *gguf_names;
    /* Traits are as traits_init made them. Reads both kinds of file: c->gguf tells. */
    void (*read)(struct config *c, struct traits *t);
};

/* The family by its model_type (hf) or architecture name, or an error of one line that lists those
 * that we have. */
int family_find(struct span name, bool hf, const struct family **out, struct err *e);

void traits_init(struct traits *t);

/* Parts of a family's read that most share; names are config.json's (config.h). */
/* n_ctx, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_vocab, attention_scale. What a
 * family sets before the call is the default where the key may be absent: n_ctx, n_embd, n_layer,
 * n_head, n_head_kv, head_dim (0: n_embd / n_head), n_ff (negative: that many times n_embd). */
void read_sizes(struct config *c, struct traits *t);
/* All of t->rope but interleaved, in all spellings: rope_theta with rope_scaling, rope_parameters,
 * GGUF's rope.*. partial: the share of a head that rotates where the file does not say
 * (partial_rotary_factor, rotary_dim). Dynamic scaling stretches n_ctx to twice factor times. */
void read_rope(struct config *c, struct traits *t, double partial);
/* The same of r from one object ("rope_parameters.sliding_attention"); its rope_theta is base where
 * it has none. config.json only. */
void read_rope_object(struct config *c, struct traits *t, struct rope_traits *r, const char *object,
                      double base, double partial);
/* hidden_act (alias it where it is called otherwise); otherwise: where the file says nothing, as
 * GGUF never does. */
void read_activation(struct config *c, struct traits *t, const char *otherwise);
/* norm_eps and the norm's kind. otherwise: the eps where config.json has none; 0: required. */
void read_rms_norm(struct config *c, struct traits *t, double otherwise);   /* rms_norm_eps */
void read_layer_norm(struct config *c, struct traits *t, double otherwise); /* layer_norm_eps */
/* tie_word_embeddings; in GGUF the tensors tell. */
void read_tied(struct config *c, struct traits *t, bool otherwise);
/* window and the layers' LAYER_SLIDING from sliding_window (otherwise where it is absent; 0 or
 * null: none): the layers that layer_types names, else all but the last of every pattern (0: all).
 */
void read_window(struct config *c, struct traits *t, int32_t otherwise, int32_t pattern);
/* The same of all layers, whatever layer_types says: so the reference does it in families whose
 * layers are all alike. */
void read_window_of_all(struct config *c, struct traits *t, int32_t otherwise);
/* The same with the layers from first on. */
void read_window_from(struct config *c, struct traits *t, int32_t otherwise, int32_t first);
/* n_expert, n_expert_used, n_ff_expert, and LAYER_DENSE of mlp_only_layers and decoder_sparse_step.
 */
void read_experts(struct config *c, struct traits *t);
/* Fails if one of the names is there and not zero, null or false: it would change what we compute.
 * NULL ends the list. */
void refuse_features(struct config *c, const char *const *names);

#endif
