/* SPDX-License-Identifier: MIT */
#include "text/vocab_index.h"

#include <stdlib.h>

/* FNV-1a, so that two parts hash as their whole; mixed at the end, since the low bits choose. */
static uint32_t hash_bytes(uint32_t h, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 16777619u;
    return h;
}

static uint32_t hash_end(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    return h ^ h >> 16;
}

int vocab_index_init(struct vocab_index *x, const struct span *tokens, size_t n, struct err *e)
{
    size_t cap = 16;
    while (cap < n * 2)
        cap *= 2;
    *x = (struct vocab_index){.tokens = tokens,
                              .slots = calloc(cap, sizeof(*x->slots)),
                              .mask = (uint32_t)(cap - 1),
                              .seed = hash_end((uint32_t)clock_mono_ns() ^ 2166136261u)};
    if (!x->slots)
        return err_set(e, ERR_NOMEM, "vocabulary: no memory for a table of %zu tokens", n);
    return 0;
}

void vocab_index_release(struct vocab_index *x)
{
    free(x->slots);
    *x = (struct vocab_index){0};
}

int32_t vocab_index_add(struct vocab_index *x, int32_t id)
{
    struct span text = x->tokens[id];
    uint32_t i = hash_end(hash_bytes(x->seed, text)) & x->mask;
    for (; x->slots[i]; i = (i + 1) & x->mask)
        if (span_eq(x->tokens[x->slots[i] - 1], text))
            return (int32_t)(x->slots[i] - 1);
    x->slots[i] = (uint32_t)id + 1;
    if (text.n > x->longest)
        x->longest = text.n;
    return -1;
}

int32_t vocab_index_find(const struct vocab_index *x, struct span text)
{
    return vocab_index_find_joined(x, text, (struct span){NULL, 0});
}

int32_t vocab_index_find_joined(const struct vocab_index *x, struct span a, struct span b)
{
    size_t n = a.n + b.n;
    if (n > x->longest)
        return -1;
    uint32_t i = hash_end(hash_bytes(hash_bytes(x->seed, a), b)) & x->mask;
    for (; x->slots[i]; i = (i + 1) & x->mask) {
        struct span t = x->tokens[x->slots[i] - 1];
        if (t.n == n && (a.n == 0 || memcmp(t.p, a.p, a.n) == 0) &&
            (b.n == 0 || memcmp(t.p + a.n, b.p, b.n) == 0))
            return (int32_t)(x->slots[i] - 1);
    }
    return -1;
}
