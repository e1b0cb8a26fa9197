/* SPDX-License-Identifier: MIT */
/* The result of parsing, as the files of this folder share it. */
#ifndef WATTLE_SETTINGS_PARSED_H
#define WATTLE_SETTINGS_PARSED_H

#include "settings/table.h"

enum value_source { FROM_DEFAULT, FROM_ENVIRONMENT, FROM_FLAG };

struct held_value {
    struct value value;
    enum value_source source;
};

struct settings {
    const struct command_spec *spec;
    struct arena arena; /* every text */
    struct held_value table[SET_N];
    size_t n_options;
    struct held_value *options; /* as spec->options; value.text is NULL without a fallback */
    int n_words;
    const char **words;
    bool wants_help, wants_config, wants_json;
};

/* The words "--json" and "--help" belong to every command that has no own option of that name. */
void help_write(struct buf *out, const struct command_spec *spec);
void config_write(struct buf *out, const struct settings *s);

struct value_rule option_rule(const struct option *o);
bool command_concerns(const struct command_spec *spec, enum setting_id id);

#endif
