/* SPDX-License-Identifier: MIT */
/* Llama 1 to 3 and what is built like it (SmolLM2, TinyLlama, Vicuna, …): RMSNorm, rotary
 * positions, grouped queries, gated SiLU. GGUF files of this family have the rows of q and k
 * permuted so that rotated pairs are neighbours; they hold Mistral's and Mixtral's models as well.
 */
#include "model/families/families.h"

static const char *const not_ours[] = {
    "attention.clamp_kqv",
    "attention.temperature_scale",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "embedding_scale",
    "residual_scale",
    "logit_scale",
    "use_parallel_residual",
    NULL,
};

static void read(struct config *c, struct traits *t)
{
    if (!c->gguf)
        t->n_ctx = 2048;
    read_sizes(c, t);
    read_rope(c, t, 1);
    t->rope.interleaved = c->gguf != NULL;
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    if (c->gguf && config_is_set(c, "num_experts"))
        read_experts(c, t);
    if (c->gguf) {
        t->expert_norm = true;
        read_window(c, t, 0, 0);
        t->attention_scale =
            (float)config_real_or(c, "attention.scale", 0, 1e6, (double)t->attention_scale);
        refuse_features(c, not_ours);
    }
}

static const char *const types[] = {"llama", NULL};
static const char *const archs[] = {"llama", NULL};

const struct family family_llama = {.model_types = types, .archs = archs, .read = read};
