/* SPDX-License-Identifier: MIT */
/* Tensors by name to the places of a model, every shape held against the traits.
 *
 * The tables below are all there is: a tensor of a layer that no row names means a computation that
 * the forward pass does not do, and is refused; others outside of the layers are left alone, and
 * the log says so. */
#include "model/parts.h"
#include "model/rope.h"

#include <stddef.h>
#include <stdio.h>

enum axis { AXIS_EMBD, AXIS_HEADS, AXIS_HEADS_KV, AXIS_FF };

struct matrix_slot {
    const char *name; /* NAME.weight, and NAME.bias where the file has one */
    size_t offset;    /* in struct layer */
    enum axis cols, rows;
};

static const struct matrix_slot layer_matrices[] = {
    {"attn_q", offsetof(struct layer, q), AXIS_EMBD, AXIS_HEADS},
    {"attn_k", offsetof(struct layer, k), AXIS_EMBD, AXIS_HEADS_KV},
    {"attn_v", offsetof(struct layer, v), AXIS_EMBD, AXIS_HEADS_KV},
    {"attn_output", offsetof(struct layer, o), AXIS_HEADS, AXIS_EMBD},
    {"ffn_gate", offsetof(struct layer, gate), AXIS_EMBD, AXIS_FF},
    {"ffn_up", offsetof(struct layer, up), AXIS_EMBD, AXIS_FF},
    {"ffn_down", offsetof(struct layer, down), AXIS_FF, AXIS_EMBD},
};

static const struct {
    const char *name;
    size_t offset;
} layer_norms[] = {
    {"attn_norm", offsetof(struct layer, attn_norm)},
    {"ffn_norm", offsetof(struct layer, ffn_norm)},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { NAME_SIZE = 96, WTYPES = 64 };

struct binder {
    struct model *model;
    bool *used;                  /* [tensor in the file] */
    uint64_t type_bytes[WTYPES]; /* of matrices, for the name of the quantization */
    struct err *e;
};

static size_t axis_length(const struct model *m, enum axis axis)
{
    switch (axis) {
    case AXIS_EMBD:
        return (size_t)m->traits.n_embd;
    case AXIS_HEADS:
        return model_q_dim(m);
    case AXIS_HEADS_KV:
        return model_kv_dim(m);
    case AXIS_FF:
        return (size_t)m->traits.n_ff;
    }
    return 0;
}

static void describe_dims(const struct tensor *t, char out[NAME_SIZE])
{
    int n = 0;
    for (uint32_t i = 0; i < t->n_dims; i++)
        n += snprintf(out + n, NAME_SIZE - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)t->dims[i]);
}

/* The tensor, marked as used; NULL if the file has none of that name. */
static const struct tensor *take(struct binder *b, const char *name)
{
    const struct tensor *t = gguf_tensor(b->model->file, name);
    if (t) {
        size_t index = (size_t)(t - gguf_tensor_at(b->model->file, 0));
        if (!b->used[index])
            b->model->info.n_params += t->data.n / t->row_bytes * t->dims[0];
        b->used[index] = true;
    }
    return t;
}

static int missing(struct binder *b, const char *name)
{
    return err_set(b->e, ERR_FORMAT, "tensor '%s': is missing, a %s model needs it", name,
                   b->model->info.arch);
}

/* n_rows 0: a vector of n_cols. */
static int check_shape(struct binder *b, const struct tensor *t, size_t n_cols, size_t n_rows)
{
    uint32_t n_dims = n_rows ? 2 : 1;
    bool ok = t->dims[0] == n_cols && t->dims[1] == (n_rows ? n_rows : 1) && t->dims[2] == 1 &&
              t->dims[3] == 1;
    if (ok)
        return 0;
    char dims[NAME_SIZE], expected[NAME_SIZE];
    describe_dims(t, dims);
    describe_dims(&(struct tensor){.n_dims = n_dims, .dims = {n_cols, n_rows}}, expected);
    return err_set(b->e, ERR_FORMAT,
                   "tensor '%s': dimensions [%s], expected [%s] by the hyperparameters", t->name,
                   dims, expected);
}

/* A vector as floats: the file's own where it has them, else converted. */
static int bind_vector(struct binder *b, const char *name, size_t n, bool required,
                       const float **out)
{
    struct model *m = b->model;
    const struct tensor *t = take(b, name);
    if (!t)
        return required ? missing(b, name) : 0;
    int code = check_shape(b, t, n, 0);
    if (code)
        return code;
    if (t->type == WTYPE_F32) {
        *out = (const float *)(const void *)t->data.p; /* aligned to 8 by the format */
        return 0;
    }
    float *v = arena_array(&m->arena, n, sizeof *v);
    if (!v)
        return err_set(b->e, ERR_NOMEM, "tensor '%s': no memory for %zu floats", name, n);
    m->kernels->dequant(t->type, t->data.p, v, n);
    *out = v;
    return 0;
}

/* base is the name without ".weight". */
static int bind_matrix(struct binder *b, const char *base, size_t n_cols, size_t n_rows,
                       struct matrix *out)
{
    struct model *m = b->model;
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.weight", base);
    const struct tensor *t = take(b, name);
    if (!t)
        return missing(b, name);
    int code = check_shape(b, t, n_cols, n_rows);
    if (code)
        return code;
    *out = (struct matrix){
        .data = t->data.p,
        .row_bytes = t->row_bytes,
        .n_rows = n_rows,
        .n_cols = n_cols,
        .type = t->type,
        .q8 = m->math == MODEL_MATH_FAST && kernels_has_q8(t->type),
    };
    b->type_bytes[t->type] += t->data.n;
    snprintf(name, sizeof name, "%s.bias", base);
    return bind_vector(b, name, n_rows, false, &out->bias);
}

static int bind_layer(struct binder *b, int32_t i)
{
    struct model *m = b->model;
    struct layer *layer = &m->layers[i];
    char name[NAME_SIZE];
    uint64_t weights = 0, bytes = 0;
    int code = 0;
    for (size_t s = 0; s < COUNT(layer_norms) && !code; s++) {
        snprintf(name, sizeof name, "blk.%d.%s.weight", i, layer_norms[s].name);
        code = bind_vector(b, name, (size_t)m->traits.n_embd, true,
                           (const float **)((char *)layer + layer_norms[s].offset));
    }
    for (size_t s = 0; s < COUNT(layer_matrices) && !code; s++) {
        const struct matrix_slot *slot = &layer_matrices[s];
        struct matrix *matrix = (struct matrix *)((char *)layer + slot->offset);
        snprintf(name, sizeof name, "blk.%d.%s", i, slot->name);
        code = bind_matrix(b, name, axis_length(m, slot->cols), axis_length(m, slot->rows), matrix);
        weights += matrix->n_cols * matrix->n_rows;
        bytes += matrix->row_bytes * matrix->n_rows;
    }
    m->layer_weights = weights; /* the same in every layer: shapes are checked */
    m->layers_bytes += bytes;
    return code;
}

/* Without vocab_size the embedding says how many tokens there are. */
static int find_vocabulary_size(struct binder *b)
{
    struct traits *t = &b->model->traits;
    const struct tensor *embedding = gguf_tensor(b->model->file, "token_embd.weight");
    if (!embedding)
        return missing(b, "token_embd.weight");
    if (t->n_vocab != 0)
        return 0;
    if (embedding->dims[1] > TRAITS_VOCAB_MAX)
        return err_set(b->e, ERR_FORMAT, "tensor '%s': %llu rows, expected at most %d",
                       embedding->name, (unsigned long long)embedding->dims[1], TRAITS_VOCAB_MAX);
    t->n_vocab = (int32_t)embedding->dims[1];
    return 0;
}

static int bind_outside_layers(struct binder *b)
{
    struct model *m = b->model;
    size_t n_embd = (size_t)m->traits.n_embd, n_vocab = (size_t)m->traits.n_vocab;
    int code = bind_matrix(b, "token_embd", n_embd, n_vocab, &m->embedding);
    if (!code)
        code = bind_vector(b, "output_norm.weight", n_embd, true, &m->output_norm);
    if (code)
        return code;
    m->head = m->embedding;
    if (gguf_tensor(m->file, "output.weight"))
        code = bind_matrix(b, "output", n_embd, n_vocab, &m->head);
    return code;
}

static int bind_rope(struct binder *b)
{
    struct model *m = b->model;
    const float *divisors = NULL;
    size_t n = (size_t)m->traits.rope.n_rot / 2;
    int code = bind_vector(b, "rope_freqs.weight", n, false, &divisors);
    if (code)
        return code;
    for (size_t i = 0; divisors && i < n; i++)
        if (!(divisors[i] > 0))
            return err_set(b->e, ERR_FORMAT,
                           "tensor 'rope_freqs.weight': value %zu is %g, expected more than 0", i,
                           (double)divisors[i]);
    m->rope_inverse = arena_array(&m->arena, n, sizeof *m->rope_inverse);
    if (!m->rope_inverse)
        return err_set(b->e, ERR_NOMEM, "no memory for %zu frequencies", n);
    m->rope_magnitude = rope_frequencies(&m->traits.rope, divisors, m->rope_inverse);
    return 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static int check_unused(struct binder *b)
{
    size_t n_unused = 0;
    const char *first = NULL;
    for (size_t i = 0; i < gguf_tensor_count(b->model->file); i++) {
        const char *name = gguf_tensor_at(b->model->file, i)->name;
        /* The frequencies that follow from rope.freq_base, in files of 2023. */
        if (b->used[i] || ends_with(name, ".attn_rot_embd.weight"))
            continue;
        if (strncmp(name, "blk.", 4) == 0)
            return err_set(b->e, ERR_UNSUPPORTED,
                           "tensor '%s': not one of a %s model with %d layers: what it is for is "
                           "not supported",
                           name, b->model->info.arch, b->model->traits.n_layer);
        first = first ? first : name;
        n_unused++;
    }
    if (n_unused)
        log_warning("'%s': %zu tensors are not used, the first is '%s'", gguf_path(b->model->file),
                    n_unused, first);
    return 0;
}

static void name_quantization(struct binder *b)
{
    uint32_t most = 0;
    for (uint32_t t = 0; t < WTYPES; t++)
        if (b->type_bytes[t] > b->type_bytes[most])
            most = t;
    snprintf(b->model->info.quantization, sizeof b->model->info.quantization, "%s",
             wtype_info(most)->name);
}

int model_bind(struct model *m, struct err *e)
{
    struct binder b = {.model = m, .e = e};
    b.used = arena_array(&m->arena, gguf_tensor_count(m->file), sizeof *b.used);
    m->layers = arena_array(&m->arena, (size_t)m->traits.n_layer, sizeof *m->layers);
    if (!b.used || !m->layers)
        return err_set(e, ERR_NOMEM, "no memory for %d layers", m->traits.n_layer);
    int code = find_vocabulary_size(&b);
    if (!code)
        code = bind_outside_layers(&b);
    if (!code)
        code = bind_rope(&b);
    for (int32_t i = 0; i < m->traits.n_layer && !code; i++)
        code = bind_layer(&b, i);
    if (!code)
        code = check_unused(&b);
    if (!code)
        name_quantization(&b);
    return code;
}
