/* SPDX-License-Identifier: MIT */
/* The hyperparameters of one architecture in a GGUF file: keys under its prefix ("llama.").
 *
 * The first failure sticks: later reads give the least allowed value and change nothing, so that a
 * family reads all it needs and the caller checks code once. */
#ifndef WATTLE_MODEL_CONFIG_H
#define WATTLE_MODEL_CONFIG_H

#include "weights/weights.h"

struct config {
    const struct gguf *file; /* borrowed */
    const char *arch;        /* borrowed */
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
/* Empty when absent. */
struct span config_text(struct config *c, const char *name);
/* True if the key is there with a value other than 0 or false. */
bool config_is_set(struct config *c, const char *name);
/* Records "key '<arch>.<name>': …" unless a failure is there already. */
void config_fail(struct config *c, int code, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
