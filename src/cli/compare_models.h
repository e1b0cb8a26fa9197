/* SPDX-License-Identifier: MIT */
/* The models of a comparison: their names, and when they are open. Private to compare_run. */
#ifndef WATTLE_CLI_COMPARE_MODELS_H
#define WATTLE_CLI_COMPARE_MODELS_H

#include "fleet/fleet.h"
#include "report/report.h"

/* One model. */
struct entrant {
    char *given;     /* as the user named it */
    char *quant;     /* of --quant, "" for the file's own; NULL: LLM_QUANT's */
    struct buf path; /* "": it could not be found */
    struct workload_model *model;
    struct compared *row; /* in the comparison */
    size_t failed_in_a_row;
    bool out; /* it takes no part (any more): row->problem says why */
};

struct entrants {
    struct entrant *v;
    size_t n;
    bool one_at_a_time; /* they don't fit into the memory together */
};

/* Splits "A,B,C", finds each model, fetching it where that is allowed, and adds it to c under a
 * name that no other has: its path's last part without ".gguf", or the hub's name; with quants
 * ("q4,file"; NULL: none) each model once with each of them, "-q4" behind its name. One that cannot
 * be found has a problem; ERR_USAGE: fewer than 2 or more than COMPARED_MAX, or no such quant.
 * ERR_CANCELLED. */
int entrants_find(struct entrants *all, const struct settings *s, struct comparison *c,
                  const char *list, const char *quants, struct err *e);
void entrants_release(struct entrants *all);

/* Opens and warms up all; goes over to one at a time where they would not fit together. warmup: at
 * least 1. Only ERR_NOMEM and ERR_CANCELLED are errors. */
int entrants_open(struct entrants *all, struct workload *w, struct comparison *c,
                  const char *sysroot, int warmup, struct err *e);
/* Before a turn of one: opens it (and closes the others) where they take turns in memory. False: it
 * cannot take part any more. */
bool entrants_turn(struct entrants *all, struct entrant *one, int warmup);
/* It takes no further part. */
void entrant_drop(struct entrant *one, const char *why);
size_t entrants_left(const struct entrants *all);
/* The place in c->models of --reference, -1: none. ERR_USAGE: no model has that name. */
int entrants_reference(const struct entrants *all, const struct comparison *c, const char *name,
                       int *out, struct err *e);

#endif
