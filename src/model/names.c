/* SPDX-License-Identifier: MIT */
/* What most files call their tensors: config.json's world after Llama, GGUF after the list in
 * gguf-py's constants (ggml docs/gguf.md). */
#include "model/names.h"

static const char *const hf_defaults[PLACES] = {
    [PLACE_EMBEDDING] = "model.embed_tokens",
    [PLACE_OUTPUT_NORM] = "model.norm",
    [PLACE_HEAD] = "lm_head",
    [PLACE_ATTN_NORM] = "model.layers.%d.input_layernorm",
    [PLACE_FFN_NORM] = "model.layers.%d.post_attention_layernorm",
    [PLACE_QKV] = "model.layers.%d.self_attn.qkv_proj",
    [PLACE_Q] = "model.layers.%d.self_attn.q_proj",
    [PLACE_K] = "model.layers.%d.self_attn.k_proj",
    [PLACE_V] = "model.layers.%d.self_attn.v_proj",
    [PLACE_O] = "model.layers.%d.self_attn.o_proj",
    [PLACE_Q_NORM] = "model.layers.%d.self_attn.q_norm",
    [PLACE_K_NORM] = "model.layers.%d.self_attn.k_norm",
    [PLACE_GATE_UP] = "model.layers.%d.mlp.gate_up_proj",
    [PLACE_GATE] = "model.layers.%d.mlp.gate_proj",
    [PLACE_UP] = "model.layers.%d.mlp.up_proj",
    [PLACE_DOWN] = "model.layers.%d.mlp.down_proj",
    [PLACE_ROUTER] = "model.layers.%d.mlp.gate",
    [PLACE_EXPERTS_GATE_UP] = "model.layers.%d.mlp.experts.gate_up_proj",
    [PLACE_EXPERTS_DOWN] = "model.layers.%d.mlp.experts.down_proj",
    [PLACE_EXPERT_GATE] = "model.layers.%d.mlp.experts.%d.gate_proj",
    [PLACE_EXPERT_UP] = "model.layers.%d.mlp.experts.%d.up_proj",
    [PLACE_EXPERT_DOWN] = "model.layers.%d.mlp.experts.%d.down_proj",
    [PLACE_SHARED_ROUTER] = "model.layers.%d.mlp.shared_expert_gate",
    [PLACE_SHARED_GATE] = "model.layers.%d.mlp.shared_expert.gate_proj",
    [PLACE_SHARED_UP] = "model.layers.%d.mlp.shared_expert.up_proj",
    [PLACE_SHARED_DOWN] = "model.layers.%d.mlp.shared_expert.down_proj",
};

static const char *const gguf_defaults[PLACES] = {
    [PLACE_EMBEDDING] = "token_embd",
    [PLACE_POSITIONS] = "position_embd",
    [PLACE_EMBEDDING_NORM] = "token_embd_norm",
    [PLACE_OUTPUT_NORM] = "output_norm",
    [PLACE_HEAD] = "output",
    [PLACE_ROPE_DIVISORS] = "rope_freqs",
    [PLACE_ROPE_LONG] = "rope_factors_long",
    [PLACE_ROPE_SHORT] = "rope_factors_short",
    [PLACE_ATTN_NORM] = "blk.%d.attn_norm",
    [PLACE_ATTN_POST_NORM] = "blk.%d.post_attention_norm",
    [PLACE_FFN_NORM] = "blk.%d.ffn_norm",
    [PLACE_FFN_POST_NORM] = "blk.%d.post_ffw_norm",
    [PLACE_QKV] = "blk.%d.attn_qkv",
    [PLACE_Q] = "blk.%d.attn_q",
    [PLACE_K] = "blk.%d.attn_k",
    [PLACE_V] = "blk.%d.attn_v",
    [PLACE_O] = "blk.%d.attn_output",
    [PLACE_Q_NORM] = "blk.%d.attn_q_norm",
    [PLACE_K_NORM] = "blk.%d.attn_k_norm",
    [PLACE_GATE] = "blk.%d.ffn_gate",
    [PLACE_UP] = "blk.%d.ffn_up",
    [PLACE_DOWN] = "blk.%d.ffn_down",
    [PLACE_ROUTER] = "blk.%d.ffn_gate_inp",
    [PLACE_EXPERT_GATE] = "blk.%d.ffn_gate_exps",
    [PLACE_EXPERT_UP] = "blk.%d.ffn_up_exps",
    [PLACE_EXPERT_DOWN] = "blk.%d.ffn_down_exps",
    [PLACE_SHARED_ROUTER] = "blk.%d.ffn_gate_inp_shexp",
    [PLACE_SHARED_GATE] = "blk.%d.ffn_gate_shexp",
    [PLACE_SHARED_UP] = "blk.%d.ffn_up_shexp",
    [PLACE_SHARED_DOWN] = "blk.%d.ffn_down_shexp",
};

const char *place_alternative(const struct tensor_name *family, enum place place, size_t nth)
{
    for (; family && family->place; family++)
        if (family->place == place && nth-- == 0)
            return family->pattern;
    return NULL;
}

const char *place_pattern(const struct tensor_name *family, bool hf, enum place place)
{
    const char *own = place_alternative(family, place, 0);
    return own ? own : hf ? hf_defaults[place] : gguf_defaults[place];
}
