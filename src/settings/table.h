/* SPDX-License-Identifier: MIT */
/* The table that everything is made from. */
#ifndef WATTLE_SETTINGS_TABLE_H
#define WATTLE_SETTINGS_TABLE_H

#include "settings/settings.h"
#include "settings/value.h"

struct setting {
    const char *env;      /* "LLM_TEMPERATURE" */
    const char *flag;     /* "llm-temperature" */
    const char *alias;    /* a shorter flag, or NULL */
    const char *value;    /* for help: "N" */
    const char *fallback; /* the default as text */
    const char *help;     /* one line; ranges and defaults are added to it */
    struct value_rule rule;
    bool model_first; /* what the model's publisher says comes before our default */
};

extern const struct setting settings_table[SET_N];

#endif
