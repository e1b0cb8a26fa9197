/* SPDX-License-Identifier: MIT */
/* StarCoder 2: layer norms, biases, no gate, a sliding window. Defaults: transformers'
 * Starcoder2Config. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"layer_norm_eps", "norm_epsilon", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_UP, "model.layers.%d.mlp.c_fc"},
    {PLACE_DOWN, "model.layers.%d.mlp.c_proj"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 4096;
    t->n_head_kv = c->gguf ? 0 : 2;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "gelu_pytorch_tanh");
    read_tied(c, t, true);
    read_window_of_all(c, t, 0);
    t->gated = false;
}

static const char *const types[] = {"starcoder2", NULL};
static const char *const archs[] = {"starcoder2", NULL};

const struct family family_starcoder2 = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
