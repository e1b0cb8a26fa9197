/* SPDX-License-Identifier: MIT */
/* Reading of checked values. */
#include "settings/parsed.h"

#include <assert.h>

const struct held_value *settings_held(const struct settings *s, enum setting_id id)
{
    for (const struct override *o = s->overrides; o; o = o->next)
        if (o->id == id)
            return &o->held;
    return &s->table[id];
}

bool settings_bool(const struct settings *s, enum setting_id id)
{
    assert(settings_table[id].rule.type == VALUE_BOOL);
    return settings_held(s, id)->value.whole != 0;
}

int64_t settings_int(const struct settings *s, enum setting_id id)
{
    assert(settings_table[id].rule.type == VALUE_INT || settings_table[id].rule.type == VALUE_SEED);
    return settings_held(s, id)->value.whole;
}

double settings_float(const struct settings *s, enum setting_id id)
{
    assert(settings_table[id].rule.type == VALUE_FLOAT);
    return settings_held(s, id)->value.number;
}

const char *settings_text(const struct settings *s, enum setting_id id)
{
    return settings_held(s, id)->value.text;
}

bool settings_given(const struct settings *s, enum setting_id id)
{
    return settings_held(s, id)->source != FROM_DEFAULT;
}

int64_t settings_int_or(const struct settings *s, enum setting_id id, int64_t otherwise)
{
    return settings_given(s, id) ? settings_int(s, id) : otherwise;
}

double settings_float_or(const struct settings *s, enum setting_id id, double otherwise)
{
    return settings_given(s, id) ? settings_float(s, id) : otherwise;
}

const char *settings_env_name(enum setting_id id)
{
    return settings_table[id].env;
}

void settings_interval(const struct settings *s, double *min_s, double *max_s)
{
    *min_s = settings_held(s, SET_INTERVAL)->value.number;
    *max_s = settings_held(s, SET_INTERVAL)->value.number_high;
}

/* Asking for an option that the command does not have is our own mistake. */
static const struct held_value *option_get(const struct settings *s, const char *name)
{
    size_t i = 0;
    while (i < s->n_options && strcmp(s->spec->options[i].name, name) != 0)
        i++;
    assert(i < s->n_options);
    return &s->options[i];
}

bool settings_option_given(const struct settings *s, const char *name)
{
    return option_get(s, name)->source != FROM_DEFAULT;
}

int64_t settings_option_int(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.whole;
}

double settings_option_float(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.number;
}

const char *settings_option_text(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.text;
}

bool settings_option_flag(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.whole != 0;
}

int settings_words(const struct settings *s)
{
    return s->n_words;
}

const char *settings_word(const struct settings *s, int i)
{
    assert(i >= 0 && i < s->n_words);
    return s->words[i];
}
