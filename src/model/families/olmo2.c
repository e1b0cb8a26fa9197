/* SPDX-License-Identifier: MIT */
/* OLMo 2: Llama that norms what its blocks give, not what they take, and all of the query and the
 * key at once. Defaults: transformers' Olmo2Config. */
#include "model/families/families.h"

static const struct tensor_name hf_names[] = {
    {PLACE_ATTN_POST_NORM, "model.layers.%d.post_attention_layernorm"},
    {PLACE_FFN_POST_NORM, "model.layers.%d.post_feedforward_layernorm"},
    {0},
};

/* In GGUF, OLMo 3 goes by the same name. */
static const char *const not_ours[] = {"attention.sliding_window", NULL};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->norm_before = false;
    t->attn_post_norm = t->ffn_post_norm = true;
    t->qk_norm = QK_NORM_ROW;
    refuse_features(c, not_ours);
}

static const char *const types[] = {"olmo2", NULL};
static const char *const archs[] = {"olmo2", NULL};

const struct family family_olmo2 = {
    .model_types = types, .archs = archs, .hf_names = hf_names, .read = read};
