/* SPDX-License-Identifier: MIT */
/* From logits to the next token, in the order of Hugging Face's generate(): repetition penalty,
 * temperature, top-k, top-p, min-p, draw. */
#ifndef WATTLE_ENGINE_SAMPLER_H
#define WATTLE_ENGINE_SAMPLER_H

#include "base/base.h"

struct sampler_options {
    float temperature;        /* 0 to 100; 0: the largest logit */
    int32_t top_k;            /* 0: off; equals of the last one stay, too */
    float top_p;              /* 0 to 1; 1: off */
    float min_p;              /* 0 to 1; 0: off */
    float repetition_penalty; /* 0.01 to 10; 1: off */
    uint64_t seed;
};

/* ERR_RANGE with the field's name. */
int sampler_check(const struct sampler_options *o, struct err *e);

struct sampler; /* one request at a time */

int sampler_open(struct sampler **out, int32_t n_vocab, struct err *e);
void sampler_close(struct sampler **s);
size_t sampler_bytes(const struct sampler *s);

/* Starts over for a request; o has passed sampler_check. */
void sampler_begin(struct sampler *s, const struct sampler_options *o);
/* A token of the prompt or answer, for the repetition penalty; id in [0, n_vocab). */
void sampler_saw(struct sampler *s, int32_t id);
/* logits [n_vocab] are changed. The same options, tokens and logits give the same id. ERR_FORMAT
 * when the logits are not finite: broken weights. */
int sampler_next(struct sampler *s, float *logits, int32_t *id, struct err *e);

#endif
