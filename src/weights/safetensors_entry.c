/* SPDX-License-Identifier: MIT */
/* One tensor's entry in the header of a safetensors file: {"dtype": "F32", "shape": [2, 3],
 * "data_offsets": [0, 24]}. The three agree with each other; whether they agree with the file is
 * safetensors.c's to check. Other members are skipped, as the reference does. No tree is made: a
 * header has up to 2^18 entries. */
#include "weights/parts.h"
#include "weights/safetensors.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    OTHER_BYTES_MAX = 4 << 10,
    DIMS_MAX = 64, /* PyTorch's own */
};

/* In elements of 64 bits, the widest, this is 2^64 bits. */
#define ELEMENTS_MAX (UINT64_MAX / 64)

/* type: the wtype that has the same layout, used where the kernels know it. */
static const struct {
    const char *name;
    uint32_t bits;
    uint32_t type;
} dtypes[] = {
    {"F32", 32, WTYPE_F32},
    {"F16", 16, WTYPE_F16},
    {"BF16", 16, WTYPE_BF16},
    {"F64", 64, WTYPE_F64},
    {"I8", 8, WTYPE_I8},
    {"U8", 8, WEIGHTS_NO_TYPE},
    {"BOOL", 8, WEIGHTS_NO_TYPE},
    {"I16", 16, WEIGHTS_NO_TYPE},
    {"U16", 16, WEIGHTS_NO_TYPE},
    {"I32", 32, WEIGHTS_NO_TYPE},
    {"U32", 32, WEIGHTS_NO_TYPE},
    {"I64", 64, WEIGHTS_NO_TYPE},
    {"U64", 64, WEIGHTS_NO_TYPE},
    {"F8_E4M3", 8, WEIGHTS_NO_TYPE},
    {"F8_E5M2", 8, WEIGHTS_NO_TYPE},
    {"F8_E8M0", 8, WEIGHTS_NO_TYPE},
    {"F8_E4M3FNUZ", 8, WEIGHTS_NO_TYPE},
    {"F8_E5M2FNUZ", 8, WEIGHTS_NO_TYPE},
    {"F4", 4, WEIGHTS_NO_TYPE},
    {"F6_E2M3", 6, WEIGHTS_NO_TYPE},
    {"F6_E3M2", 6, WEIGHTS_NO_TYPE},
    {"C64", 64, WEIGHTS_NO_TYPE},
};

enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

/* The values as they stand in the text; p is NULL where one is missing. */
struct fields {
    struct span dtype, shape, offsets;
};

int safetensors_check_member(struct span key, struct span value, size_t max_bytes, const char *what,
                             struct err *e)
{
    struct json *doc = NULL;
    int code = json_parse(&doc, key, max_bytes, what, e);
    json_close(&doc);
    if (!code)
        code = json_parse(&doc, value, max_bytes, what, e);
    json_close(&doc);
    return code;
}

static int read_fields(struct span text, struct fields *f, struct err *e)
{
    struct json_walk w;
    struct span key, value;
    const struct {
        const char *key;
        struct span *value;
    } known[] = {
        {"\"dtype\"", &f->dtype},
        {"\"shape\"", &f->shape},
        {"\"data_offsets\"", &f->offsets},
    };
    *f = (struct fields){.dtype = {NULL, 0}};
    int code = json_walk_init(&w, text, JSON_OBJECT, "its entry", e);
    while (!code && (code = json_walk_next(&w, &key, &value, e)) > 0) {
        size_t i = 0;
        while (i < 3 && !span_is(key, known[i].key))
            i++;
        if (i == 3)
            code = safetensors_check_member(key, value, OTHER_BYTES_MAX, "its entry", e);
        else if (known[i].value->p)
            code = err_set(e, ERR_FORMAT, "its entry: key %s stands twice", known[i].key);
        else
            code = 0;
        if (i < 3)
            *known[i].value = value;
    }
    for (size_t i = 0; i < 3 && !code; i++)
        if (!known[i].value->p)
            code = err_set(e, ERR_FORMAT, "its entry: key %s is missing", known[i].key);
    return code;
}

static int read_dtype(struct span text, size_t *out, struct err *e)
{
    for (size_t i = 0; i < N_DTYPES; i++) {
        size_t n = strlen(dtypes[i].name);
        if (text.n == n + 2 && text.p[0] == '"' && memcmp(text.p + 1, dtypes[i].name, n) == 0) {
            *out = i;
            return 0;
        }
    }
    char known[256];
    size_t n = 0;
    for (size_t i = 0; i < N_DTYPES && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", dtypes[i].name);
    return err_set(e, ERR_FORMAT, "dtype: %.*s, expected one of %s", SPAN_FMT(text), known);
}

static int read_size(struct span text, const char *field, uint64_t *out, struct err *e)
{
    if (num_parse_u64(text, out) && (text.p[0] != '0' || text.n == 1))
        return 0;
    return err_set(e, ERR_FORMAT, "%s: %.*s, expected a whole number, from 0 to 2^64-1", field,
                   SPAN_FMT(text));
}

/* The dims turned around: dims[0] is the last of the shape. Past GGUF_MAX_DIMS the outer ones are
 * multiplied into the last. *elements: the product of all; *n: how many there are. */
static int read_shape(struct span text, struct tensor *t, uint64_t *elements, size_t *n,
                      struct err *e)
{
    struct json_walk w;
    struct span value;
    uint64_t product = 1; /* of those that are not 0: they must fit even if one is */
    bool zero = false;
    int code = json_walk_init(&w, text, JSON_ARRAY, "shape", e);
    for (size_t i = 0; i < GGUF_MAX_DIMS; i++)
        t->dims[i] = 1;
    for (*n = 0; !code && (code = json_walk_next(&w, NULL, &value, e)) > 0; ++*n) {
        uint64_t dim;
        code = *n < DIMS_MAX ? read_size(value, "shape", &dim, e)
                             : err_set(e, ERR_FORMAT, "shape: more than %d dimensions", DIMS_MAX);
        if (code)
            break;
        if (!u64_mul(product, dim ? dim : 1, &product) || product > ELEMENTS_MAX)
            code = err_set(e, ERR_FORMAT,
                           "shape: %.*s: its dimensions overflow: their product is past 2^58",
                           SPAN_FMT(text));
        zero = zero || dim == 0;
        /* The newest is the fastest so far. */
        if (*n >= GGUF_MAX_DIMS)
            t->dims[GGUF_MAX_DIMS - 1] *= t->dims[GGUF_MAX_DIMS - 2];
        for (size_t i = *n < GGUF_MAX_DIMS ? GGUF_MAX_DIMS - 1 : GGUF_MAX_DIMS - 2; i > 0; i--)
            t->dims[i] = t->dims[i - 1];
        t->dims[0] = dim;
    }
    t->n_dims = (uint32_t)(*n < GGUF_MAX_DIMS ? *n : GGUF_MAX_DIMS);
    *elements = zero ? 0 : product;
    return code;
}

static int read_offsets(struct span text, struct place *p, struct err *e)
{
    struct json_walk w;
    struct span value;
    uint64_t offsets[2];
    size_t n = 0;
    int code = json_walk_init(&w, text, JSON_ARRAY, "data_offsets", e);
    for (; !code && (code = json_walk_next(&w, NULL, &value, e)) > 0; n++)
        code = n < 2 ? read_size(value, "data_offsets", &offsets[n], e) : 0;
    if (!code && n != 2)
        return err_set(e, ERR_FORMAT, "data_offsets: %zu numbers, expected 2", n);
    if (!code && offsets[0] > offsets[1])
        return err_set(e, ERR_FORMAT,
                       "data_offsets: [%" PRIu64 ", %" PRIu64 "], expected the begin before the "
                       "end",
                       offsets[0], offsets[1]);
    if (!code)
        *p = (struct place){.begin = offsets[0], .end = offsets[1]};
    return code;
}

static int check_bytes(const struct fields *f, size_t dtype, uint64_t elements,
                       const struct place *p, struct err *e)
{
    uint64_t bits = elements * dtypes[dtype].bits;
    const char *name = dtypes[dtype].name;
    if (bits % 8)
        return err_set(e, ERR_FORMAT, "shape: %.*s of %s does not fill its last byte",
                       SPAN_FMT(f->shape), name);
    if (p->end - p->begin != bits / 8)
        return err_set(e, ERR_FORMAT,
                       "shape: %.*s of %s needs %" PRIu64 " bytes, data_offsets [%" PRIu64
                       ", %" PRIu64 "] give %" PRIu64,
                       SPAN_FMT(f->shape), name, bits / 8, p->begin, p->end, p->end - p->begin);
    return 0;
}

int safetensors_read_entry(struct span text, struct tensor *t, struct place *p, struct err *e)
{
    struct fields f;
    size_t dtype = 0, n_dims = 0;
    uint64_t elements = 0;
    int code = read_fields(text, &f, e);
    if (!code)
        code = read_dtype(f.dtype, &dtype, e);
    if (!code)
        code = read_shape(f.shape, t, &elements, &n_dims, e);
    if (!code)
        code = read_offsets(f.offsets, p, e);
    if (!code)
        code = check_bytes(&f, dtype, elements, p, e);
    if (code)
        return code;
    bool known = n_dims <= GGUF_MAX_DIMS && wtype_info(dtypes[dtype].type);
    t->type = known ? dtypes[dtype].type : WEIGHTS_NO_TYPE;
    t->row_bytes = (size_t)(t->dims[0] * dtypes[dtype].bits / 8);
    t->data.n = (size_t)(p->end - p->begin);
    p->tensor = t;
    return 0;
}
