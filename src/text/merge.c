/* SPDX-License-Identifier: MIT */
/* Short words are searched for their best pair again and again, which is quadratic and fastest
 * there; long ones go through a heap over a linked list.
 *
 * Invariant of the heap: every node whose pair can merge has an entry (rank, node) for that pair.
 * Entries of pairs that are gone stay in it and are known by a rank that is no longer the node's.
 */
#include "text/merge.h"

#include <stdlib.h>

#define SHORT_WORD 32 /* symbols: above it the heap wins, measured on English and on digits */

struct merge_node {
    uint32_t prev, next;
    int32_t id;
    struct merge pair; /* with the next node */
};

#define NO_NODE UINT32_MAX

void merger_release(struct merger *m)
{
    free(m->nodes);
    free(m->heap);
    *m = (struct merger){0};
}

static size_t merge_short(merge_rule rule, const void *context, int32_t *ids, size_t n)
{
    struct merge pairs[SHORT_WORD];
    for (size_t i = 0; i + 1 < n; i++)
        pairs[i] = rule(context, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (pairs[i].rank < pairs[best].rank)
                best = i;
        if (pairs[best].rank == MERGE_NONE)
            break;
        ids[best] = pairs[best].id;
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof(*ids));
        if (best + 1 < n) {
            memmove(pairs + best, pairs + best + 1, (n - best - 1) * sizeof(*pairs));
            pairs[best] = rule(context, ids[best], ids[best + 1]);
        }
        if (best > 0)
            pairs[best - 1] = rule(context, ids[best - 1], ids[best]);
    }
    return n;
}

static int reserve(struct merger *m, size_t n, struct err *e)
{
    if (n <= m->cap)
        return 0;
    /* Each merge takes one entry out and puts at most two in, and there are fewer than n merges. */
    size_t cap = n + n / 2;
    struct merge_node *nodes = malloc(cap * sizeof(*nodes));
    uint64_t *heap = malloc(2 * cap * sizeof(*heap));
    if (!nodes || !heap) {
        free(nodes);
        free(heap);
        return err_set(e, ERR_NOMEM, "text: no memory to merge a word of %zu symbols", n);
    }
    merger_release(m);
    *m = (struct merger){nodes, heap, cap};
    return 0;
}

static void sift_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t v = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= v)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = v;
}

static void sift_up(uint64_t *heap, size_t i, uint64_t v)
{
    while (i > 0 && heap[(i - 1) / 2] > v) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = v;
}

/* The lower key goes first: rank, then place. */
static uint64_t entry(uint32_t rank, uint32_t node)
{
    return (uint64_t)rank << 32 | node;
}

/* Looks up the pair that begins at node i anew and enters it. */
static void renew(struct merger *m, size_t *n_heap, uint32_t i, merge_rule rule,
                  const void *context)
{
    struct merge_node *node = &m->nodes[i];
    node->pair = (struct merge){MERGE_NONE, -1};
    if (node->next == NO_NODE)
        return;
    node->pair = rule(context, node->id, m->nodes[node->next].id);
    if (node->pair.rank != MERGE_NONE)
        sift_up(m->heap, (*n_heap)++, entry(node->pair.rank, i));
}

static size_t merge_long(struct merger *m, merge_rule rule, const void *context, int32_t *ids,
                         size_t n)
{
    struct merge_node *nodes = m->nodes;
    uint64_t *heap = m->heap;
    size_t n_heap = 0;
    for (size_t i = 0; i < n; i++) {
        nodes[i] = (struct merge_node){
            (uint32_t)i - 1, i + 1 < n ? (uint32_t)i + 1 : NO_NODE, ids[i], {MERGE_NONE, -1}};
        if (i + 1 < n)
            nodes[i].pair = rule(context, ids[i], ids[i + 1]);
        if (nodes[i].pair.rank != MERGE_NONE)
            heap[n_heap++] = entry(nodes[i].pair.rank, (uint32_t)i);
    }
    for (size_t i = n_heap / 2; i-- > 0;)
        sift_down(heap, n_heap, i);

    while (n_heap > 0) {
        uint64_t top = heap[0];
        heap[0] = heap[--n_heap];
        if (n_heap > 0)
            sift_down(heap, n_heap, 0);
        uint32_t i = (uint32_t)top;
        struct merge_node *node = &nodes[i];
        if (node->pair.rank != (uint32_t)(top >> 32))
            continue;
        uint32_t gone = node->next;
        node->id = node->pair.id;
        node->next = nodes[gone].next;
        if (node->next != NO_NODE)
            nodes[node->next].prev = i;
        nodes[gone].pair.rank = MERGE_NONE;
        renew(m, &n_heap, i, rule, context);
        if (i > 0)
            renew(m, &n_heap, node->prev, rule, context);
    }
    size_t kept = 0;
    for (uint32_t i = 0; i != NO_NODE; i = nodes[i].next)
        ids[kept++] = nodes[i].id;
    return kept;
}

int merger_run(struct merger *m, merge_rule rule, const void *context, int32_t *ids, size_t *n,
               struct err *e)
{
    if (*n <= SHORT_WORD) {
        *n = merge_short(rule, context, ids, *n);
        return 0;
    }
    int rc = reserve(m, *n, e);
    if (rc)
        return rc;
    *n = merge_long(m, rule, context, ids, *n);
    return 0;
}
