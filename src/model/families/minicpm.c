/* SPDX-License-Identifier: MIT */
/* MiniCPM 1 and 2: Llama with scales of the embedding, of what a block adds and of logits. GGUF
 * files have the rows of q and k permuted so that rotated pairs are neighbours; older ones lack the
 * scales, which are MiniCPM 2B's then. Defaults: the publishers' MiniCPMConfig. */
#include "model/families/families.h"

#include <math.h>

static const char *const not_ours[] = {"num_experts", "expert_count", "sparse_config", NULL};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 2048;
    read_sizes(c, t);
    read_rope(c, t, 1);
    t->rope.interleaved = c->gguf != NULL;
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, true);
    double depth = config_real_or(c, "scale_depth", 1e-6, 1e6, c->gguf ? 1.4 : 1);
    double base = config_real_or(c, "dim_model_base", 1, 1 << 20, c->gguf ? 256 : 1);
    t->embedding_scale = (float)(c->gguf ? config_real_or(c, "embedding_scale", 1e-6, 1e6, 12)
                                         : config_real_or(c, "scale_emb", 1e-6, 1e6, 1));
    t->residual_scale =
        (float)config_real_or(c, "residual_scale", 1e-6, 1e6, depth / sqrt(t->n_layer));
    t->logit_scale = (float)(1 / config_real_or(c, "logit_scale", 1e-6, 1e6, t->n_embd / base));
    refuse_features(c, not_ours);
}

static const char *const types[] = {"minicpm", NULL};
static const char *const archs[] = {"minicpm", NULL};

const struct family family_minicpm = {.model_types = types, .archs = archs, .read = read};
