/* SPDX-License-Identifier: MIT */
#include "cli/model_input.h"

#include "cli/hub_setup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 4096 };

int model_find(const struct settings *s, const char *name, struct buf *path, struct err *e)
{
    struct hub_options o;
    hub_setup(&o, s);
    int rc = hub_find_or_pull(&o, name, path, e);
    hub_setup_end();
    return rc;
}

const char *model_input_name(const struct settings *s)
{
    const char *name = settings_option_text(s, "model");
    return name ? name : settings_text(s, SET_LLM_MODEL_NAME);
}

int model_input_path(const struct settings *s, struct buf *path, struct err *e)
{
    return model_find(s, model_input_name(s), path, e);
}

static int find_text(const struct settings *s, struct buf *path, struct err *e)
{
    const char *name = model_input_name(s);
    struct stat st;
    if (stat(name, &st) != 0 || !S_ISDIR(st.st_mode))
        return model_find(s, name, path, e);
    buf_str(path, name);
    return buf_check(path, "--model", e);
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

int model_input_open(struct model_input *m, const struct settings *s, enum model_need need,
                     struct err *e)
{
    *m = (struct model_input){.in = NULL};
    buf_init(&m->path, PATH_BYTES_MAX);
    int rc = 0;
    if (need == NEED_WEIGHTS)
        rc = model_input_path(s, &m->path, e);
    else if (need == NEED_TEXT)
        rc = find_text(s, &m->path, e);
    if (rc == 0)
        rc = open_lines(m, s, e);
    m->model_path = need == NEED_NO_MODEL ? NULL : m->path.p;
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
