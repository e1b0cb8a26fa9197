/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a maximum given at its birth.
 *
 * Invariants: p is NULL or has n bytes followed by a NUL; n <= max. The first append that would
 * pass max, or that cannot allocate, sets failed and changes nothing; later appends do nothing. So
 * a long series of appends is checked once at its end. Not for two threads at once. */
#ifndef WATTLE_BASE_BUF_H
#define WATTLE_BASE_BUF_H

#include "base/err.h"
#include "base/span.h"

#include <stdarg.h>

struct buf {
    char *p;
    size_t n;
    size_t cap;
    size_t max;
    bool failed;
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_release(struct buf *b);          /* frees; b can be init'ed again */
void buf_clear(struct buf *b);            /* n = 0, failed = false; keeps the memory */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_span(struct buf *b, struct span s);
/* The other's bytes; one that has failed makes this one fail too. */
void buf_append(struct buf *b, const struct buf *other);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Shortens to n bytes (n <= b->n). */
void buf_truncate(struct buf *b, size_t n);
/* 0, or ERR_LIMIT / ERR_NOMEM with a text that names what. */
int buf_check(const struct buf *b, const char *what, struct err *e);
/* The NUL-terminated bytes, never NULL ("" while empty); valid until the next append. */
const char *buf_cstr(const struct buf *b);
/* Gives the memory to the caller (free()); NULL if failed or no memory; b is empty afterwards. */
char *buf_steal(struct buf *b);
static inline struct span buf_view(const struct buf *b)
{
    return span_of(b->p, b->n);
}

#endif
