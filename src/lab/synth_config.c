/* SPDX-License-Identifier: MIT */
/* config.json of a synthetic model: the members that transformers' classes read. */
#include "lab/synth.h"

#include "codec/codec.h"

static void put_factors(struct json_writer *w, const char *key, const struct synth_shape *h,
                        float (*factor)(const struct synth_shape *, int32_t))
{
    json_write_key(w, key);
    json_write_array(w);
    for (int32_t i = 0; i < h->n_rot / 2; i++)
        json_write_f64(w, (double)factor(h, i));
    json_write_array_end(w);
}

static void put_rope(struct json_writer *w, const struct synth_shape *h)
{
    json_put_f64(w, "rope_theta", h->rope_theta);
    if (h->n_rot != h->head_dim)
        json_put_f64(w, "partial_rotary_factor", (double)h->n_rot / h->head_dim);
    if (!shape_has(h, SHAPE_LONGROPE) && !shape_has(h, SHAPE_LLAMA3_ROPE))
        return;
    if (shape_has(h, SHAPE_LONGROPE))
        json_put_int(w, "original_max_position_embeddings", SHAPE_LONGROPE_CTX);
    json_write_key(w, "rope_scaling");
    json_write_object(w);
    if (shape_has(h, SHAPE_LONGROPE)) {
        json_put_str(w, "type", "longrope");
        put_factors(w, "long_factor", h, synth_long_factor);
        put_factors(w, "short_factor", h, synth_short_factor);
    } else {
        json_put_str(w, "rope_type", "llama3");
        json_put_f64(w, "factor", SHAPE_LLAMA3_FACTOR);
        json_put_f64(w, "low_freq_factor", SHAPE_LLAMA3_LOW);
        json_put_f64(w, "high_freq_factor", SHAPE_LLAMA3_HIGH);
        json_put_int(w, "original_max_position_embeddings", SHAPE_LLAMA3_CTX);
    }
    json_write_object_end(w);
}

static void put_activation(struct json_writer *w, const struct synth_shape *h)
{
    bool gemma = shape_has(h, SHAPE_GEMMA);
    const char *name = gemma                         ? "gelu_pytorch_tanh"
                       : shape_has(h, SHAPE_UNGATED) ? "gelu_new"
                                                     : "silu";
    json_put_str(w, "hidden_act", name);
    if (gemma)
        json_put_str(w, "hidden_activation", name);
}

static void put_windows(struct json_writer *w, const struct synth_shape *h)
{
    if (h->window)
        json_put_int(w, "sliding_window", h->window);
    if (shape_has(h, SHAPE_QK_NORM) && h->pattern) { /* Gemma 3 */
        json_put_int(w, "sliding_window_pattern", h->pattern);
        json_put_f64(w, "rope_local_base_freq", 10000);
    }
    if (h->pattern)
        json_put_int(w, "query_pre_attn_scalar", h->head_dim);
    if (shape_has(h, SHAPE_SOFTCAPS)) {
        json_put_f64(w, "attn_logit_softcapping", 50);
        json_put_f64(w, "final_logit_softcapping", 30);
    }
}

int synth_config_json(const struct synth *s, struct buf *out, struct err *e)
{
    const struct synth_shape *h = s->shape;
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_object(&w);
    json_write_key(&w, "architectures");
    json_write_array(&w);
    json_write_str(&w, h->class_name);
    json_write_array_end(&w);
    json_put_str(&w, "model_type", h->model_type);
    json_put_str(&w, "torch_dtype",
                 s->mix->name[0] == 'b'   ? "bfloat16"
                 : s->mix->name[1] == '1' ? "float16"
                                          : "float32");
    json_put_int(&w, "max_position_embeddings", h->n_ctx);
    json_put_int(&w, "hidden_size", h->n_embd);
    json_put_int(&w, "intermediate_size", h->n_ff);
    json_put_int(&w, "num_hidden_layers", s->n_layers);
    json_put_int(&w, "num_attention_heads", h->n_head);
    json_put_int(&w, "num_key_value_heads", h->n_head_kv);
    json_put_int(&w, "head_dim", h->head_dim);
    json_put_int(&w, "vocab_size", h->n_vocab);
    json_put_f64(&w, shape_has(h, SHAPE_LAYER_NORM) ? "layer_norm_eps" : "rms_norm_eps",
                 h->norm_eps);
    json_put_bool(&w, "tie_word_embeddings", shape_has(h, SHAPE_TIED));
    if (shape_has(h, SHAPE_LAYER_NORM) && shape_has(h, SHAPE_QKV_BIAS))
        json_put_bool(&w, "use_qkv_bias", true); /* StableLM 2 */
    put_activation(&w, h);
    put_rope(&w, h);
    put_windows(&w, h);
    json_put_int(&w, "bos_token_id", SYNTH_END_OF_TEXT);
    json_put_int(&w, "eos_token_id", SYNTH_IM_END);
    json_put_int(&w, "pad_token_id", SYNTH_END_OF_TEXT);
    json_write_object_end(&w);
    buf_char(out, '\n');
    return buf_check(out, "config.json", e);
}
