/* SPDX-License-Identifier: MIT */
/* Which matrices are packed, as what and where: the plan of a packed model, which follows from the
 * model and the quantization that is asked for. Private to pack.c, pack_plan.c and pack_key.c. */
#ifndef WATTLE_MODEL_PACK_H
#define WATTLE_MODEL_PACK_H

#include "model/parts.h"

enum {
    PACK_ALIGN = 64, /* of a matrix: a cache line, and the longest vector */
    PACK_WHAT_SIZE = 48,
    PACK_WTYPES = 64, /* numbers of enum wtype lie below */
};

/* What LLM_QUANT asks for. */
struct pack_target {
    const char *name; /* as a key has it: "q4", "q8_0", "" for the file's own types */
    uint32_t type;    /* of the bulk; unused with "" */
    bool mixed;       /* some matrices get more bits */
};

struct pack_item {
    struct matrix *w;
    const char *place; /* "ffn_down" */
    int32_t layer;     /* -1: outside of the layers */
    uint32_t type;     /* that it becomes */
    bool rows;         /* kept as plain rows of that type, not packed */
    size_t row_bytes;  /* of that type */
    size_t group_bytes;
    size_t offset, bytes;
};

struct pack_plan {
    struct pack_target target;
    struct pack_item *items;
    size_t n, cap;
    size_t n_unfit;          /* matrices whose rows do not go into blocks */
    size_t bytes;            /* of the data */
    uint64_t replaced_bytes; /* of the source that is not read again */
    char label[40];          /* "Q4_K (from BF16)" */
};

/* NULL and "" are the file's own. ERR_USAGE says what is possible. */
int pack_target_parse(struct pack_target *out, const char *name, struct err *e);

/* The plan of a model; items point into m. An empty plan is fine: there is nothing to pack. */
int pack_plan_open(struct pack_plan *out, struct model *m, const char *quant, struct err *e);
void pack_plan_close(struct pack_plan *p);
/* Appends the plan in bytes, by which a packed file shows that it is of this plan. */
int pack_plan_table(const struct pack_plan *p, struct buf *out, struct err *e);
/* The head that a packed file of the plan has, and what its texts lie in. */
struct pack_key {
    struct buf sources, identity, form, table;
    struct packed_head head;
};
/* Release it whatever comes back. */
int pack_key_init(struct pack_key *k, const struct model *m, const struct pack_plan *p,
                  struct err *e);
void pack_key_release(struct pack_key *k);

/* For messages: "layer 3, ffn_down". */
void pack_item_name(const struct pack_item *x, char out[PACK_WHAT_SIZE]);

#endif
