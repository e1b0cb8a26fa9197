/* SPDX-License-Identifier: MIT */
/* OLMo 1: Llama with layer norms that have no weights, and clipped queries, keys and values. GGUF
 * files have the rows of q and k permuted so that rotated pairs are neighbours. Defaults:
 * transformers' OlmoConfig. */
#include "model/families/families.h"

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    read_sizes(c, t);
    read_rope(c, t, 1);
    t->rope.interleaved = c->gguf != NULL;
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->norm_plain = true;
    t->clip_qkv = (float)config_real_or(c, "clip_qkv", 0, 1e6, 0);
}

static const char *const types[] = {"olmo", NULL};
static const char *const archs[] = {"olmo", NULL};

const struct family family_olmo = {.model_types = types, .archs = archs, .read = read};
