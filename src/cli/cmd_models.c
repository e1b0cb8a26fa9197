/* SPDX-License-Identifier: MIT */
/* wattle models: what lies in the hub's cache, and the packed weights: listed, verified, removed.
 */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/hub_setup.h"
#include "cli/models_packed.h"
#include "fleet/fleet.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { OUTPUT_BYTES_MAX = 64 << 20 };

struct view {
    const struct hub_options *o;
    const char *hub_folder, *packed_folder; /* packed: NULL if there is none */
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
        rc = models_packed_members(v->packed_folder, &v->w, e);
        json_write_object_end(&v->w);
    } else {
        if (l.n)
            buf_printf(&v->out, "%-52s %10s %6s  %s\n", "MODEL", "SIZE", "FILES", "STATE");
        for (size_t i = 0; i < l.n; i++)
            list_row(v, &l.models[i]);
        buf_printf(&v->out, "%zu %s, ", l.n, plural(l.n, "model", "models"));
        put_size(&v->out, sum);
        buf_printf(&v->out, ", in %s", v->hub_folder);
        rc = models_packed_table(v->packed_folder, &v->out, e);
    }
    cache_list_close(&l);
    return rc;
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

/* One packed file; bad is added to. */
static int verify_packed(struct view *v, const char *name, size_t *bad, struct err *e)
{
    struct err why = {""};
    int rc = packed_verify(v->packed_folder, name, is_interrupted, v, &why);
    if (rc && rc != ERR_FORMAT)
        return err_set(e, rc, "%s", why.text);
    if (v->json) {
        json_write_object(&v->w);
        json_put_str(&v->w, "packed", name);
        json_put_str(&v->w, "result", rc ? "bad" : "good");
        json_put_text(&v->w, "problem", why.text);
        json_write_object_end(&v->w);
    } else {
        buf_printf(&v->out, "%-8s packed %s%s%s\n", rc ? "bad" : "good", name, rc ? ": " : "",
                   why.text);
    }
    *bad += rc != 0;
    return 0;
}

static int verify_all(struct view *v, size_t *bad, size_t *bad_packed, struct err *e)
{
    struct cache_list l = {0};
    struct packed_list packed = {.n = 0};
    int rc = cache_list_open(&l, v->hub_folder, e);
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        rc = verify_one(v, l.models[i].repository, bad, e);
    if (rc == 0 && v->packed_folder)
        rc = packed_list_open(&packed, v->packed_folder, e);
    for (size_t i = 0; rc == 0 && i < packed.n; i++) {
        const struct packed_entry *x = &packed.entries[i];
        if (x->state != PACKED_UNFINISHED && x->state != PACKED_BUSY)
            rc = verify_packed(v, x->name, bad_packed, e);
    }
    packed_list_close(&packed);
    cache_list_close(&l);
    return rc;
}

/* One of the hub's models, one packed file, or all of both. */
static int verify(struct view *v, const char *repository, const char *packed, struct err *e)
{
    size_t bad = 0, bad_packed = 0;
    int rc;
    if (v->json)
        json_write_array(&v->w);
    if (packed)
        rc = verify_packed(v, packed, &bad_packed, e);
    else if (repository)
        rc = verify_one(v, repository, &bad, e);
    else
        rc = verify_all(v, &bad, &bad_packed, e);
    if (v->json)
        json_write_array_end(&v->w);
    if (rc == 0 && bad)
        rc = err_set(e, ERR_FORMAT,
                     "%zu %s not what the hub gave, expected none: remove the model and pull it "
                     "again",
                     bad, plural(bad, "file is", "files are"));
    if (rc == 0 && bad_packed)
        rc = err_set(e, ERR_FORMAT,
                     "%zu packed %s damaged, expected none: remove %s, the next start makes %s "
                     "anew",
                     bad_packed, plural(bad_packed, "file is", "files are"),
                     plural(bad_packed, "it", "them"), plural(bad_packed, "it", "them"));
    return rc;
}

/* ---- remove ---- */

static void tell_removed(struct view *v, const char *what, uint64_t freed)
{
    if (v->json) {
        json_write_object(&v->w);
        json_put_str(&v->w, "removed", what);
        json_put_u64(&v->w, "freed_bytes", freed);
        json_write_object_end(&v->w);
    } else {
        buf_printf(&v->out, "removed %s: ", what);
        put_size(&v->out, freed);
        buf_str(&v->out, " freed");
    }
}

/* With what was packed of it. */
static int remove_model(struct view *v, const char *repository, struct err *e)
{
    uint64_t freed = 0;
    size_t n = 0;
    int rc = cache_remove(v->hub_folder, repository, &freed, e);
    if (rc == 0)
        rc = models_packed_prune(v->packed_folder, repository, &n, &freed, e);
    if (rc == 0)
        tell_removed(v, repository, freed);
    return rc;
}

static int remove_packed(struct view *v, const char *name, struct err *e)
{
    uint64_t freed = 0;
    int rc = packed_remove(v->packed_folder, name, &freed, e);
    if (rc == 0)
        tell_removed(v, name, freed);
    return rc;
}

static int prune(struct view *v, struct err *e)
{
    uint64_t freed = 0;
    size_t n = 0;
    char what[48];
    int rc = models_packed_prune(v->packed_folder, NULL, &n, &freed, e);
    snprintf(what, sizeof what, "%zu packed %s", n, n == 1 ? "file" : "files");
    if (rc == 0)
        tell_removed(v, what, freed);
    return rc;
}

/* ---- the command ---- */

/* What a word names: a packed file, or one of the hub's models. */
struct named {
    struct cache_name hub;
    char packed[PACKED_NAME_SIZE]; /* "": none */
};

static int name_of(const struct view *v, const struct settings *s, struct named *out, struct err *e)
{
    out->packed[0] = 0;
    if (settings_words(s) < 2)
        return err_set(e, ERR_USAGE,
                       "models remove: nothing is named, expected ORG/NAME or the name of a packed "
                       "file");
    const char *word = settings_word(s, 1);
    if (models_packed_is_name(word)) {
        int rc = models_packed_find(v->packed_folder, word, out->packed, e);
        if (rc != ERR_NOTFOUND || strlen(word) == PACKED_DIGITS)
            return rc;
        out->packed[0] = 0; /* the hub may have a model of such a name */
    }
    int rc = cache_name_parse(&out->hub, word, e);
    if (rc == 0 && strchr(word, '@'))
        rc = err_set(e, ERR_USAGE,
                     "'%s' names a revision, expected ORG/NAME: a model is taken as a whole", word);
    return rc;
}

static int dispatch(struct view *v, const struct settings *s, struct err *e)
{
    const char *verb = settings_words(s) ? settings_word(s, 0) : "list";
    struct named name;
    bool named = settings_words(s) == 2;
    if (strcmp(verb, "list") == 0 && !named)
        return list(v, e);
    if (strcmp(verb, "prune") == 0 && !named)
        return prune(v, e);
    if (strcmp(verb, "verify") == 0 && !named)
        return verify(v, NULL, NULL, e);
    if (strcmp(verb, "verify") == 0) {
        int rc = name_of(v, s, &name, e);
        return rc < 0 ? rc : verify(v, name.hub.repository, name.packed[0] ? name.packed : NULL, e);
    }
    if (strcmp(verb, "remove") == 0) {
        int rc = name_of(v, s, &name, e);
        if (rc < 0)
            return rc;
        return name.packed[0] ? remove_packed(v, name.packed, e)
                              : remove_model(v, name.hub.repository, e);
    }
    return err_set(e, ERR_USAGE, "'%s%s%s', expected list, verify [NAME], remove NAME or prune",
                   verb, named ? " " : "", named ? settings_word(s, 1) : "");
}

static int run(const struct settings *s, struct err *e)
{
    struct hub_options o;
    struct buf hub;
    char packed[PATH_MAX];
    struct view v = {.o = &o, .json = settings_option_flag(s, "json")};
    buf_init(&hub, PATH_MAX);
    buf_init(&v.out, OUTPUT_BYTES_MAX);
    json_write_init(&v.w, &v.out, 0);
    hub_setup(&o, s);
    int rc = cache_hub_folder(&o.places, &hub, e);
    v.hub_folder = buf_cstr(&hub);
    v.packed_folder = fleet_packed_folder(s, packed, sizeof packed);
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

static const enum setting_id settings[] = {SET_HF_HOME, SET_HF_HUB_CACHE, SET_LLM_PACKED_DIR,
                                           SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "models",
    .usage = "wattle models [list | verify [NAME] | remove NAME | prune] [--json]",
    .summary = "lists, verifies or removes downloaded models and packed weights",
    .notes =
        "list (the default): each model in the hub's cache with its size and whether all of it is\n"
        "there. verify reads every file and compares its sha256 (or git's id) with what the hub\n"
        "gave; a file that is bad or missing makes it fail. remove deletes one model, all\n"
        "revisions, and what was packed of it. The cache is the one that Python's huggingface_hub\n"
        "uses.\n\n"
        "Packed weights are listed by the beginning of their files' names: ready, stale (the "
        "model\n"
        "has changed), orphan (it is gone), damaged or unfinished. verify and remove take such a\n"
        "name too; prune removes all that are not ready. Processes that use a removed file keep "
        "it\n"
        "until they end.\n\n"
        "  wattle models verify TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    .options = options,
    .settings = settings,
    .min_words = 0,
    .max_words = 2,
};

const struct command command_models = {.spec = &spec, .run = run};
