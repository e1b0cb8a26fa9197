/* SPDX-License-Identifier: MIT */
/* Writing a GGUF file, version 3, in one pass: metadata, then tensor descriptions, then their data.
 *
 *     struct gguf_writer *w;
 *     gguf_writer_open(&w, "model.gguf", e);
 *     gguf_put_string(w, "general.architecture", span_str("llama"));
 *     gguf_put_entries(w, source, NULL, NULL);            what the source has besides
 *     gguf_writer_tensor(w, "output.weight", WTYPE_Q8_0, 2, (uint64_t[]){2048, 32000}, e);
 *     gguf_writer_data(w, bytes, e);                      as often as one likes
 *     gguf_writer_finish(w, e);
 *     gguf_writer_close(&w);
 *
 * Metadata and descriptions are kept in memory, data are not. The file has a temporary name until
 * gguf_writer_finish: path holds what it held, or the whole file. One thread a writer. Included by
 * weights.h. */
#ifndef WATTLE_WEIGHTS_GGUF_WRITE_H
#define WATTLE_WEIGHTS_GGUF_WRITE_H

#include "weights/weights.h"

struct gguf_writer;

/* Creates the temporary file beside path. */
int gguf_writer_open(struct gguf_writer **out, const char *path, struct err *e);
/* Unless finished, removes the temporary file. */
void gguf_writer_close(struct gguf_writer **w);

/* Metadata. A key that is there already is a mistake of the caller. What cannot be kept (memory,
 * too large) is told by the next gguf_writer_tensor, _data or _finish. key: text of 1 to 65535
 * bytes. "general.alignment" is not written by the caller: the alignment is 32, which is what
 * readers expect of a file without that key. */
void gguf_put_u32(struct gguf_writer *w, const char *key, uint32_t v);
void gguf_put_i32(struct gguf_writer *w, const char *key, int32_t v);
void gguf_put_u64(struct gguf_writer *w, const char *key, uint64_t v);
void gguf_put_f32(struct gguf_writer *w, const char *key, float v);
void gguf_put_bool(struct gguf_writer *w, const char *key, bool v);
void gguf_put_string(struct gguf_writer *w, const char *key, struct span v);
void gguf_put_strings(struct gguf_writer *w, const char *key, const struct span *v, size_t n);
/* n elements of a type of fixed size: int32_t for GGUF_I32, float for GGUF_F32, uint8_t (0 or 1)
 * for GGUF_BOOL, … */
void gguf_put_array(struct gguf_writer *w, const char *key, enum gguf_type elem, const void *v,
                    size_t n);

/* Copies the entries of an open file as they stand, of every kind, sorted by key, but for those
 * whose key was put before, for "general.alignment" and "split.*", which belong to the file itself,
 * and for those for which keep(ctx, key) is false (NULL: all are kept). */
void gguf_put_entries(struct gguf_writer *w, const struct gguf *source,
                      bool (*keep)(void *ctx, const char *key), void *ctx);

/* Describes the next tensor; all of them before the first data. name: 1 to 256 bytes of text (64 is
 * what llama.cpp takes: the caller's care), type: one that wtype_info knows, dims[0] the elements
 * of a row, a multiple of the type's block; n_dims from 1 to GGUF_MAX_DIMS. */
int gguf_writer_tensor(struct gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
                       const uint64_t *dims, struct err *e);

/* The tensors' bytes, one after the other in the order of their descriptions, cut as one likes; the
 * space between tensors is filled by the writer. The first call lays the file out and takes room
 * for all of it on the disk. More than was described is ERR_USAGE. */
int gguf_writer_data(struct gguf_writer *w, struct span bytes, struct err *e);

/* Bytes of the whole file as described so far. */
uint64_t gguf_writer_bytes(const struct gguf_writer *w);

/* Syncs the file and gives it its name. ERR_USAGE if data are missing. Only gguf_writer_close may
 * follow. */
int gguf_writer_finish(struct gguf_writer *w, struct err *e);

#endif
