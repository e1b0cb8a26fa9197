/* SPDX-License-Identifier: MIT */
/* What the config says of single devices. */
#include "deploy/plan.h"

#include <unistd.h>

static bool differs(const struct plan_device *d, const struct settings *all, enum setting_id id)
{
    return d->settings != all &&
           strcmp(settings_text(d->settings, id), settings_text(all, id)) != 0;
}

/* Files of one device alone are not mounted. */
static bool names_file_here(enum setting_id id, const char *value)
{
    switch (id) {
    case SET_LLM_PROMPT_FILE:
    case SET_LLM_API_KEY_FILE:
    case SET_MQTT_PASSWORD_FILE:
    case SET_MQTT_CA_FILE:
    case SET_MQTT_CERT_FILE:
    case SET_MQTT_KEY_FILE:
    case SET_HF_TOKEN_PATH:
    case SET_DATASET_PATH:
        return value[0] && access(value, F_OK) == 0;
    default:
        return false;
    }
}

static int put_own(struct plan *p, struct plan_device *d, enum setting_id id, struct err *e)
{
    const char *name = settings_env_name(id), *value = settings_text(d->settings, id);
    bool llm = strncmp(name, "LLM_", 4) == 0 || strncmp(name, "HF_", 3) == 0;
    if (llm && !d->llm)
        return 0;
    if (names_file_here(id, value))
        return err_set(e, ERR_USAGE,
                       "device '%s': %s '%s': only a file of all devices is mounted, expected a "
                       "path where the device runs",
                       d->name, name, value);
    if (id == SET_LLM_MODEL_NAME && p->o->engine)
        return err_set(e, ERR_USAGE,
                       "device '%s': LLM_MODEL_NAME '%s': with --engine all have one model",
                       d->name, value);
    if (id == SET_LLM_MODEL_NAME)
        value = plan_model(p, value, e);
    if (!value)
        return ERR_USAGE;
    if (!utf8_valid(span_str(value)))
        return err_set(e, ERR_USAGE, "device '%s': %s: is no UTF-8", d->name, name);
    d->own[d->n_own++] = (struct variable){name, value, id, plan_is_secret(id), llm};
    p->own_secret = p->own_secret || plan_is_secret(id);
    return 0;
}

int plan_own_variables(struct plan *p, struct err *e)
{
    const struct settings *all = p->o->settings;
    int rc = 0;
    for (size_t i = 0; !rc && i < p->n_devices; i++) {
        struct plan_device *d = &p->devices[i];
        if (d->settings == all)
            continue;
        d->own = arena_array(&p->arena, SET_N, sizeof *d->own);
        if (!d->own)
            return err_set(e, ERR_NOMEM, "no memory for the devices");
        for (int id = 0; !rc && id < SET_N; id++) {
            bool listed = id == SET_ENABLE_LLM || id == SET_LLM_MODEL_NAME ||
                          id == SET_LLM_INFERENCE_INTERVAL;
            if ((listed || !plan_is_placed((enum setting_id)id)) &&
                differs(d, all, (enum setting_id)id))
                rc = put_own(p, d, (enum setting_id)id, e);
        }
    }
    return rc;
}

const struct variable *plan_own(const struct plan_device *d, const char *name)
{
    for (size_t i = 0; i < d->n_own; i++)
        if (strcmp(d->own[i].name, name) == 0)
            return &d->own[i];
    return NULL;
}
