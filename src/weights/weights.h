/* SPDX-License-Identifier: MIT */
/* weights: model files as checked views of mapped bytes.
 *
 * Owns: GGUF v2 and v3 (specification: ggml docs/gguf.md), also split into several files;
 * safetensors (specification: the README of huggingface/safetensors), also sharded. May include:
 * base, codec, cache, kernels. Start reading: this file, then weights.c.
 *
 * After gguf_open has returned 0 every string, array and tensor that a view names lies inside the
 * file; keys and tensor names are valid UTF-8 and unique, a name has at most 256 bytes; tensor
 * shapes, types and offsets agree with the file's size. */
#ifndef WATTLE_WEIGHTS_WEIGHTS_H
#define WATTLE_WEIGHTS_WEIGHTS_H

#include "base/base.h"
#include "kernels/types.h"

enum { GGUF_MAX_DIMS = 4 };

enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
};

/* One matrix or vector, row-major, dims[0] fastest (elements of a row). Unused dims are 1. */
struct tensor {
    const char *name; /* in the file's arena */
    uint32_t type;    /* enum wtype: checked */
    uint32_t n_dims;
    uint64_t dims[GGUF_MAX_DIMS];
    size_t row_bytes;
    struct span data;
};

struct gguf; /* views are valid until gguf_close; any number of threads may read */

int gguf_open(struct gguf **out, const char *path, struct err *e);
void gguf_close(struct gguf **g);
uint64_t gguf_file_bytes(const struct gguf *g);
size_t gguf_tensor_count(const struct gguf *g);
const struct tensor *gguf_tensor_at(const struct gguf *g, size_t i);
const struct tensor *gguf_tensor(const struct gguf *g,
                                 const char *name); /* NULL if absent; O(log n) */

/* Metadata. Absent: ERR_NOTFOUND, e untouched, *out untouched. There, but of the wrong kind or
 * range: ERR_FORMAT with a text that names key, found and expected type or value. */
bool gguf_has(const struct gguf *g, const char *key);
int gguf_u64(const struct gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t *out,
             struct err *e); /* any integer type */
int gguf_f64(const struct gguf *g, const char *key, double *out,
             struct err *e); /* F32 or F64, finite */
int gguf_bool(const struct gguf *g, const char *key, bool *out, struct err *e);
int gguf_string(const struct gguf *g, const char *key, struct span *out, struct err *e);

/* Arrays: elem is the element type the caller expects; values are read by index. */
struct gguf_array {
    enum gguf_type elem;
    size_t n;
    const uint8_t *data;        /* fixed-size elements, unaligned, little-endian */
    const struct span *strings; /* GGUF_STRING only: n spans */
};
int gguf_array(const struct gguf *g, const char *key, enum gguf_type elem, struct gguf_array *out,
               struct err *e);
int64_t gguf_array_int(const struct gguf_array *a, size_t i); /* integer and bool elements */
float gguf_array_f32(const struct gguf_array *a, size_t i);

/* ---- a model's tensors, whatever they lie in ----
 *
 * path: a GGUF file (any part of a split one: all parts are opened), a .safetensors file, an index
 * (….safetensors.index.json), or a folder in Hugging Face layout (model.safetensors.index.json,
 * else model.safetensors, else the only .safetensors, else the only .gguf or split set). Everything
 * is mapped read-only, nothing is copied. After weights_open has returned 0 every tensor's bytes
 * lie in a file, its name is valid UTF-8, at most 256 bytes, and unique over all files; in
 * safetensors no two overlap and none of the bytes is left out. Tensors of safetensors have their
 * dims turned around, so that dims[0] is the fastest as in GGUF; a scalar has n_dims 0, and a dim
 * may be 0. Tensors of more than GGUF_MAX_DIMS dims (n_dims is GGUF_MAX_DIMS then, the outer ones
 * multiplied into the last) and element types that no kernel reads (U8, BOOL, I16, I32, I64: masks
 * and buffers) are listed with type WEIGHTS_NO_TYPE, and their bytes and shape are checked as well.
 * The data of safetensors have any alignment. What is no weights at all is named for what it is: a
 * Git LFS pointer, an HTML page, a truncated download, pickle (.bin, .pt, refused since it can run
 * code), each with what to do. */
enum { WEIGHTS_NO_TYPE = UINT32_MAX - 1 }; /* struct tensor.type of what no kernel reads */

struct weights; /* views are valid until weights_close; any number of threads may read */

int weights_open(struct weights **out, const char *path, struct err *e);
void weights_close(struct weights **w);              /* NULL inside is fine */
const char *weights_path(const struct weights *w);   /* as given */
const char *weights_folder(const struct weights *w); /* where the files lie; "." at least */
uint64_t weights_file_bytes(const struct weights *w);
/* The files, in order: the first has the metadata. */
size_t weights_part_count(const struct weights *w);
const char *weights_part_path(const struct weights *w, size_t i); /* valid until weights_close */
/* Lets go of the pages that were read: they count as ours until the system needs them. What is read
 * again comes from the file again. */
void weights_forget_pages(const struct weights *w);
/* The first part's metadata; NULL for safetensors. */
const struct gguf *weights_gguf(const struct weights *w);
size_t weights_tensor_count(const struct weights *w);
const struct tensor *weights_tensor_at(const struct weights *w, size_t i);
/* NULL if absent; O(log n). */
const struct tensor *weights_tensor(const struct weights *w, const char *name);
size_t weights_tensor_index(const struct weights *w, const struct tensor *t);

/* For the files beside weights (config.json, tokenizer.json): an error that begins with name if a
 * Git LFS pointer or an HTML page stands in its place, else 0. */
int weights_refuse_stand_in(struct span bytes, const char *name, struct err *e);

#include "weights/gguf_write.h"

#endif
