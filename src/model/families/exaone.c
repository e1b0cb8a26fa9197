/* SPDX-License-Identifier: MIT */
/* EXAONE 3 and 3.5: Llama under other names. Defaults: transformers' ExaoneConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"num_hidden_layers", "num_layers", NULL},
    {"rms_norm_eps", "layer_norm_epsilon", NULL},
    {"hidden_act", "activation_function", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "transformer.wte"},
    {PLACE_OUTPUT_NORM, "transformer.ln_f"},
    {PLACE_ATTN_NORM, "transformer.h.%d.ln_1"},
    {PLACE_FFN_NORM, "transformer.h.%d.ln_2"},
    {PLACE_Q, "transformer.h.%d.attn.attention.q_proj"},
    {PLACE_K, "transformer.h.%d.attn.attention.k_proj"},
    {PLACE_V, "transformer.h.%d.attn.attention.v_proj"},
    {PLACE_O, "transformer.h.%d.attn.attention.out_proj"},
    {PLACE_GATE, "transformer.h.%d.mlp.c_fc_0"},
    {PLACE_UP, "transformer.h.%d.mlp.c_fc_1"},
    {PLACE_DOWN, "transformer.h.%d.mlp.c_proj"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 4096;
    t->n_head_kv = c->gguf ? 0 : 8;
    t->rope.base = 500000;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
}

static const char *const types[] = {"exaone", NULL};
static const char *const archs[] = {"exaone", NULL};

const struct family family_exaone = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
