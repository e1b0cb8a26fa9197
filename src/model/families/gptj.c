/* SPDX-License-Identifier: MIT */
/* GPT-J: one layer norm for attention and feed-forward side by side, rotation of neighbours, a bias
 * on the head. Defaults: transformers' GPTJConfig. */
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
    {PLACE_EMBEDDING, "transformer.wte"},        {PLACE_OUTPUT_NORM, "transformer.ln_f"},
    {PLACE_ATTN_NORM, "transformer.h.%d.ln_1"},  {PLACE_Q, "transformer.h.%d.attn.q_proj"},
    {PLACE_K, "transformer.h.%d.attn.k_proj"},   {PLACE_V, "transformer.h.%d.attn.v_proj"},
    {PLACE_O, "transformer.h.%d.attn.out_proj"}, {PLACE_UP, "transformer.h.%d.mlp.fc_in"},
    {PLACE_DOWN, "transformer.h.%d.mlp.fc_out"}, {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    t->n_ff = -4;
    read_sizes(c, t);
    read_rope(c, t, t->head_dim > 0 ? 64.0 / t->head_dim : 0); /* rotary_dim's default is 64 */
    t->rope.interleaved = true;
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "gelu_new");
    read_tied(c, t, false);
    t->gated = false;
    t->parallel = t->parallel_one_norm = true;
}

static const char *const types[] = {"gptj", NULL};
static const char *const archs[] = {"gptj", NULL};

const struct family family_gptj = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
