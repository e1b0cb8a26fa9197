/* SPDX-License-Identifier: MIT */
/* How well logits foretell a token, and how far two models' logits are from each other. Private to
 * lab/. */
#ifndef WATTLE_LAB_SCORE_H
#define WATTLE_LAB_SCORE_H

#include "base/base.h"

/* One position. All in natural logarithms, computed in doubles from the float logits. */
struct score {
    double loss;           /* -log p(id) of the model */
    double reference_loss; /* the same of the reference */
    double divergence;     /* KL(reference || model) = sum p_ref (log p_ref - log p), at least 0 */
    bool agree;            /* the same likeliest id, the lowest of equals */
};

/* logits [n]; reference [n] or NULL: the loss alone. id in [0, n). False: they are not finite. */
bool score_position(const float *logits, const float *reference, int32_t n, int32_t id,
                    struct score *out);

/* The value below which a share of the values lies, linearly between two neighbours; sorts values.
 * n > 0, share in [0, 1]. */
double score_quantile(double *values, size_t n, double share);

#endif
