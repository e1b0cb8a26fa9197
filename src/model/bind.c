/* SPDX-License-Identifier: MIT */
/* A model's layers and matrices out of its file's tensors, as the traits say which there are. */
#include "model/bind.h"
#include "model/rope.h"

#include <math.h>
#include <stddef.h>

static struct slot outside(enum place place)
{
    return (struct slot){place, -1, -1};
}

static struct slot in_layer(enum place place, int32_t layer)
{
    return (struct slot){place, layer, -1};
}

/* ---- norms ---- */

static int bind_norm(struct binder *b, struct slot slot, struct norm *out)
{
    const struct traits *t = &b->model->traits;
    size_t n = (size_t)t->n_embd;
    out->there = true;
    if (t->norm_plain)
        return 0;
    int code = bind_vector(b, slot, ".weight", n, 1, t->norm_offset, true, &out->weight);
    if (!code && t->norm == NORM_LAYER)
        code = bind_vector(b, slot, ".bias", n, 1, 0, false, &out->bias);
    return code;
}

/* Of queries or keys: n_head heads. */
static int bind_qk_norm(struct binder *b, struct slot slot, int32_t n_head, struct norm *out)
{
    const struct traits *t = &b->model->traits;
    size_t n = (size_t)t->head_dim, parts = 1;
    if (t->qk_norm != QK_NORM_HEAD)
        n *= (size_t)n_head;
    if (t->qk_norm == QK_NORM_HEADS && bind_is_indexed(b, slot.place)) {
        parts = (size_t)n_head;
        slot.index = 0;
    }
    out->there = true;
    int code = bind_vector(b, slot, ".weight", n, parts, t->norm_offset, true, &out->weight);
    if (!code && t->qk_norm_kind == NORM_LAYER)
        code = bind_vector(b, slot, ".bias", n, parts, 0, false, &out->bias);
    return code;
}

/* ---- attention ---- */

/* Queries, keys and values as rows of one matrix. */
static int bind_fused(struct binder *b, int32_t i, struct layer *layer)
{
    struct model *m = b->model;
    size_t q = model_q_dim(m), kv = model_kv_dim(m), head = (size_t)m->traits.head_dim;
    size_t heads = q / kv; /* of queries, in a group */
    struct matrix all;
    int code = bind_matrix(b, in_layer(PLACE_QKV, i), (size_t)m->traits.n_embd, q + 2 * kv, &all);
    if (code)
        return code;
    if (m->traits.qkv_order == QKV_PARTS || !b->hf) {
        code = bind_rows(b, &all, 0, q, q, q, &layer->q);
        if (!code)
            code = bind_rows(b, &all, q, kv, kv, kv, &layer->k);
        return code ? code : bind_rows(b, &all, q + kv, kv, kv, kv, &layer->v);
    }
    size_t apart = (heads + 2) * head;
    code = bind_rows(b, &all, 0, q, heads * head, apart, &layer->q);
    if (!code)
        code = bind_rows(b, &all, heads * head, kv, head, apart, &layer->k);
    return code ? code : bind_rows(b, &all, (heads + 1) * head, kv, head, apart, &layer->v);
}

static int bind_attention(struct binder *b, int32_t i, struct layer *layer)
{
    struct model *m = b->model;
    const struct traits *t = &m->traits;
    size_t n_embd = (size_t)t->n_embd, q = model_q_dim(m), kv = model_kv_dim(m);
    int code = 0;
    if (t->norm_before || t->norm_after)
        code = bind_norm(b, in_layer(PLACE_ATTN_NORM, i), &layer->attn_norm);
    if (code)
        return code;
    if (t->fused_qkv || bind_find(b, in_layer(PLACE_QKV, i), ".weight")) {
        code = bind_fused(b, i, layer);
    } else {
        code = bind_matrix(b, in_layer(PLACE_Q, i), n_embd, q, &layer->q);
        if (!code)
            code = bind_matrix(b, in_layer(PLACE_K, i), n_embd, kv, &layer->k);
        if (!code)
            code = bind_matrix(b, in_layer(PLACE_V, i), n_embd, kv, &layer->v);
    }
    if (!code)
        code = bind_matrix(b, in_layer(PLACE_O, i), q, n_embd, &layer->o);
    if (!code && t->qk_norm != QK_NORM_NONE)
        code = bind_qk_norm(b, in_layer(PLACE_Q_NORM, i), t->n_head, &layer->q_norm);
    if (!code && t->qk_norm != QK_NORM_NONE)
        code = bind_qk_norm(b, in_layer(PLACE_K_NORM, i), t->n_head_kv, &layer->k_norm);
    if (!code && t->attn_post_norm)
        code = bind_norm(b, in_layer(PLACE_ATTN_POST_NORM, i), &layer->attn_post_norm);
    return code;
}

/* ---- feed-forward ---- */

/* A file's gate and up in one matrix: told by its rows, since GGUF has it under the name of up. */
static bool has_gate_up(const struct binder *b, int32_t i)
{
    const struct traits *t = &b->model->traits;
    const struct tensor *both = bind_find(b, in_layer(PLACE_GATE_UP, i), ".weight");
    return t->gated && (t->fused_gate_up || (both && both->dims[1] == 2 * (uint64_t)t->n_ff));
}

static int bind_dense(struct binder *b, int32_t i, struct layer *layer)
{
    const struct traits *t = &b->model->traits;
    size_t n_embd = (size_t)t->n_embd, n_ff = (size_t)t->n_ff;
    int code = 0;
    if (has_gate_up(b, i)) {
        struct matrix both;
        code = bind_matrix(b, in_layer(PLACE_GATE_UP, i), n_embd, 2 * n_ff, &both);
        if (!code)
            code = bind_rows(b, &both, 0, n_ff, n_ff, n_ff, &layer->gate);
        if (!code)
            code = bind_rows(b, &both, n_ff, n_ff, n_ff, n_ff, &layer->up);
    } else {
        if (t->gated)
            code = bind_matrix(b, in_layer(PLACE_GATE, i), n_embd, n_ff, &layer->gate);
        if (!code)
            code = bind_matrix(b, in_layer(PLACE_UP, i), n_embd, n_ff, &layer->up);
    }
    return code ? code : bind_matrix(b, in_layer(PLACE_DOWN, i), n_ff, n_embd, &layer->down);
}

static struct matrix nth_of(const struct matrix *first, size_t n)
{
    struct matrix m = *first;
    m.data += n * m.n_rows * m.row_bytes;
    return m;
}

/* One matrix of every expert, first[0] of expert 0, the others sizeof(struct expert) apart. */
static int bind_experts(struct binder *b, struct slot slot, size_t n_cols, size_t n_rows,
                        struct expert *experts, size_t offset)
{
    size_t n = (size_t)b->model->traits.n_expert;
    struct matrix *first = (struct matrix *)((char *)experts + offset);
    int code = 0;
    if (!bind_is_indexed(b, slot.place)) {
        code = bind_stacked(b, slot, ".weight", n_cols, n_rows, n, first);
        for (size_t e = 1; e < n && !code; e++)
            *(struct matrix *)((char *)(experts + e) + offset) = nth_of(first, e);
        return code;
    }
    for (size_t e = 0; e < n && !code; e++) {
        slot.index = (int32_t)e;
        code =
            bind_matrix(b, slot, n_cols, n_rows, (struct matrix *)((char *)(experts + e) + offset));
    }
    return code;
}

/* As transformers 5 holds them in memory, and writes them if told to. */
static int bind_fused_experts(struct binder *b, int32_t i, struct expert *experts)
{
    const struct traits *t = &b->model->traits;
    size_t n_embd = (size_t)t->n_embd, n_ff = (size_t)t->n_ff_expert, n = (size_t)t->n_expert;
    struct matrix gate_up, down;
    int code =
        bind_stacked(b, in_layer(PLACE_EXPERTS_GATE_UP, i), "", n_embd, 2 * n_ff, n, &gate_up);
    if (!code)
        code = bind_stacked(b, in_layer(PLACE_EXPERTS_DOWN, i), "", n_ff, n_embd, n, &down);
    for (size_t e = 0; e < n && !code; e++) {
        struct matrix both = nth_of(&gate_up, e);
        experts[e].down = nth_of(&down, e);
        code = bind_rows(b, &both, 0, n_ff, n_ff, n_ff, &experts[e].gate);
        if (!code)
            code = bind_rows(b, &both, n_ff, n_ff, n_ff, n_ff, &experts[e].up);
    }
    return code;
}

static int bind_each_expert(struct binder *b, int32_t i, struct expert *experts)
{
    const struct traits *t = &b->model->traits;
    size_t n_embd = (size_t)t->n_embd, n_ff = (size_t)t->n_ff_expert;
    int code = bind_experts(b, in_layer(PLACE_EXPERT_GATE, i), n_embd, n_ff, experts,
                            offsetof(struct expert, gate));
    if (!code)
        code = bind_experts(b, in_layer(PLACE_EXPERT_UP, i), n_embd, n_ff, experts,
                            offsetof(struct expert, up));
    return code ? code
                : bind_experts(b, in_layer(PLACE_EXPERT_DOWN, i), n_ff, n_embd, experts,
                               offsetof(struct expert, down));
}

static int bind_shared(struct binder *b, int32_t i, struct layer *layer)
{
    const struct traits *t = &b->model->traits;
    size_t n_embd = (size_t)t->n_embd, n_ff = (size_t)t->n_ff_shared;
    int code = bind_matrix(b, in_layer(PLACE_SHARED_GATE, i), n_embd, n_ff, &layer->gate);
    if (!code)
        code = bind_matrix(b, in_layer(PLACE_SHARED_UP, i), n_embd, n_ff, &layer->up);
    if (!code)
        code = bind_matrix(b, in_layer(PLACE_SHARED_DOWN, i), n_ff, n_embd, &layer->down);
    if (!code && t->shared_gated)
        code = bind_matrix(b, in_layer(PLACE_SHARED_ROUTER, i), n_embd, 1, &layer->shared_router);
    return code;
}

static int bind_mixture(struct binder *b, int32_t i, struct layer *layer)
{
    struct model *m = b->model;
    const struct traits *t = &m->traits;
    size_t n_embd = (size_t)t->n_embd, n = (size_t)t->n_expert;
    bool fused = bind_find(b, in_layer(PLACE_EXPERTS_GATE_UP, i), "") != NULL;
    layer->experts = arena_array(&m->arena, n, sizeof *layer->experts);
    if (!layer->experts)
        return err_set(b->e, ERR_NOMEM, "no memory for %zu experts", n);
    int code = bind_matrix(b, in_layer(PLACE_ROUTER, i), n_embd, n, &layer->router);
    layer->router.q8 = false; /* which experts: not a matter of rounding */
    if (!code)
        code = fused ? bind_fused_experts(b, i, layer->experts)
                     : bind_each_expert(b, i, layer->experts);
    return code || !t->n_ff_shared ? code : bind_shared(b, i, layer);
}

static int bind_feed_forward(struct binder *b, int32_t i, struct layer *layer)
{
    const struct traits *t = &b->model->traits;
    bool mixture = t->n_expert && !(t->layers[i] & LAYER_DENSE);
    bool has_norm = (t->norm_before || t->norm_after) && !(t->parallel && t->parallel_one_norm);
    int code = has_norm ? bind_norm(b, in_layer(PLACE_FFN_NORM, i), &layer->ffn_norm) : 0;
    if (!code)
        code = mixture ? bind_mixture(b, i, layer) : bind_dense(b, i, layer);
    if (!code && t->ffn_post_norm)
        code = bind_norm(b, in_layer(PLACE_FFN_POST_NORM, i), &layer->ffn_post_norm);
    return code;
}

/* ---- layers ---- */

static void count_matrix(struct model *m, const struct matrix *w, uint64_t times)
{
    m->layers_weights += times * w->n_cols * w->n_rows;
    m->layers_bytes += times * w->row_bytes * w->n_rows;
}

static void count_layer(struct model *m, const struct layer *l)
{
    const struct matrix *const all[] = {
        &l->q, &l->k, &l->v, &l->o, &l->up, &l->gate, &l->down, &l->router, &l->shared_router};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        count_matrix(m, all[i], 1);
    if (!l->experts)
        return;
    uint64_t used = (uint64_t)m->traits.n_expert_used;
    count_matrix(m, &l->experts->gate, used);
    count_matrix(m, &l->experts->up, used);
    count_matrix(m, &l->experts->down, used);
}

void model_count_work(struct model *m)
{
    m->layers_weights = m->layers_bytes = 0;
    for (int32_t i = 0; i < m->traits.n_layer; i++)
        count_layer(m, &m->layers[i]);
}

static int bind_layer(struct binder *b, int32_t i)
{
    struct layer *layer = &b->model->layers[i];
    int code = bind_attention(b, i, layer);
    return code ? code : bind_feed_forward(b, i, layer);
}

/* ---- outside of the layers ---- */

/* Without vocab_size the embedding says how many tokens there are. */
static int find_vocabulary_size(struct binder *b)
{
    struct traits *t = &b->model->traits;
    const struct tensor *embedding = bind_find(b, outside(PLACE_EMBEDDING), ".weight");
    if (!embedding)
        return bind_missing(b, outside(PLACE_EMBEDDING), ".weight");
    if (t->n_vocab != 0)
        return 0;
    if (embedding->dims[1] > TRAITS_VOCAB_MAX)
        return err_set(b->e, ERR_FORMAT, "tensor '%s': %llu rows, expected at most %d",
                       embedding->name, (unsigned long long)embedding->dims[1], TRAITS_VOCAB_MAX);
    t->n_vocab = (int32_t)embedding->dims[1];
    return 0;
}

/* A file may hold a tied head all the same: the reference ties them only if they are equal. */
static bool has_own_head(const struct binder *b)
{
    const struct tensor *head = bind_find(b, outside(PLACE_HEAD), ".weight");
    const struct tensor *embedding = bind_find(b, outside(PLACE_EMBEDDING), ".weight");
    if (!b->hf || !b->model->traits.tied)
        return b->hf || head;
    return head && !(head->type == embedding->type && span_eq(head->data, embedding->data));
}

static int bind_ends(struct binder *b)
{
    struct model *m = b->model;
    const struct traits *t = &m->traits;
    size_t n_embd = (size_t)t->n_embd, n_vocab = (size_t)t->n_vocab;
    size_t n_token = t->n_embd_token ? (size_t)t->n_embd_token : n_embd;
    int code = bind_matrix(b, outside(PLACE_EMBEDDING), n_token, n_vocab, &m->embedding);
    if (!code && t->n_embd_token)
        code = bind_matrix(b, outside(PLACE_EMBEDDING_IN), n_token, n_embd, &m->embedding_in);
    if (!code && t->n_embd_token)
        code = bind_matrix(b, outside(PLACE_HEAD_IN), n_embd, n_token, &m->head_in);
    if (!code && t->positions)
        code = bind_matrix(b, outside(PLACE_POSITIONS), n_embd,
                           (size_t)t->n_ctx + (size_t)t->positions_from, &m->positions);
    if (!code && t->embedding_norm)
        code = bind_norm(b, outside(PLACE_EMBEDDING_NORM), &m->embedding_norm);
    if (!code && t->output_norm)
        code = bind_norm(b, outside(PLACE_OUTPUT_NORM), &m->output_norm);
    if (code)
        return code;
    if (has_own_head(b))
        return bind_matrix(b, outside(PLACE_HEAD), n_token, n_vocab, &m->head);
    m->head = m->embedding;
    return bind_vector(b, outside(PLACE_HEAD), ".bias", n_vocab, 1, 0, false, &m->head.bias);
}

/* GGUF brings what config.json says in numbers as tensors. */
static int bind_rope(struct binder *b)
{
    struct model *m = b->model;
    struct rope_traits *r = &m->traits.rope;
    static const enum place places[] = {PLACE_ROPE_DIVISORS, PLACE_ROPE_LONG, PLACE_ROPE_SHORT};
    const float *v[3] = {NULL};
    size_t n = (size_t)r->n_rot / 2;
    for (size_t k = 0; k < 3 && !b->hf; k++) {
        int code = bind_vector(b, outside(places[k]), ".weight", n, 1, 0, false, &v[k]);
        if (code)
            return code;
        for (size_t i = 0; v[k] && i < n; i++)
            if (!(v[k][i] > 0))
                return err_set(
                    b->e, ERR_FORMAT, "tensor '%s.weight': value %zu is %g, expected more than 0",
                    place_pattern(b->family->gguf_names, false, places[k]), i, (double)v[k][i]);
    }
    m->rope_divisors = v[0];
    if (!v[1] != !v[2] || (!b->hf && r->scaling == ROPE_SCALING_LONGROPE && !v[1]))
        return bind_missing(b, outside(v[1] ? PLACE_ROPE_SHORT : PLACE_ROPE_LONG), ".weight");
    if (v[1]) {
        r->scaling = ROPE_SCALING_LONGROPE;
        r->long_factor = v[1];
        r->short_factor = v[2];
        r->factor = (double)m->traits.n_ctx / r->original_ctx;
    }
    return 0;
}

int model_bind(struct model *m, const struct family *family, bool hf, struct err *e)
{
    struct binder b = {.model = m, .family = family, .hf = hf, .e = e};
    b.used = arena_array(&m->arena, weights_tensor_count(m->file), sizeof *b.used);
    m->layers = arena_array(&m->arena, (size_t)m->traits.n_layer, sizeof *m->layers);
    if (!b.used || !m->layers)
        return err_set(e, ERR_NOMEM, "no memory for %d layers", m->traits.n_layer);
    bind_find_root(&b);
    int code = find_vocabulary_size(&b);
    if (!code)
        code = bind_ends(&b);
    if (!code)
        code = bind_rope(&b);
    if (!code && m->traits.alibi)
        code = model_alibi(m, e);
    for (int32_t i = 0; i < m->traits.n_layer && !code; i++)
        code = bind_layer(&b, i);
    if (!code)
        code = bind_check_unused(&b);
    if (code)
        return code;
    bind_name_quantization(&b);
    model_count_work(m);
    return 0;
}
