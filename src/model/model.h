/* SPDX-License-Identifier: MIT */
/* model: from a file to logits.
 *
 * Owns: traits (what a family does), families/ (a config to traits and tensor names), loading, the
 * one forward pass, the KV cache's memory, packing. No sampling, no text of its own beyond handing
 * the file's vocabulary to text/. May include: base, codec, cache, kernels, weights, text. Start
 * reading: traits.h, families/llama.c, forward.c. */
#ifndef WATTLE_MODEL_MODEL_H
#define WATTLE_MODEL_MODEL_H

#include "base/base.h"
#include "text/text.h"

struct model; /* immutable once open: any number of threads may read it; one model_forward a kv at a
                 time */
struct kv;    /* keys and values of one sequence, position by position */

enum model_math {
    MODEL_MATH_FAST, /* quantized weights meet 8-bit activations: errors to 5 % of the largest logit
                      */
    MODEL_MATH_EXACT, /* every weight dequantized, all in f32: what a reference does */
};

struct model_options {
    const char *path; /* what weights_open takes; safetensors need config.json beside them */
    const char *isa;  /* cap for kernels_get, or NULL */
    enum model_math math;
};

/* The message names file, key or tensor, value and what was expected; an architecture that is not
 * supported is one line that lists what is. */
int model_open(struct model **out, const struct model_options *o, struct err *e);
void model_close(struct model **m);

/* What a model will need, known before its weights are read. */
struct model_need {
    uint64_t file_bytes;   /* of the model's files that stay in use */
    uint64_t packed_bytes; /* beside those */
    bool packed_private;   /* in this process's own memory; else in a file that all share */
    bool packed_ready;     /* that file is there */
};

struct model_pack_options {
    /* "" or NULL: the file's own types; else q4 (4 bits, the most important matrices more), q8, or
     * a type of quantize_row in lower case: matrices that have more bits are quantized. */
    const char *quant;
    const char *folder; /* of packed models (cache_packed_folder); NULL: in memory of our own */
    uint64_t file_bytes_min; /* packed weights of fewer bytes are not worth a file; 0: 1 MiB */
    struct pool *pool;       /* borrowed during the call; NULL: this thread alone */
    /* All on the calling thread, NULL: not. What is needed, before the work; its code ends it. */
    int (*on_need)(void *ctx, const struct model_need *need, struct err *e);
    void (*on_progress)(void *ctx, uint64_t done_bytes, uint64_t bytes);
    bool (*keep_going)(void *ctx); /* false: ERR_CANCELLED */
    void *ctx;
};
/* Brings a model that was just opened, and that nobody else has yet, into the form that computes
 * fastest: the packed layout, mapped from the cache; packed there first where it is missing
 * (another process that does so already is waited for); in our own memory where that cannot be,
 * which a warning tells. With MODEL_MATH_EXACT nothing is packed, but quantized if told. Without a
 * call a model computes from its files, the same to the rounding. After a failure: close it. */
int model_quant_check(const char *quant, struct err *e); /* ERR_USAGE says what there is */
int model_pack(struct model *m, const struct model_pack_options *o, struct err *e);

struct model_info {
    char name[128];        /* general.name, or the file's or folder's name */
    char arch[32];         /* "llama": as the file spells it */
    char quantization[40]; /* type of most matrix bytes: "Q4_1"; "Q4_K (from BF16)" */
    uint64_t file_bytes;
    uint64_t packed_bytes;   /* 0: not packed */
    uint64_t replaced_bytes; /* of the file, for which packed ones stand */
    bool packed_private;     /* they are in memory of our own, not in a shared file */
    uint64_t n_params;
    int32_t n_vocab, n_ctx, n_embd, n_layer, n_head, n_head_kv;
    const char *isa;
};
void model_info(const struct model *m, struct model_info *out);

size_t model_kv_bytes(const struct model *m, int32_t n_ctx); /* what kv_open will allocate */
int kv_open(struct kv **out, const struct model *m, int32_t n_ctx, struct err *e);
void kv_close(struct kv **kv);
int32_t kv_length(const struct kv *kv);
int32_t kv_capacity(const struct kv *kv);
void kv_truncate(struct kv *kv, int32_t n); /* keeps positions [0, n) */
/* Says that the calls that follow belong to a sequence of n tokens at least: models whose rotation
 * depends on the sequence's length (longrope, dynamic) then compute them as one pass over n tokens
 * would. 0, as at first: each call is the end of its own sequence. When the rotation changes, what
 * is in kv is computed anew by the next model_forward. */
void kv_expect(struct kv *kv, int32_t n);

/* Scratch for calls of at most n_batch tokens; one a thread that calls model_forward. */
struct forward;
int forward_open(struct forward **out, const struct model *m, struct pool *pool /* borrowed */,
                 int32_t n_batch, struct err *e);
void forward_close(struct forward **f);
size_t forward_bytes(const struct forward *f);
int32_t forward_batch(const struct forward *f);

/* Work that a call caused, added up by the caller. */
struct forward_work {
    uint64_t multiply_adds;
    uint64_t bytes_read; /* weights and KV */
};

/* Appends n tokens (1 <= n <= forward_batch) to kv and computes logits for the last n_logits of
 * them (0 <= n_logits <= n) into logits [n_logits][n_vocab]. keep_going(ctx) is asked between
 * layers; false ends the call with ERR_CANCELLED and kv as it was (NULL: never asked). ids out of
 * range and a full kv are ERR_RANGE / ERR_LIMIT. The result does not depend on how tokens are cut
 * into calls, nor on threads. */
int model_forward(const struct model *m, struct forward *f, struct kv *kv, const int32_t *ids,
                  int32_t n, int32_t n_logits, float *logits, bool (*keep_going)(void *ctx),
                  void *ctx, struct forward_work *work, struct err *e);

/* What a model brings for text, without its weights: tokenizer, chat template, end tokens, and how
 * its publisher samples. path: as in model_options; a folder in Hugging Face layout needs no
 * weights (tokenizer.json, or tokenizer.model, or vocab.json with merges.txt; tokenizer_config.json
 * and its like; chat_template.jinja, generation_config.json, config.json), nor does a GGUF file. */
struct model_text;
int model_text_open(struct model_text **out, const char *path, struct err *e);
void model_text_close(struct model_text **t);
/* NULL: there is none (GGUF: tokenizer.ggml.model is "none"; weights without tokenizer files). */
const struct tokenizer *model_text_tokenizer(const struct model_text *t);
/* The template for conversations, the one for conversations with tools where there is a list of
 * them (else the same). NULL: the model has none, or one that cannot be used. */
const struct template *model_text_template(const struct model_text *t);
const struct template *model_text_tool_template(const struct model_text *t);
/* Why the model's template cannot be used; NULL: it can, or there is none. */
const char *model_text_template_error(const struct model_text *t);
/* True for what ends an answer: eos_token_id of generation_config.json (one or several; without
 * that file, of config.json), GGUF's eos, eot and eom, and what tokenizer_is_end knows. */
bool model_text_is_end(const struct model_text *t, int32_t id);

/* What generation_config.json, or general.sampling.* of GGUF, says of sampling. Negative: nothing.
 * Where it says "do_sample": false, temperature is 0 (greedy). */
struct model_sampling {
    float temperature, top_p, min_p, repetition_penalty;
    int32_t top_k;
};
void model_text_sampling(const struct model_text *t, struct model_sampling *out);

#include "model/export.h"

#endif
