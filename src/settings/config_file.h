/* SPDX-License-Identifier: MIT */
/* Config files: what they say of which setting, for all devices and for single ones. */
#ifndef WATTLE_SETTINGS_CONFIG_FILE_H
#define WATTLE_SETTINGS_CONFIG_FILE_H

#include "settings/settings.h"
#include "settings/yaml.h"

enum {
    CONFIG_FILES_MAX = 256,   /* of a folder */
    CONFIG_DEVICES_MAX = 4096 /* named in the files together */
};

/* One value of one setting. Its text is not checked yet: a value that a command does not take can
 * stop nobody. */
struct config_entry {
    enum setting_id id;
    const char *key;  /* as the file spells it: "devices.pump.alarms.temp.max" */
    const char *text; /* "": the default again */
    struct yaml_place place;
    struct config_entry *next;
};

/* What is said of one device, by its name or id. */
struct config_device {
    const char *name;
    struct yaml_place place;
    struct config_entry *entries;
    struct config_device *next;
};

/* All files together, the later over the earlier; everything is the arena's. */
struct config {
    struct arena *arena;
    struct config_entry *entries; /* at most one a setting */
    struct config_device *devices;
    size_t n_devices;
};

/* Adds one file's bytes. readable: everybody may read the file, so that a secret in it is a
 * warning. ERR_USAGE with "FILE:LINE:COLUMN: KEY: what, expected …"; of an unknown key the nearest.
 * file is borrowed as long as the arena. */
int config_add(struct config *c, const char *file, struct span bytes, bool readable, struct err *e);
/* A file, or the *.yaml and *.yml of a folder by name. optional: one that is not there is empty,
 * and what may not be read is a warning. */
int config_read(struct config *c, const char *path, bool optional, struct err *e);

const struct config_entry *config_find(const struct config_entry *entries, enum setting_id id);

#endif
