/* SPDX-License-Identifier: MIT */
/* Qwen 1.5, 2 and 2.5: Llama with biases on queries, keys and values. Defaults: transformers'
 * Qwen2Config. */
#include "model/families/families.h"

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 32768;
    t->n_head_kv = c->gguf ? 0 : 32;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    if (config_is_set(c, "use_sliding_window"))
        read_window_from(c, t, 4096, config_int_or(c, "max_window_layers", 0, INT32_MAX, 28));
}

static const char *const types[] = {"qwen2", NULL};
static const char *const archs[] = {"qwen2", NULL};

const struct family family_qwen2 = {.model_types = types, .archs = archs, .read = read};
