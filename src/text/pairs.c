/* SPDX-License-Identifier: MIT */
#include "text/pairs.h"

#include <stdlib.h>

/* Open addressing, at most half full. */
struct pair_table {
    struct pair_slot {
        uint64_t key; /* left id, right id */
        struct merge merge;
    } * slots;
    uint32_t mask;
    uint64_t seed;
};

#define NO_PAIR UINT64_MAX

static uint32_t pair_hash(const struct pair_table *p, uint64_t key)
{
    uint64_t h = (key ^ p->seed) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32) & p->mask;
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

struct merge pair_table_merge(const void *context, int32_t left, int32_t right)
{
    const struct pair_table *p = context;
    uint64_t key = pair_key(left, right);
    uint32_t i = pair_hash(p, key);
    for (; p->slots[i].key != NO_PAIR; i = (i + 1) & p->mask)
        if (p->slots[i].key == key)
            return p->slots[i].merge;
    return (struct merge){MERGE_NONE, -1};
}

void pair_table_add(struct pair_table *p, int32_t left, int32_t right, struct merge merge)
{
    uint64_t key = pair_key(left, right);
    uint32_t i = pair_hash(p, key);
    while (p->slots[i].key != NO_PAIR && p->slots[i].key != key)
        i = (i + 1) & p->mask;
    p->slots[i] = (struct pair_slot){key, merge};
}

int pair_table_open(struct pair_table **out, size_t n, struct err *e)
{
    size_t cap = 16;
    while (cap < n * 2)
        cap *= 2;
    struct pair_table *p = calloc(1, sizeof(*p));
    if (p)
        p->slots = malloc(cap * sizeof(*p->slots));
    if (!p || !p->slots) {
        free(p);
        return err_set(e, ERR_NOMEM, "vocabulary: no memory for a table of %zu merges", n);
    }
    p->mask = (uint32_t)(cap - 1);
    p->seed = clock_mono_ns();
    for (size_t i = 0; i < cap; i++)
        p->slots[i].key = NO_PAIR;
    *out = p;
    return 0;
}

void pair_table_close(struct pair_table **p)
{
    if (!*p)
        return;
    free((*p)->slots);
    free(*p);
    *p = NULL;
}

size_t pair_table_list(const struct pair_table *p, struct ranked_pair *out)
{
    size_t n = 0;
    for (size_t i = 0; i <= p->mask; i++) {
        const struct pair_slot *s = &p->slots[i];
        if (s->key == NO_PAIR)
            continue;
        if (out)
            out[n] = (struct ranked_pair){s->merge.rank, (int32_t)(s->key >> 32),
                                          (int32_t)(uint32_t)s->key};
        n++;
    }
    return n;
}
