/* SPDX-License-Identifier: MIT */
/* Readings that families share. The bounds are generous beside published models and small enough
 * that no product of three overflows 63 bits. */
#include "model/traits.h"

#include <math.h>
#include <stdio.h>

enum {
    CTX_MAX = 16 << 20,
    EMBD_MAX = 1 << 20,
    FF_MAX = 1 << 22,
    HEADS_MAX = 4096,
    HEAD_DIM_MAX = 4096,
    EXPERTS_MAX = 4096,
};

void traits_init(struct traits *t)
{
    *t = (struct traits){
        .norm_before = true,
        .output_norm = true,
        .gated = true,
        .alibi_max = 8,
        .alibi_scale = 1,
        .embedding_scale = 1,
        .residual_scale = 1,
        .logit_scale = 1,
    };
}

static int32_t or_default(struct config *c, const char *name, int32_t max, int32_t otherwise)
{
    return otherwise > 0 ? config_int_or(c, name, 1, max, otherwise) : config_int(c, name, 1, max);
}

static void read_heads(struct config *c, struct traits *t)
{
    t->n_head = or_default(c, "num_attention_heads", HEADS_MAX, c->gguf ? 0 : t->n_head);
    if (config_is_null(c, "num_key_value_heads"))
        t->n_head_kv = 0;
    if (config_is_null(c, "head_dim"))
        t->head_dim = 0;
    t->n_head_kv = config_int_or(c, "num_key_value_heads", 1, HEADS_MAX,
                                 t->n_head_kv ? t->n_head_kv : t->n_head);
    if (t->n_head % t->n_head_kv)
        config_fail(c, ERR_FORMAT, "num_key_value_heads", "%d, expected a divisor of %d heads",
                    t->n_head_kv, t->n_head);
    t->head_dim = config_int_or(c, "head_dim", 1, HEAD_DIM_MAX, t->head_dim);
    if (!t->head_dim) {
        t->head_dim = t->n_embd / t->n_head;
        if (t->n_embd % t->n_head || t->head_dim > HEAD_DIM_MAX)
            config_fail(c, ERR_FORMAT, "hidden_size",
                        "%d, expected a multiple of %d heads, at most %d each", t->n_embd,
                        t->n_head, HEAD_DIM_MAX);
    }
    if (!c->gguf)
        return;
    int32_t value_dim = config_int_or(c, "attention.value_length", 1, HEAD_DIM_MAX, t->head_dim);
    if (value_dim != t->head_dim)
        config_fail(c, ERR_UNSUPPORTED, "attention.value_length",
                    "%d, expected the key length %d: others are not supported", value_dim,
                    t->head_dim);
}

void read_sizes(struct config *c, struct traits *t)
{
    t->n_ctx = or_default(c, "max_position_embeddings", CTX_MAX, c->gguf ? 0 : t->n_ctx);
    t->n_embd = or_default(c, "hidden_size", EMBD_MAX, c->gguf ? 0 : t->n_embd);
    t->n_layer = or_default(c, "num_hidden_layers", TRAITS_LAYERS_MAX, c->gguf ? 0 : t->n_layer);
    int32_t times = t->n_ff < 0 && t->n_embd <= FF_MAX / -t->n_ff ? -t->n_ff * t->n_embd : 0;
    t->n_ff = or_default(c, "intermediate_size", FF_MAX,
                         c->gguf       ? 0
                         : t->n_ff < 0 ? times
                                       : t->n_ff);
    read_heads(c, t);
    t->n_vocab = config_int_or(c, "vocab_size", 1, TRAITS_VOCAB_MAX, 0);
    t->attention_scale = (float)(1.0 / sqrt(t->head_dim));
}

/* ---- rope ---- */

static void check_rotated(struct config *c, const struct traits *t, const char *name, int32_t n_rot)
{
    if (n_rot > t->head_dim || n_rot % 2)
        config_fail(c, ERR_FORMAT, name,
                    "%d, expected an even number of at most %d, the length of a head", n_rot,
                    t->head_dim);
}

static void gguf_scaling(struct config *c, struct traits *t)
{
    struct rope_traits *r = &t->rope;
    struct span kind = config_text(c, "rope.scaling.type");
    r->factor = config_real_or(c, "rope.scaling.factor", 1e-3, 1e6, 1);
    r->original_ctx =
        config_int_or(c, "rope.scaling.original_context_length", 1, CTX_MAX, t->n_ctx);
    double magnitude = config_real_or(c, "rope.scaling.attn_factor", 0, 1e3, 0);
    if (span_is(kind, "yarn")) {
        static const char *const others[] = {"rope.scaling.yarn_log_multiplier", NULL};
        r->scaling = ROPE_SCALING_YARN;
        r->truncate = true;
        r->beta_fast = config_real_or(c, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32);
        r->beta_slow = config_real_or(c, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1);
        /* Here the file's number is on top of the paper's. */
        if (magnitude > 0)
            r->attention_factor = magnitude * (r->factor > 1 ? 0.1 * log(r->factor) + 1 : 1);
        /* config.json's attention_factor, which stands for all of it. */
        r->attention_factor =
            config_real_or(c, "rope.scaling.yarn_attn_factor", 1e-3, 1e3, r->attention_factor);
        refuse_features(c, others);
    } else if (kind.n == 0 || span_is(kind, "linear")) {
        /* Files before rope.scaling.* have the factor under its old name. */
        if (kind.n == 0)
            r->factor = config_real_or(c, "rope.scale_linear", 1e-3, 1e6, r->factor);
        r->scaling = r->factor == 1 ? ROPE_SCALING_NONE : ROPE_SCALING_LINEAR;
        r->attention_factor = magnitude; /* of longrope, whose tensors tell where the type does not
                                          */
    } else if (span_is(kind, "longrope")) {
        r->scaling = ROPE_SCALING_LONGROPE; /* its numbers are tensors: bind.c */
        r->attention_factor = magnitude;
    } else if (span_is(kind, "none")) {
        r->scaling = ROPE_SCALING_NONE;
        r->factor = 1;
    } else {
        config_fail(c, ERR_UNSUPPORTED, "rope.scaling.type",
                    "'%.*s' is not supported, expected none, linear, yarn or longrope",
                    SPAN_FMT(kind));
    }
}

/* object.name; one buffer is enough: config copies what it needs. */
static const char *member(char buffer[128], const char *object, const char *name)
{
    snprintf(buffer, 128, "%s.%s", object, name);
    return buffer;
}

static float *read_factors(struct config *c, const struct rope_traits *r, const char *name)
{
    size_t n = (size_t)r->n_rot / 2;
    if (config_count(c, name) != n)
        config_fail(c, ERR_FORMAT, name, "%zu numbers, expected %zu, half of what rotates",
                    config_count(c, name), n);
    float *factors = c->code ? NULL : arena_array(c->arena, n, sizeof *factors);
    if (!factors)
        config_fail(c, ERR_NOMEM, name, "no memory");
    for (size_t i = 0; i < n && !c->code; i++)
        factors[i] = (float)config_real_at(c, name, i, 1e-6, 1e9);
    return factors;
}

/* original_max_position_embeddings beside the object goes before the one in it: so Phi-3 has it. */
static int32_t original_context(struct config *c, const struct traits *t, const char *object)
{
    char key[128];
    int32_t v = config_int_or(c, member(key, object, "original_max_position_embeddings"), 1,
                              CTX_MAX, t->n_ctx);
    return config_int_or(c, "original_max_position_embeddings", 1, CTX_MAX,
                         t->rope.original_ctx ? t->rope.original_ctx : v);
}

static void hf_longrope(struct config *c, struct rope_traits *r, const char *object)
{
    char key[128];
    r->scaling = ROPE_SCALING_LONGROPE;
    r->short_factor = read_factors(c, r, member(key, object, "short_factor"));
    r->long_factor = read_factors(c, r, member(key, object, "long_factor"));
}

static void hf_yarn(struct config *c, struct rope_traits *r, const char *object)
{
    char key[128];
    r->scaling = ROPE_SCALING_YARN;
    r->beta_fast = config_real_or(c, member(key, object, "beta_fast"), 1e-3, 1e6, 32);
    r->beta_slow = config_real_or(c, member(key, object, "beta_slow"), 1e-3, 1e6, 1);
    r->mscale = config_real_or(c, member(key, object, "mscale"), 0, 1e3, 0);
    r->mscale_all_dim = config_real_or(c, member(key, object, "mscale_all_dim"), 0, 1e3, 0);
    r->truncate = config_bool_or(c, member(key, object, "truncate"), true);
}

static void hf_llama3(struct config *c, struct rope_traits *r, const char *object)
{
    char key[128];
    r->scaling = ROPE_SCALING_LLAMA3;
    r->low_freq_factor = config_real(c, member(key, object, "low_freq_factor"), 1e-6, 1e6);
    r->high_freq_factor = config_real(c, member(key, object, "high_freq_factor"), 1e-6, 1e6);
    if (r->high_freq_factor <= r->low_freq_factor)
        config_fail(c, ERR_FORMAT, member(key, object, "high_freq_factor"),
                    "%g, expected more than low_freq_factor %g", r->high_freq_factor,
                    r->low_freq_factor);
}

static void hf_dynamic(struct config *c, struct traits *t, struct rope_traits *r,
                       const char *object)
{
    char key[128];
    r->scaling = ROPE_SCALING_DYNAMIC;
    r->original_ctx = t->n_ctx;
    if (r->n_rot < 4)
        config_fail(c, ERR_UNSUPPORTED, member(key, object, "rope_type"),
                    "'dynamic' with %d rotated elements, expected 4 at least", r->n_rot);
    /* The base follows any length; the reference knows no bound. Twice what the factor says. */
    t->n_ctx = (int32_t)fmin(2 * fmax(r->factor, 1) * t->n_ctx, CTX_MAX);
}

static void hf_scaling(struct config *c, struct traits *t, struct rope_traits *r,
                       const char *object)
{
    char key[128];
    struct span kind = config_text(c, member(key, object, "rope_type"));
    if (kind.n == 0)
        kind = config_text(c, member(key, object, "type"));
    if (kind.n == 0 || span_is(kind, "default"))
        return;
    /* The first Phi 3 call theirs yarn. */
    bool old_name = config_has(c, member(key, object, "short_factor"));
    bool longrope = span_is(kind, "longrope") || span_is(kind, "su") || old_name;
    bool yarn = span_is(kind, "yarn") && !longrope;
    r->original_ctx = original_context(c, t, object);
    member(key, object, "factor");
    if ((longrope || yarn) && !config_has(c, key))
        r->factor = (double)t->n_ctx / r->original_ctx;
    else
        r->factor = config_real(c, key, 1e-3, 1e6);
    r->attention_factor = config_real_or(c, member(key, object, "attention_factor"), 1e-6, 1e3, 0);
    if (longrope)
        hf_longrope(c, r, object);
    else if (yarn)
        hf_yarn(c, r, object);
    else if (span_is(kind, "llama3"))
        hf_llama3(c, r, object);
    else if (span_is(kind, "dynamic"))
        hf_dynamic(c, t, r, object);
    else if (span_is(kind, "linear"))
        r->scaling = ROPE_SCALING_LINEAR;
    else
        config_fail(c, ERR_UNSUPPORTED, member(key, object, "rope_type"),
                    "'%.*s' is not supported, expected default, linear, dynamic, yarn, longrope or "
                    "llama3",
                    SPAN_FMT(kind));
}

void read_rope_object(struct config *c, struct traits *t, struct rope_traits *r, const char *object,
                      double base, double partial)
{
    char key[128];
    r->factor = 1;
    r->base = config_real_or(c, member(key, object, "rope_theta"), 1.0000001, 1e15, base);
    if (r->partial) {
        partial = config_real_or(c, "partial_rotary_factor", 0, 1, partial);
        partial = config_real_or(c, member(key, object, "partial_rotary_factor"), 0, 1, partial);
    }
    r->n_rot = config_int_or(c, "rotary_dim", 0, HEAD_DIM_MAX, (int32_t)(t->head_dim * partial));
    check_rotated(c, t, config_has(c, "rotary_dim") ? "rotary_dim" : "partial_rotary_factor",
                  r->n_rot);
    if (!c->code)
        hf_scaling(c, t, r, object);
}

void read_rope(struct config *c, struct traits *t, double partial)
{
    double otherwise = !c->gguf && t->rope.base > 0 ? t->rope.base : 10000;
    double base = config_real_or(c, "rope_theta", 1.0000001, 1e15, otherwise);
    if (!c->gguf) {
        const char *object = config_has(c, "rope_scaling") ? "rope_scaling" : "rope_parameters";
        if (config_has(c, "rope_parameters.full_attention"))
            object = "rope_parameters.full_attention";
        read_rope_object(c, t, &t->rope, object, base, partial);
        return;
    }
    t->rope.base = base;
    t->rope.n_rot = config_int_or(c, "rotary_dim", 0, HEAD_DIM_MAX, t->head_dim);
    check_rotated(c, t, "rotary_dim", t->rope.n_rot);
    gguf_scaling(c, t);
}

/* ---- the rest ---- */

void read_activation(struct config *c, struct traits *t, const char *otherwise)
{
    static const struct {
        const char *name;
        enum activation is;
    } known[] = {
        {"silu", ACTIVATION_SILU},
        {"swish", ACTIVATION_SILU},
        {"gelu", ACTIVATION_GELU_ERF},
        {"gelu_python", ACTIVATION_GELU_ERF},
        {"gelu_new", ACTIVATION_GELU_TANH},
        {"gelu_fast", ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
        {"gelu_python_tanh", ACTIVATION_GELU_TANH},
        {"quick_gelu", ACTIVATION_GELU_QUICK},
        {"relu", ACTIVATION_RELU},
        {"relu2", ACTIVATION_RELU2},
    };
    struct span name = c->gguf ? span_str(otherwise) : config_text(c, "hidden_act");
    if (name.n == 0)
        name = span_str(otherwise);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (span_is(name, known[i].name)) {
            t->activation = known[i].is;
            return;
        }
    }
    config_fail(c, ERR_UNSUPPORTED, "hidden_act",
                "'%.*s' is not supported, expected silu, gelu, gelu_new, gelu_pytorch_tanh, "
                "quick_gelu, relu or relu2",
                SPAN_FMT(name));
}

static void read_norm(struct config *c, struct traits *t, enum norm_kind kind, const char *name,
                      double otherwise)
{
    t->norm = kind;
    t->norm_eps = (float)(otherwise > 0 && !c->gguf ? config_real_or(c, name, 0, 1, otherwise)
                                                    : config_real(c, name, 0, 1));
    t->qk_norm_kind = kind;
    t->qk_norm_eps = t->norm_eps;
}

void read_rms_norm(struct config *c, struct traits *t, double otherwise)
{
    read_norm(c, t, NORM_RMS, "rms_norm_eps", otherwise);
}

void read_layer_norm(struct config *c, struct traits *t, double otherwise)
{
    read_norm(c, t, NORM_LAYER, "layer_norm_eps", otherwise);
}

void read_tied(struct config *c, struct traits *t, bool otherwise)
{
    t->tied = !c->gguf && config_bool_or(c, "tie_word_embeddings", otherwise);
}

/* What layer_types, or GGUF's array of flags, says of layer i. */
static bool named_sliding(struct config *c, int32_t i)
{
    if (c->gguf)
        return config_int_at(c, "attention.sliding_window_pattern", (size_t)i, 0, 1) != 0;
    struct span type = config_text_at(c, "layer_types", (size_t)i);
    if (!span_is(type, "sliding_attention") && !span_is(type, "full_attention"))
        config_fail(c, ERR_UNSUPPORTED, "layer_types",
                    "'%.*s' is not supported, expected full_attention or sliding_attention",
                    SPAN_FMT(type));
    return span_is(type, "sliding_attention");
}

static void read_window_size(struct config *c, struct traits *t, int32_t otherwise)
{
    t->window = config_is_null(c, "sliding_window")
                    ? 0
                    : config_int_or(c, "sliding_window", 0, INT32_MAX, otherwise);
}

/* Layers from first on slide, all but the last of every pattern, where the file does not name them.
 */
static void set_windows(struct config *c, struct traits *t, int32_t otherwise, int32_t pattern,
                        int32_t first)
{
    const char *names = c->gguf ? "attention.sliding_window_pattern" : "layer_types";
    size_t n = config_count(c, names);
    read_window_size(c, t, otherwise);
    if (n && n != (size_t)t->n_layer)
        config_fail(c, ERR_FORMAT, names, "%zu %s, expected %d, one a layer", n,
                    plural(n, "entry", "entries"), t->n_layer);
    for (int32_t i = 0; i < t->n_layer && t->window && !c->code; i++)
        if (n ? named_sliding(c, i) : i >= first && (pattern == 0 || (i + 1) % pattern != 0))
            t->layers[i] |= LAYER_SLIDING;
}

void read_window(struct config *c, struct traits *t, int32_t otherwise, int32_t pattern)
{
    set_windows(c, t, otherwise, pattern, 0);
}

void read_window_of_all(struct config *c, struct traits *t, int32_t otherwise)
{
    read_window_size(c, t, otherwise);
    for (int32_t i = 0; i < t->n_layer && t->window && !c->code; i++)
        t->layers[i] |= LAYER_SLIDING;
}

void read_window_from(struct config *c, struct traits *t, int32_t otherwise, int32_t first)
{
    set_windows(c, t, otherwise, 0, first);
}

void read_experts(struct config *c, struct traits *t)
{
    t->n_expert = or_default(c, "num_experts", EXPERTS_MAX, c->gguf ? 0 : t->n_expert);
    t->n_expert_used =
        or_default(c, "num_experts_per_tok", t->n_expert, c->gguf ? 0 : t->n_expert_used);
    if (t->n_expert_used > t->n_expert)
        config_fail(c, ERR_FORMAT, "num_experts_per_tok",
                    "is missing, and %d experts are less than %d", t->n_expert, t->n_expert_used);
    t->n_ff_expert = config_int_or(c, "moe_intermediate_size", 1, FF_MAX,
                                   !c->gguf && t->n_ff_expert ? t->n_ff_expert : t->n_ff);
    if (c->gguf)
        return;
    int32_t step = config_int_or(c, "decoder_sparse_step", 1, TRAITS_LAYERS_MAX, 1);
    for (int32_t i = 0; i < t->n_layer; i++)
        if ((i + 1) % step)
            t->layers[i] |= LAYER_DENSE;
    for (size_t i = 0; i < config_count(c, "mlp_only_layers"); i++)
        t->layers[config_int_at(c, "mlp_only_layers", i, 0, t->n_layer - 1)] |= LAYER_DENSE;
}

void refuse_features(struct config *c, const char *const *names)
{
    for (; *names; names++)
        if (config_is_set(c, *names))
            config_fail(c, ERR_UNSUPPORTED, *names,
                        "is set, and %s models that use it are not supported", c->arch);
}
