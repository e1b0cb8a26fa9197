/* SPDX-License-Identifier: MIT */
/* Cohere's Command R and Aya: one layer norm without bias for attention and feed-forward side by
 * side, rotation of neighbours, scaled logits; Command R+ also norms each head with its own
 * weights. Defaults: transformers' CohereConfig. */
#include "model/families/families.h"

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 8192;
    t->rope.base = 500000;
    read_sizes(c, t);
    read_rope(c, t, 1);
    t->rope.interleaved = true;
    read_layer_norm(c, t, 1e-5);
    read_activation(c, t, "silu");
    read_tied(c, t, true);
    t->parallel = t->parallel_one_norm = true;
    t->logit_scale = (float)config_real_or(c, "logit_scale", 1e-9, 1e6, c->gguf ? 1 : 0.0625);
    /* GGUF has no key for it. */
    if (c->gguf ? gguf_tensor(c->gguf, "blk.0.attn_q_norm.weight") != NULL
                : config_is_set(c, "use_qk_norm"))
        t->qk_norm = QK_NORM_HEADS;
}

static const char *const types[] = {"cohere", NULL};
static const char *const archs[] = {"command-r", NULL};

const struct family family_cohere = {.model_types = types, .archs = archs, .read = read};
