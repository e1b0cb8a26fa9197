/* SPDX-License-Identifier: MIT */
/* Falcon in its three forms: RW (ALiBi, one block after the other), 7B (one key head, blocks side
 * by side after one norm) and the new architecture of 40B, 180B and Falcon 2 (grouped key heads,
 * blocks side by side after a norm each or one for both). Defaults: transformers' FalconConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"hidden_size", "hidden_size", NULL},
    {"hidden_size", "n_embed", NULL},
    {"num_hidden_layers", "num_hidden_layers", NULL},
    {"num_hidden_layers", "n_layer", NULL},
    {"num_attention_heads", "num_attention_heads", NULL},
    {"num_attention_heads", "n_head", NULL},
    {"num_key_value_heads", "num_kv_heads", NULL},
    {"num_key_value_heads", "n_head_kv", NULL},
    {"intermediate_size", "ffn_hidden_size", NULL},
    {"layer_norm_eps", "layer_norm_epsilon", NULL},
    {"hidden_act", "activation", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "transformer.word_embeddings"},
    {PLACE_OUTPUT_NORM, "transformer.ln_f"},
    {PLACE_ATTN_NORM, "transformer.h.%d.ln_attn"},
    {PLACE_ATTN_NORM, "transformer.h.%d.input_layernorm"},
    {PLACE_FFN_NORM, "transformer.h.%d.ln_mlp"},
    {PLACE_FFN_NORM, "transformer.h.%d.post_attention_layernorm"},
    {PLACE_QKV, "transformer.h.%d.self_attention.query_key_value"},
    {PLACE_O, "transformer.h.%d.self_attention.dense"},
    {PLACE_UP, "transformer.h.%d.mlp.dense_h_to_4h"},
    {PLACE_DOWN, "transformer.h.%d.mlp.dense_4h_to_h"},
    {0},
};

/* GGUF's attn_norm is the one before the feed-forward block, and before attention too where there
 * is no other. */
static const struct tensor_name gguf_names[] = {
    {PLACE_ATTN_NORM, "blk.%d.attn_norm_2"},
    {PLACE_ATTN_NORM, "blk.%d.attn_norm"},
    {PLACE_FFN_NORM, "blk.%d.attn_norm"},
    {0},
};

static void read_form(struct config *c, struct traits *t)
{
    bool grouped = config_bool_or(c, "new_decoder_architecture", false);
    t->parallel = config_bool_or(c, "parallel_attn", true);
    t->alibi = config_bool_or(c, "alibi", false);
    int32_t n_norms = config_int_or(c, "num_ln_in_parallel_attn", 1, 2, grouped ? 2 : 1);
    t->parallel_one_norm = t->parallel && !(grouped && n_norms == 2);
    if (!grouped)
        t->n_head_kv = config_bool_or(c, "multi_query", true) ? 1 : t->n_head;
    else if (!t->parallel)
        config_fail(c, ERR_UNSUPPORTED, "parallel_attn",
                    "is false, expected true with new_decoder_architecture");
}

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    t->n_ff = -4;
    t->parallel = true;
    read_sizes(c, t);
    if (!c->gguf)
        read_form(c, t);
    if (!t->alibi)
        read_rope(c, t, 1);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "gelu");
    read_tied(c, t, true);
    t->gated = false;
    t->fused_qkv = true;
    t->qkv_order = QKV_GROUPS;
    t->alibi_scale = t->attention_scale; /* before the softmax both are divided */
    t->alibi_bf16 = true;
}

static const char *const types[] = {"falcon", NULL};
static const char *const archs[] = {"falcon", NULL};

const struct family family_falcon = {.model_types = types,
                                     .archs = archs,
                                     .aliases = aliases,
                                     .hf_names = hf_names,
                                     .gguf_names = gguf_names,
                                     .read = read};
