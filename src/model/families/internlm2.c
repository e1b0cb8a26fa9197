/* SPDX-License-Identifier: MIT */
/* InternLM 2 and 2.5: Llama with one matrix for queries, keys and values, each group's together.
 * GGUF files have them apart, the rows of q and k permuted so that rotated pairs are neighbours.
 * Defaults: the publishers' InternLM2Config. */
#include "model/families/families.h"

static const struct tensor_name hf_names[] = {
    {PLACE_EMBEDDING, "model.tok_embeddings"},
    {PLACE_HEAD, "output"},
    {PLACE_ATTN_NORM, "model.layers.%d.attention_norm"},
    {PLACE_FFN_NORM, "model.layers.%d.ffn_norm"},
    {PLACE_QKV, "model.layers.%d.attention.wqkv"},
    {PLACE_O, "model.layers.%d.attention.wo"},
    {PLACE_GATE, "model.layers.%d.feed_forward.w1"},
    {PLACE_UP, "model.layers.%d.feed_forward.w3"},
    {PLACE_DOWN, "model.layers.%d.feed_forward.w2"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    read_sizes(c, t);
    read_rope(c, t, 1);
    t->rope.interleaved = c->gguf != NULL;
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->fused_qkv = !c->gguf;
    t->qkv_order = QKV_GROUPS;
}

static const char *const types[] = {"internlm2", NULL};
static const char *const archs[] = {"internlm2", NULL};

const struct family family_internlm2 = {
    .model_types = types, .archs = archs, .hf_names = hf_names, .read = read};
