/* SPDX-License-Identifier: MIT */
/* The forward pass against the traits read word by word: one token after another, in doubles,
 * without a cache, batches or fused steps. The goldens hold both against the published models; this
 * covers the traits and combinations that no golden has. */
#include "model/rope.h"
#include "model_shapes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { TOKENS = 37, WIDE = 512 };

/* Of one token. */
struct vector {
    double v[WIDE];
};

/* A layer's keys and values of all tokens. */
struct past {
    struct vector k[TOKENS], v[TOKENS];
};

static struct vector times(const struct model *m, const struct matrix *w, const struct vector *x)
{
    struct vector y = {{0}};
    float row[WIDE];
    for (size_t r = 0; r < w->n_rows; r++) {
        size_t at = r / w->group_rows * w->group_apart + r % w->group_rows;
        m->kernels->dequant(w->type, w->data + at * w->row_bytes, row, w->n_cols);
        y.v[r] = w->bias ? (double)w->bias[r] : 0;
        for (size_t c = 0; c < w->n_cols; c++)
            y.v[r] += (double)row[c] * x->v[c];
    }
    return y;
}

static struct vector table_row(const struct model *m, const struct matrix *w, size_t row)
{
    struct vector y = {{0}};
    float floats[WIDE];
    m->kernels->dequant(w->type, w->data + row * w->row_bytes, floats, w->n_cols);
    for (size_t c = 0; c < w->n_cols; c++)
        y.v[c] = (double)floats[c];
    return y;
}

static void normalize(const struct norm *norm, enum norm_kind kind, double eps, size_t at,
                      double *x, size_t n)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n && kind == NORM_LAYER; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++) {
        x[i] = (x[i] - mean) / sqrt(square + eps);
        x[i] *= norm->weight ? (double)norm->weight[at + i] : 1;
        x[i] += norm->bias ? (double)norm->bias[at + i] : 0;
    }
}

static struct vector normed(const struct model *m, const struct norm *norm, struct vector x)
{
    if (norm->there)
        normalize(norm, m->traits.norm, (double)m->traits.norm_eps, 0, x.v,
                  (size_t)m->traits.n_embd);
    return x;
}

static void normalize_heads(const struct model *m, const struct norm *norm, double *x, size_t dim)
{
    const struct traits *t = &m->traits;
    size_t head = (size_t)t->head_dim, length = t->qk_norm == QK_NORM_ROW ? dim : head;
    for (size_t i = 0; i < dim && norm->there; i += length)
        normalize(norm, t->qk_norm_kind, (double)t->qk_norm_eps,
                  t->qk_norm == QK_NORM_HEADS ? i : 0, x + i, length);
}

static void rotate(const struct model *m, size_t layer, size_t position, double *x, size_t dim)
{
    const struct traits *t = &m->traits;
    const struct rope_traits *r = t->layers[layer] & LAYER_LOCAL_ROPE ? &t->rope_local : &t->rope;
    size_t n = (size_t)r->n_rot / 2, head = (size_t)t->head_dim;
    float inverse[WIDE], cosines[WIDE], sines[WIDE];
    if (n == 0 || t->layers[layer] & LAYER_NO_ROPE)
        return;
    float magnitude = rope_frequencies(r, rope_regime(r, TOKENS), NULL, inverse);
    rope_angles(inverse, r->n_rot, magnitude, (int32_t)position, cosines, sines);
    for (size_t h = 0; h < dim; h += head) {
        for (size_t i = 0; i < n; i++) {
            double *a = x + h + (r->interleaved ? 2 * i : i), *b = a + (r->interleaved ? 1 : n);
            double c = (double)cosines[i], s = (double)sines[i], a0 = *a;
            *a = a0 * c - *b * s;
            *b = a0 * s + *b * c;
        }
    }
}

static double activation(enum activation a, double x)
{
    switch (a) {
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case ACTIVATION_GELU_TANH:
        return x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
    case ACTIVATION_GELU_ERF:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case ACTIVATION_GELU_QUICK:
        return x / (1 + exp(-1.702 * x));
    case ACTIVATION_RELU:
        return fmax(x, 0);
    case ACTIVATION_RELU2:
        return fmax(x, 0) * fmax(x, 0);
    }
    return NAN;
}

static double capped(double x, double cap)
{
    return cap > 0 ? cap * tanh(x / cap) : x;
}

static void clip(double *x, size_t n, double limit)
{
    for (size_t i = 0; i < n && limit > 0; i++)
        x[i] = fmin(fmax(x[i], -limit), limit);
}

static void attend_head(const struct model *m, size_t layer, size_t token, size_t head,
                        const double *q, const struct past *past, double *y)
{
    const struct traits *t = &m->traits;
    size_t dim = (size_t)t->head_dim, at = head / (size_t)(t->n_head / t->n_head_kv) * dim;
    double scores[TOKENS], sum = 0;
    double scale = (double)t->attention_scale;
    if (t->attention_scale_by_layer)
        scale /= (double)layer + 1;
    for (size_t p = 0; p <= token; p++) {
        bool hidden = t->layers[layer] & LAYER_SLIDING && token - p >= (size_t)t->window;
        scores[p] = 0;
        for (size_t i = 0; i < dim; i++)
            scores[p] += q[i] * past->k[p].v[at + i] * scale;
        scores[p] = capped(scores[p], (double)t->attention_softcap);
        if (m->alibi_slopes)
            scores[p] -= (double)m->alibi_slopes[head] * (double)(token - p);
        scores[p] = hidden ? 0 : exp(scores[p]);
        sum += scores[p];
    }
    for (size_t i = 0; i < dim; i++) {
        y[i] = 0;
        for (size_t p = 0; p <= token; p++)
            y[i] += scores[p] / sum * past->v[p].v[at + i];
    }
}

static struct vector attention(const struct model *m, size_t layer, size_t token,
                               const struct vector *x, struct past *past)
{
    const struct layer *l = &m->layers[layer];
    size_t q_dim = model_q_dim(m), kv_dim = model_kv_dim(m);
    struct vector q = times(m, &l->q, x), k = times(m, &l->k, x), v = times(m, &l->v, x), y;
    clip(q.v, q_dim, (double)m->traits.clip_qkv);
    clip(k.v, kv_dim, (double)m->traits.clip_qkv);
    clip(v.v, kv_dim, (double)m->traits.clip_qkv);
    normalize_heads(m, &l->q_norm, q.v, q_dim);
    normalize_heads(m, &l->k_norm, k.v, kv_dim);
    rotate(m, layer, token, q.v, q_dim);
    rotate(m, layer, token, k.v, kv_dim);
    past->k[token] = k;
    past->v[token] = v;
    for (size_t h = 0; h < (size_t)m->traits.n_head; h++) {
        size_t at = h * (size_t)m->traits.head_dim;
        attend_head(m, layer, token, h, q.v + at, past, y.v + at);
    }
    return times(m, &l->o, &y);
}

static struct vector ffn(const struct model *m, const struct matrix *gate, const struct matrix *up,
                         const struct matrix *down, const struct vector *x)
{
    struct vector inner = times(m, up, x);
    struct vector gates = m->traits.gated ? times(m, gate, x) : inner;
    for (size_t i = 0; i < up->n_rows; i++) {
        double a = activation(m->traits.activation, gates.v[i]);
        inner.v[i] = m->traits.gated ? a * inner.v[i] : a;
    }
    return times(m, down, &inner);
}

static void add_times(struct vector *y, double a, struct vector x)
{
    for (size_t i = 0; i < WIDE; i++)
        y->v[i] += a * x.v[i];
}

static struct vector experts(const struct model *m, const struct layer *l, const struct vector *x)
{
    const struct traits *t = &m->traits;
    struct vector router = times(m, &l->router, x), y = {{0}};
    bool chosen[WIDE] = {false};
    double sum = 0, best_sum = 0;
    for (int32_t e = 0; e < t->n_expert; e++)
        sum += exp(router.v[e]);
    for (int32_t k = 0; k < t->n_expert_used; k++) {
        int32_t best = -1;
        for (int32_t e = 0; e < t->n_expert; e++)
            if (!chosen[e] && (best < 0 || router.v[e] > router.v[best]))
                best = e;
        chosen[best] = true;
        best_sum += exp(router.v[best]);
    }
    for (int32_t e = 0; e < t->n_expert; e++)
        if (chosen[e])
            add_times(&y, exp(router.v[e]) / (t->expert_norm ? best_sum : sum),
                      ffn(m, &l->experts[e].gate, &l->experts[e].up, &l->experts[e].down, x));
    if (t->n_ff_shared) {
        double share = 1;
        if (t->shared_gated)
            share = 1 / (1 + exp(-times(m, &l->shared_router, x).v[0]));
        add_times(&y, share, ffn(m, &l->gate, &l->up, &l->down, x));
    }
    return y;
}

static struct vector feed_forward(const struct model *m, const struct layer *l,
                                  const struct vector *x)
{
    return l->router.n_rows ? experts(m, l, x) : ffn(m, &l->gate, &l->up, &l->down, x);
}

static struct vector run_layer(const struct model *m, size_t layer, size_t token, struct vector x,
                               struct past *past)
{
    const struct layer *l = &m->layers[layer];
    const struct traits *t = &m->traits;
    struct vector first = t->norm_before ? normed(m, &l->attn_norm, x) : x;
    struct vector attended = attention(m, layer, token, &first, past);
    struct vector y = t->residual_normed ? first : x;
    add_times(&y, (double)t->residual_scale, normed(m, &l->attn_post_norm, attended));
    if (t->norm_after)
        y = normed(m, &l->attn_norm, y);
    struct vector second = t->parallel_one_norm ? first : t->parallel ? x : y;
    if (t->norm_before && !t->parallel_one_norm)
        second = normed(m, &l->ffn_norm, second);
    if (t->residual_normed)
        y = second;
    struct vector fed = feed_forward(m, l, &second);
    add_times(&y, (double)t->residual_scale, normed(m, &l->ffn_post_norm, fed));
    return t->norm_after ? normed(m, &l->ffn_norm, y) : y;
}

static struct vector embed(const struct model *m, int32_t id, size_t position)
{
    const struct traits *t = &m->traits;
    struct vector x = table_row(m, &m->embedding, (size_t)id);
    for (size_t i = 0; i < WIDE; i++)
        x.v[i] *= (double)t->embedding_scale;
    if (t->n_embd_token)
        x = times(m, &m->embedding_in, &x);
    if (t->positions)
        add_times(&x, 1, table_row(m, &m->positions, position + (size_t)t->positions_from));
    return t->embedding_norm ? normed(m, &m->embedding_norm, x) : x;
}

static struct vector head(const struct model *m, struct vector x)
{
    const struct traits *t = &m->traits;
    if (t->output_norm)
        x = normed(m, &m->output_norm, x);
    if (t->n_embd_token)
        x = times(m, &m->head_in, &x);
    struct vector y = times(m, &m->head, &x);
    for (int32_t i = 0; i < t->n_vocab; i++)
        y.v[i] = capped(y.v[i] * (double)t->logit_scale, (double)t->final_softcap);
    return y;
}

static int32_t id_at(int32_t i)
{
    return (i * 37 + 5) % SHAPE_VOCAB;
}

static void run(const struct model *m, float *logits)
{
    struct err e = {""};
    struct pool *pool = NULL;
    struct forward *f = NULL;
    struct kv *kv = NULL;
    int32_t ids[TOKENS];
    for (int32_t i = 0; i < TOKENS; i++)
        ids[i] = id_at(i);
    if (pool_open(&pool, 2, &e) || forward_open(&f, m, pool, TOKENS, &e) ||
        kv_open(&kv, m, SHAPE_CTX, &e) ||
        model_forward(m, f, kv, ids, TOKENS, TOKENS, logits, NULL, NULL, NULL, &e))
        fail_msg("%s", e.text);
    kv_close(&kv);
    forward_close(&f);
    pool_close(&pool);
}

/* Sums in floats over rows of at most 160 stay within 1e-5 of the largest logit; another choice of
 * experts would not. */
static void check_shape(const struct shape *s)
{
    static struct past pasts[3];
    static float logits[TOKENS][SHAPE_VOCAB];
    struct model m = {0};
    double worst = 0, largest = 0;
    shape_make(&m, s);
    for (size_t i = 0; i < 3; i++)
        memset(&pasts[i], 0, sizeof pasts[i]);
    run(&m, logits[0]);
    for (int32_t token = 0; token < TOKENS; token++) {
        struct vector x = embed(&m, id_at(token), (size_t)token);
        for (size_t layer = 0; layer < 3; layer++)
            x = run_layer(&m, layer, (size_t)token, x, &pasts[layer]);
        x = head(&m, x);
        for (size_t i = 0; i < SHAPE_VOCAB; i++) {
            double size = fabs(x.v[i]), off = fabs(x.v[i] - (double)logits[token][i]);
            assert_false(isnan(off));
            largest = size > largest ? size : largest;
            worst = off > worst ? off : worst;
        }
    }
    print_message("%s: within %.1e of %.3g\n", s->name, worst / largest, largest);
    assert_true(largest > 0.1);
    assert_true(worst / largest <= 1e-5);
    model_unmake(&m);
}

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++)
        if (shapes[i].matrices == WTYPE_F32)
            check_shape(&shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
