/* SPDX-License-Identifier: MIT */
/* Qwen 3: Qwen 2 without biases, with a norm of each head of queries and keys. Defaults:
 * transformers' Qwen3Config. */
#include "model/families/families.h"

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 32768;
    t->n_head_kv = c->gguf ? 0 : 32;
    t->head_dim = c->gguf ? 0 : 128;
    read_sizes(c, t);
    read_rope(c, t, 1);
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, false);
    t->qk_norm = QK_NORM_HEAD;
    if (config_is_set(c, "use_sliding_window"))
        read_window_from(c, t, 4096, config_int_or(c, "max_window_layers", 0, INT32_MAX, 28));
}

static const char *const types[] = {"qwen3", NULL};
static const char *const archs[] = {"qwen3", NULL};

const struct family family_qwen3 = {.model_types = types, .archs = archs, .read = read};
