/* SPDX-License-Identifier: MIT */
/* What the keys of a config file mean. One spelling a setting: its environment name in any case;
 * the sections `prompt` and `alarms` are the same settings by shorter names, `devices` holds all
 * that again for single devices. */
#include "settings/config_file.h"

#include "settings/nearest.h"
#include "settings/parsed.h"

#include <stdio.h>

enum { KEY_SIZE = 400 };

/* One mapping that is being read, and where its settings go. */
struct section {
    struct config *config;
    struct config_entry **entries;
    const char *prefix; /* "" or "devices.pump." */
    bool device;
    bool readable;
};

const struct config_entry *config_find(const struct config_entry *entries, enum setting_id id)
{
    while (entries && entries->id != id)
        entries = entries->next;
    return entries;
}

/* ---- keys ---- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool same_name(const char *key, const char *env)
{
    for (; *key && upper(*key) == *env; key++)
        env++;
    return !*key && !*env;
}

static enum setting_id setting_of(const char *key)
{
    int id = 0;
    while (id < SET_N && !same_name(key, settings_table[id].env))
        id++;
    return (enum setting_id)id;
}

/* The nearest known key in the case that the unknown one has. */
static int refuse_key(const struct section *s, const struct yaml_pair *p, struct err *e)
{
    const char *known[SET_N + 3];
    size_t n = 0;
    char name[NEAREST_MAX] = "", shown[NEAREST_MAX] = "";
    if (strlen(p->key) < sizeof name)
        for (size_t i = 0; p->key[i]; i++)
            name[i] = upper(p->key[i]);
    bool lower = strcmp(name, p->key) != 0;
    for (int id = 0; id < SET_N; id++)
        known[n++] = settings_table[id].env;
    known[n++] = "PROMPT";
    known[n++] = "ALARMS";
    if (!s->device)
        known[n++] = "DEVICES";
    const char *nearest = settings_nearest(name, known, n);
    if (!nearest)
        return yaml_refuse(e, p->place,
                           "%s%.200s: unknown, expected the name of an environment variable of "
                           "wattle, as llm_temperature%s",
                           s->prefix, p->key, s->device ? "" : ", or prompt, alarms or devices");
    bool section =
        known[n - 1] == nearest || strcmp(nearest, "PROMPT") == 0 || strcmp(nearest, "ALARMS") == 0;
    for (size_t i = 0; nearest[i]; i++) {
        char c = nearest[i];
        shown[i] = (lower || section) && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return yaml_refuse(e, p->place, "%s%.200s: unknown, the nearest is %s", s->prefix, p->key,
                       shown);
}

/* ---- values ---- */

static int no_memory(struct yaml_place at, struct err *e)
{
    return err_set(e, ERR_LIMIT, "%s: no memory for its values", at.file);
}

static void warn_of_secret(const struct section *s, const struct yaml_pair *p, enum setting_id id)
{
    if (s->readable && settings_table[id].rule.secret && p->value.text[0])
        log_warning("%s:%u: %s%s: every user of the machine can read this file: take that right "
                    "away (chmod o-r), or name a file that holds the secret",
                    p->place.file, p->place.line, s->prefix, p->key);
}

static int put(const struct section *s, enum setting_id id, const char *key,
               const struct yaml_pair *p, struct err *e)
{
    struct config_entry **at = s->entries;
    if (p->value.kind != YAML_TEXT)
        return yaml_refuse(e, p->value.place, "%s: a section, expected one value", key);
    if (id == SET_WATTLE_CONFIG)
        return yaml_refuse(e, p->place,
                           "%s: not in a config file itself, expected as --config or "
                           "in the environment",
                           key);
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (*at && (*at)->place.file == p->place.file)
        return yaml_refuse(e, p->place, "%s: comes twice, expected once (first at line %u as %s)",
                           key, (*at)->place.line, (*at)->key);
    struct config_entry *next = *at ? (*at)->next : NULL;
    struct config_entry *entry =
        (struct config_entry *)arena_alloc(s->config->arena, sizeof *entry);
    char *own_key = arena_strndup(s->config->arena, key, strlen(key));
    if (!entry || !own_key)
        return no_memory(p->place, e);
    *entry = (struct config_entry){id, own_key, p->value.text, p->place, next};
    *at = entry;
    warn_of_secret(s, p, id);
    return 0;
}

/* The pairs of a section; one with nothing behind its colon has none. */
static int pairs_of(const struct yaml_pair **out, const char *key, const struct yaml_pair *p,
                    const char *expected, struct err *e)
{
    *out = p->value.pairs;
    if (p->value.kind == YAML_TEXT && p->value.text[0])
        return yaml_refuse(e, p->value.place, "%s: one value, expected a section with %s", key,
                           expected);
    return 0;
}

static int read_prompt(const struct section *s, const struct yaml_pair *prompt, struct err *e)
{
    char key[KEY_SIZE];
    const struct yaml_pair *p;
    snprintf(key, sizeof key, "%sprompt", s->prefix);
    int rc = pairs_of(&p, key, prompt, "system and user", e);
    for (; !rc && p; p = p->next) {
        snprintf(key, sizeof key, "%sprompt.%.200s", s->prefix, p->key);
        if (strcmp(p->key, "system") == 0)
            rc = put(s, SET_LLM_PROMPT_SYSTEM, key, p, e);
        else if (strcmp(p->key, "user") == 0)
            rc = put(s, SET_LLM_PROMPT_USER, key, p, e);
        else
            rc = yaml_refuse(e, p->place, "%s: unknown, expected system or user", key);
    }
    return rc;
}

static const struct {
    const char *name;
    enum setting_id min, max; /* SET_N: none */
} alarm_rows[] = {
    {"temp", SET_ALARM_TEMP_MIN, SET_ALARM_TEMP_MAX},
    {"humidity", SET_ALARM_HUMIDITY_MIN, SET_ALARM_HUMIDITY_MAX},
    {"co", SET_N, SET_ALARM_CO_MAX},
    {"smoke", SET_N, SET_ALARM_SMOKE_MAX},
    {"lpg", SET_N, SET_ALARM_LPG_MAX},
};
enum { ALARM_ROWS = sizeof alarm_rows / sizeof alarm_rows[0] };

static int read_alarm(const struct section *s, const struct yaml_pair *alarm, size_t row,
                      struct err *e)
{
    char key[KEY_SIZE];
    const struct yaml_pair *p;
    const char *expected = alarm_rows[row].min == SET_N ? "max" : "min and max";
    snprintf(key, sizeof key, "%salarms.%s", s->prefix, alarm->key);
    int rc = pairs_of(&p, key, alarm, expected, e);
    for (; !rc && p; p = p->next) {
        enum setting_id id = SET_N;
        snprintf(key, sizeof key, "%salarms.%s.%.200s", s->prefix, alarm->key, p->key);
        if (strcmp(p->key, "min") == 0)
            id = alarm_rows[row].min;
        else if (strcmp(p->key, "max") == 0)
            id = alarm_rows[row].max;
        rc = id == SET_N ? yaml_refuse(e, p->place, "%s: unknown, expected %s", key, expected)
                         : put(s, id, key, p, e);
    }
    return rc;
}

static int read_alarms(const struct section *s, const struct yaml_pair *alarms, struct err *e)
{
    static const char fields[] = "temp, humidity, co, smoke and lpg";
    char key[KEY_SIZE];
    const struct yaml_pair *p;
    snprintf(key, sizeof key, "%salarms", s->prefix);
    int rc = pairs_of(&p, key, alarms, fields, e);
    for (; !rc && p; p = p->next) {
        size_t row = 0;
        while (row < ALARM_ROWS && strcmp(p->key, alarm_rows[row].name) != 0)
            row++;
        rc = row < ALARM_ROWS ? read_alarm(s, p, row, e)
                              : yaml_refuse(e, p->place, "%salarms.%.200s: unknown, expected %s",
                                            s->prefix, p->key, fields);
    }
    return rc;
}

/* As in the environment: said, and no error. */
static bool is_planned(const struct yaml_pair *p)
{
    char name[NEAREST_MAX] = "";
    if (strlen(p->key) < sizeof name)
        for (size_t i = 0; p->key[i]; i++)
            name[i] = upper(p->key[i]);
    if (!settings_planned(name))
        return false;
    log_warning("%s:%u: %s has no effect, this version cannot do that yet", p->place.file,
                p->place.line, p->key);
    return true;
}

static int read_setting(const struct section *s, const struct yaml_pair *p, struct err *e)
{
    char key[KEY_SIZE];
    enum setting_id id = setting_of(p->key);
    if (strcmp(p->key, "prompt") == 0)
        return read_prompt(s, p, e);
    if (strcmp(p->key, "alarms") == 0)
        return read_alarms(s, p, e);
    if (id == SET_N)
        return is_planned(p) ? 0 : refuse_key(s, p, e);
    snprintf(key, sizeof key, "%s%s", s->prefix, p->key);
    return put(s, id, key, p, e);
}

/* ---- devices ---- */

static struct config_device *device_get(struct config *c, const struct yaml_pair *p, struct err *e)
{
    struct config_device **at = &c->devices;
    while (*at && strcmp((*at)->name, p->key) != 0)
        at = &(*at)->next;
    if (*at)
        return *at;
    if (c->n_devices == CONFIG_DEVICES_MAX) {
        yaml_refuse(e, p->place, "devices: too many, expected at most %d", CONFIG_DEVICES_MAX);
        return NULL;
    }
    struct config_device *d = (struct config_device *)arena_alloc(c->arena, sizeof *d);
    if (!d) {
        no_memory(p->place, e);
        return NULL;
    }
    *d = (struct config_device){.name = p->key, .place = p->place};
    c->n_devices++;
    return *at = d;
}

static int read_device(const struct section *top, const struct yaml_pair *p, struct err *e)
{
    char name[KEY_SIZE / 2], prefix[KEY_SIZE / 2];
    const struct yaml_pair *q;
    snprintf(name, sizeof name, "devices.%.130s", p->key);
    snprintf(prefix, sizeof prefix, "%.150s.", name);
    if (p->key[0] == '\0' || strlen(p->key) > 128)
        return yaml_refuse(e, p->place, "%s: no device, expected its name or id of 1 to 128 bytes",
                           name);
    int rc = pairs_of(&q, name, p, "its settings", e);
    struct config_device *d = rc ? NULL : device_get(top->config, p, e);
    if (!d)
        return rc ? rc : ERR_USAGE;
    const struct section s = {top->config, &d->entries, prefix, true, top->readable};
    for (; !rc && q; q = q->next) {
        if (strcmp(q->key, "devices") == 0)
            rc = yaml_refuse(e, q->place, "%sdevices: within a device, expected its settings",
                             prefix);
        else
            rc = read_setting(&s, q, e);
    }
    return rc;
}

int config_add(struct config *c, const char *file, struct span bytes, bool readable, struct err *e)
{
    const struct section top = {c, &c->entries, "", false, readable};
    const struct yaml_node *root;
    int rc = yaml_parse(&root, file, bytes, c->arena, e);
    for (const struct yaml_pair *p = rc || !root ? NULL : root->pairs; !rc && p; p = p->next) {
        if (strcmp(p->key, "devices") != 0) {
            rc = read_setting(&top, p, e);
            continue;
        }
        const struct yaml_pair *d;
        rc = pairs_of(&d, "devices", p, "a section for each device", e);
        for (; !rc && d; d = d->next)
            rc = read_device(&top, d, e);
    }
    return rc;
}
