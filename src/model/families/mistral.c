/* SPDX-License-Identifier: MIT */
/* Mistral 7B and what follows it: Llama with a sliding window (versions 0.1; later ones have none).
 * In GGUF these are llama files. Defaults: transformers' MistralConfig. */
#include "model/families/families.h"

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 131072;
    t->n_head_kv = 8;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    read_window(c, t, 4096, 0); /* with layer_types it is what others call Ministral */
}

static const char *const types[] = {"mistral", NULL};

const struct family family_mistral = {.model_types = types, .read = read};
