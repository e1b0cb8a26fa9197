/* SPDX-License-Identifier: MIT */
/* telemetry: the dataset, what a device sends, and the prompt made of it.
 *
 * Owns: rows of the dataset CSV, telemetry payloads both ways, device ids, alarms, the prompt.
 * May include: base, codec.
 * Start reading: this file, then dataset.c. */
#ifndef WATTLE_TELEMETRY_TELEMETRY_H
#define WATTLE_TELEMETRY_TELEMETRY_H

#include "base/base.h"
#include "codec/codec.h"
#include "telemetry/alarm.h"
#include "telemetry/verdict.h"

enum { DEVICE_ID_MAX = 128, DEVICE_NAME_MAX = 128 };

/* ERR_USAGE with one line that names the setting, the value and the character. */
int device_id_check(const char *id, struct err *e);
int device_name_check(const char *name, struct err *e);

struct reading {
    char ts[32]; /* seconds since 1970 as plain decimal text, every digit of the file kept */
    double co, humidity, lpg, smoke,
        temp; /* finite; temp in °C, humidity in %, gases as ratios (ppm-like) */
    bool light, motion;
};

struct dataset; /* immutable once open */

/* Reads the CSV; bad rows are logged (the first 10 with their line and reason) and counted. No
 * usable row: ERR_FORMAT. */
int dataset_open(struct dataset **out, const char *path, struct err *e);
void dataset_close(struct dataset **d);
size_t dataset_rows(const struct dataset *d);
size_t dataset_skipped(const struct dataset *d);
size_t dataset_devices(const struct dataset *d); /* in order of first appearance */
const char *dataset_device(const struct dataset *d, size_t i);

/* A walk through one device's rows, round and round. */
struct dataset_walk {
    const struct dataset *d; /* borrowed */
    size_t device;           /* whose rows */
    size_t at;
    bool fallback; /* the id was not in the data: another device's rows */
};
/* offset: where in the rows to begin (modulo). */
void dataset_walk_init(struct dataset_walk *w, const struct dataset *d, const char *device_id,
                       size_t offset);
const struct reading *dataset_walk_next(struct dataset_walk *w);

/* {"data":{…},"device_id":…,"ts":…,"seq":…} */
void telemetry_write(struct buf *out, const struct reading *r, const char *device_id, uint64_t seq);

/* A telemetry payload from the broker: every field there, of its type, finite; unknown fields are
 * ignored. seq 0: absent. */
struct telemetry_message {
    struct reading reading;
    char device_id[DEVICE_ID_MAX + 1];
    uint64_t seq;
};
int telemetry_parse(struct telemetry_message *out, struct span payload, struct err *e);

/* Ids of a fleet's devices 1…n: the dataset's own in order, then made-up local addresses "02:…",
 * the same for the same number. */
void fleet_device_id(const struct dataset *d, size_t number /* from 1 */,
                     char out[DEVICE_ID_MAX + 1]);

/* The prompt: two texts. */
struct prompt; /* immutable once open */
/* file NULL or empty: built in. A file is one text (UTF-8, at most 64 KiB); an optional first part
 * up to a line that is just "---" is the system text. Placeholders {{device_id}} {{telemetry}}
 * {{temp}} {{humidity}} {{co}} {{lpg}} {{smoke}} {{light}} {{motion}} {{ts}} {{alarms}}; another
 * name is ERR_USAGE that names it and its line. */
int prompt_open(struct prompt **out, const char *file, struct err *e);
/* The same of two texts; an empty one is the built-in one, whose user text speaks of alarms only if
 * they are watched. Errors begin with LLM_PROMPT_SYSTEM or LLM_PROMPT_USER. */
int prompt_open_texts(struct prompt **out, const char *system, const char *user, bool alarms,
                      struct err *e);
void prompt_close(struct prompt **p);
/* limits: what {{alarms}} speaks of, the words of alarm_words; NULL: "none". system may stay empty.
 * Both are cleared first. */
int prompt_render(const struct prompt *p, const struct reading *r, const char *device_id,
                  const struct alarm_limits *limits, struct buf *system, struct buf *user,
                  struct err *e);

#endif
