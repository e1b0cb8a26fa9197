/* SPDX-License-Identifier: MIT */
/* A synthetic model as GGUF. Keys: ggml docs/gguf.md, and what llama.cpp's load_arch_hparams of
 * each architecture asks for. */
#include "lab/synth.h"

#include "weights/weights.h"

#include <math.h>
#include <stdlib.h>

enum { TOKEN_TYPE_NORMAL = 1, TOKEN_TYPE_CONTROL = 3 };

/* ARCH.KEY */
struct key {
    char text[96];
};

static struct key key_of(const struct synth *s, const char *name)
{
    struct key k;
    snprintf(k.text, sizeof k.text, "%s.%s", s->shape->arch, name);
    return k;
}

static void put_int(struct gguf_writer *w, const struct synth *s, const char *name, int32_t v)
{
    gguf_put_u32(w, key_of(s, name).text, (uint32_t)v);
}

static void put_real(struct gguf_writer *w, const struct synth *s, const char *name, double v)
{
    gguf_put_f32(w, key_of(s, name).text, (float)v);
}

static void put_rope(struct gguf_writer *w, const struct synth *s)
{
    const struct synth_shape *h = s->shape;
    put_int(w, s, "rope.dimension_count", h->n_rot);
    put_real(w, s, "rope.freq_base", h->rope_theta);
    if (!shape_has(h, SHAPE_LONGROPE))
        return;
    put_int(w, s, "rope.scaling.original_context_length", SHAPE_LONGROPE_CTX);
    double factor = (double)h->n_ctx / SHAPE_LONGROPE_CTX;
    put_real(w, s, "rope.scaling.attn_factor", sqrt(1 + log(factor) / log(SHAPE_LONGROPE_CTX)));
}

static void put_shape(struct gguf_writer *w, const struct synth *s)
{
    const struct synth_shape *h = s->shape;
    put_int(w, s, "context_length", h->n_ctx);
    put_int(w, s, "embedding_length", h->n_embd);
    put_int(w, s, "block_count", s->n_layers);
    put_int(w, s, "feed_forward_length", h->n_ff);
    put_int(w, s, "attention.head_count", h->n_head);
    put_int(w, s, "attention.head_count_kv", h->n_head_kv);
    put_int(w, s, "attention.key_length", h->head_dim);
    put_int(w, s, "attention.value_length", h->head_dim);
    put_int(w, s, "vocab_size", h->n_vocab);
    if (shape_has(h, SHAPE_LAYER_NORM))
        put_real(w, s, "attention.layer_norm_epsilon", h->norm_eps);
    else
        put_real(w, s, "attention.layer_norm_rms_epsilon", h->norm_eps);
    if (h->window && h->window < h->n_ctx)
        put_int(w, s, "attention.sliding_window", h->window);
    if (shape_has(h, SHAPE_SOFTCAPS)) {
        put_real(w, s, "attn_logit_softcapping", 50);
        put_real(w, s, "final_logit_softcapping", 30);
    }
    if (strcmp(h->arch, "stablelm") == 0)
        gguf_put_bool(w, key_of(s, "use_parallel_residual").text, false);
    put_rope(w, s);
}

static int put_vocab(struct gguf_writer *w, const struct synth *s, struct err *e)
{
    const struct synth_vocab *v = &s->vocab;
    int32_t *types = calloc(v->n, sizeof *types);
    if (!types)
        return err_set(e, ERR_NOMEM, "no memory for %zu tokens", v->n);
    for (size_t i = 0; i < v->n; i++)
        types[i] = i < SYNTH_SPECIALS ? TOKEN_TYPE_CONTROL : TOKEN_TYPE_NORMAL;
    gguf_put_string(w, "tokenizer.ggml.model", span_str("gpt2"));
    gguf_put_string(w, "tokenizer.ggml.pre", span_str("gpt-2"));
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->tokens, v->n);
    gguf_put_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, v->n);
    gguf_put_strings(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
    gguf_put_u32(w, "tokenizer.ggml.bos_token_id", SYNTH_END_OF_TEXT);
    gguf_put_u32(w, "tokenizer.ggml.eos_token_id", SYNTH_IM_END);
    gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    gguf_put_string(w, "tokenizer.chat_template", span_str(SYNTH_CHAT_TEMPLATE));
    free(types);
    return 0;
}

static int put_metadata(struct gguf_writer *w, const struct synth *s, struct err *e)
{
    char name[96], description[160];
    /* llama.cpp takes a vocabulary of models named "phi-3" for Phi 3's own. */
    snprintf(name, sizeof name, "Synthetic %s", s->shape->name);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? ' ' : *c;
    snprintf(description, sizeof description, "Random weights in the shape of %s",
             s->shape->source);
    gguf_put_string(w, "general.architecture", span_str(s->shape->arch));
    gguf_put_string(w, "general.type", span_str("model"));
    gguf_put_string(w, "general.name", span_str(name));
    gguf_put_string(w, "general.description", span_str(description));
    gguf_put_u32(w, "general.file_type", s->mix->file_type);
    gguf_put_u32(w, "general.quantization_version", 2);
    put_shape(w, s);
    return put_vocab(w, s, e);
}

static int sink(void *ctx, struct span bytes, struct err *e)
{
    return gguf_writer_data(ctx, bytes, e);
}

static int write_tensors(struct gguf_writer *w, struct synth *s, struct err *e)
{
    int code = 0;
    for (size_t i = 0; i < s->n_tensors && !code; i++) {
        const struct synth_tensor *t = &s->tensors[i];
        code = gguf_writer_tensor(w, t->name, synth_type(s, t, SYNTH_GGUF), t->n_dims, t->dims, e);
    }
    for (size_t i = 0; i < s->n_tensors && !code; i++) {
        const struct synth_tensor *t = &s->tensors[i];
        code =
            synth_tensor_data(&s->data, s->shape, t, synth_type(s, t, SYNTH_GGUF), 1, sink, w, e);
    }
    return code;
}

int synth_write_gguf(struct synth *s, struct err *e)
{
    struct gguf_writer *w = NULL;
    int code = gguf_writer_open(&w, s->options->path, e);
    if (!code)
        code = put_metadata(w, s, e);
    if (!code)
        code = write_tensors(w, s, e);
    if (!code)
        code = gguf_writer_finish(w, e);
    gguf_writer_close(&w);
    return code;
}
