/* SPDX-License-Identifier: MIT */
/* Gemma 1: norms multiply by 1 + weight (in GGUF the 1 is in the weight already), the embedding is
 * scaled by the root of its length. Defaults: transformers' GemmaConfig. */
#include "model/families/families.h"

#include <math.h>

static const char *const not_ours[] = {"use_bidirectional_attention", NULL};

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 8192;
    t->n_head_kv = c->gguf ? 0 : 16;
    t->head_dim = c->gguf ? 0 : 256;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "gelu_pytorch_tanh");
    /* The first files say gelu; their authors mean the approximation. */
    if (span_is(config_text(c, "hidden_act"), "gelu"))
        t->activation = ACTIVATION_GELU_TANH;
    read_tied(c, t, true);
    t->norm_offset = c->gguf ? 0 : 1;
    t->embedding_scale = sqrtf((float)t->n_embd);
    refuse_features(c, not_ours);
}

static const char *const types[] = {"gemma", NULL};
static const char *const archs[] = {"gemma", NULL};

const struct family family_gemma = {.model_types = types, .archs = archs, .read = read};
