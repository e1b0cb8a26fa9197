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

/* A model and the lines that are asked of it. */
struct model_input {
    const char *model_path; /* NULL: none was wanted */
    FILE *in;               /* --input, or stdin where it is absent or "-" */
    const char *in_name;    /* what messages call it */
    struct buf path;
};
/* s must outlive m; after a failure there is nothing to close. */
int model_input_open(struct model_input *m, const struct settings *s, bool with_model,
                     struct err *e);
void model_input_close(struct model_input *m); /* leaves stdin open */

#endif
