/* SPDX-License-Identifier: MIT */
/* Devices that a config names: their values over those of all, but under flag and environment. A
 * command that is one device takes them all; in a fleet some things are shared, and what would have
 * to differ there is refused. */
#include "settings/parsed.h"

#include <stdlib.h>

/* What the devices of one fleet may differ in. The rest belongs to the process (log, threads), to
 * the one model that they share, to their one broker, or is theirs by number (names and ids). */
static const enum setting_id of_a_device[] = {
    SET_ENABLE_LLM,
    SET_LLM_INFERENCE_INTERVAL,
    SET_INTERVAL,
    SET_RATE,
    SET_LLM_PROMPT_FILE,
    SET_LLM_PROMPT_SYSTEM,
    SET_LLM_PROMPT_USER,
    SET_LLM_MAX_NEW_TOKENS,
    SET_LLM_TEMPERATURE,
    SET_LLM_TOP_P,
    SET_LLM_TOP_K,
    SET_LLM_MIN_P,
    SET_LLM_REPETITION_PENALTY,
    SET_LLM_SEED,
    SET_LLM_STOP,
    SET_ALARM_TEMP_MIN,
    SET_ALARM_TEMP_MAX,
    SET_ALARM_HUMIDITY_MIN,
    SET_ALARM_HUMIDITY_MAX,
    SET_ALARM_CO_MAX,
    SET_ALARM_SMOKE_MAX,
    SET_ALARM_LPG_MAX,
};

static bool may_differ(enum setting_id id)
{
    for (size_t i = 0; i < sizeof of_a_device / sizeof of_a_device[0]; i++)
        if (of_a_device[i] == id)
            return true;
    return false;
}

/* ---- a command that is one device ---- */

static const struct config_device *find_device(const struct config *c, const char *name)
{
    const struct config_device *d = c->devices;
    while (d && strcmp(d->name, name) != 0)
        d = d->next;
    return d;
}

static int refuse_both(const struct config_device *by_name, const struct config_device *by_id,
                       struct err *e)
{
    return yaml_refuse(e, by_id->place,
                       "devices.%.130s: the same device as '%.130s' at %s:%u, expected one of them",
                       by_id->name, by_name->name, by_name->place.file, by_name->place.line);
}

int settings_apply_own_device(struct settings *s, struct err *e)
{
    const char *name = settings_text(s, SET_DEVICE_NAME), *id = settings_text(s, SET_DEVICE_ID);
    const struct config_device *by_name = find_device(&s->config, name);
    const struct config_device *by_id = find_device(&s->config, id);
    if (by_name && by_id && by_name != by_id)
        return refuse_both(by_name, by_id, e);
    const struct config_device *d = by_name ? by_name : by_id;
    int r = 0;
    for (const struct config_entry *p = d ? d->entries : NULL; r == 0 && p; p = p->next) {
        struct held_value *h = &s->table[p->id];
        if (command_concerns(s->spec, p->id) && h->source < FROM_ENVIRONMENT)
            r = settings_hold_entry(s, h, p, FROM_DEVICE, e);
    }
    return r;
}

/* ---- a command that is many ---- */

static int by_device(const void *a, const void *b)
{
    return strcmp(((const struct settings *)a)->device->name,
                  ((const struct settings *)b)->device->name);
}

static struct held_value *override_add(struct settings *view, enum setting_id id)
{
    struct override *o = (struct override *)arena_alloc(view->arena, sizeof *o);
    if (!o)
        return NULL;
    *o = (struct override){.id = id, .next = view->overrides};
    view->overrides = o;
    return &o->held;
}

static int no_memory(const struct settings *s, struct err *e)
{
    (void)s;
    return err_set(e, ERR_NOMEM, "no memory for the settings of the devices");
}

static int fill_view(struct settings *view, struct err *e)
{
    int r = 0;
    for (const struct config_entry *p = view->device->entries; r == 0 && p; p = p->next) {
        bool own_name = p->id == SET_DEVICE_NAME || p->id == SET_DEVICE_ID;
        bool shared = !view->spec->separate_devices && !may_differ(p->id);
        if (own_name || (command_concerns(view->spec, p->id) && shared))
            return yaml_refuse(e, p->place,
                               "%s: the devices of one '%s' cannot differ in that, expected "
                               "ENABLE_LLM, intervals, sampling, prompt or alarms",
                               p->key, view->spec->name);
        if (!command_concerns(view->spec, p->id) || view->table[p->id].source >= FROM_ENVIRONMENT)
            continue;
        struct held_value h, *held;
        if ((r = settings_hold_entry(view, &h, p, FROM_DEVICE, e)))
            return r;
        if (!(held = override_add(view, p->id)))
            return no_memory(view, e);
        *held = h;
    }
    return settings_check_together(view, e);
}

int settings_make_views(struct settings *s, struct err *e)
{
    size_t n = s->config.n_devices, i = 0;
    struct settings *views = (struct settings *)arena_array(s->arena, n, sizeof *views);
    bool *used = (bool *)arena_array(s->arena, n, sizeof *used);
    if (!views || !used)
        return no_memory(s, e);
    for (const struct config_device *d = s->config.devices; d; d = d->next) {
        views[i] = *s;
        views[i++].device = d;
    }
    if (n)
        qsort(views, n, sizeof *views, by_device);
    int r = 0;
    for (i = 0; r == 0 && i < n; i++)
        r = fill_view(&views[i], e);
    if (r == 0) {
        s->views = views;
        s->used = used;
        s->n_views = n;
    }
    return r;
}

int settings_to_default(struct settings *s, enum setting_id id, struct err *e)
{
    const struct setting *row = &settings_table[id];
    struct held_value *h = s->device ? override_add(s, id) : &s->table[id];
    if (!h)
        return no_memory(s, e);
    return settings_hold(s, h, &row->rule, row->env, row->fallback, FROM_DEFAULT, e);
}

/* ---- asking ---- */

static const struct settings *view_of(const struct settings *s, const char *name)
{
    const struct config_device wanted = {.name = name};
    const struct settings key = {.device = &wanted};
    const struct settings *found =
        s->n_views ? (const struct settings *)bsearch(&key, s->views, s->n_views, sizeof *s->views,
                                                      by_device)
                   : NULL;
    if (found)
        s->used[found - s->views] = true;
    return found;
}

int settings_of_device(const struct settings **out, const struct settings *s, const char *name,
                       const char *id, struct err *e)
{
    const struct settings *by_name = view_of(s, name), *by_id = view_of(s, id);
    if (by_name && by_id && by_name != by_id)
        return refuse_both(by_name->device, by_id->device, e);
    *out = by_name ? by_name : by_id ? by_id : s;
    return 0;
}

bool settings_any_device(const struct settings *s, enum setting_id id)
{
    bool any = settings_bool(s, id);
    for (size_t i = 0; !any && i < s->n_views; i++)
        any = settings_bool(&s->views[i], id);
    return any;
}

void settings_warn_of_absent_devices(const struct settings *s)
{
    for (size_t i = 0; i < s->n_views; i++) {
        const struct config_device *d = s->views[i].device;
        if (!s->used[i])
            log_warning("%s:%u: '%s' is no device of this run", d->place.file, d->place.line,
                        d->name);
    }
}
