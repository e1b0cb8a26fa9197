/* SPDX-License-Identifier: MIT */
/* Qwen 1.5 and 2 with a mixture of experts beside one that every token takes. Defaults:
 * transformers' Qwen2MoeConfig. */
#include "model/families/families.h"

/* Every other layer of the first max_window_layers, unless layer_types says which. */
static void read_windows(struct config *c, struct traits *t)
{
    bool each = config_count(c, "layer_types") > 0;
    int32_t until = config_int_or(c, "max_window_layers", 0, INT32_MAX, 28);
    read_window(c, t, 4096, 2);
    for (int32_t i = until; i < t->n_layer && !each; i++)
        t->layers[i] &= (uint8_t)~LAYER_SLIDING;
}

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 32768;
    t->n_head_kv = c->gguf ? 0 : 16;
    t->n_expert = 60;
    t->n_expert_used = 4;
    t->n_ff_expert = c->gguf ? 0 : 1408;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    if (config_is_set(c, "use_sliding_window"))
        read_windows(c, t);
    read_experts(c, t);
    if (c->gguf && !config_has(c, "moe_intermediate_size"))
        t->n_ff_expert = t->n_ff / t->n_expert_used;
    t->n_ff_shared =
        config_int_or(c, "shared_expert_intermediate_size", 1, 1 << 22, c->gguf ? t->n_ff : 5632);
    t->shared_gated = true;
    t->expert_norm = config_bool_or(c, "norm_topk_prob", false);
}

static const char *const types[] = {"qwen2_moe", NULL};
static const char *const archs[] = {"qwen2moe", NULL};

const struct family family_qwen2_moe = {.model_types = types, .archs = archs, .read = read};
