/* SPDX-License-Identifier: MIT */
/* BLOOM: ALiBi, a norm of the embedding, each head's query, key and value together in one matrix.
 * Defaults: transformers' BloomConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"max_position_embeddings", "seq_length", NULL},
    {"hidden_size", "hidden_size", NULL},
    {"hidden_size", "n_embed", NULL},
    {"num_hidden_layers", "n_layer", NULL},
    {"num_attention_heads", "n_head", NULL},
    {"layer_norm_eps", "layer_norm_epsilon", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "transformer.word_embeddings"},
    {PLACE_EMBEDDING_NORM, "transformer.word_embeddings_layernorm"},
    {PLACE_OUTPUT_NORM, "transformer.ln_f"},
    {PLACE_ATTN_NORM, "transformer.h.%d.input_layernorm"},
    {PLACE_FFN_NORM, "transformer.h.%d.post_attention_layernorm"},
    {PLACE_QKV, "transformer.h.%d.self_attention.query_key_value"},
    {PLACE_O, "transformer.h.%d.self_attention.dense"},
    {PLACE_UP, "transformer.h.%d.mlp.dense_h_to_4h"},
    {PLACE_DOWN, "transformer.h.%d.mlp.dense_4h_to_h"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048; /* ALiBi goes on beyond */
    t->n_embd = 64;
    t->n_layer = 2;
    t->n_head = 8;
    t->n_ff = -4;
    read_sizes(c, t);
    read_layer_norm(c, t, 1e-5);
    t->activation = ACTIVATION_GELU_TANH;
    read_tied(c, t, true);
    t->gated = false;
    t->fused_qkv = true;
    t->qkv_order = QKV_GROUPS;
    t->alibi = true;
    t->embedding_norm = true;
    if (config_is_set(c, "slow_but_exact") &&
        config_int_or(c, "pretraining_tp", 1, INT32_MAX, 1) > 1)
        config_fail(c, ERR_UNSUPPORTED, "slow_but_exact",
                    "is set with pretraining_tp over 1, and sums in that order are not supported");
    t->residual_normed = config_bool_or(c, "apply_residual_connection_post_layernorm", false);
}

static const char *const types[] = {"bloom", NULL};
static const char *const archs[] = {"bloom", NULL};

const struct family family_bloom = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
