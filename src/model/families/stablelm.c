/* SPDX-License-Identifier: MIT */
/* StableLM 3B, 2 1.6B and Zephyr: Llama with layer norms and a quarter of each head rotated; 12B:
 * also a norm of its own for each head, attention and feed-forward side by side. Defaults:
 * transformers' StableLmConfig. */
#include "model/families/families.h"

static const struct tensor_name hf_names[] = {
    {PLACE_Q_NORM, "model.layers.%d.self_attn.q_layernorm.norms.%d"},
    {PLACE_K_NORM, "model.layers.%d.self_attn.k_layernorm.norms.%d"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 4096;
    t->n_head_kv = c->gguf ? 0 : 32;
    read_sizes(c, t);
    t->rope.partial = true;
    read_rope(c, t, 0.25);
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->parallel = t->parallel_one_norm = config_bool_or(c, "use_parallel_residual", false);
    /* GGUF has no key for it. */
    if (c->gguf ? gguf_tensor(c->gguf, "blk.0.attn_q_norm.weight") != NULL
                : config_is_set(c, "qk_layernorm"))
        t->qk_norm = QK_NORM_HEADS;
}

static const char *const types[] = {"stablelm", NULL};
static const char *const archs[] = {"stablelm", NULL};

const struct family family_stablelm = {
    .model_types = types, .archs = archs, .hf_names = hf_names, .read = read};
