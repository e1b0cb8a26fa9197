/* SPDX-License-Identifier: MIT */
/* What the GGUF reader's parts share; private to weights/. */
#ifndef WATTLE_WEIGHTS_GGUF_H
#define WATTLE_WEIGHTS_GGUF_H

#include "weights/weights.h"

/* One metadata entry. A scalar's bytes or an array's elements are in data; strings of a STRING
 * scalar are data itself. */
struct gguf_entry {
    const char *key;
    uint32_t type; /* enum gguf_type */
    uint32_t elem; /* of an array */
    size_t n;      /* elements of an array */
    struct span data;
    const struct span *strings; /* array of strings */
    struct span raw;            /* the value as it stands, from its type on */
};

/* Invariants once open: entries are sorted by key, by_name by name; neither holds one twice. */
struct gguf {
    char *path;
    struct file_map map;
    struct arena arena; /* names, tables */
    struct gguf_entry *entries;
    size_t n_entries;
    struct tensor *tensors; /* in file order */
    const struct tensor **by_name;
    size_t n_tensors;
    uint64_t alignment;
};

struct span gguf_bytes(const struct gguf *g); /* the whole file, mapped */
/* "u8", "array", …; "unknown" for a number that is none. */
const char *gguf_type_name(uint32_t type);
/* Bytes of one value; 0 for strings, arrays and unknown types. */
size_t gguf_type_bytes(uint32_t type);

/* Reads n entries at the cursor into g->entries and sorts them. */
int gguf_read_metadata(struct gguf *g, struct cursor *c, uint64_t n, struct err *e);
/* Reads n tensor descriptions at the cursor, finds the data behind them and checks all of it. */
int gguf_read_tensors(struct gguf *g, struct cursor *c, uint64_t n, struct err *e);
/* Row and data bytes of a tensor from its type and dims, without overflow. */
int gguf_compute_size(struct tensor *t, struct err *e);
/* A length-prefixed string; what names it in the message. */
int gguf_read_string(struct cursor *c, const char *what, struct span *out, struct err *e);

/* The same for a name, of 1 to max bytes and text: *out lies in g's arena. */
int gguf_read_name(struct gguf *g, struct cursor *c, const char *what, size_t max, const char **out,
                   struct err *e);

#endif
