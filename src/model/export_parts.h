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

/* How a family's GGUF files differ from its safetensors. */
struct export_rule {
    const char *model_type, *arch;
    bool interleaved; /* rows of queries and keys: rotated pairs are neighbours */
    bool joined;      /* queries, keys and values in one matrix, gate and up in another */
    enum activation activation;
    int32_t
        pattern; /* layers have a window, but for the last of so many; 0: all, if there is one */
};

struct model_export {
    const struct export_rule *rule; /* of safetensors */
    struct weights *file;           /* GGUF */
    struct model *model;            /* safetensors */
    const struct kernels *kernels;
    struct export_tensor *tensors;
    struct export_source *sources;
    size_t n, capacity;
    struct arena arena; /* values that no file has */
};

/* One more tensor, zeroed but for its name; NULL without memory. */
struct export_tensor *export_add(struct model_export *x, const char *name,
                                 struct export_source **source);

/* Row r of an export's tensor, counted in its source. */
size_t export_source_row(const struct export_source *s, size_t row);

/* export_hf.c: finds the rule, and lists the tensors of x->model. */
int export_list_hf(struct model_export *x, struct err *e);
/* export_keys.c: everything but the vocabulary. */
void export_put_keys(const struct model_export *x, struct gguf_writer *w);
/* export_vocab.c: tokenizer.* and general.sampling.* of the folder. */
int export_put_vocabulary(const struct model_export *x, struct gguf_writer *w, struct err *e);

#endif
