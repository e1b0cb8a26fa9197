/* SPDX-License-Identifier: MIT */
/* Where the model lies, for every command that has one; where the lines come from, for those that
 * look inside it. */
#ifndef WATTLE_CLI_MODEL_INPUT_H
#define WATTLE_CLI_MODEL_INPUT_H

#include "cli/cli.h"

#include <stdio.h>

/* The settings that decide where models are found: a part of every such command's list. */
#define MODEL_SETTINGS                                                                  \
    SET_LLM_MODEL_NAME, SET_HF_HOME, SET_HF_HUB_CACHE, SET_HF_TOKEN, SET_HF_TOKEN_PATH, \
        SET_HF_ENDPOINT, SET_HF_HUB_OFFLINE, SET_HF_HUB_DOWNLOAD_TIMEOUT

/* Appends the path of the model of that name: a file, a folder, or in the hub's cache, into which
 * it is pulled first where it is missing and HF_HUB_OFFLINE allows; progress goes to standard
 * error, and SIGINT and SIGTERM end it. */
int model_find(const struct settings *s, const char *name, struct buf *path, struct err *e);
/* The model that --model names, else LLM_MODEL_NAME: its name, and its path appended. */
const char *model_input_name(const struct settings *s);
int model_input_path(const struct settings *s, struct buf *path, struct err *e);

enum model_need {
    NEED_NO_MODEL,
    NEED_TEXT, /* tokenizer and template: a folder without weights is fine */
    NEED_WEIGHTS,
};

/* A model and the lines that are asked of it. */
struct model_input {
    const char *model_path; /* NULL: none was wanted */
    FILE *in;               /* --input, or stdin where it is absent or "-" */
    const char *in_name;    /* what messages call it */
    struct buf path;
};
/* s must outlive m; after a failure there is nothing to close. */
int model_input_open(struct model_input *m, const struct settings *s, enum model_need need,
                     struct err *e);
void model_input_close(struct model_input *m); /* leaves stdin open */

#endif
