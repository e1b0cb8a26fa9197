/* SPDX-License-Identifier: MIT */
/* MPT: ALiBi, layer norms without bias, a feed-forward block four times as wide. transformers
 * computes with the largest bias 8 and the ratio 4 whatever the config says; files with others
 * can't be loaded there. Defaults: transformers' MptConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"max_position_embeddings", "max_seq_len", NULL},
    {"hidden_size", "d_model", NULL},
    {"num_hidden_layers", "n_layers", NULL},
    {"num_attention_heads", "n_heads", NULL},
    {"layer_norm_eps", "layer_norm_epsilon", NULL},
    {"clip_qkv", "attn_config.clip_qkv", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "transformer.wte"},
    {PLACE_OUTPUT_NORM, "transformer.norm_f"},
    {PLACE_ATTN_NORM, "transformer.blocks.%d.norm_1"},
    {PLACE_FFN_NORM, "transformer.blocks.%d.norm_2"},
    {PLACE_QKV, "transformer.blocks.%d.attn.Wqkv"},
    {PLACE_O, "transformer.blocks.%d.attn.out_proj"},
    {PLACE_UP, "transformer.blocks.%d.ffn.up_proj"},
    {PLACE_DOWN, "transformer.blocks.%d.ffn.down_proj"},
    {0},
};

static const char *const not_ours[] = {"attn_config.qk_ln", "attn_config.prefix_lm", "logit_scale",
                                       NULL};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    t->n_ff = -4;
    read_sizes(c, t);
    read_layer_norm(c, t, 1e-5);
    t->activation = ACTIVATION_GELU_ERF;
    read_tied(c, t, true);
    t->gated = false;
    t->fused_qkv = true;
    t->clip_qkv = (float)config_real_or(c, "clip_qkv", 0, 1e6, 0);
    t->attention_scale =
        (float)config_real_or(c, "attn_config.softmax_scale", 0, 1e6, (double)t->attention_scale);
    if (c->gguf)
        t->alibi_max = (float)config_real_or(c, "alibi_bias_max", 0, 1e3, 0);
    t->alibi = t->alibi_max > 0;
    t->positions = c->gguf && gguf_tensor(c->gguf, "position_embd.weight") != NULL;
    if (!config_bool_or(c, "attn_config.alibi", true))
        config_fail(c, ERR_UNSUPPORTED, "attn_config.alibi", "is false, expected true");
    refuse_features(c, not_ours);
}

static const char *const types[] = {"mpt", NULL};
static const char *const archs[] = {"mpt", NULL};

const struct family family_mpt = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
