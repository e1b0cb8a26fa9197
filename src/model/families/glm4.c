/* SPDX-License-Identifier: MIT */
/* GLM 4 (0414): Llama with norms after the blocks too, half of each head rotated, neighbours
 * together, gate and up in one matrix. Defaults: transformers' Glm4Config. */
#include "model/families/families.h"

static const struct tensor_name hf_names[] = {
    {PLACE_ATTN_POST_NORM, "model.layers.%d.post_self_attn_layernorm"},
    {PLACE_FFN_POST_NORM, "model.layers.%d.post_mlp_layernorm"},
    {0},
};

static const struct tensor_name gguf_names[] = {
    {PLACE_GATE_UP, "blk.%d.ffn_up"},
    {0},
};

static const char *const not_ours[] = {"rope.dimension_sections", "nextn_predict_layers", NULL};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 131072;
    t->n_head_kv = c->gguf ? 0 : 2;
    t->head_dim = c->gguf ? 0 : 128;
    read_sizes(c, t);
    t->rope.partial = true;
    read_rope(c, t, 0.5);
    t->rope.interleaved = true;
    read_rms_norm(c, t, 1.5625e-7);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->attn_post_norm = t->ffn_post_norm = true;
    t->fused_gate_up = true;
    refuse_features(c, not_ours);
}

static const char *const types[] = {"glm4", NULL};
static const char *const archs[] = {"glm4", NULL};

const struct family family_glm4 = {.model_types = types,
                                   .archs = archs,
                                   .hf_names = hf_names,
                                   .gguf_names = gguf_names,
                                   .read = read};
