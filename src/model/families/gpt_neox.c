/* SPDX-License-Identifier: MIT */
/* GPT-NeoX and Pythia: attention and feed-forward side by side, each with its own layer norm, a
 * part of each head rotated, each head's query, key and value together in one matrix. Defaults:
 * transformers' GPTNeoXConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"rope_theta", "rotary_emb_base", NULL},
    {"partial_rotary_factor", "rotary_pct", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "gpt_neox.embed_in"},
    {PLACE_OUTPUT_NORM, "gpt_neox.final_layer_norm"},
    {PLACE_HEAD, "embed_out"},
    {PLACE_HEAD, "lm_head"}, /* where transformers 5 writes it so */
    {PLACE_ATTN_NORM, "gpt_neox.layers.%d.input_layernorm"},
    {PLACE_FFN_NORM, "gpt_neox.layers.%d.post_attention_layernorm"},
    {PLACE_QKV, "gpt_neox.layers.%d.attention.query_key_value"},
    {PLACE_O, "gpt_neox.layers.%d.attention.dense"},
    {PLACE_UP, "gpt_neox.layers.%d.mlp.dense_h_to_4h"},
    {PLACE_DOWN, "gpt_neox.layers.%d.mlp.dense_4h_to_h"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    read_sizes(c, t);
    t->rope.partial = true;
    read_rope(c, t, 0.25);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "gelu");
    read_tied(c, t, false);
    t->gated = false;
    t->fused_qkv = true;
    t->qkv_order = QKV_GROUPS;
    t->parallel = config_bool_or(c, "use_parallel_residual", true);
}

static const char *const types[] = {"gpt_neox", NULL};
static const char *const archs[] = {"gptneox", NULL};

const struct family family_gpt_neox = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
