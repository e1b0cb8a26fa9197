/* SPDX-License-Identifier: MIT */
/* Phi 1, 1.5 and 2: one layer norm for attention and feed-forward side by side, half of each head
 * rotated, biases everywhere, also on the head. Defaults: transformers' PhiConfig. */
#include "model/families/families.h"

static const struct tensor_name hf_names[] = {
    {PLACE_OUTPUT_NORM, "model.final_layernorm"},
    {PLACE_O, "model.layers.%d.self_attn.dense"},
    {PLACE_Q_NORM, "model.layers.%d.self_attn.q_layernorm"},
    {PLACE_K_NORM, "model.layers.%d.self_attn.k_layernorm"},
    {PLACE_UP, "model.layers.%d.mlp.fc1"},
    {PLACE_DOWN, "model.layers.%d.mlp.fc2"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    t->n_ff = -4;
    read_sizes(c, t);
    t->rope.partial = true;
    read_rope(c, t, 0.5);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "gelu_new");
    read_tied(c, t, false);
    t->gated = false;
    t->parallel = t->parallel_one_norm = true;
    if (config_is_set(c, "qk_layernorm"))
        t->qk_norm = QK_NORM_HEAD;
}

static const char *const types[] = {"phi", NULL};
static const char *const archs[] = {"phi2", NULL};

const struct family family_phi = {
    .model_types = types, .archs = archs, .hf_names = hf_names, .read = read};
