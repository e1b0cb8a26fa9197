/* SPDX-License-Identifier: MIT */
/* Phi 3, 3.5 and 4 (mini): Llama with fused matrices, longrope in the models of long contexts and a
 * sliding window in those of short ones. Defaults: transformers' Phi3Config. */
#include "model/families/families.h"

static const struct tensor_name gguf_names[] = {
    {PLACE_GATE_UP, "blk.%d.ffn_up"},
    {0},
};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 4096;
    t->rope.original_ctx = 4096;
    read_sizes(c, t);
    t->rope.partial = true;
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    read_window_of_all(c, t, 0);
    t->fused_qkv = t->fused_gate_up = !c->gguf;
}

static const char *const types[] = {"phi3", NULL};
static const char *const archs[] = {"phi3", NULL};

const struct family family_phi3 = {
    .model_types = types, .archs = archs, .gguf_names = gguf_names, .read = read};
