/* SPDX-License-Identifier: MIT */
/* One table for all families: a row is there if the shape has what the row needs. Names: gguf-py's
 * constants (ggml docs/gguf.md) and the classes of transformers. */
#include "lab/synth_tensors.h"

#include <stdio.h>

enum length { L_NONE, L_EMBD, L_Q, L_KV, L_QKV, L_FF, L_FF2, L_HEAD, L_VOCAB, L_ROTATED };

struct row {
    const char *gguf, *hf; /* %d: the layer */
    unsigned needs, lacks; /* of enum shape_part */
    enum length columns, rows;
    enum synth_filling filling;
    enum mix_role role;
};

#define NORM  SYNTH_NORM, MIX_OTHER
#define BIAS  SYNTH_BIAS, MIX_OTHER
#define OTHER SYNTH_MATRIX, MIX_OTHER

/* clang-format off */
static const struct row before[] = {
    {"token_embd.weight", "model.embed_tokens.weight", 0, 0, L_EMBD, L_VOCAB, SYNTH_MATRIX, MIX_EMBEDDING},
    {"rope_factors_long.weight", NULL, SHAPE_LONGROPE, 0, L_ROTATED, L_NONE, SYNTH_LONG_FACTORS, MIX_OTHER},
    {"rope_factors_short.weight", NULL, SHAPE_LONGROPE, 0, L_ROTATED, L_NONE, SYNTH_SHORT_FACTORS, MIX_OTHER},
    {"rope_freqs.weight", NULL, SHAPE_LLAMA3_ROPE, 0, L_ROTATED, L_NONE, SYNTH_LLAMA3_DIVISORS, MIX_OTHER},
};

static const struct row layer[] = {
    {"blk.%d.attn_norm.weight", "model.layers.%d.input_layernorm.weight", 0, 0, L_EMBD, L_NONE, NORM},
    {"blk.%d.attn_norm.bias", "model.layers.%d.input_layernorm.bias", SHAPE_LAYER_NORM, 0, L_EMBD, L_NONE, BIAS},
    {"blk.%d.attn_qkv.weight", "model.layers.%d.self_attn.qkv_proj.weight", SHAPE_FUSED, 0, L_EMBD, L_QKV, SYNTH_MATRIX, MIX_VALUES},
    {"blk.%d.attn_q.weight", "model.layers.%d.self_attn.q_proj.weight", 0, SHAPE_FUSED, L_EMBD, L_Q, OTHER},
    {"blk.%d.attn_q.bias", "model.layers.%d.self_attn.q_proj.bias", SHAPE_QKV_BIAS, 0, L_Q, L_NONE, BIAS},
    {"blk.%d.attn_k.weight", "model.layers.%d.self_attn.k_proj.weight", 0, SHAPE_FUSED, L_EMBD, L_KV, OTHER},
    {"blk.%d.attn_k.bias", "model.layers.%d.self_attn.k_proj.bias", SHAPE_QKV_BIAS, 0, L_KV, L_NONE, BIAS},
    {"blk.%d.attn_v.weight", "model.layers.%d.self_attn.v_proj.weight", 0, SHAPE_FUSED, L_EMBD, L_KV, SYNTH_MATRIX, MIX_VALUES},
    {"blk.%d.attn_v.bias", "model.layers.%d.self_attn.v_proj.bias", SHAPE_QKV_BIAS, 0, L_KV, L_NONE, BIAS},
    {"blk.%d.attn_q_norm.weight", "model.layers.%d.self_attn.q_norm.weight", SHAPE_QK_NORM, 0, L_HEAD, L_NONE, NORM},
    {"blk.%d.attn_k_norm.weight", "model.layers.%d.self_attn.k_norm.weight", SHAPE_QK_NORM, 0, L_HEAD, L_NONE, NORM},
    {"blk.%d.attn_output.weight", "model.layers.%d.self_attn.o_proj.weight", 0, SHAPE_BIASES, L_Q, L_EMBD, OTHER},
    {"blk.%d.attn_output.weight", "model.layers.%d.self_attn.dense.weight", SHAPE_BIASES, 0, L_Q, L_EMBD, OTHER},
    {"blk.%d.attn_output.bias", "model.layers.%d.self_attn.dense.bias", SHAPE_BIASES, 0, L_EMBD, L_NONE, BIAS},
    {"blk.%d.post_attention_norm.weight", "model.layers.%d.post_attention_layernorm.weight", SHAPE_POST_NORMS, 0, L_EMBD, L_NONE, NORM},
    {"blk.%d.ffn_norm.weight", "model.layers.%d.pre_feedforward_layernorm.weight", SHAPE_POST_NORMS, 0, L_EMBD, L_NONE, NORM},
    {"blk.%d.ffn_norm.weight", "model.layers.%d.post_attention_layernorm.weight", 0, SHAPE_POST_NORMS | SHAPE_PARALLEL, L_EMBD, L_NONE, NORM},
    {"blk.%d.ffn_norm.bias", "model.layers.%d.post_attention_layernorm.bias", SHAPE_LAYER_NORM, SHAPE_PARALLEL, L_EMBD, L_NONE, BIAS},
    {"blk.%d.ffn_up.weight", "model.layers.%d.mlp.gate_up_proj.weight", SHAPE_FUSED, 0, L_EMBD, L_FF2, OTHER},
    {"blk.%d.ffn_gate.weight", "model.layers.%d.mlp.gate_proj.weight", 0, SHAPE_FUSED | SHAPE_UNGATED, L_EMBD, L_FF, OTHER},
    {"blk.%d.ffn_up.weight", "model.layers.%d.mlp.up_proj.weight", 0, SHAPE_FUSED | SHAPE_UNGATED, L_EMBD, L_FF, OTHER},
    {"blk.%d.ffn_up.weight", "model.layers.%d.mlp.fc1.weight", SHAPE_UNGATED, 0, L_EMBD, L_FF, OTHER},
    {"blk.%d.ffn_up.bias", "model.layers.%d.mlp.fc1.bias", SHAPE_UNGATED, 0, L_FF, L_NONE, BIAS},
    {"blk.%d.ffn_down.weight", "model.layers.%d.mlp.down_proj.weight", 0, SHAPE_UNGATED, L_FF, L_EMBD, SYNTH_MATRIX, MIX_DOWN},
    {"blk.%d.ffn_down.weight", "model.layers.%d.mlp.fc2.weight", SHAPE_UNGATED, 0, L_FF, L_EMBD, SYNTH_MATRIX, MIX_DOWN},
    {"blk.%d.ffn_down.bias", "model.layers.%d.mlp.fc2.bias", SHAPE_UNGATED, 0, L_EMBD, L_NONE, BIAS},
    {"blk.%d.post_ffw_norm.weight", "model.layers.%d.post_feedforward_layernorm.weight", SHAPE_POST_NORMS, 0, L_EMBD, L_NONE, NORM},
};

static const struct row after[] = {
    {"output_norm.weight", "model.norm.weight", 0, SHAPE_BIASES, L_EMBD, L_NONE, NORM},
    {"output_norm.bias", "model.norm.bias", SHAPE_LAYER_NORM, SHAPE_BIASES, L_EMBD, L_NONE, BIAS},
    {"output_norm.weight", "model.final_layernorm.weight", SHAPE_BIASES, 0, L_EMBD, L_NONE, NORM},
    {"output_norm.bias", "model.final_layernorm.bias", SHAPE_BIASES, 0, L_EMBD, L_NONE, BIAS},
    {"output.weight", "lm_head.weight", 0, SHAPE_TIED, L_EMBD, L_VOCAB, SYNTH_MATRIX, MIX_HEAD},
    {"output.bias", "lm_head.bias", SHAPE_BIASES, 0, L_VOCAB, L_NONE, BIAS},
};
/* clang-format on */

static uint64_t length_of(const struct synth_shape *s, enum length l)
{
    uint64_t q = (uint64_t)s->n_head * (uint64_t)s->head_dim;
    uint64_t kv = (uint64_t)s->n_head_kv * (uint64_t)s->head_dim;
    switch (l) {
    case L_NONE:
        return 1;
    case L_EMBD:
        return (uint64_t)s->n_embd;
    case L_Q:
        return q;
    case L_KV:
        return kv;
    case L_QKV:
        return q + 2 * kv;
    case L_FF:
        return (uint64_t)s->n_ff;
    case L_FF2:
        return 2 * (uint64_t)s->n_ff;
    case L_HEAD:
        return (uint64_t)s->head_dim;
    case L_VOCAB:
        return (uint64_t)s->n_vocab;
    case L_ROTATED:
        return (uint64_t)s->n_rot / 2;
    }
    return 0;
}

/* Biases of everything are those of queries, keys and values too. */
static unsigned parts_of(const struct synth_shape *s)
{
    return s->parts | (shape_has(s, SHAPE_BIASES) ? (unsigned)SHAPE_QKV_BIAS : 0);
}

struct list {
    const struct synth_shape *shape;
    enum synth_format format;
    struct synth_tensor *tensors;
    size_t n;
};

static void add_rows(struct list *l, const struct row *rows, size_t n, int32_t layer_index)
{
    unsigned parts = parts_of(l->shape);
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        const char *pattern = l->format == SYNTH_GGUF ? r->gguf : r->hf;
        if ((parts & r->needs) != r->needs || (parts & r->lacks) || !pattern)
            continue;
        struct synth_tensor *t = &l->tensors[l->n++];
        *t = (struct synth_tensor){
            .filling = r->filling,
            .role = r->role,
            .layer = layer_index,
            .n_dims = r->rows == L_NONE ? 1 : 2,
            .dims = {length_of(l->shape, r->columns), length_of(l->shape, r->rows)},
        };
        const char *hole = strstr(pattern, "%d");
        if (hole)
            snprintf(t->name, sizeof t->name, "%.*s%d%s", (int)(hole - pattern), pattern,
                     (int)layer_index, hole + 2);
        else
            snprintf(t->name, sizeof t->name, "%s", pattern);
    }
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

int synth_tensors(const struct synth_shape *s, int32_t n_layers, enum synth_format format,
                  struct arena *arena, struct synth_tensor **out, size_t *n, struct err *e)
{
    size_t most = COUNT(before) + (size_t)n_layers * COUNT(layer) + COUNT(after);
    struct list l = {s, format, arena_array(arena, most, sizeof(struct synth_tensor)), 0};
    if (!l.tensors)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", most);
    add_rows(&l, before, COUNT(before), -1);
    for (int32_t i = 0; i < n_layers; i++)
        add_rows(&l, layer, COUNT(layer), i);
    add_rows(&l, after, COUNT(after), -1);
    *out = l.tensors;
    *n = l.n;
    return 0;
}
