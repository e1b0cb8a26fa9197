/* SPDX-License-Identifier: MIT */
/* Safetensors as GGUF: the hyperparameters. Key names: ggml docs/gguf.md; what our own reader makes
 * of them: config.c and traits.c. */
#include "model/export_parts.h"

#include <math.h>
#include <stdio.h>

enum { KEY_SIZE = 96 };

struct keys {
    struct gguf_writer *w;
    const char *arch;
};

static const char *full(const struct keys *k, const char *name, char out[KEY_SIZE])
{
    snprintf(out, KEY_SIZE, "%s.%s", k->arch, name);
    return out;
}

static void put_int(const struct keys *k, const char *name, int32_t v)
{
    char key[KEY_SIZE];
    gguf_put_u32(k->w, full(k, name, key), (uint32_t)v);
}

static void put_real(const struct keys *k, const char *name, double v)
{
    char key[KEY_SIZE];
    gguf_put_f32(k->w, full(k, name, key), (float)v);
}

static void put_sizes(const struct keys *k, const struct traits *t)
{
    put_int(k, "vocab_size", t->n_vocab);
    put_int(k, "context_length", t->n_ctx);
    put_int(k, "embedding_length", t->n_embd);
    put_int(k, "block_count", t->n_layer);
    put_int(k, "feed_forward_length", t->n_ff);
    put_int(k, "attention.head_count", t->n_head);
    put_int(k, "attention.head_count_kv", t->n_head_kv);
    put_int(k, "attention.key_length", t->head_dim);
    put_int(k, "attention.value_length", t->head_dim);
    put_real(k,
             t->norm == NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                 : "attention.layer_norm_epsilon",
             (double)t->norm_eps);
    if (t->window)
        put_int(k, "attention.sliding_window", t->window);
}

static void put_scaling(const struct keys *k, const struct traits *t)
{
    const struct rope_traits *r = &t->rope;
    char key[KEY_SIZE];
    bool linear = r->scaling == ROPE_SCALING_LINEAR, yarn = r->scaling == ROPE_SCALING_YARN;
    if (linear || yarn) {
        gguf_put_string(k->w, full(k, "rope.scaling.type", key),
                        span_str(linear ? "linear" : "yarn"));
        put_real(k, "rope.scaling.factor", r->factor);
    }
    if (yarn || r->scaling == ROPE_SCALING_LONGROPE)
        put_int(k, "rope.scaling.original_context_length", r->original_ctx);
    if (yarn) {
        put_real(k, "rope.scaling.yarn_beta_fast", r->beta_fast);
        put_real(k, "rope.scaling.yarn_beta_slow", r->beta_slow);
        if (r->attention_factor > 0)
            put_real(k, "rope.scaling.yarn_attn_factor", r->attention_factor);
    }
    if (r->scaling == ROPE_SCALING_LONGROPE) {
        double factor = r->factor;
        double usual = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(r->original_ctx));
        put_real(k, "rope.scaling.attn_factor",
                 r->attention_factor > 0 ? r->attention_factor : usual);
    }
}

/* What some families have besides. */
static void put_own(const struct keys *k, const struct traits *t)
{
    char key[KEY_SIZE];
    if (strcmp(k->arch, "stablelm") == 0)
        gguf_put_bool(k->w, full(k, "use_parallel_residual", key), t->parallel);
    if (strcmp(k->arch, "gemma2") == 0) {
        put_real(k, "attn_logit_softcapping", (double)t->attention_softcap);
        put_real(k, "final_logit_softcapping", (double)t->final_softcap);
    }
    if (strcmp(k->arch, "gemma3") == 0) {
        put_real(k, "rope.freq_base_swa", t->rope_local.base);
        if (t->final_softcap > 0)
            put_real(k, "final_logit_softcapping", (double)t->final_softcap);
    }
    if (strcmp(k->arch, "granite") == 0) {
        put_real(k, "attention.scale", (double)t->attention_scale);
        put_real(k, "embedding_scale", (double)t->embedding_scale);
        put_real(k, "residual_scale", (double)t->residual_scale);
        put_real(k, "logit_scale", 1 / (double)t->logit_scale);
    }
}

void export_put_keys(const struct model_export *x, struct gguf_writer *w)
{
    const struct model *m = x->model;
    const struct keys k = {w, x->rule->arch};
    gguf_put_string(w, "general.architecture", span_str(x->rule->arch));
    gguf_put_string(w, "general.type", span_str("model"));
    gguf_put_string(w, "general.name", span_str(m->info.name));
    put_sizes(&k, &m->traits);
    put_int(&k, "rope.dimension_count", m->traits.rope.n_rot);
    put_real(&k, "rope.freq_base", m->traits.rope.base);
    put_scaling(&k, &m->traits);
    put_own(&k, &m->traits);
}
