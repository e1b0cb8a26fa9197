/* SPDX-License-Identifier: MIT */
/* The inside of an export, for the files that fill it. Private to model/. */
#ifndef WATTLE_MODEL_EXPORT_PARTS_H
#define WATTLE_MODEL_EXPORT_PARTS_H

#include "model/export.h"
#include "model/parts.h"

enum { EXPORT_JOINED_MAX = 3 };

/* Where a tensor's rows come from: one of the three. */
struct export_source {
    const struct tensor *tensor;                      /* as it stands */
    const struct matrix *matrices[EXPORT_JOINED_MAX]; /* rows one after the other */
    size_t n_matrices;
    const float *values; /* [n_rows][dims[0]] */

    size_t head_rows; /* rows of a head whose halves are interleaved; 0: rows as they are */
};

struct export
{
    struct weights *file; /* GGUF */
    struct model *model;  /* safetensors */
    const struct kernels *kernels;
    struct export_tensor *tensors;
    struct export_source *sources;
    size_t n, capacity;
    struct arena arena; /* values that no file has */
};

/* One more tensor, zeroed but for its name; NULL without memory. */
struct export_tensor *export_add(struct export *x, const char *name, struct export_source **source);

#endif
