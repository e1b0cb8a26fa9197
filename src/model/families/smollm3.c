/* SPDX-License-Identifier: MIT */
/* SmolLM 3: Llama without rotation in every fourth layer. GGUF files have the rows of q and k
 * permuted so that rotated pairs are neighbours. Defaults: transformers' SmolLM3Config. */
#include "model/families/families.h"

/* no_rope_layers says 1 where there is rotation. */
static void read_layers(struct config *c, struct traits *t)
{
    size_t n = c->gguf ? 0 : config_count(c, "no_rope_layers");
    int32_t every = c->gguf ? 4 : config_int_or(c, "no_rope_layer_interval", 1, INT32_MAX, 4);
    bool named = config_count(c, "layer_types") > 0;
    if (n && n != (size_t)t->n_layer)
        config_fail(c, ERR_FORMAT, "no_rope_layers", "%zu %s, expected %d, one a layer", n,
                    plural(n, "entry", "entries"), t->n_layer);
    if (named)
        read_window(c, t, 0, 0); /* whatever use_sliding_window says */
    else if (config_is_set(c, "use_sliding_window"))
        t->window = config_int_or(c, "sliding_window", 0, INT32_MAX, 0);
    for (int32_t i = 0; i < t->n_layer && !c->code; i++) {
        bool rotates = n ? config_int_at(c, "no_rope_layers", (size_t)i, 0, 1) : (i + 1) % every;
        if (!rotates)
            t->layers[i] |= LAYER_NO_ROPE;
        if (!named && !rotates && t->window)
            t->layers[i] |= LAYER_SLIDING;
    }
}

static void read(struct config *c, struct traits *t)
{
    t->n_ctx = 32768;
    t->n_head_kv = c->gguf ? 0 : 4;
    t->rope.base = 2e6;
    read_sizes(c, t);
    read_rope(c, t, 1);
    t->rope.interleaved = c->gguf != NULL;
    read_rms_norm(c, t, 1e-6);
    read_activation(c, t, "silu");
    read_tied(c, t, true);
    read_layers(c, t);
}

static const char *const types[] = {"smollm3", NULL};
static const char *const archs[] = {"smollm3", NULL};

const struct family family_smollm3 = {.model_types = types, .archs = archs, .read = read};
