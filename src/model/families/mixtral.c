/* SPDX-License-Identifier: MIT */
/* Mixtral: Mistral with a mixture of experts in every layer, of which a token takes two, their
 * weights made to add up to 1. In GGUF these are llama files. Defaults: transformers'
 * MixtralConfig.
 */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"num_experts", "num_local_experts", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_ROUTER, "model.layers.%d.block_sparse_moe.gate"},
    {PLACE_ROUTER, "model.layers.%d.mlp.gate"}, /* with the experts' matrices in one */
    {PLACE_EXPERT_GATE, "model.layers.%d.block_sparse_moe.experts.%d.w1"},
    {PLACE_EXPERT_UP, "model.layers.%d.block_sparse_moe.experts.%d.w3"},
    {PLACE_EXPERT_DOWN, "model.layers.%d.block_sparse_moe.experts.%d.w2"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 131072;
    t->n_head_kv = 8;
    t->n_expert = 8;
    t->n_expert_used = 2;
    t->rope.base = 1e6;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    read_window_of_all(c, t, 0);
    read_experts(c, t);
    t->expert_norm = true;
}

static const char *const types[] = {"mixtral", NULL};

const struct family family_mixtral = {
    .model_types = types, .aliases = aliases, .hf_names = hf_names, .read = read};
