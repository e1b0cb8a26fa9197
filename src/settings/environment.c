/* SPDX-License-Identifier: MIT */
/* What the environment says, and what in it looks like a mistake. */
#include "settings/nearest.h"
#include "settings/parsed.h"

const char *environment_get(char **environment, const char *name)
{
    size_t n = strlen(name);
    for (char **p = environment; p && *p; p++)
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return (*p)[n + 1] ? *p + n + 1 : NULL;
    return NULL;
}

bool settings_planned(const char *env)
{
    static const char *const planned[] = {"LLM_BATCH_SIZE"};
    for (size_t i = 0; i < sizeof planned / sizeof planned[0]; i++)
        if (strcmp(env, planned[i]) == 0)
            return true;
    return false;
}

/* A variable that looks like one of ours, misspelt, or one that only a later version knows, would
 * be silently without effect. Strict: the environment is everybody's, so "MQTT_HOST" is not taken
 * for MQTT_PORT. */
void warn_of_misspelt(const struct settings *s, const char *variable)
{
    static const char *const prefixes[] = {"LLM_",    "MQTT_",      "WATTLE_", "ENABLE_",
                                           "DEVICE_", "TELEMETRY_", "ALARM_"};
    char name[NEAREST_MAX] = "";
    size_t n = strcspn(variable, "="), prefix = 0;
    if (n >= sizeof name || variable[n] == '\0')
        return;
    memcpy(name, variable, n);
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            prefix = strlen(prefixes[i]);
    if (prefix == 0)
        return;
    if (settings_planned(name)) {
        log_warning("environment: %s has no effect, this version cannot do that yet", name);
        return;
    }
    const char *nearest = NULL;
    size_t best = 3; /* at most two mistakes, and at most one in three letters */
    for (int id = 0; id < SET_N; id++) {
        const char *known = settings_table[id].env;
        size_t d = name_distance(name, known);
        if (d == 0)
            return;
        if (!command_concerns(s->spec, (enum setting_id)id) || d >= best ||
            3 * d + prefix > strlen(known))
            continue;
        best = d;
        nearest = known;
    }
    if (nearest)
        log_warning("environment: %s is no setting and has no effect, the nearest is %s", name,
                    nearest);
}
