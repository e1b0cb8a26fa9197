/* SPDX-License-Identifier: MIT */
/* The library reads no environment, so where HOME is gets decided here. */
#include "cli/model_input.h"

#include "cache/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 4096 };

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

static int open_lines(struct model_input *m, const struct settings *s, struct err *e)
{
    const char *path = settings_option_text(s, "input");
    if (!path || strcmp(path, "-") == 0) {
        m->in = stdin;
        m->in_name = "standard input";
        return 0;
    }
    m->in = fopen(path, "re");
    m->in_name = path;
    return m->in ? 0 : err_errno(e, errno, "--input: cannot open '%s'", path);
}

int model_input_open(struct model_input *m, const struct settings *s, bool with_model,
                     struct err *e)
{
    *m = (struct model_input){.in = NULL};
    buf_init(&m->path, PATH_BYTES_MAX);
    int rc = with_model ? model_input_path(s, &m->path, e) : 0;
    if (rc == 0)
        rc = open_lines(m, s, e);
    m->model_path = with_model ? m->path.p : NULL;
    if (rc)
        buf_release(&m->path);
    return rc;
}

void model_input_close(struct model_input *m)
{
    if (m->in != stdin)
        fclose(m->in);
    buf_release(&m->path);
}
