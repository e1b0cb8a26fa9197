/* SPDX-License-Identifier: MIT */
/* A borrowed run of bytes, and little-endian reads from it that cannot leave it. */
#ifndef WATTLE_BASE_SPAN_H
#define WATTLE_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Not NUL-terminated; p may be NULL only if n is 0. Whoever made it owns the bytes. */
struct span {
    const uint8_t *p;
    size_t n;
};

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){(const uint8_t *)p, n};
}

static inline struct span span_str(const char *s)
{
    return (struct span){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* memchr, memcpy and memcmp of spans: an empty one may have no address, which those do not take. */
static inline const uint8_t *span_find(struct span s, char byte)
{
    return s.n ? (const uint8_t *)memchr(s.p, byte, s.n) : NULL;
}

static inline void span_copy(void *to, struct span s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
}

/* By bytes, then the shorter first. */
static inline int span_compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static inline bool span_is(struct span a, const char *s)
{
    return span_eq(a, span_str(s));
}

static inline bool str_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* Without the bytes of set at both its ends. */
static inline struct span span_trim(struct span s, const char *set)
{
    while (s.n && s.p[0] && strchr(set, s.p[0]))
        s = span_of(s.p + 1, s.n - 1);
    while (s.n && s.p[s.n - 1] && strchr(set, s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The part [from, from + n) of s; empty if from is past the end, shorter if n reaches past it. */
static inline struct span span_sub(struct span s, size_t from, size_t n)
{
    if (from >= s.n)
        return (struct span){NULL, 0};
    return (struct span){s.p + from, n < s.n - from ? n : s.n - from};
}

/* FNV-1a, 64 bits. Its low bits are weak: mix it (h ^ h >> 32) where they choose a place. */
static inline uint64_t span_hash(struct span s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* Arguments for "%.*s"; longer spans are cut at 200 bytes for messages. */
#define SPAN_FMT(s) \
    ((int)((s).n < 200 ? (s).n : 200)), ((const char *)((s).p ? (s).p : (const uint8_t *)""))

/* Reads from a span, front to back. Once a read would pass the end, ok becomes false, the read
 * gives 0 (or an empty span) and so do all later ones: check ok once after a group of reads. */
struct cursor {
    struct span s;
    size_t pos;
    bool ok;
};

static inline struct cursor cursor_of(struct span s)
{
    return (struct cursor){s, 0, true};
}

static inline struct span cursor_take(struct cursor *c, uint64_t n)
{
    if (!c->ok || n > c->s.n - c->pos) {
        c->ok = false;
        return (struct span){NULL, 0};
    }
    struct span r = {c->s.p + c->pos, (size_t)n};
    c->pos += (size_t)n;
    return r;
}

static inline uint64_t cursor_le(struct cursor *c, size_t n_bytes)
{
    struct span b = cursor_take(c, n_bytes);
    uint64_t v = 0;
    for (size_t i = b.n; i-- > 0;)
        v = v << 8 | b.p[i];
    return v;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)cursor_le(c, 1);
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)cursor_le(c, 4);
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    return cursor_le(c, 8);
}

#endif
