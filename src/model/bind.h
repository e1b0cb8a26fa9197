/* SPDX-License-Identifier: MIT */
/* Tensors by place: names as the file spells them, shapes checked, vectors as floats, matrices as
 * views. Private to bind.c and tensors.c. */
#ifndef WATTLE_MODEL_BIND_H
#define WATTLE_MODEL_BIND_H

#include "model/parts.h"

enum { BIND_NAME_SIZE = 300, BIND_WTYPES = 64 };

struct binder {
    struct model *model;
    const struct family *family;
    bool hf;
    const char *root;  /* what the patterns' first component ("model.") is in this file */
    const char *outer; /* what comes before patterns without it ("" or "language_model.") */
    bool *used;        /* [tensor in the file] */
    uint64_t type_bytes[BIND_WTYPES]; /* of matrices, for the name of the quantization */
    struct err *e;
};

/* Which tensor: place, layer (or -1), expert or head (or -1). */
struct slot {
    enum place place;
    int32_t layer, index;
};

/* Finds out how the file's names begin. */
void bind_find_root(struct binder *b);
/* The name of slot with suffix (".weight"); empty when the family has no pattern for it. */
void bind_name(const struct binder *b, struct slot slot, const char *suffix,
               char out[BIND_NAME_SIZE]);
/* Whether the place's pattern has a %d for the expert or head. */
bool bind_is_indexed(const struct binder *b, enum place place);
/* The tensor, unmarked; NULL if the file has none. */
const struct tensor *bind_find(const struct binder *b, struct slot slot, const char *suffix);
int bind_missing(struct binder *b, struct slot slot, const char *suffix);

/* n floats, offset added; *out stays NULL if it is not there and not required. n_parts > 1: that
 * many tensors, indices from 0, one after another. */
int bind_vector(struct binder *b, struct slot slot, const char *suffix, size_t n, size_t n_parts,
                float offset, bool required, const float **out);
/* The matrix with its bias, if it has one. */
int bind_matrix(struct binder *b, struct slot slot, size_t n_cols, size_t n_rows,
                struct matrix *out);
/* Rows [first, first + n_rows) of whole, or groups of them (see struct matrix); bias goes along. */
int bind_rows(struct binder *b, const struct matrix *whole, size_t first, size_t n_rows,
              size_t group_rows, size_t group_apart, struct matrix *out);
/* Matrix i of n in one tensor [n][n_rows][n_cols]. */
int bind_stacked(struct binder *b, struct slot slot, const char *suffix, size_t n_cols,
                 size_t n_rows, size_t n, struct matrix *first);
/* Refuses what stands in a layer and no place has; logs the rest. */
int bind_check_unused(struct binder *b);
void bind_name_quantization(struct binder *b);

#endif
