/* SPDX-License-Identifier: MIT */
/* The result of parsing, as the files of this folder share it. */
#ifndef WATTLE_SETTINGS_PARSED_H
#define WATTLE_SETTINGS_PARSED_H

#include "settings/config_file.h"
#include "settings/table.h"

/* The later counts. */
enum value_source { FROM_DEFAULT, FROM_CONFIG, FROM_DEVICE, FROM_ENVIRONMENT, FROM_FLAG };

struct held_value {
    struct value value;
    enum value_source source;
    const struct config_entry *entry; /* FROM_CONFIG, FROM_DEVICE */
};

/* A value that one device has in place of the common one. */
struct override {
    enum setting_id id;
    struct held_value held;
    struct override *next;
};

struct settings {
    const struct command_spec *spec;
    struct arena *arena;      /* every text; all settings of one parse share it */
    struct held_value *table; /* [SET_N] */
    size_t n_options;
    struct held_value *options; /* as spec->options; value.text is NULL without a fallback */
    int n_words;
    const char **words;
    bool wants_help, wants_config, wants_json;
    struct config config;
    /* One device's: NULL and none in the settings of all. */
    const struct config_device *device;
    struct override *overrides;
    /* The devices that the config names, by name; only for spec->many_devices. */
    struct settings *views;
    bool *used; /* [n_views] a device of that name or id was asked for */
    size_t n_views;
};

const struct held_value *settings_held(const struct settings *s, enum setting_id id);
/* Checks text and puts it into h; subject begins the message. */
int settings_hold(const struct settings *s, struct held_value *h, const struct value_rule *rule,
                  const char *subject, const char *text, enum value_source source, struct err *e);
/* The value of a config entry, in place of the one in h. An empty one is the default. */
int settings_hold_entry(const struct settings *s, struct held_value *h,
                        const struct config_entry *entry, enum value_source source, struct err *e);
/* In one device's settings, as in those of all. */
int settings_to_default(struct settings *s, enum setting_id id, struct err *e);

/* arguments.c */
void settings_look_ahead(struct settings *s, int argc, char **argv);
int settings_parse_arguments(struct settings *s, int argc, char **argv, struct err *e);
/* environment.c */
const char *environment_get(char **environment, const char *name); /* NULL: not set, or empty */
/* Names that our contract has and this version has no use for. */
bool settings_planned(const char *env);
void warn_of_misspelt(const struct settings *s, const char *variable);
/* together.c */
int settings_check_together(struct settings *s, struct err *e);
/* devices.c: what the config says of the one device that a command is, and of each of many. */
int settings_apply_own_device(struct settings *s, struct err *e);
int settings_make_views(struct settings *s, struct err *e);

/* The words "--json" and "--help" belong to every command that has no own option of that name. */
void help_write(struct buf *out, const struct command_spec *spec);
void config_write(struct buf *out, const struct settings *s);

struct value_rule option_rule(const struct option *o);
bool command_concerns(const struct command_spec *spec, enum setting_id id);

#endif
