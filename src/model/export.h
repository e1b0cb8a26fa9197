/* SPDX-License-Identifier: MIT */
/* A model as a GGUF file has it, whatever it lies in: names, shapes, order, metadata, and rows as
 * floats.
 *
 * A GGUF file (whole or split) gives its tensors and metadata as they stand. Safetensors are
 * converted, for the families whose GGUF architecture export.c lists: rows of queries and keys come
 * in the order that the architecture wants, matrices of one kind are joined where it joins them,
 * and norms have their offset added. Included by model.h. */
#ifndef WATTLE_MODEL_EXPORT_H
#define WATTLE_MODEL_EXPORT_H

#include "model/model.h"
#include "weights/weights.h"

enum { EXPORT_NAME_SIZE = 257 };

/* Valid until export_close. */
struct export_tensor {
    char name[EXPORT_NAME_SIZE]; /* "blk.0.attn_q.weight" */
    uint32_t type;               /* of the source: enum wtype */
    uint32_t n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; /* dims[0] elements a row */
    size_t n_rows;                /* product of the others */
};

struct model_export; /* immutable once open: any number of threads */

/* path: as in model_options. A model that cannot be written as GGUF is one line that says why. */
int export_open(struct model_export **out, const char *path, struct err *e);
void export_close(struct model_export **x);
uint64_t export_file_bytes(const struct model_export *x); /* of the source */
size_t export_count(const struct model_export *x);
const struct export_tensor *export_at(const struct model_export *x, size_t i);
/* Row of tensor i as dims[0] floats. */
void export_row(const struct model_export *x, size_t i, size_t row, float *out);
/* The same as bytes of the source's type. NULL: the source has no such row, only export_row. */
const uint8_t *export_bytes(const struct model_export *x, size_t i, size_t row);
/* All metadata but what depends on the types of the tensors: general.file_type and
 * general.quantization_version. */
int export_metadata(const struct model_export *x, struct gguf_writer *w, struct err *e);

#endif
