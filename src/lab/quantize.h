/* SPDX-License-Identifier: MIT */
/* Which element type each tensor of a model gets. Private to lab/. */
#ifndef WATTLE_LAB_QUANTIZE_H
#define WATTLE_LAB_QUANTIZE_H

#include "kernels/kernels.h"
#include "lab/lab.h"
#include "model/model.h"

/* What a name of lab_quantize_types stands for. */
struct recipe {
    const char *name;
    uint32_t file_type; /* general.file_type: llama.cpp's number for such a mix */
    uint32_t base;      /* of most matrices */
    uint32_t head;      /* of the head, or the embedding that is one too */
    uint32_t more;      /* of those that llama.cpp gives more bits; base: none */
};

/* By its name, or an error that lists all. */
int recipe_find(const char *name, const struct recipe **out, struct err *e);

/* types[i] of the export's tensor i as the recipe has it. */
void recipe_apply(const struct recipe *r, const struct export *x, uint32_t *types);

/* Whether tensor i is a matrix that may be quantized at all. */
bool recipe_is_matrix(const struct export_tensor *t);

#endif
