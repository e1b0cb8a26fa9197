/* SPDX-License-Identifier: MIT */
/* Settings that name a file or a folder. One that is there on this machine is mounted at a fixed
 * place of the container, and the device is told that place; another is taken for a path inside the
 * container and passed on as it is. */
#include "deploy/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

struct file_setting {
    enum setting_id id;
    const char *key;
    bool llm, broker;
};

static const struct file_setting file_settings[] = {
    {SET_LLM_PROMPT_FILE, "llm-prompt-file", true, false},
    {SET_MQTT_PASSWORD_FILE, "mqtt-password-file", false, true},
    {SET_MQTT_CA_FILE, "mqtt-ca-file", false, false},
    {SET_MQTT_CERT_FILE, "mqtt-cert-file", false, false},
    {SET_MQTT_KEY_FILE, "mqtt-key-file", false, false},
    {SET_HF_TOKEN_PATH, "hf-token-path", true, false},
    {SET_LLM_API_KEY_FILE, "llm-api-key-file", true, false},
};

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the devices");
}

const char *plan_folder(struct plan *p)
{
    const char *output = p->o->output;
    const char *slash = output ? strrchr(output, '/') : NULL;
    if (!slash || p->o->target == DEPLOY_KUBERNETES || p->o->target == DEPLOY_SYSTEMD)
        return ".";
    return slash == output ? "/" : plan_printf(p, "%.*s", (int)(slash - output), output);
}

int plan_mount(struct plan *p, const struct mount *m, struct err *e)
{
    if (!m->host || !m->inside || !m->key)
        return no_memory(e);
    if (!utf8_valid(span_str(m->host)) || !utf8_valid(span_str(m->inside)))
        return err_set(e, ERR_USAGE,
                       "'%s': the path is no UTF-8, which is all that such a file "
                       "can hold",
                       m->host);
    if (p->n_mounts == PLAN_MOUNTS_MAX)
        return err_set(e, ERR_LIMIT, "'%s': more than %d paths", m->host, (int)PLAN_MOUNTS_MAX);
    p->mounts[p->n_mounts++] = *m;
    return 0;
}

/* The absolute path, links followed; NULL: without memory, or no longer there. */
static const char *full_path(struct plan *p, const char *path)
{
    char *full = realpath(path, NULL);
    const char *kept = full ? plan_printf(p, "%s", full) : NULL;
    free(full);
    return kept;
}

/* A container's user is seldom the one who keeps a key. */
static void note_unreadable(struct plan *p, const char *name, const char *path,
                            const struct stat *st)
{
    if (p->o->target != DEPLOY_COMPOSE || (st->st_mode & S_IROTH) || st->st_uid == p->user)
        return;
    plan_note(p, "%s '%s': user %u, whom the containers run as, may not read it", name, path,
              p->user);
}

static int put_file(struct plan *p, const struct file_setting *f, struct err *e)
{
    const char *name = settings_env_name(f->id);
    const char *value = settings_text(p->o->settings, f->id);
    struct stat st;
    if (!value[0] || (f->llm && !p->has_llm))
        return 0;
    if (stat(value, &st) != 0) {
        plan_note(p, "%s '%s': is not on this machine, taken as a path where the device runs", name,
                  value);
        return 0;
    }
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "%s '%s': is a folder, expected a file", name, value);
    const char *host = full_path(p, value);
    note_unreadable(p, name, value, &st);
    struct mount m = {.host = host,
                      .inside = plan_printf(p, PLAN_FILES "/%s", f->key),
                      .key = f->key,
                      .id = f->id,
                      .llm = f->llm,
                      .broker = f->broker};
    int rc = plan_mount(p, &m, e);
    if (!rc && p->o->target != DEPLOY_SYSTEMD) /* there it is a credential */
        rc = plan_variable(p, f->id, name, m.inside, f->llm, e);
    return rc;
}

static int put_dataset(struct plan *p, struct err *e)
{
    const char *value = settings_text(p->o->settings, SET_DATASET_PATH);
    struct stat st;
    p->dataset_given = value[0] && stat(value, &st) == 0;
    if (!p->dataset_given)
        return 0;
    bool folder = S_ISDIR(st.st_mode), mapped = p->o->target != DEPLOY_SYSTEMD;
    const char *host = full_path(p, value);
    const char *inside = folder ? PLAN_DATASET : PLAN_DATA "/dataset.csv";
    struct mount m = {.host = host,
                      .inside = mapped ? inside : host,
                      .key = "dataset-path",
                      .id = SET_DATASET_PATH,
                      .folder = folder};
    int rc = plan_mount(p, &m, e);
    return rc ? rc : plan_variable(p, m.id, settings_env_name(m.id), m.inside, false, e);
}

bool plan_is_model(const struct mount *m)
{
    return m->id == SET_LLM_MODEL_NAME || m->id == SET_HF_HOME || m->id == SET_HF_HUB_CACHE;
}

/* Root's cache can be read by others, but not written. */
static void note_cache(struct plan *p)
{
    struct stat st;
    if (p->o->hf_home && stat(p->o->hf_home, &st) == 0 && st.st_uid != p->user &&
        !(st.st_mode & S_IWOTH))
        plan_note(p,
                  "'%s': belongs to user %u, the containers run as %u: what is pulled before "
                  "(wattle pull) they can read, but pull nothing",
                  p->o->hf_home, (unsigned)st.st_uid, p->user);
}

/* The host's cache: what was pulled there is there, and what a device pulls stays. */
static int put_cache(struct plan *p, struct err *e)
{
    const char *hub = settings_text(p->o->settings, SET_HF_HUB_CACHE);
    int rc = 0;
    if (!p->has_llm || p->o->target != DEPLOY_COMPOSE || (p->remote && !p->o->engine))
        return 0;
    if (p->o->hf_home) {
        struct mount m = {.host = p->o->hf_home,
                          .inside = PLAN_HF_HOME,
                          .key = "huggingface",
                          .id = SET_HF_HOME,
                          .folder = true,
                          .writable = true,
                          .llm = true};
        rc = plan_mount(p, &m, e);
        note_cache(p);
    }
    if (!rc && hub[0]) {
        const char *full = full_path(p, hub);
        struct mount m = {.host = full ? full : hub,
                          .inside = PLAN_HF_HOME "/hub",
                          .key = "huggingface-hub",
                          .id = SET_HF_HUB_CACHE,
                          .folder = true,
                          .writable = true,
                          .llm = true};
        if (m.host[0] != '/')
            return err_set(e, ERR_USAGE, "HF_HUB_CACHE '%s': is not there", hub);
        rc = plan_mount(p, &m, e);
    }
    return rc;
}

/* Packed weights lie beside the models, so that one container packs and all map its file. */
static int put_packed(struct plan *p, struct err *e)
{
    bool shared = p->o->target != DEPLOY_COMPOSE || p->o->hf_home;
    if (!p->has_llm || !shared || p->o->target == DEPLOY_SYSTEMD || (p->remote && !p->o->engine) ||
        settings_given(p->o->settings, SET_LLM_PACKED_DIR))
        return 0;
    return plan_variable(p, SET_LLM_PACKED_DIR, settings_env_name(SET_LLM_PACKED_DIR), PLAN_PACKED,
                         true, e);
}

int plan_files(struct plan *p, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof file_settings / sizeof *file_settings; i++)
        rc = put_file(p, &file_settings[i], e);
    if (!rc)
        rc = put_dataset(p, e);
    if (!rc)
        rc = put_cache(p, e);
    if (!rc)
        rc = put_packed(p, e);
    p->metrics = settings_given(p->o->settings, SET_METRICS_DIR)
                     ? settings_text(p->o->settings, SET_METRICS_DIR)
                     : "./metrics";
    if (!rc && p->metrics[0] != '/' && strncmp(p->metrics, "./", 2) != 0)
        p->metrics = plan_printf(p, "./%s", p->metrics);
    if (rc || !p->metrics)
        return rc ? rc : no_memory(e);
    if (!utf8_valid(span_str(p->metrics)))
        return err_set(e, ERR_USAGE, "METRICS_DIR '%s': is no UTF-8", p->metrics);
    return 0;
}

/* ---- the model ---- */

/* "model-00001-of-00003.gguf": the others lie beside it. */
static bool is_split(const char *name)
{
    static const char tail[] = "-00000-of-00000.gguf";
    size_t n = strlen(name), m = sizeof tail - 1;
    if (n <= m)
        return false;
    for (size_t i = 0; i < m; i++) {
        char c = name[n - m + i];
        if (tail[i] == '0' ? c < '0' || c > '9' : c != tail[i])
            return false;
    }
    return true;
}

/* In the hub's cache files are links to ../../blobs: the repository's whole folder is needed. The
 * length of "…/models--ORG--NAME" in a path that goes on with "/snapshots/", else 0. */
static size_t repository_length(const char *path)
{
    const char *snapshots = strstr(path, "/snapshots/");
    if (!snapshots)
        return 0;
    const char *name = snapshots;
    while (name > path && name[-1] != '/')
        name--;
    return strncmp(name, "models--", 8) == 0 ? (size_t)(snapshots - path) : 0;
}

/* Made absolute without following links, which would lose the name. */
static const char *absolute(struct plan *p, const char *path)
{
    char *here = path[0] == '/' ? NULL : realpath(".", NULL);
    const char *rest = path;
    while (strncmp(rest, "./", 2) == 0)
        rest += 2;
    const char *full = path[0] == '/' ? path : here ? plan_printf(p, "%s/%s", here, rest) : NULL;
    free(here);
    return full;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Two models of one name lie in folders of their own; one that is there already is there. */
static int place_model(struct plan *p, struct mount *m, const char *name, bool *there)
{
    size_t number = 1; /* of this model */
    bool taken = false;
    for (size_t i = 0; i < p->n_mounts && !*there; i++) {
        const struct mount *other = &p->mounts[i];
        number += other->id == m->id;
        *there = other->id == m->id && strcmp(other->host, m->host) == 0;
        taken = taken || strcmp(other->inside, m->inside) == 0;
        if (*there)
            m->inside = other->inside;
    }
    if (taken && !*there)
        m->inside = plan_printf(p, PLAN_MODELS "/%zu/%s", number, name);
    return m->inside ? 0 : ERR_NOMEM;
}

/* What is mounted of the model at path, and where the model is then. */
static int mount_model(struct plan *p, const char *path, bool folder, const char **inside,
                       struct err *e)
{
    const char *full = absolute(p, path);
    if (!full)
        return no_memory(e);
    size_t length = strlen(full);
    while (length > 1 && full[length - 1] == '/')
        length--;
    size_t whole = repository_length(full); /* how much of the path is mounted */
    bool whole_file = !folder && !whole && str_ends_with(full, ".gguf") && !is_split(full);
    if (!whole)
        whole = folder || whole_file ? length : (size_t)(strrchr(full, '/') - full);
    const char *host = plan_printf(p, "%.*s", (int)(whole ? whole : 1), full);
    const char *name = host ? last_part(host) : NULL;
    if (name && (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        name = "model";
    const char *rest = plan_printf(p, "%.*s", (int)(length - whole), full + whole);
    struct mount m = {.host = whole_file || !host ? full_path(p, full) : full_path(p, host),
                      .inside = name ? plan_printf(p, PLAN_MODELS "/%s", name) : NULL,
                      .key = p->n_mounts ? plan_printf(p, "model-%zu", p->n_mounts) : "model",
                      .id = SET_LLM_MODEL_NAME,
                      .folder = !whole_file,
                      .llm = true};
    if (p->o->target == DEPLOY_SYSTEMD) { /* runs here: the place is the same */
        m.inside = m.host;
        rest = whole_file ? "" : rest;
    }
    bool there = false;
    int rc = m.inside && m.host ? place_model(p, &m, name, &there) : no_memory(e);
    if (!rc && !there)
        rc = plan_mount(p, &m, e);
    *inside = !rc && rest ? plan_printf(p, "%s%s", m.inside, rest) : NULL;
    return rc ? rc : *inside ? 0 : no_memory(e);
}

const char *plan_model(struct plan *p, const char *name, struct err *e)
{
    struct stat st;
    if (p->remote && !p->o->engine)
        return name; /* whatever the server calls it */
    bool path = name[0] == '/' || name[0] == '.' || str_ends_with(name, ".gguf");
    if (stat(name, &st) != 0) {
        if (path)
            plan_note(p, "%s '%s': is not on this machine, taken as a path where the device runs",
                      settings_env_name(SET_LLM_MODEL_NAME), name);
        return name;
    }
    const char *inside = NULL;
    return mount_model(p, name, S_ISDIR(st.st_mode), &inside, e) ? NULL : inside;
}
