/* SPDX-License-Identifier: MIT */
/* Gemma 2: Gemma with norms after the blocks too, soft caps of scores and logits, and a sliding
 * window in every other layer. Defaults: transformers' Gemma2Config. */
#include "model/families/families.h"

#include <math.h>

static const struct config_alias aliases[] = {
    {"hidden_act", "hidden_activation", NULL},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_ATTN_POST_NORM, "model.layers.%d.post_attention_layernorm"},
    {PLACE_FFN_NORM, "model.layers.%d.pre_feedforward_layernorm"},
    {PLACE_FFN_POST_NORM, "model.layers.%d.post_feedforward_layernorm"},
    {0},
};

static const char *const not_ours[] = {"use_bidirectional_attention", NULL};

/* config.json may switch a cap off with null. */
static float softcap(struct config *c, const char *name, double otherwise)
{
    return config_is_null(c, name) ? 0 : (float)config_real_or(c, name, 0, 1e6, otherwise);
}

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 8192;
    t->n_head_kv = c->gguf ? 0 : 4;
    t->head_dim = c->gguf ? 0 : 256;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    t->activation = ACTIVATION_GELU_TANH;
    if (config_has(c,
                   "hidden_activation")) /* hidden_act, which the files have too, means nothing */
        read_activation(c, t, "gelu_pytorch_tanh");
    read_tied(c, t, true);
    read_window(c, t, 4096, 2);
    t->norm_offset = c->gguf ? 0 : 1;
    t->attn_post_norm = t->ffn_post_norm = true;
    t->embedding_scale = sqrtf((float)t->n_embd);
    t->attention_softcap = softcap(c, "attn_logit_softcapping", 50);
    t->final_softcap = softcap(c, "final_logit_softcapping", 30);
    /* GGUF has no key for it: 27B, the model of 46 layers, is the one that differs. */
    int32_t of_gguf = t->n_layer == 46 ? t->n_embd / t->n_head : t->head_dim;
    double scalar = c->gguf ? of_gguf : config_real_or(c, "query_pre_attn_scalar", 1e-3, 1e6, 256);
    t->attention_scale = (float)(1 / sqrt(scalar));
    refuse_features(c, not_ours);
}

static const char *const types[] = {"gemma2", NULL};
static const char *const archs[] = {"gemma2", NULL};

const struct family family_gemma2 = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
