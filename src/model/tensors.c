/* SPDX-License-Identifier: MIT */
/* See bind.h. A tensor of a layer that no place names means a computation that the forward pass
 * does not do, and is refused; others outside of the layers are left alone, and the log says so. */
#include "model/bind.h"

#include <stdio.h>
#include <stdlib.h>

enum { DIMS_SIZE = 96 };

/* ---- names ---- */

/* The pattern's first component with its dot, when it has layers below: "model.", "transformer.".
 */
static size_t root_length(const struct binder *b)
{
    const char *p = place_pattern(b->family->hf_names, true, PLACE_EMBEDDING);
    const char *dot = p ? strchr(p, '.') : NULL;
    return dot ? (size_t)(dot - p) + 1 : 0;
}

/* Checkpoints of the model without its head have no root; those of a model inside another have the
 * outer one's before it. */
void bind_find_root(struct binder *b)
{
    static const char *const roots[][2] = {
        {"", ""}, {"language_model.model.", "language_model."}, {"model.language_model.", ""}};
    b->root = NULL;
    b->outer = "";
    if (!b->hf || bind_find(b, (struct slot){PLACE_EMBEDDING, -1, -1}, ".weight"))
        return;
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        b->root = roots[i][0];
        b->outer = roots[i][1];
        if (bind_find(b, (struct slot){PLACE_EMBEDDING, -1, -1}, ".weight"))
            return;
    }
    b->root = NULL;
    b->outer = "";
}

/* Adds text to out[*n], which stays terminated. */
static void append(char *out, size_t *n, const char *text, size_t length)
{
    if (length > BIND_NAME_SIZE - 1 - *n)
        length = BIND_NAME_SIZE - 1 - *n;
    memcpy(out + *n, text, length);
    *n += length;
    out[*n] = 0;
}

/* The numbers go where the pattern has %d, in order. */
static void fill_numbers(const char *pattern, const int32_t *numbers, char *out, size_t *n)
{
    for (const char *hole; (hole = strstr(pattern, "%d")) != NULL; pattern = hole + 2) {
        char digits[16];
        append(out, n, pattern, (size_t)(hole - pattern));
        int length = snprintf(digits, sizeof digits, "%d", (int)*numbers++);
        append(out, n, digits, (size_t)length);
    }
    append(out, n, pattern, strlen(pattern));
}

static const struct tensor_name *own_names(const struct binder *b)
{
    return b->hf ? b->family->hf_names : b->family->gguf_names;
}

static void name_by(const struct binder *b, const char *pattern, struct slot slot,
                    const char *suffix, char out[BIND_NAME_SIZE])
{
    int32_t numbers[] = {slot.layer, slot.index, 0, 0};
    size_t n = 0, root = b->root ? root_length(b) : 0;
    out[0] = 0;
    if (b->root) {
        const char *embedding = place_pattern(b->family->hf_names, true, PLACE_EMBEDDING);
        bool below = root && strncmp(pattern, embedding, root) == 0;
        append(out, &n, below ? b->root : b->outer, strlen(below ? b->root : b->outer));
        pattern += below ? root : 0;
    }
    fill_numbers(pattern, slot.layer < 0 ? numbers + 1 : numbers, out, &n);
    append(out, &n, suffix, strlen(suffix));
}

/* Of alternatives the first whose weights the file has; if it has none, the first. */
static const char *pattern_of(const struct binder *b, struct slot slot)
{
    const struct tensor_name *names = own_names(b);
    if (place_alternative(names, slot.place, 1)) {
        const char *p;
        char name[BIND_NAME_SIZE];
        for (size_t nth = 0; (p = place_alternative(names, slot.place, nth)) != NULL; nth++) {
            name_by(b, p, slot, ".weight", name);
            if (weights_tensor(b->model->file, name))
                return p;
        }
    }
    return place_pattern(names, b->hf, slot.place);
}

bool bind_is_indexed(const struct binder *b, enum place place)
{
    const char *p = pattern_of(b, (struct slot){place, 0, 0});
    const char *first = p ? strstr(p, "%d") : NULL;
    return first && strstr(first + 2, "%d");
}

void bind_name(const struct binder *b, struct slot slot, const char *suffix,
               char out[BIND_NAME_SIZE])
{
    const char *pattern = pattern_of(b, slot);
    out[0] = 0;
    if (pattern)
        name_by(b, pattern, slot, suffix, out);
}

const struct tensor *bind_find(const struct binder *b, struct slot slot, const char *suffix)
{
    char name[BIND_NAME_SIZE];
    bind_name(b, slot, suffix, name);
    return name[0] ? weights_tensor(b->model->file, name) : NULL;
}

int bind_missing(struct binder *b, struct slot slot, const char *suffix)
{
    char name[BIND_NAME_SIZE];
    bind_name(b, slot, suffix, name);
    return err_set(b->e, ERR_FORMAT, "tensor '%s': is missing, a %s model needs it", name,
                   b->model->info.arch);
}

/* ---- tensors ---- */

static uint64_t element_count(const struct tensor *t)
{
    uint64_t n = 1;
    for (size_t i = 0; i < GGUF_MAX_DIMS; i++)
        n *= t->dims[i]; /* did not overflow when the file was opened */
    return n;
}

/* The tensor, marked as used; NULL if the file has none of that name. */
static const struct tensor *take(struct binder *b, struct slot slot, const char *suffix)
{
    const struct tensor *t = bind_find(b, slot, suffix);
    if (!t)
        return NULL;
    size_t index = weights_tensor_index(b->model->file, t);
    if (!b->used[index])
        b->model->info.n_params += element_count(t);
    b->used[index] = true;
    return t;
}

static void describe_dims(const uint64_t *dims, uint32_t n_dims, char out[DIMS_SIZE])
{
    int n = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < n_dims && n < DIMS_SIZE; i++)
        n += snprintf(out + n, DIMS_SIZE - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)dims[i]);
}

/* In the order in which the file has them. */
static void describe(const struct binder *b, const uint64_t *dims, uint32_t n_dims,
                     char out[DIMS_SIZE])
{
    uint64_t turned[GGUF_MAX_DIMS];
    for (uint32_t i = 0; i < n_dims; i++)
        turned[i] = b->hf ? dims[n_dims - 1 - i] : dims[i];
    describe_dims(turned, n_dims, out);
}

static int wrong_shape(struct binder *b, const struct tensor *t, const uint64_t *expected,
                       uint32_t n_dims)
{
    char dims[DIMS_SIZE], wanted[DIMS_SIZE];
    describe(b, t->dims, t->n_dims, dims);
    describe(b, expected, n_dims, wanted);
    return err_set(b->e, ERR_FORMAT,
                   "tensor '%s': dimensions [%s], expected [%s] by the hyperparameters", t->name,
                   dims, wanted);
}

static int check_type(struct binder *b, const struct tensor *t)
{
    if (t->type != WEIGHTS_NO_TYPE && wtype_info(t->type))
        return 0;
    return err_set(b->e, ERR_UNSUPPORTED,
                   "tensor '%s': its element type is none that weights can have here", t->name);
}

/* A vector of n, or a table of n elements in rows of any length. */
static int check_vector(struct binder *b, const struct tensor *t, size_t n)
{
    const uint64_t dims[] = {n, 1, 1, 1};
    if (element_count(t) != n || t->dims[2] != 1 || t->dims[3] != 1)
        return wrong_shape(b, t, dims, 1);
    return check_type(b, t);
}

static int check_matrix(struct binder *b, const struct tensor *t, size_t n_cols, size_t n_rows,
                        size_t n)
{
    const uint64_t dims[] = {n_cols, n_rows, n, 1};
    for (size_t i = 0; i < GGUF_MAX_DIMS; i++)
        if (t->dims[i] != dims[i])
            return wrong_shape(b, t, dims, n > 1 ? 3 : 2);
    return check_type(b, t);
}

static bool float_aligned(const struct tensor *t)
{
    return t->type == WTYPE_F32 && (uintptr_t)t->data.p % sizeof(float) == 0;
}

static void to_floats(const struct binder *b, const struct tensor *t, float offset, float *out)
{
    size_t n_rows = t->row_bytes ? t->data.n / t->row_bytes : 0;
    for (size_t r = 0; r < n_rows; r++)
        b->model->kernels->dequant(t->type, t->data.p + r * t->row_bytes, out + r * t->dims[0],
                                   (size_t)t->dims[0]);
    for (uint64_t i = 0; offset != 0 && i < element_count(t); i++)
        out[i] += offset;
}

static int no_memory(struct binder *b, const char *name, size_t n)
{
    return err_set(b->e, ERR_NOMEM, "tensor '%s': no memory for %zu floats", name, n);
}

int bind_vector(struct binder *b, struct slot slot, const char *suffix, size_t n, size_t n_parts,
                float offset, bool required, const float **out)
{
    bool indexed = n_parts > 1;
    float *copy = NULL;
    for (size_t i = 0; i < n_parts; i++) {
        struct slot s = {slot.place, slot.layer, indexed ? (int32_t)i : slot.index};
        const struct tensor *t = take(b, s, suffix);
        if (!t)
            return required || i ? bind_missing(b, s, suffix) : 0;
        int code = check_vector(b, t, n / n_parts);
        if (code)
            return code;
        if (float_aligned(t) && offset == 0 && !indexed) {
            *out = (const float *)(const void *)t->data.p;
            return 0;
        }
        if (!copy)
            copy = arena_array(&b->model->arena, n, sizeof *copy);
        if (!copy)
            return no_memory(b, t->name, n);
        to_floats(b, t, offset, copy + i * (n / n_parts));
    }
    *out = copy;
    return 0;
}

static void fill_matrix(struct binder *b, const struct tensor *t, const uint8_t *data,
                        size_t n_cols, size_t n_rows, struct matrix *out)
{
    *out = (struct matrix){
        .data = data,
        .row_bytes = t->row_bytes,
        .n_rows = n_rows,
        .n_cols = n_cols,
        .group_rows = n_rows,
        .group_apart = n_rows,
        .type = t->type,
        .q8 = b->model->math == MODEL_MATH_FAST && n_cols % 32 == 0 && kernels_has_q8(t->type),
    };
    if (t->type < BIND_WTYPES)
        b->type_bytes[t->type] += n_rows * t->row_bytes;
}

/* A copy with rows and columns swapped: [in][out] in the file. Types of one element a block only.
 */
static int transpose(struct binder *b, const struct tensor *t, size_t n_cols, size_t n_rows,
                     struct matrix *out)
{
    const struct wtype_info *info = wtype_info(t->type);
    if (info->block_elems != 1)
        return err_set(b->e, ERR_UNSUPPORTED, "tensor '%s': type %s, expected floats", t->name,
                       info->name);
    size_t size = info->block_bytes;
    uint8_t *copy = arena_array(&b->model->arena, n_cols * n_rows, size);
    if (!copy)
        return no_memory(b, t->name, n_cols * n_rows);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++)
            memcpy(copy + (r * n_cols + c) * size, t->data.p + (c * n_rows + r) * size, size);
    fill_matrix(b, t, copy, n_cols, n_rows, out);
    out->row_bytes = n_cols * size;
    return 0;
}

int bind_matrix(struct binder *b, struct slot slot, size_t n_cols, size_t n_rows,
                struct matrix *out)
{
    bool turned = b->hf && b->model->traits.transposed && slot.layer >= 0;
    const struct tensor *t = take(b, slot, ".weight");
    if (!t)
        return bind_missing(b, slot, ".weight");
    int code =
        turned ? check_matrix(b, t, n_rows, n_cols, 1) : check_matrix(b, t, n_cols, n_rows, 1);
    if (!code && turned)
        code = transpose(b, t, n_cols, n_rows, out);
    else if (!code)
        fill_matrix(b, t, t->data.p, n_cols, n_rows, out);
    if (code)
        return code;
    return bind_vector(b, slot, ".bias", n_rows, 1, 0, false, &out->bias);
}

int bind_rows(struct binder *b, const struct matrix *whole, size_t first, size_t n_rows,
              size_t group_rows, size_t group_apart, struct matrix *out)
{
    *out = *whole;
    out->data = whole->data + first * whole->row_bytes;
    out->n_rows = n_rows;
    out->group_rows = group_rows;
    out->group_apart = group_apart;
    if (!whole->bias)
        return 0;
    float *bias = arena_array(&b->model->arena, n_rows, sizeof *bias);
    if (!bias)
        return err_set(b->e, ERR_NOMEM, "no memory for a bias of %zu", n_rows);
    for (size_t r = 0; r < n_rows; r++)
        bias[r] = whole->bias[first + r / group_rows * group_apart + r % group_rows];
    out->bias = bias;
    return 0;
}

int bind_stacked(struct binder *b, struct slot slot, const char *suffix, size_t n_cols,
                 size_t n_rows, size_t n, struct matrix *first)
{
    const struct tensor *t = take(b, slot, suffix);
    if (!t)
        return bind_missing(b, slot, suffix);
    int code = check_matrix(b, t, n_cols, n_rows, n);
    if (code)
        return code;
    fill_matrix(b, t, t->data.p, n_cols, n_rows, first);
    b->type_bytes[t->type] += (n - 1) * n_rows * t->row_bytes;
    return 0;
}

/* ---- afterwards ---- */

/* Masks and frequencies that follow from the config, which older files hold; a tied head's copy. */
static bool is_redundant(const struct binder *b, const struct tensor *t)
{
    static const char *const buffers[] = {".inv_freq",
                                          ".cos_cached",
                                          ".sin_cached",
                                          ".causal_mask",
                                          ".attn.bias",
                                          ".attn.masked_bias",
                                          ".attention.bias",
                                          ".attention.masked_bias",
                                          ".attn_rot_embd.weight"};
    if (b->hf && t->type == WEIGHTS_NO_TYPE)
        return true;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (str_ends_with(t->name, buffers[i]))
            return true;
    return b->model->traits.tied && t == bind_find(b, (struct slot){PLACE_HEAD, -1, -1}, ".weight");
}

/* What names of layers begin with, up to the layer's number. */
static void layer_prefix(const struct binder *b, char out[BIND_NAME_SIZE])
{
    bind_name(b, (struct slot){PLACE_O, 0, -1}, "", out);
    char *zero = strstr(out, ".0.");
    if (zero)
        zero[1] = 0;
}

/* name begins with a layer's number. Layers that config.json does not count are left alone, as the
 * reference does; GGUF's block_count counts all. */
static bool beyond_layers(const struct binder *b, const char *name)
{
    int32_t layer = 0;
    for (; *name >= '0' && *name <= '9' && layer < TRAITS_LAYERS_MAX; name++)
        layer = layer * 10 + (*name - '0');
    return b->hf && layer >= b->model->traits.n_layer;
}

int bind_check_unused(struct binder *b)
{
    size_t n_unused = 0;
    const char *first = NULL;
    char prefix[BIND_NAME_SIZE];
    layer_prefix(b, prefix);
    for (size_t i = 0; i < weights_tensor_count(b->model->file); i++) {
        const struct tensor *t = weights_tensor_at(b->model->file, i);
        if (b->used[i] || is_redundant(b, t))
            continue;
        if (strncmp(t->name, prefix, strlen(prefix)) == 0 &&
            !beyond_layers(b, t->name + strlen(prefix)))
            return err_set(b->e, ERR_UNSUPPORTED,
                           "tensor '%s': not one of a %s model with %d layers: what it is for is "
                           "not supported",
                           t->name, b->model->info.arch, b->model->traits.n_layer);
        first = first ? first : t->name;
        n_unused++;
    }
    if (n_unused)
        log_warning("'%s': %zu %s not used, the first is '%s'", weights_path(b->model->file),
                    n_unused, plural(n_unused, "tensor is", "tensors are"), first);
    return 0;
}

void bind_name_quantization(struct binder *b)
{
    uint32_t most = 0;
    for (uint32_t t = 0; t < BIND_WTYPES; t++)
        if (b->type_bytes[t] > b->type_bytes[most])
            most = t;
    snprintf(b->model->info.quantization, sizeof b->model->info.quantization, "%s",
             wtype_info(most)->name);
}
