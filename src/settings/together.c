/* SPDX-License-Identifier: MIT */
/* What only two values together show: pairs of which one needs the other, or shuts it out. */
#include "settings/parsed.h"

#include <stdio.h>

enum { SOURCE_SIZE = 400 };

/* What the user wrote: the flag, the variable, or the place and key in a config file. */
static const char *source_of(const struct settings *s, enum setting_id id, char out[SOURCE_SIZE])
{
    const struct held_value *h = settings_held(s, id);
    if (h->entry)
        snprintf(out, SOURCE_SIZE, "%.150s:%u:%u: %.200s", h->entry->place.file,
                 h->entry->place.line, h->entry->place.column, h->entry->key);
    else if (h->source == FROM_FLAG)
        snprintf(out, SOURCE_SIZE, "--%s", settings_table[id].flag);
    else
        snprintf(out, SOURCE_SIZE, "%s", settings_table[id].env);
    return out;
}

static bool is_set(const struct settings *s, enum setting_id id)
{
    return command_concerns(s->spec, id) && settings_held(s, id)->value.text[0] != '\0';
}

static int needs(const struct settings *s, enum setting_id id, enum setting_id other, struct err *e)
{
    char name[SOURCE_SIZE];
    if (!is_set(s, id) || is_set(s, other))
        return 0;
    return err_set(e, ERR_USAGE, "%s: needs %s, which is not set", source_of(s, id, name),
                   settings_table[other].env);
}

/* Of two that shut each other out, both given, the one that a config file gives makes way for a
 * device's own, and both for flag and environment: those were said with the file in mind. Between
 * equals nobody can tell. */
static int only_one(struct settings *s, enum setting_id a, enum setting_id b, struct err *e)
{
    char first[SOURCE_SIZE], second[SOURCE_SIZE];
    enum value_source from_a = settings_held(s, a)->source, from_b = settings_held(s, b)->source;
    enum value_source lower = from_a < from_b ? from_a : from_b;
    if (from_a == from_b || lower >= FROM_ENVIRONMENT)
        return err_set(e, ERR_USAGE, "%s and %s: only one of them may be set",
                       source_of(s, a, first), source_of(s, b, second));
    return settings_to_default(s, from_a < from_b ? a : b, e);
}

static int check_exclusive(struct settings *s, struct err *e)
{
    static const enum setting_id texts[][2] = {
        {SET_MQTT_PASSWORD, SET_MQTT_PASSWORD_FILE},
        {SET_LLM_PROMPT_FILE, SET_LLM_PROMPT_SYSTEM},
        {SET_LLM_PROMPT_FILE, SET_LLM_PROMPT_USER},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof texts / sizeof texts[0]; i++)
        if (is_set(s, texts[i][0]) && is_set(s, texts[i][1]))
            r = only_one(s, texts[i][0], texts[i][1], e);
    if (r == 0 && settings_held(s, SET_RATE)->value.number > 0 && settings_given(s, SET_INTERVAL))
        r = only_one(s, SET_INTERVAL, SET_RATE, e);
    return r;
}

static int check_needs(const struct settings *s, struct err *e)
{
    /* A password without a user would be dropped on its way, a certificate without a CA would be
     * sent nowhere: the connection would be open where its owner believes it closed. */
    static const enum setting_id pairs[][2] = {
        {SET_MQTT_PASSWORD, SET_MQTT_USERNAME},  {SET_MQTT_PASSWORD_FILE, SET_MQTT_USERNAME},
        {SET_MQTT_CERT_FILE, SET_MQTT_KEY_FILE}, {SET_MQTT_KEY_FILE, SET_MQTT_CERT_FILE},
        {SET_MQTT_CERT_FILE, SET_MQTT_CA_FILE},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof pairs / sizeof pairs[0]; i++)
        r = needs(s, pairs[i][0], pairs[i][1], e);
    return r;
}

/* The larger of two is not less than the smaller; a limit that is not set is none. */
static int check_order(const struct settings *s, struct err *e)
{
    static const struct {
        enum setting_id low, high;
        const char *unit;
    } pairs[] = {
        {SET_POWER_IDLE_W, SET_POWER_MAX_W, " W"}, /* with a profile: fleet_power knows its watts */
        {SET_ALARM_TEMP_MIN, SET_ALARM_TEMP_MAX, ""},
        {SET_ALARM_HUMIDITY_MIN, SET_ALARM_HUMIDITY_MAX, ""},
    };
    char a[SOURCE_SIZE], b[SOURCE_SIZE];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        enum setting_id low = pairs[i].low, high = pairs[i].high;
        if (high == SET_POWER_MAX_W && is_set(s, SET_POWER_PROFILE))
            continue;
        if (settings_float(s, high) < settings_float(s, low))
            return err_set(e, ERR_USAGE, "%s: %s%s is less than the %s%s of %s",
                           source_of(s, high, a), settings_text(s, high), pairs[i].unit,
                           settings_text(s, low), pairs[i].unit, source_of(s, low, b));
    }
    return 0;
}

int settings_check_together(struct settings *s, struct err *e)
{
    int r = check_exclusive(s, e);
    if (r == 0)
        r = check_needs(s, e);
    return r == 0 ? check_order(s, e) : r;
}
