/* SPDX-License-Identifier: MIT */
/* engine: requests to answers. Implements <wattle.h>.
 *
 * Owns: the queue of requests, the KV cache and the reuse of a common prefix, sampling, stop texts,
 * the rendering of a conversation into ids, the account of work. May include: base, codec, cache,
 * kernels, text, model, wattle.h. Start reading: generate.c, then sampler.h, prompt.h.
 *
 * Other folders of the library half need nothing from here; lab uses sampler.h's greedy choice
 * through this file. */
#ifndef WATTLE_ENGINE_ENGINE_H
#define WATTLE_ENGINE_ENGINE_H

#include <wattle.h>

#include "base/base.h"

/* The largest logit's id, the lowest of equals. n > 0. */
int32_t engine_greedy(const float *logits, int32_t n);

#endif
