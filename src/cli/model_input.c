/* SPDX-License-Identifier: MIT */
/* The library reads no environment, so where HOME is gets decided here. */
#include "cli/model_input.h"

#include "cache/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int model_find(const struct settings *s, const char *name, struct buf *path, struct err *e)
{
    return cache_find_model(name, settings_text(s, SET_HF_HOME), getenv("HOME"), path, e);
}

int model_input_path(const struct settings *s, struct buf *path, struct err *e)
{
    const char *name = settings_option_text(s, "model");
    if (!name)
        name = settings_text(s, SET_LLM_MODEL_NAME);
    return model_find(s, name, path, e);
}

int model_input_open(const struct settings *s, FILE **in, const char **name, struct err *e)
{
    const char *path = settings_option_text(s, "input");
    if (!path || strcmp(path, "-") == 0) {
        *in = stdin;
        *name = "standard input";
        return 0;
    }
    FILE *f = fopen(path, "re");
    if (!f)
        return err_errno(e, errno, "--input: cannot open '%s'", path);
    *in = f;
    *name = path;
    return 0;
}

void model_input_close(FILE *in)
{
    if (in != stdin)
        fclose(in);
}
