/* SPDX-License-Identifier: MIT */
/* Where the model lies, for every command that has one; where the lines come from, for those that
 * look inside it. */
#ifndef WATTLE_CLI_MODEL_INPUT_H
#define WATTLE_CLI_MODEL_INPUT_H

#include "cli/cli.h"

#include <stdio.h>

/* Appends the path of the model of that name: a file, a folder, or in the hub's cache. */
int model_find(const struct settings *s, const char *name, struct buf *path, struct err *e);

/* Appends the path of the model that --model names, else LLM_MODEL_NAME. */
int model_input_path(const struct settings *s, struct buf *path, struct err *e);

/* Opens --input, or gives stdin where it is absent or "-"; *name is what messages call it, valid
 * with s. */
int model_input_open(const struct settings *s, FILE **in, const char **name, struct err *e);
void model_input_close(FILE *in); /* leaves stdin open */

#endif
