/* SPDX-License-Identifier: MIT */
/* The services that listen to others, the dashboard and the engine, and the secrets that they ask
 * for.
 *
 * A secret that the user gave stands where he gave it. One of ours is made once, into a file of its
 * own beside the output (secrets/NAME), and read from there ever after: so the output holds no
 * secret, is the same each time, and a token that somebody has stays good. Nothing replaces such a
 * file. */
#include "deploy/plan.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { RANDOM_BYTES = 16, SECRET_BYTES_MIN = 8, SECRET_BYTES_MAX = 512 };

struct secret {
    const char *value;
    const char *path; /* where it is kept, as it is found from here; NULL: nowhere */
    const char *host; /* the file with it, to be mounted; NULL: none, the value is written */
};

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the devices");
}

/* 32 hexadecimal digits that nobody can guess; NULL: failed. */
static const char *make_up(struct plan *p, const char *name, struct err *e)
{
    unsigned char random[RANDOM_BYTES];
    char text[2 * RANDOM_BYTES + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        err_set(e, ERR_IO, "%s: the system gives no random numbers", name);
        return NULL;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    const char *kept = plan_printf(p, "%s", text);
    if (!kept)
        no_memory(e);
    return kept;
}

/* One line of printable ASCII, as a header of HTTP can carry it. */
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n >= SECRET_BYTES_MIN && s.n <= SECRET_BYTES_MAX;
}

/* NULL: failed. */
static const char *read_secret(struct plan *p, const char *path, struct err *e)
{
    struct buf held;
    buf_init(&held, 4096);
    int rc = file_read_regular(path, &held, e);
    while (held.n && (held.p[held.n - 1] == '\n' || held.p[held.n - 1] == '\r'))
        buf_truncate(&held, held.n - 1);
    if (!rc && !is_token(buf_view(&held)))
        rc = err_set(e, ERR_USAGE, "'%s': holds no token, expected one line of %d to %d characters",
                     path, (int)SECRET_BYTES_MIN, (int)SECRET_BYTES_MAX);
    const char *value = rc ? NULL : plan_printf(p, "%s", buf_cstr(&held));
    buf_release(&held);
    if (!rc && !value)
        no_memory(e);
    return value;
}

static int add_made(struct plan *p, const char *path, const char *text, struct err *e)
{
    if (!path || !text || p->n_made == PLAN_MADE_MAX)
        return no_memory(e);
    p->made[p->n_made++] = (struct made_file){path, span_str(text)};
    return 0;
}

/* As it is found from here, and as it will be named to the user. */
static const char *secret_path(struct plan *p, const char *name)
{
    const char *folder = plan_folder(p);
    if (!folder)
        return NULL;
    return strcmp(folder, ".") == 0 ? plan_printf(p, "secrets/%s", name)
                                    : plan_printf(p, "%s/secrets/%s", folder, name);
}

/* Users commit what lies in a clone; the folder says that it is not for that. */
static int ignore_folder(struct plan *p, struct err *e)
{
    struct stat st;
    const char *path = secret_path(p, ".gitignore");
    if (path && (p->n_made || lstat(path, &st) == 0))
        return 0;
    return add_made(p, path, "*\n", e);
}

/* The file's, or a new one for it. Printed to the standard output, a text must do without. */
static int find_secret(struct plan *p, const char *name, const char *variable, struct secret *out,
                       struct err *e)
{
    struct stat st;
    const char *path = secret_path(p, name);
    if (!path)
        return no_memory(e);
    out->host = plan_printf(p, "./secrets/%s", name);
    out->path = path;
    if (lstat(path, &st) == 0 || errno != ENOENT) {
        out->value = read_secret(p, path, e);
        return !out->host ? no_memory(e) : out->value ? 0 : ERR_USAGE;
    }
    out->value = make_up(p, variable, e);
    if (!out->host || !out->value)
        return ERR_IO;
    if (strcmp(p->o->output, "-") == 0) {
        out->host = out->path = NULL;
        return 0;
    }
    int rc = ignore_folder(p, e);
    return rc ? rc : add_made(p, path, plan_printf(p, "%s\n", out->value), e);
}

/* ---- the dashboard ---- */

static int mount_token(struct plan *p, const char *host, struct err *e)
{
    struct mount m = {.host = host,
                      .inside = PLAN_FILES "/dashboard-token",
                      .key = "dashboard-token",
                      .id = SET_DASHBOARD_TOKEN_FILE,
                      .dashboard = true};
    return plan_mount(p, &m, e);
}

/* It listens to other machines (its container's network): so it demands a token. */
int plan_dashboard(struct plan *p, struct err *e)
{
    const char *given = settings_text(p->o->settings, SET_DASHBOARD_TOKEN);
    struct secret secret = {given, NULL, NULL};
    p->dashboard_token = "";
    if (!p->o->dashboard || p->o->target == DEPLOY_SYSTEMD)
        return 0;
    if (settings_int(p->o->settings, SET_DASHBOARD_PORT) == 0)
        return err_set(e, ERR_USAGE, "DASHBOARD_PORT 0: nobody could find it, expected a port");
    if (!given[0]) {
        int rc = find_secret(p, "dashboard-token", "DASHBOARD_TOKEN", &secret, e);
        if (rc)
            return rc;
        plan_note(p, "the dashboard's token is %s%s%s%s", secret.value,
                  secret.path ? ", kept in '" : "", secret.path ? secret.path : "",
                  secret.path ? "'" : "");
    }
    if (secret.host && p->o->target != DEPLOY_KUBERNETES)
        return mount_token(p, secret.host, e);
    p->dashboard_token = secret.value;
    p->secret = true;
    return 0;
}

/* ---- the engine ---- */

static bool has_key(const struct settings *s)
{
    return settings_text(s, SET_LLM_API_KEY)[0] || settings_text(s, SET_LLM_API_KEY_FILE)[0];
}

static int put_key(struct plan *p, struct err *e)
{
    struct secret secret;
    int rc = find_secret(p, "engine-key", "LLM_API_KEY", &secret, e);
    if (rc)
        return rc;
    if (!secret.host)
        return plan_variable(p, SET_LLM_API_KEY, "LLM_API_KEY", secret.value, true, e);
    struct mount m = {.host = secret.host,
                      .inside = PLAN_FILES "/engine-key",
                      .key = "engine-key",
                      .id = SET_LLM_API_KEY_FILE,
                      .llm = true};
    rc = plan_mount(p, &m, e);
    return rc ? rc : plan_variable(p, m.id, "LLM_API_KEY_FILE", m.inside, true, e);
}

/* One server has the model. It listens to other containers, so it demands a key. */
int plan_engine(struct plan *p, struct err *e)
{
    const struct settings *s = p->o->settings;
    const char *endpoint = settings_text(s, SET_LLM_ENDPOINT);
    if (!p->o->engine)
        return 0;
    if (p->o->target != DEPLOY_COMPOSE)
        return err_set(e, ERR_USAGE, "--engine: expected --target compose, which alone has it");
    if (!p->has_llm)
        return err_set(e, ERR_USAGE, "--engine: needs --enable-llm");
    if (endpoint[0])
        return err_set(e, ERR_USAGE, "--engine and LLM_ENDPOINT '%s': only one may be given",
                       endpoint);
    if (settings_int(s, SET_SERVE_PORT) == 0)
        return err_set(e, ERR_USAGE, "SERVE_PORT 0: nobody could find it, expected a port");
    const char *url =
        plan_printf(p, "http://" PLAN_ENGINE ":%lld", (long long)settings_int(s, SET_SERVE_PORT));
    int rc = plan_variable(p, SET_LLM_ENDPOINT, "LLM_ENDPOINT", url, true, e);
    return rc || has_key(s) ? rc : put_key(p, e);
}
