/* SPDX-License-Identifier: MIT */
/* Safetensors as GGUF: the tensors. A model is bound as for a forward pass, so that every fused,
 * joined or differently named tensor is in its place already, and written down as its GGUF
 * architecture has it. What GGUF has no word for is refused, so that no file computes something
 * else than its source. */
#include "model/export_parts.h"

#include <math.h>
#include <stdio.h>

enum { NAME_SIZE = 64 };

static const struct export_rule rules[] = {
    {.model_type = "llama", .arch = "llama", .interleaved = true},
    {.model_type = "mistral", .arch = "llama", .interleaved = true},
    {.model_type = "qwen2", .arch = "qwen2"},
    {.model_type = "qwen3", .arch = "qwen3"},
    {.model_type = "gemma", .arch = "gemma", .activation = ACTIVATION_GELU_TANH},
    {.model_type = "gemma2", .arch = "gemma2", .activation = ACTIVATION_GELU_TANH, .pattern = 2},
    {.model_type = "gemma3_text",
     .arch = "gemma3",
     .activation = ACTIVATION_GELU_TANH,
     .pattern = 6},
    {.model_type = "phi3", .arch = "phi3", .joined = true},
    {.model_type = "stablelm", .arch = "stablelm"},
    {.model_type = "granite", .arch = "granite", .interleaved = true},
    {.model_type = "olmo2", .arch = "olmo2"},
};

/* ---- what GGUF cannot say ---- */

static int refuse(const struct model_export *x, const char *what, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "%s: GGUF's '%s' has no word for it", what, x->rule->arch);
}

static int find_rule(struct model_export *x, struct err *e)
{
    const char *type = x->model->info.arch;
    struct buf names;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].model_type, type) == 0) {
            x->rule = &rules[i];
            return 0;
        }
    buf_init(&names, 1024);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", rules[i].model_type);
    int code = err_set(e, ERR_UNSUPPORTED,
                       "config.json: model_type '%s' is not written as GGUF, expected one of %s",
                       type, buf_cstr(&names));
    buf_release(&names);
    return code;
}

/* GGUF's reader takes the layers' windows from the architecture. */
static bool windows_as_expected(const struct model_export *x)
{
    const struct traits *t = &x->model->traits;
    const bool everywhere = x->rule->pattern == 0 && t->window;
    for (int32_t i = 0; i < t->n_layer; i++) {
        bool expected = t->window && (everywhere || (i + 1) % x->rule->pattern != 0);
        uint8_t sliding = LAYER_SLIDING | (t->rope_local.n_rot ? LAYER_LOCAL_ROPE : 0);
        if (t->layers[i] != (expected ? sliding : 0))
            return false;
    }
    return true;
}

/* Queries are scaled by the root of a head's length unless the architecture has a key; Gemma's
 * largest models differ, which readers know by their layers. */
static bool scale_as_expected(const struct model_export *x)
{
    const struct traits *t = &x->model->traits;
    bool gemma = x->rule->pattern != 0;
    bool largest = gemma && t->n_layer == (x->rule->pattern == 2 ? 46 : 62);
    int32_t n = largest ? t->n_embd / t->n_head : t->head_dim;
    return strcmp(x->rule->arch, "granite") == 0 ||
           fabs((double)t->attention_scale * sqrt(n) - 1) < 1e-6;
}

static int check_words(const struct model_export *x, struct err *e)
{
    const struct traits *t = &x->model->traits;
    bool qwen = strncmp(x->rule->arch, "qwen", 4) == 0;
    if (t->activation != x->rule->activation)
        return refuse(x, "key 'hidden_act'", e);
    if (!windows_as_expected(x) || (qwen && t->window))
        return refuse(x, "this pattern of sliding windows", e);
    if (!scale_as_expected(x))
        return refuse(x, "key 'query_pre_attn_scalar'", e);
    if (x->model->head.bias)
        return refuse(x, "a bias of the head", e);
    if (t->rope.scaling == ROPE_SCALING_DYNAMIC)
        return refuse(x, "rope_type 'dynamic'", e);
    if (t->rope.scaling == ROPE_SCALING_YARN &&
        (!t->rope.truncate || t->rope.mscale != 0 || t->rope.mscale_all_dim != 0))
        return refuse(x, "yarn with mscale or without truncate", e);
    if (t->rope_local.n_rot && t->rope_local.scaling != ROPE_SCALING_NONE)
        return refuse(x, "a scaling of the local rotation", e);
    if (t->rope.scaling == ROPE_SCALING_LONGROPE && t->rope.attention_factor == 0 &&
        t->rope.factor != (double)t->n_ctx / t->rope.original_ctx)
        return refuse(x, "this factor of longrope", e);
    return 0;
}

/* ---- tensors ---- */

/* Where the next tensors go: the first failure sticks. */
struct list {
    struct model_export *x;
    int32_t layer; /* -1: none */
    int code;
    struct err *e;
};

static struct export_tensor *add(struct list *l, const char *name, const char *suffix,
                                 struct export_source **source)
{
    char full[NAME_SIZE];
    if (l->code)
        return NULL;
    if (l->layer < 0)
        snprintf(full, sizeof full, "%s%s", name, suffix);
    else
        snprintf(full, sizeof full, "blk.%d.%s%s", (int)l->layer, name, suffix);
    struct export_tensor *t = export_add(l->x, full, source);
    if (!t)
        l->code = err_set(l->e, ERR_NOMEM, "no memory for tensor '%s'", full);
    return t;
}

/* n rows of floats; NULL: none. */
static void add_values(struct list *l, const char *name, const char *suffix, const float *values,
                       size_t n, size_t n_rows)
{
    struct export_source *s;
    struct export_tensor *t = values ? add(l, name, suffix, &s) : NULL;
    if (!t)
        return;
    t->type = WTYPE_F32;
    t->n_dims = n_rows > 1 ? 2 : 1;
    t->dims[0] = n;
    t->dims[1] = n_rows;
    t->n_rows = n_rows;
    s->values = values;
}

static void add_norm(struct list *l, const char *name, const struct norm *norm, size_t n,
                     size_t n_rows)
{
    if (!norm->there)
        return;
    add_values(l, name, ".weight", norm->weight, n, n_rows);
    add_values(l, name, ".bias", norm->bias, n, n_rows);
}

/* The biases of joined matrices, in the order of their rows in the export. */
static void add_biases(struct list *l, const char *name, const struct export_source *s, size_t n)
{
    if (l->code || !s->matrices[0]->bias)
        return;
    float *all = arena_array(&l->x->arena, n, sizeof *all);
    if (!all) {
        l->code = err_set(l->e, ERR_NOMEM, "no memory for a bias of %zu", n);
        return;
    }
    for (size_t row = 0; row < n; row++) {
        size_t from = export_source_row(s, row);
        const struct matrix *const *m = s->matrices;
        for (; from >= (*m)->n_rows; m++)
            from -= (*m)->n_rows;
        all[row] = (*m)->bias ? (*m)->bias[from] : 0;
    }
    add_values(l, name, ".bias", all, n, 1);
}

/* Matrices one under the other; of heads of head_rows rows, 0: as they are. */
static void add_matrices(struct list *l, const char *name, const struct matrix *const *m, size_t n,
                         size_t head_rows)
{
    struct export_source *s;
    struct export_tensor *t = add(l, name, ".weight", &s);
    if (!t)
        return;
    t->type = m[0]->type;
    t->n_dims = 2;
    t->dims[0] = m[0]->n_cols;
    for (size_t i = 0; i < n; i++) {
        s->matrices[i] = m[i];
        t->n_rows += m[i]->n_rows;
    }
    t->dims[1] = t->n_rows;
    s->n_matrices = n;
    s->head_rows = head_rows;
    const struct export_source copy = *s; /* what follows may move the list */
    add_biases(l, name, &copy, t->n_rows);
}

static void add_matrix(struct list *l, const char *name, const struct matrix *m, size_t head_rows)
{
    add_matrices(l, name, &m, 1, head_rows);
}

static void add_attention(struct list *l, const struct layer *layer)
{
    const struct traits *t = &l->x->model->traits;
    size_t n_embd = (size_t)t->n_embd, head = (size_t)t->head_dim;
    size_t head_rows = l->x->rule->interleaved ? head : 0;
    size_t kv_heads = (size_t)t->n_head_kv, heads = (size_t)t->n_head;
    const struct matrix *const qkv[] = {&layer->q, &layer->k, &layer->v};
    add_norm(l, "attn_norm", &layer->attn_norm, n_embd, 1);
    if (l->x->rule->joined) {
        add_matrices(l, "attn_qkv", qkv, 3, 0);
    } else {
        add_matrix(l, "attn_q", &layer->q, head_rows);
        add_matrix(l, "attn_k", &layer->k, head_rows);
        add_matrix(l, "attn_v", &layer->v, 0);
    }
    add_matrix(l, "attn_output", &layer->o, 0);
    bool row = t->qk_norm == QK_NORM_ROW, each = t->qk_norm == QK_NORM_HEADS;
    add_norm(l, "attn_q_norm", &layer->q_norm, row ? heads * head : head, each ? heads : 1);
    add_norm(l, "attn_k_norm", &layer->k_norm, row ? kv_heads * head : head, each ? kv_heads : 1);
    add_norm(l, "post_attention_norm", &layer->attn_post_norm, n_embd, 1);
}

static void add_feed_forward(struct list *l, const struct layer *layer)
{
    const struct traits *t = &l->x->model->traits;
    size_t n_embd = (size_t)t->n_embd;
    const struct matrix *const gate_up[] = {&layer->gate, &layer->up};
    add_norm(l, "ffn_norm", &layer->ffn_norm, n_embd, 1);
    if (l->x->rule->joined) {
        add_matrices(l, "ffn_up", gate_up, 2, 0);
    } else {
        add_matrix(l, "ffn_gate", &layer->gate, 0);
        add_matrix(l, "ffn_up", &layer->up, 0);
    }
    add_matrix(l, "ffn_down", &layer->down, 0);
    add_norm(l, "post_ffw_norm", &layer->ffn_post_norm, n_embd, 1);
}

/* Llama 3's scaling as a divisor of each frequency: https://github.com/meta-llama/llama-models. */
static void add_divisors(struct list *l, const struct rope_traits *r)
{
    size_t n = (size_t)r->n_rot / 2;
    float *divisors = arena_array(&l->x->arena, n, sizeof *divisors);
    if (!divisors) {
        l->code = err_set(l->e, ERR_NOMEM, "no memory for %zu frequencies", n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double waves = r->original_ctx * pow(r->base, -2.0 * (double)i / r->n_rot) / (2 * M_PI);
        double smooth = (waves - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
        smooth = fmin(1, fmax(0, smooth));
        divisors[i] = (float)(1 / ((1 - smooth) / r->factor + smooth));
    }
    add_values(l, "rope_freqs", ".weight", divisors, n, 1);
}

static void add_ends(struct list *l)
{
    const struct model *m = l->x->model;
    const struct rope_traits *r = &m->traits.rope;
    size_t half = (size_t)r->n_rot / 2;
    add_matrix(l, "token_embd", &m->embedding, 0);
    add_norm(l, "output_norm", &m->output_norm, (size_t)m->traits.n_embd, 1);
    if (m->head.data != m->embedding.data)
        add_matrix(l, "output", &m->head, 0);
    if (r->scaling == ROPE_SCALING_LLAMA3)
        add_divisors(l, r);
    if (r->scaling == ROPE_SCALING_LONGROPE) {
        add_values(l, "rope_factors_long", ".weight", r->long_factor, half, 1);
        add_values(l, "rope_factors_short", ".weight", r->short_factor, half, 1);
    }
}

int export_list_hf(struct model_export *x, struct err *e)
{
    struct list l = {x, -1, 0, e};
    int code = find_rule(x, e);
    if (!code)
        code = check_words(x, e);
    if (code)
        return code;
    add_ends(&l);
    for (l.layer = 0; l.layer < x->model->traits.n_layer && !l.code; l.layer++) {
        add_attention(&l, &x->model->layers[l.layer]);
        add_feed_forward(&l, &x->model->layers[l.layer]);
    }
    return l.code;
}
