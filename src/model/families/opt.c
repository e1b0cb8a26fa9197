/* SPDX-License-Identifier: MIT */
/* OPT: learned positions that begin at row 2, ReLU. 350M norms after its blocks, and not at the
 * end, and its tokens' vectors are shorter than its layers'. Defaults: transformers' OPTConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"intermediate_size", "ffn_dim", NULL},
    {"hidden_act", "activation_function", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "model.decoder.embed_tokens"},
    {PLACE_POSITIONS, "model.decoder.embed_positions"},
    {PLACE_EMBEDDING_IN, "model.decoder.project_in"},
    {PLACE_HEAD_IN, "model.decoder.project_out"},
    {PLACE_OUTPUT_NORM, "model.decoder.final_layer_norm"},
    {PLACE_ATTN_NORM, "model.decoder.layers.%d.self_attn_layer_norm"},
    {PLACE_FFN_NORM, "model.decoder.layers.%d.final_layer_norm"},
    {PLACE_Q, "model.decoder.layers.%d.self_attn.q_proj"},
    {PLACE_K, "model.decoder.layers.%d.self_attn.k_proj"},
    {PLACE_V, "model.decoder.layers.%d.self_attn.v_proj"},
    {PLACE_O, "model.decoder.layers.%d.self_attn.out_proj"},
    {PLACE_UP, "model.decoder.layers.%d.fc1"},
    {PLACE_DOWN, "model.decoder.layers.%d.fc2"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    read_sizes(c, t);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "relu");
    read_tied(c, t, true);
    t->gated = false;
    t->positions = true;
    t->positions_from = 2;
    t->norm_before = config_bool_or(c, "do_layer_norm_before", true);
    t->norm_after = !t->norm_before;
    t->output_norm = t->norm_before && !config_bool_or(c, "_remove_final_layer_norm", false);
    t->norm_plain = !config_bool_or(c, "layer_norm_elementwise_affine", true);
    t->n_embd_token = config_int_or(c, "word_embed_proj_dim", 1, 1 << 20, t->n_embd);
    if (t->n_embd_token == t->n_embd)
        t->n_embd_token = 0;
}

static const char *const types[] = {"opt", NULL};

const struct family family_opt = {
    .model_types = types, .aliases = aliases, .hf_names = hf_names, .read = read};
