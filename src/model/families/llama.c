/* SPDX-License-Identifier: MIT */
/* Llama 1 to 3 and what is built like it (SmolLM2, TinyLlama, Vicuna, …): RMSNorm, rotary
 * positions, grouped queries, gated SiLU. GGUF files of this family have the rows of q and k
 * permuted so that rotated pairs are neighbours. */
#include "model/families/families.h"

static const char *const not_ours[] = {
    "expert_count",
    "attention.sliding_window",
    "attention.clamp_kqv",
    "attention.scale",
    "attention.temperature_scale",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "embedding_scale",
    "residual_scale",
    "logit_scale",
    "use_parallel_residual",
};

static void read(struct config *c, struct traits *t)
{
    read_sizes(c, t);
    read_rope(c, t);
    t->rope.interleaved = true;
    t->norm_eps = (float)config_real(c, "attention.layer_norm_rms_epsilon", 0, 1);
    refuse_features(c, not_ours, sizeof not_ours / sizeof *not_ours);
}

const struct family family_llama = {"llama", read};
