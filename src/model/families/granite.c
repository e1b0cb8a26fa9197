/* SPDX-License-Identifier: MIT */
/* Granite 3: Llama with four scales: of the embedding, of scores, of what a block adds, of logits.
 * GGUF files have the rows of q and k permuted so that rotated pairs are neighbours. Defaults:
 * transformers' GraniteConfig. */
#include "model/families/families.h"

static const struct config_alias aliases[] = {
    {"logits_scaling", NULL, "logit_scale"},
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
    double scale = c->gguf ? (double)t->attention_scale : 1;
    t->attention_scale = (float)config_real_or(c, "attention_multiplier", 1e-9, 1e6, scale);
    t->embedding_scale = (float)config_real_or(c, "embedding_multiplier", 1e-9, 1e9, 1);
    t->residual_scale = (float)config_real_or(c, "residual_multiplier", 1e-9, 1e6, 1);
    t->logit_scale = (float)(1 / config_real_or(c, "logits_scaling", 1e-6, 1e6, 1));
}

static const char *const types[] = {"granite", NULL};
static const char *const archs[] = {"granite", NULL};

const struct family family_granite = {
    .model_types = types, .archs = archs, .aliases = aliases, .read = read};
