/* SPDX-License-Identifier: MIT */
/* One safetensors file as tensors; private to weights/. */
#ifndef WATTLE_WEIGHTS_SAFETENSORS_H
#define WATTLE_WEIGHTS_SAFETENSORS_H

#include "weights/weights.h"

struct safetensors {
    struct span header; /* the JSON text */
    struct span data;
    size_t n_tensors;
};

/* Where a tensor's bytes lie, counted from the start of the data, to be held against all others. */
struct place {
    uint64_t begin, end;
    struct tensor *tensor;
};

/* Whether the bytes begin as a safetensors file does: a length that can be, and a brace. */
bool safetensors_is(struct span file);
/* Finds the header and the data, and counts the tensors. Nothing is allocated. */
int safetensors_open(struct safetensors *s, struct span file, struct err *e);
/* Fills tensors [s->n_tensors] with views of the file; their names go to the arena. What weights.h
 * promises holds then of this file. */
int safetensors_read(const struct safetensors *s, struct arena *names, struct tensor *tensors,
                     struct err *e);
/* safetensors_entry.c: a tensor from its entry's text, but for its name and place in memory. */
int safetensors_read_entry(struct span text, struct tensor *t, struct place *p, struct err *e);
/* A member that nobody reads is JSON all the same. key, value: as json_walk_next gives them. */
int safetensors_check_member(struct span key, struct span value, size_t max_bytes, const char *what,
                             struct err *e);

#endif
