/* SPDX-License-Identifier: MIT */
/* The tensors of a model of a published shape, by the names of either format. Private to lab/. */
#ifndef WATTLE_LAB_SYNTH_TENSORS_H
#define WATTLE_LAB_SYNTH_TENSORS_H

#include "lab/mix.h"
#include "lab/synth_shape.h"

enum synth_format { SYNTH_GGUF, SYNTH_SAFETENSORS };

enum synth_filling {
    SYNTH_MATRIX, /* random, so that a product has about the size of its input */
    SYNTH_NORM,   /* about 1; in safetensors of Gemma's kind about 0 */
    SYNTH_BIAS,   /* about 0 */
    SYNTH_LONG_FACTORS,
    SYNTH_SHORT_FACTORS,
    SYNTH_LLAMA3_DIVISORS,
};

struct synth_tensor {
    char name[80];
    enum synth_filling filling;
    enum mix_role role; /* of a matrix */
    int32_t layer;      /* -1: of no layer */
    uint32_t n_dims;
    uint64_t dims[2]; /* dims[0]: elements of a row */
};

/* n_layers: as many of the shape's; *out: an array in the arena. */
int synth_tensors(const struct synth_shape *s, int32_t n_layers, enum synth_format format,
                  struct arena *arena, struct synth_tensor **out, size_t *n, struct err *e);

#endif
