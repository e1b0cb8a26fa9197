/* SPDX-License-Identifier: MIT */
/* Gemma 3, its text: Gemma 2 with norms of each head of queries and keys in place of soft caps, and
 * five layers with a window and a rotation of their own to one that sees all. Defaults:
 * transformers' Gemma3TextConfig. */
#include "model/families/families.h"

#include <math.h>

static const struct config_alias aliases[] = {
    {"hidden_act", "hidden_activation", NULL},
    {"sliding_window_pattern", NULL, "attention.sliding_window_pattern"},
    {"rope_local_base_freq", NULL, "rope.freq_base_swa"},
    {0},
};

static const struct tensor_name hf_names[] = {
    {PLACE_ATTN_POST_NORM, "model.layers.%d.post_attention_layernorm"},
    {PLACE_FFN_NORM, "model.layers.%d.pre_feedforward_layernorm"},
    {PLACE_FFN_POST_NORM, "model.layers.%d.post_feedforward_layernorm"},
    {0},
};

static const char *const not_ours[] = {"use_bidirectional_attention", NULL};

/* Layers with a window rotate by a base of their own. */
static void read_ropes(struct config *c, struct traits *t)
{
    t->rope.base = 1e6;
    read_rope(c, t, 1);
    double base = config_real_or(c, "rope_local_base_freq", 1.0000001, 1e15, 10000);
    if (c->gguf)
        t->rope_local = (struct rope_traits){.n_rot = t->rope.n_rot, .base = base, .factor = 1};
    else
        read_rope_object(c, t, &t->rope_local, "rope_parameters.sliding_attention", base, 1);
    if (t->rope_local.scaling == ROPE_SCALING_DYNAMIC ||
        t->rope_local.scaling == ROPE_SCALING_LONGROPE)
        config_fail(c, ERR_UNSUPPORTED, "rope_parameters.sliding_attention",
                    "depends on the length, expected default, linear, yarn or llama3");
    /* The reference looks for truncate beside the two objects, where no file has it. */
    t->rope.truncate = t->rope_local.truncate = true;
    for (int32_t i = 0; i < t->n_layer; i++)
        if (t->layers[i] & LAYER_SLIDING)
            t->layers[i] |= LAYER_LOCAL_ROPE;
}

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 131072;
    t->n_head = 8; /* the larger ones leave even that out */
    t->n_head_kv = c->gguf ? 0 : 4;
    t->head_dim = c->gguf ? 0 : 256;
    read_sizes(c, t);
    read_rms_norm(c, t, 1e-6);
    t->activation = ACTIVATION_GELU_TANH;
    if (config_has(c,
                   "hidden_activation")) /* hidden_act, which the files have too, means nothing */
        read_activation(c, t, "gelu_pytorch_tanh");
    read_tied(c, t, true);
    bool each = c->gguf && config_count(c, "sliding_window_pattern"); /* read_window reads it */
    read_window(c, t, c->gguf ? 0 : 4096,
                each ? 6 : config_int_or(c, "sliding_window_pattern", 1, TRAITS_LAYERS_MAX, 6));
    read_ropes(c, t);
    t->norm_offset = c->gguf ? 0 : 1;
    t->attn_post_norm = t->ffn_post_norm = true;
    t->qk_norm = QK_NORM_HEAD;
    t->embedding_scale = sqrtf((float)t->n_embd);
    /* attn_logit_softcapping is in the config, but the reference does nothing with it. */
    t->final_softcap = (float)config_real_or(c, "final_logit_softcapping", 0, 1e6, 0);
    /* GGUF has no key for it: 27B, the model of 62 layers, is the one that differs. */
    int32_t of_gguf = t->n_layer == 62 ? t->n_embd / t->n_head : t->head_dim;
    double scalar = c->gguf ? of_gguf : config_real_or(c, "query_pre_attn_scalar", 1e-3, 1e6, 256);
    t->attention_scale = (float)(1 / sqrt(scalar));
    refuse_features(c, not_ours);
}

static const char *const types[] = {"gemma3_text", "gemma3", NULL};
static const char *const archs[] = {"gemma3", NULL};

const struct family family_gemma3 = {
    .model_types = types, .archs = archs, .aliases = aliases, .hf_names = hf_names, .read = read};
