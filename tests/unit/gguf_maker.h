/* SPDX-License-Identifier: MIT */
/* For tests: GGUF files made byte by byte, right or wrong, and put into a file of their own. */
#ifndef WATTLE_TESTS_GGUF_MAKER_H
#define WATTLE_TESTS_GGUF_MAKER_H

#include "weights/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory, whose path is valid until temp_close. */
struct temp {
    int fd;
    char path[64];
};

static inline void temp_open(struct temp *t, struct span bytes)
{
    t->fd = memfd_create("gguf", MFD_CLOEXEC);
    if (t->fd < 0 || (bytes.n && write(t->fd, bytes.p, bytes.n) != (ssize_t)bytes.n))
        abort();
    snprintf(t->path, sizeof t->path, "/proc/self/fd/%d", t->fd);
}

static inline void temp_close(struct temp *t)
{
    close(t->fd);
}

static inline void make_int(struct buf *b, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> 8 * i));
}

static inline void make_text(struct buf *b, const char *s)
{
    make_int(b, strlen(s), 8);
    buf_str(b, s);
}

static inline void make_header(struct buf *b, uint32_t version, uint64_t n_tensors,
                               uint64_t n_entries)
{
    buf_str(b, "GGUF");
    make_int(b, version, 4);
    make_int(b, n_tensors, 8);
    make_int(b, n_entries, 8);
}

/* An entry's key and type: its value follows. */
static inline void make_key(struct buf *b, const char *key, uint32_t type)
{
    make_text(b, key);
    make_int(b, type, 4);
}

static inline void make_entry_text(struct buf *b, const char *key, const char *value)
{
    make_key(b, key, GGUF_STRING);
    make_text(b, value);
}

static inline void make_entry_u32(struct buf *b, const char *key, uint32_t value)
{
    make_key(b, key, GGUF_U32);
    make_int(b, value, 4);
}

static inline void make_entry_f32(struct buf *b, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    make_key(b, key, GGUF_F32);
    make_int(b, bits, 4);
}

/* Type and count of an array: its elements follow. */
static inline void make_array(struct buf *b, const char *key, uint32_t elem, uint64_t n)
{
    make_key(b, key, GGUF_ARRAY);
    make_int(b, elem, 4);
    make_int(b, n, 8);
}

static inline void make_tensor(struct buf *b, const char *name, uint64_t dim0, uint64_t dim1,
                               uint32_t type, uint64_t offset)
{
    make_text(b, name);
    make_int(b, 2, 4);
    make_int(b, dim0, 8);
    make_int(b, dim1, 8);
    make_int(b, type, 4);
    make_int(b, offset, 8);
}

/* Zeros up to the alignment, then n bytes of data. */
static inline void make_data(struct buf *b, size_t n)
{
    while (b->n % 32)
        buf_char(b, 0);
    for (size_t i = 0; i < n; i++)
        buf_char(b, 0);
}

#endif
