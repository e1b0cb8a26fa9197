/* SPDX-License-Identifier: MIT */
/* What stands behind a struct wattle_model. */
#ifndef WATTLE_ENGINE_HANDLE_H
#define WATTLE_ENGINE_HANDLE_H

#include <wattle.h>

#include "engine/prompt.h"
#include "engine/queue.h"
#include "engine/sampler.h"
#include "model/model.h"

struct wattle_model {
    /* Fixed once open. */
    struct model *model;
    struct model_text *text;
    struct prompt_maker prompt_maker; /* only if has_vocabulary */
    bool has_vocabulary;
    struct wattle_model_info info;
    size_t kv_bytes_per_position;

    /* Whoever has the turn owns the rest. */
    struct queue queue;
    struct pool *pool;
    struct forward *forward;
    struct kv *kv;
    int32_t *kv_ids; /* [context]: the ids whose keys and values are in kv, kv_length of them */
    float *logits;   /* [vocabulary] */
    struct sampler *sampler;
};

/* Hands a line to a caller's buffer, cut at a UTF-8 border; returns code. */
int handle_error(const struct err *e, int code, char *error, size_t error_size);

#endif
