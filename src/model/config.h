/* SPDX-License-Identifier: MIT */
/* The hyperparameters of a model: config.json, or the keys of a GGUF file under its architecture's
 * prefix ("llama.").
 *
 * Names here are config.json's as most families spell them ("hidden_size"); a dot enters an object
 * ("attn_config.alibi"). What a GGUF file calls the same is in a table of config.c; a family whose
 * files use another word gives aliases. A JSON null counts as absent.
 *
 * The first failure sticks: later reads give the least allowed value and change nothing, so that a
 * family reads all it needs and the caller checks code once. */
#ifndef WATTLE_MODEL_CONFIG_H
#define WATTLE_MODEL_CONFIG_H

#include "codec/codec.h"
#include "weights/weights.h"

/* name is read from the key hf, or the key gguf without prefix; NULL: as without the alias. Of
 * several rows for a name the first whose key the file has is taken; name itself comes after them.
 */
struct config_alias {
    const char *name, *hf, *gguf;
};

struct config {
    const struct gguf *gguf;            /* borrowed; NULL: json */
    const struct json *json;            /* borrowed: the object with the text model's members */
    const char *arch;                   /* borrowed: prefix of GGUF keys; model_type */
    const struct config_alias *aliases; /* of the family, ends with {0}; or NULL */
    struct arena *arena;                /* for what traits point to */
    int code;
    struct err *e;
};

/* Required: absent is an error that names the key. */
int32_t config_int(struct config *c, const char *name, int32_t min, int32_t max);
double config_real(struct config *c, const char *name, double min, double max);
/* Optional. */
int32_t config_int_or(struct config *c, const char *name, int32_t min, int32_t max,
                      int32_t otherwise);
double config_real_or(struct config *c, const char *name, double min, double max, double otherwise);
bool config_bool_or(struct config *c, const char *name, bool otherwise);
/* Empty when absent. */
struct span config_text(struct config *c, const char *name);
/* Arrays: how many elements there are (0: absent), and one of them (out of range: a failure). */
size_t config_count(struct config *c, const char *name);
int32_t config_int_at(struct config *c, const char *name, size_t i, int32_t min, int32_t max);
double config_real_at(struct config *c, const char *name, size_t i, double min, double max);
struct span config_text_at(struct config *c, const char *name, size_t i);
bool config_has(struct config *c, const char *name);
/* True for a JSON null: where a family's default is something, null may stand for nothing. */
bool config_is_null(struct config *c, const char *name);
/* True if the key is there with a value other than 0, false or null. */
bool config_is_set(struct config *c, const char *name);
/* Records "key '<name as in the file>': …" unless a failure is there already. */
void config_fail(struct config *c, int code, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
