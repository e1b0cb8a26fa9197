/* SPDX-License-Identifier: MIT */
/* wattle models: what lies in the hub's cache: listed, verified, removed. */
#include "cli/cli.h"

#include "cli/hub_setup.h"
#include "codec/codec.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { OUTPUT_BYTES_MAX = 64 << 20 };

struct view {
    const struct hub_options *o;
    const char *hub_folder;
    bool json;
    struct buf out;
    struct json_writer w;
};

static bool is_interrupted(void *ctx)
{
    const struct view *v = ctx;
    return *v->o->interrupted != 0;
}

static void put_size(struct buf *out, uint64_t bytes)
{
    char text[HUB_SIZE_TEXT];
    buf_str(out, hub_size_text(bytes, text));
}

/* ---- list ---- */

static void list_row(struct view *v, const struct cache_model *m)
{
    char size[HUB_SIZE_TEXT];
    buf_printf(&v->out, "%-52s %10s %6zu  ", m->repository, hub_size_text(m->size_bytes, size),
               m->n_files);
    if (!m->complete)
        buf_printf(&v->out, "incomplete: %s", m->problem);
    else
        buf_str(&v->out, "complete");
    if (m->incomplete_bytes)
        buf_printf(&v->out, ", %s of a download that was cut",
                   hub_size_text(m->incomplete_bytes, size));
    buf_char(&v->out, '\n');
}

static void list_object(struct json_writer *w, const struct cache_model *m)
{
    json_write_object(w);
    json_put_str(w, "model", m->repository);
    json_put_u64(w, "size_bytes", m->size_bytes);
    json_put_u64(w, "incomplete_bytes", m->incomplete_bytes);
    json_put_u64(w, "files", m->n_files);
    json_put_u64(w, "snapshots", m->n_snapshots);
    json_put_bool(w, "complete", m->complete);
    json_put_str(w, "problem", m->complete ? NULL : m->problem);
    json_write_object_end(w);
}

static int list(struct view *v, struct err *e)
{
    struct cache_list l;
    uint64_t sum = 0;
    int rc = cache_list_open(&l, v->hub_folder, e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < l.n; i++)
        sum += l.models[i].size_bytes + l.models[i].incomplete_bytes;
    if (v->json) {
        json_write_object(&v->w);
        json_put_str(&v->w, "cache", v->hub_folder);
        json_put_u64(&v->w, "size_bytes", sum);
        json_put_array(&v->w, "models");
        for (size_t i = 0; i < l.n; i++)
            list_object(&v->w, &l.models[i]);
        json_write_array_end(&v->w);
        json_write_object_end(&v->w);
    } else {
        if (l.n)
            buf_printf(&v->out, "%-52s %10s %6s  %s\n", "MODEL", "SIZE", "FILES", "STATE");
        for (size_t i = 0; i < l.n; i++)
            list_row(v, &l.models[i]);
        buf_printf(&v->out, "%zu %s, ", l.n, l.n == 1 ? "model" : "models");
        put_size(&v->out, sum);
        buf_printf(&v->out, ", in %s", v->hub_folder);
    }
    cache_list_close(&l);
    return 0;
}

/* ---- verify ---- */

static const char *const result_names[] = {
    [CACHE_GOOD] = "good",
    [CACHE_BAD] = "bad",
    [CACHE_MISSING] = "missing",
    [CACHE_UNKNOWN] = "unknown",
};

static void on_check(void *ctx, const struct cache_check *c)
{
    struct view *v = ctx;
    if (!v->json) {
        buf_printf(&v->out, "%-8s %s (", result_names[c->result], c->file);
        put_size(&v->out, c->size_bytes);
        buf_str(&v->out, ")\n");
        return;
    }
    json_write_object(&v->w);
    json_put_str(&v->w, "file", c->file);
    json_put_str(&v->w, "blob", c->blob);
    json_put_u64(&v->w, "size_bytes", c->size_bytes);
    json_put_str(&v->w, "result", result_names[c->result]);
    json_write_object_end(&v->w);
}

/* One model; bad is added to. */
static int verify_one(struct view *v, const char *repository, size_t *bad, struct err *e)
{
    size_t n = 0;
    if (v->json) {
        json_write_object(&v->w);
        json_put_str(&v->w, "model", repository);
        json_put_array(&v->w, "files");
    } else {
        buf_printf(&v->out, "%s\n", repository);
    }
    int rc = cache_verify(v->hub_folder, repository, on_check, is_interrupted, v, &n, e);
    if (v->json) {
        json_write_array_end(&v->w);
        json_put_u64(&v->w, "bad", n);
        json_write_object_end(&v->w);
    }
    *bad += n;
    return rc;
}

static int verify(struct view *v, const char *repository, struct err *e)
{
    struct cache_list l = {0};
    size_t bad = 0;
    int rc = repository ? 0 : cache_list_open(&l, v->hub_folder, e);
    if (v->json)
        json_write_array(&v->w);
    if (rc == 0 && repository)
        rc = verify_one(v, repository, &bad, e);
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        rc = verify_one(v, l.models[i].repository, &bad, e);
    if (v->json)
        json_write_array_end(&v->w);
    cache_list_close(&l);
    if (rc == 0 && bad)
        rc = err_set(e, ERR_FORMAT,
                     "%zu %s not what the hub gave, expected none: remove the model and pull it "
                     "again",
                     bad, bad == 1 ? "file is" : "files are");
    return rc;
}

/* ---- remove ---- */

static int remove_model(struct view *v, const char *repository, struct err *e)
{
    uint64_t freed = 0;
    int rc = cache_remove(v->hub_folder, repository, &freed, e);
    if (rc < 0)
        return rc;
    if (v->json) {
        json_write_object(&v->w);
        json_put_str(&v->w, "removed", repository);
        json_put_u64(&v->w, "freed_bytes", freed);
        json_write_object_end(&v->w);
    } else {
        buf_printf(&v->out, "removed %s: ", repository);
        put_size(&v->out, freed);
        buf_str(&v->out, " freed");
    }
    return 0;
}

/* ---- the command ---- */

static int name_of(const struct settings *s, struct cache_name *name, struct err *e)
{
    if (settings_words(s) < 2)
        return err_set(e, ERR_USAGE, "models remove: no model is named, expected ORG/NAME");
    int rc = cache_name_parse(name, settings_word(s, 1), e);
    if (rc == 0 && strchr(settings_word(s, 1), '@'))
        rc = err_set(e, ERR_USAGE,
                     "'%s' names a revision, expected ORG/NAME: a model is taken as a whole",
                     settings_word(s, 1));
    return rc;
}

static int dispatch(struct view *v, const struct settings *s, struct err *e)
{
    const char *verb = settings_words(s) ? settings_word(s, 0) : "list";
    struct cache_name name;
    bool named = settings_words(s) == 2;
    if (strcmp(verb, "list") == 0 && !named)
        return list(v, e);
    if (strcmp(verb, "verify") == 0) {
        int rc = named ? name_of(s, &name, e) : 0;
        return rc < 0 ? rc : verify(v, named ? name.repository : NULL, e);
    }
    if (strcmp(verb, "remove") == 0) {
        int rc = name_of(s, &name, e);
        return rc < 0 ? rc : remove_model(v, name.repository, e);
    }
    return err_set(e, ERR_USAGE, "'%s%s%s', expected list, verify [NAME] or remove NAME", verb,
                   named ? " " : "", named ? settings_word(s, 1) : "");
}

static int run(const struct settings *s, struct err *e)
{
    struct hub_options o;
    struct buf hub;
    struct view v = {.o = &o, .json = settings_option_flag(s, "json")};
    buf_init(&hub, PATH_MAX);
    buf_init(&v.out, OUTPUT_BYTES_MAX);
    json_write_init(&v.w, &v.out, 0);
    hub_setup(&o, s);
    int rc = cache_hub_folder(&o.places, &hub, e);
    v.hub_folder = buf_cstr(&hub);
    if (rc == 0)
        rc = dispatch(&v, s, e);
    if (rc == 0)
        rc = buf_check(&v.out, "the output", e);
    /* what was found before it failed or was interrupted is told all the same */
    bool told = rc == 0 || rc == ERR_FORMAT || (rc == ERR_CANCELLED && !v.json);
    if (told && v.out.n) {
        fwrite(v.out.p, 1, v.out.n, stdout);
        if (v.out.p[v.out.n - 1] != '\n')
            putchar('\n');
    }
    buf_release(&v.out);
    buf_release(&hub);
    hub_setup_end();
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "json", .type = OPTION_FLAG, .help = "JSON instead of a table"},
    {.name = NULL},
};

static const enum setting_id settings[] = {SET_HF_HOME, SET_HF_HUB_CACHE, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "models",
    .usage = "wattle models [list | verify [NAME] | remove NAME] [--json]",
    .summary = "lists, verifies or removes the models that were downloaded",
    .notes =
        "list (the default): each model in the hub's cache with its size and whether all of it is\n"
        "there. verify reads every file and compares its sha256 (or git's id) with what the hub\n"
        "gave; a file that is bad or missing makes it fail. remove deletes one model, all\n"
        "revisions. The cache is the one that Python's huggingface_hub uses.\n\n"
        "  wattle models verify TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    .options = options,
    .settings = settings,
    .min_words = 0,
    .max_words = 2,
};

const struct command command_models = {.spec = &spec, .run = run};
