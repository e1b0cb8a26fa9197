/* SPDX-License-Identifier: MIT */
/* GPT-2: learned positions, layer norms, one fused matrix for queries, keys and values.
 * config.json's files have the layers' matrices as [in][out]. Defaults: transformers' GPT2Config.
 */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"max_position_embeddings", "n_positions", NULL},
    {"hidden_size", "n_embd", NULL},
    {"num_hidden_layers", "n_layer", NULL},
    {"num_attention_heads", "n_head", NULL},
    {"intermediate_size", "n_inner", NULL},
    {"layer_norm_eps", "layer_norm_epsilon", NULL},
    {"hidden_act", "activation_function", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "transformer.wte"},        {PLACE_POSITIONS, "transformer.wpe"},
    {PLACE_OUTPUT_NORM, "transformer.ln_f"},     {PLACE_ATTN_NORM, "transformer.h.%d.ln_1"},
    {PLACE_FFN_NORM, "transformer.h.%d.ln_2"},   {PLACE_QKV, "transformer.h.%d.attn.c_attn"},
    {PLACE_O, "transformer.h.%d.attn.c_proj"},   {PLACE_UP, "transformer.h.%d.mlp.c_fc"},
    {PLACE_DOWN, "transformer.h.%d.mlp.c_proj"}, {0},
};

static const char *const not_ours[] = {"add_cross_attention", NULL};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 1024;
    t->n_ff = -4;
    read_sizes(c, t);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "gelu_new");
    read_tied(c, t, true);
    t->gated = false;
    t->fused_qkv = true;
    t->transposed = !c->gguf;
    t->positions = true;
    if (!config_bool_or(c, "scale_attn_weights", true))
        t->attention_scale = 1;
    t->attention_scale_by_layer = config_bool_or(c, "scale_attn_by_inverse_layer_idx", false);
    refuse_features(c, not_ours);
}

static const char *const types[] = {"gpt2", NULL};
static const char *const archs[] = {"gpt2", NULL};

const struct family family_gpt2 = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
