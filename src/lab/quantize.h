/* SPDX-License-Identifier: MIT */
/* Which element type each tensor of a model gets. Private to lab/. */
#ifndef WATTLE_LAB_QUANTIZE_H
#define WATTLE_LAB_QUANTIZE_H

#include "kernels/kernels.h"
#include "lab/lab.h"
#include "lab/mix.h"
#include "model/model.h"

/* types[i] of the export's tensor i as the mix has it. */
void recipe_apply(const struct mix *m, const struct model_export *x, uint32_t *types);

/* Whether tensor i is a matrix that may be quantized at all. */
bool recipe_is_matrix(const struct export_tensor *t);

#endif
