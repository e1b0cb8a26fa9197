/* SPDX-License-Identifier: MIT */
#include "deploy/plan.h"

#include "deploy/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ARENA_BYTES = 8 << 20, NAME_BYTES_MAX = 128 };

/* ---- texts ---- */

static const char *keep(struct plan *p, struct buf *text)
{
    const char *copy = text->failed ? NULL : arena_strndup(&p->arena, buf_cstr(text), text->n);
    buf_release(text);
    return copy;
}

const char *plan_printf(struct plan *p, const char *fmt, ...)
{
    struct buf text;
    va_list ap;
    buf_init(&text, 1 << 17);
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    return keep(p, &text);
}

void plan_note(struct plan *p, const char *fmt, ...)
{
    struct err line; /* shows control characters as \xNN */
    struct buf text;
    va_list ap;
    if (p->n_notes == sizeof p->notes / sizeof *p->notes)
        return;
    buf_init(&text, 1 << 17);
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    err_set(&line, 0, "%s", buf_cstr(&text));
    buf_release(&text);
    char *copy = arena_strndup(&p->arena, line.text, strlen(line.text));
    if (copy)
        p->notes[p->n_notes++] = copy;
}

const char *plan_shell_word(struct plan *p, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    struct buf text;
    if (word[0] && word[0] != '-' && word[strspn(word, safe)] == '\0')
        return word;
    buf_init(&text, 1 << 17);
    buf_char(&text, '\'');
    for (const char *c = word; *c; c++)
        buf_printf(&text, *c == '\'' ? "'\\%c'" : "%c", *c);
    buf_char(&text, '\'');
    const char *kept = keep(p, &text);
    return kept ? kept : word;
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the devices");
}

bool plan_applies(const struct plan_device *d, bool llm)
{
    return d->llm || !llm;
}

bool plan_needs(const struct plan_device *d, const struct mount *m)
{
    return !m->dashboard && plan_applies(d, m->llm);
}

/* ---- variables ---- */

bool plan_is_secret(enum setting_id id)
{
    return id == SET_MQTT_PASSWORD || id == SET_HF_TOKEN || id == SET_DASHBOARD_TOKEN ||
           id == SET_LLM_API_KEY;
}

int plan_variable(struct plan *p, enum setting_id id, const char *name, const char *value, bool llm,
                  struct err *e)
{
    if (!value)
        return no_memory(e);
    if (!utf8_valid(span_str(value)))
        return err_set(e, ERR_USAGE, "%s: is no UTF-8, which is all that such a file can hold%s",
                       name,
                       id == SET_MQTT_PASSWORD ? "; a file that MQTT_PASSWORD_FILE names can" : "");
    if (p->n_variables == PLAN_VARIABLES_MAX)
        return err_set(e, ERR_LIMIT, "%s: more than %d variables", name, (int)PLAN_VARIABLES_MAX);
    p->variables[p->n_variables++] = (struct variable){name, value, id, plan_is_secret(id), llm};
    p->secret = p->secret || plan_is_secret(id);
    return 0;
}

static int put_setting(struct plan *p, enum setting_id id, bool llm, struct err *e)
{
    return plan_variable(p, id, settings_env_name(id), settings_text(p->o->settings, id), llm, e);
}

/* The seed's own list, each whether given or not, in the seed's order; DEVICE_NAME and DEVICE_ID
 * are each device's own and stand before it. */
static int put_seed_list(struct plan *p, struct err *e)
{
    bool here = p->o->target == DEPLOY_SYSTEMD && p->broker; /* the machine's own */
    const char *host = here ? "localhost" : settings_text(p->o->settings, SET_MQTT_BROKER);
    int rc = plan_variable(p, SET_MQTT_BROKER, settings_env_name(SET_MQTT_BROKER), host, false, e);
    if (!rc)
        rc = put_setting(p, SET_MQTT_PORT, false, e);
    if (!rc && p->has_llm)
        rc = put_setting(p, SET_ENABLE_LLM, true, e);
    if (!rc && p->has_llm) {
        const char *name = plan_model(p, settings_text(p->o->settings, SET_LLM_MODEL_NAME), e);
        rc = name ? plan_variable(p, SET_LLM_MODEL_NAME, settings_env_name(SET_LLM_MODEL_NAME),
                                  name, true, e)
                  : ERR_USAGE;
    }
    if (!rc && p->has_llm)
        rc = put_setting(p, SET_LLM_INFERENCE_INTERVAL, true, e);
    return rc;
}

/* Settings that are written elsewhere, or that mean something on this machine only. */
bool plan_is_placed(enum setting_id id)
{
    switch (id) {
    case SET_ENABLE_LLM:
    case SET_LLM_MODEL_NAME:
    case SET_LLM_INFERENCE_INTERVAL:
    case SET_DEVICE_NAME:
    case SET_DEVICE_ID:
    case SET_MQTT_BROKER:
    case SET_MQTT_PORT:
    case SET_METRICS_DIR:   /* the host's folder, mounted */
    case SET_HF_HOME:       /* the same */
    case SET_HF_HUB_CACHE:  /* the same */
    case SET_WATTLE_CONFIG: /* read here, and what it says is passed on */
    case SET_DASHBOARD_ADDRESS:
    case SET_DASHBOARD_PORT:
    case SET_DASHBOARD_TOKEN:
    case SET_DASHBOARD_TOKEN_FILE:
    case SET_SERVE_ADDRESS:
    case SET_SERVE_PORT:
        return true;
    default:
        return false;
    }
}

static bool is_mounted(const struct plan *p, enum setting_id id)
{
    for (size_t i = 0; i < p->n_mounts; i++)
        if (p->mounts[i].id == id)
            return true;
    return false;
}

/* Every other setting that was given. */
static int put_given(struct plan *p, struct err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < SET_N; i++) {
        enum setting_id id = (enum setting_id)i;
        const char *name = settings_env_name(id);
        bool llm = strncmp(name, "LLM_", 4) == 0 || strncmp(name, "HF_", 3) == 0;
        if (settings_given(p->o->settings, id) && !plan_is_placed(id) && !is_mounted(p, id) &&
            (!llm || p->has_llm))
            rc = put_setting(p, id, llm, e);
    }
    return rc;
}

/* ---- devices ---- */

static bool is_reserved(const char *service)
{
    return strcmp(service, PLAN_BROKER) == 0 || strcmp(service, PLAN_DASHBOARD) == 0 ||
           strcmp(service, PLAN_ENGINE) == 0;
}

static int name_device(struct plan *p, size_t i, struct err *e)
{
    const struct settings *s = p->o->settings;
    const char *base = settings_text(s, SET_DEVICE_NAME);
    struct plan_device *d = &p->devices[i];
    bool alone = p->n_devices == 1;
    char suffix[24] = "", service[SERVICE_NAME_SIZE];
    if (!alone || !settings_given(s, SET_DEVICE_NAME))
        snprintf(suffix, sizeof suffix, "-%02zu", i + 1);
    if (strlen(base) + strlen(suffix) > NAME_BYTES_MAX)
        return err_set(e, ERR_USAGE, "DEVICE_NAME '%s': is longer than %d bytes with '%s' behind",
                       base, (int)NAME_BYTES_MAX, suffix);
    service_name(service, base, suffix);
    d->id = alone && settings_given(s, SET_DEVICE_ID) ? settings_text(s, SET_DEVICE_ID)
                                                      : p->o->devices[i].id;
    d->name = plan_printf(p, "%s%s", base, suffix);
    d->service = plan_printf(p, "%s%s", is_reserved(service) ? "device-" : "", service);
    if (!d->name || !d->service)
        return no_memory(e);
    int rc = settings_of_device(&d->settings, s, d->name, d->id, e);
    if (rc)
        return rc;
    d->llm = p->o->devices[i].llm && settings_bool(d->settings, SET_ENABLE_LLM);
    p->has_llm = p->has_llm || d->llm;
    return 0;
}

static int name_devices(struct plan *p, struct err *e)
{
    const struct deploy_options *o = p->o;
    if (o->n_devices < 1 || o->n_devices > DEPLOY_DEVICES_MAX)
        return err_set(e, ERR_USAGE, "--devices %zu: expected 1 to %d", o->n_devices,
                       (int)DEPLOY_DEVICES_MAX);
    if (o->n_devices > 1 && settings_given(o->settings, SET_DEVICE_ID))
        return err_set(e, ERR_USAGE,
                       "DEVICE_ID '%s': %zu devices cannot share one id, expected --devices 1",
                       settings_text(o->settings, SET_DEVICE_ID), o->n_devices);
    p->devices = arena_array(&p->arena, o->n_devices, sizeof *p->devices);
    if (!p->devices)
        return no_memory(e);
    p->n_devices = o->n_devices;
    int rc = 0;
    for (size_t i = 0; !rc && i < p->n_devices; i++)
        rc = name_device(p, i, e);
    return rc;
}

/* ---- limits, broker ---- */

static int put_limits(struct plan *p, struct err *e)
{
    const struct deploy_options *o = p->o;
    if (o->memory && !deploy_parse_size(o->memory, &p->memory))
        return err_set(e, ERR_USAGE, "--memory '%s': is no size, expected 512m, 4g or bytes",
                       o->memory);
    if (o->memory && p->memory < 6 << 20) /* what Docker refuses */
        return err_set(e, ERR_USAGE, "--memory '%s': expected 6m at least", o->memory);
    if (!o->memory_swap)
        return 0;
    if (!o->memory)
        return err_set(e, ERR_USAGE, "--memory-swap '%s': needs --memory", o->memory_swap);
    if (o->target != DEPLOY_COMPOSE && o->target != DEPLOY_SYSTEMD)
        return err_set(e, ERR_USAGE,
                       "--memory-swap '%s': only compose and systemd can limit it, expected no "
                       "such option",
                       o->memory_swap);
    if (!deploy_parse_size(o->memory_swap, &p->swap) || p->swap < p->memory)
        return err_set(e, ERR_USAGE,
                       "--memory-swap '%s': expected a size of memory and swap together, not "
                       "below the %s of --memory",
                       o->memory_swap, o->memory);
    return 0;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

static int put_broker(struct plan *p, struct err *e)
{
    const struct settings *s = p->o->settings;
    const char *host = settings_text(s, SET_MQTT_BROKER);
    snprintf(p->port, sizeof p->port, "%lld", (long long)settings_int(s, SET_MQTT_PORT));
    /* Whoever names a broker has one, as with `wattle run`. */
    bool contained = p->o->target != DEPLOY_SYSTEMD, given = settings_given(s, SET_MQTT_BROKER);
    p->broker = p->o->broker && (contained ? strcmp(host, PLAN_BROKER) == 0 : !given);
    if (contained && !p->broker && is_loopback(host))
        plan_note(p,
                  "MQTT_BROKER '%s': in a container that is the container itself; the name of "
                  "this machine is host.docker.internal",
                  host);
    else if (!p->broker && !given)
        plan_note(p,
                  "without a broker of its own, the devices look for one at '%s': --mqtt-broker "
                  "names another",
                  host);
    else if (p->o->broker && !p->broker)
        plan_note(p, "MQTT_BROKER '%s': is used, no broker is started", host);
    if (p->o->target == DEPLOY_SWARM && p->o->publish && strcmp(p->o->publish, "0.0.0.0") != 0)
        return err_set(e, ERR_USAGE,
                       "--publish '%s': a swarm publishes on every node, expected 0.0.0.0",
                       p->o->publish);
    if (p->o->target == DEPLOY_SWARM && !p->o->publish && (p->broker || p->o->dashboard))
        plan_note(p, "nothing is published outside of the stack's network: --publish 0.0.0.0 "
                     "publishes on every node");
    static const enum setting_id tls[] = {SET_MQTT_TLS, SET_MQTT_CA_FILE, SET_MQTT_CERT_FILE};
    for (size_t i = 0; p->broker && contained && i < sizeof tls / sizeof *tls; i++)
        if (settings_given(s, tls[i]) && (tls[i] != SET_MQTT_TLS || settings_bool(s, SET_MQTT_TLS)))
            return err_set(e, ERR_USAGE,
                           "%s: the broker that is started speaks no TLS, expected --mqtt-broker "
                           "with the name of one that does",
                           settings_env_name(tls[i]));
    p->broker_password =
        p->broker && contained &&
        (settings_text(s, SET_MQTT_PASSWORD)[0] || settings_text(s, SET_MQTT_PASSWORD_FILE)[0]);
    return 0;
}

/* ---- images ---- */

/* Where packaging/Dockerfile lies beside the output, that is what is built. */
static int put_images(struct plan *p, struct err *e)
{
    const struct deploy_options *o = p->o;
    p->image = o->image ? o->image : "iot-device-simulator:latest";
    p->broker_image = o->broker_image ? o->broker_image : "wattle-broker:latest";
    if (o->target == DEPLOY_SYSTEMD || o->target == DEPLOY_KUBERNETES || (o->image && !o->build))
        return 0;
    const char *folder = o->build ? o->build : plan_folder(p);
    const char *dockerfile = folder ? plan_printf(p, "%s/packaging/Dockerfile", folder) : NULL;
    struct stat st;
    if (!dockerfile)
        return no_memory(e);
    if (stat(dockerfile, &st) == 0) {
        char *full = o->build ? realpath(o->build, NULL) : NULL;
        p->build = plan_printf(p, "%s", full ? full : ".");
        free(full);
        return p->build ? 0 : no_memory(e);
    }
    if (o->build)
        return err_set(e, ERR_USAGE, "--build '%s': has no packaging/Dockerfile", o->build);
    if (o->target == DEPLOY_COMPOSE)
        plan_note(p,
                  "no packaging/Dockerfile beside the file: the image '%s' must be there "
                  "already, or --build names the folder of the sources",
                  p->image);
    return 0;
}

/* ---- all ---- */

int plan_make(struct plan *p, const struct deploy_options *o, struct err *e)
{
    *p = (struct plan){.o = o,
                       .user = o->has_user ? o->uid : PLAN_USER,
                       .group = o->has_user ? o->gid : PLAN_USER};
    arena_init(&p->arena, ARENA_BYTES);
    int rc = check_options(o, e);
    if (!rc)
        rc = name_devices(p, e);
    p->remote = p->has_llm && (o->engine || settings_text(o->settings, SET_LLM_ENDPOINT)[0]);
    if (!rc)
        rc = put_limits(p, e);
    if (!rc)
        rc = put_broker(p, e);
    if (!rc)
        rc = plan_dashboard(p, e);
    if (!rc)
        rc = put_images(p, e);
    if (!rc)
        rc = put_seed_list(p, e);
    if (!rc)
        rc = plan_engine(p, e);
    if (!rc)
        rc = plan_files(p, e);
    if (!rc)
        rc = put_given(p, e);
    if (!rc)
        rc = plan_own_variables(p, e);
    if (rc)
        plan_release(p);
    return rc;
}

void plan_release(struct plan *p)
{
    arena_release(&p->arena);
}
