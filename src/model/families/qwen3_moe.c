/* SPDX-License-Identifier: MIT */
/* Qwen 3 with a mixture of experts. Defaults: transformers' Qwen3MoeConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"num_experts", "num_local_experts", NULL}, /* as transformers 5 writes it */
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 32768;
    t->n_head_kv = c->gguf ? 0 : 4;
    t->n_expert = 128;
    t->n_expert_used = 8;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->qk_norm = QK_NORM_HEAD;
    if (config_is_set(c, "use_sliding_window"))
        read_window_of_all(c, t, 4096);
    t->n_ff_expert = c->gguf ? 0 : 768;
    read_experts(c, t);
    t->expert_norm = config_bool_or(c, "norm_topk_prob", c->gguf != NULL); /* all published do */
}

static const char *const types[] = {"qwen3_moe", NULL};
static const char *const archs[] = {"qwen3moe", NULL};

const struct family family_qwen3_moe = {
    .model_types = types, .archs = archs, .aliases = aliases, .read = read};
