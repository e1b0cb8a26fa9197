/* SPDX-License-Identifier: MIT */
/* The board's inside. Private to metrics/. */
#ifndef WATTLE_METRICS_BOARD_H
#define WATTLE_METRICS_BOARD_H

#include "metrics/metrics.h"

#include <math.h>
#include <pthread.h>

enum {
    BOARD_DEVICES_MAX = 10000,
    BOARD_MODELS_MAX = 64,
    BOARD_ID_MAX = 128,
    BOARD_NAME_MAX = 256,
    BOARD_PAYLOAD_MAX = 1 << 20,
    BOARD_TEXT_MAX = 32 << 10, /* of one note */
    BOARD_NOTES_BYTES = 64 << 20,
    BOARD_POINTS_BYTES = 64 << 20,
    BOARD_POINTS = 600,        /* of a device */
    BOARD_MODEL_POINTS = 4000, /* of a model */
    BOARD_NOTES = 50,
    BOARD_ANOMALIES = 200,
    BOARD_RECENT = 1024, /* values that percentiles are taken from */
    BOARD_BUCKETS = 12,
    READINGS = 7,
    MEASURES = 6,
    POINT_VALUES = 7,
};

/* In the order of struct point's values. */
extern const char *const board_readings[READINGS]; /* "temp", … */
extern const char *const board_measures[MEASURES]; /* "inference_time_ms", … */
extern const double board_buckets[BOARD_BUCKETS];  /* seconds, upper bounds */

struct point {
    double t, v[POINT_VALUES]; /* UTC seconds; NAN: not known */
};

/* A ring that grows up to max, or until the board's bytes are used up. */
struct points {
    struct point *p;
    size_t n, at, capacity, max; /* at: the oldest */
};

/* JSON objects, the newest max of them. */
struct notes {
    size_t n, at, max;
    char *texts[]; /* [max] */
};

struct board_device {
    char id[BOARD_ID_MAX + 1], name[BOARD_ID_MAX + 1], model[BOARD_NAME_MAX];
    char status; /* 'u'nknown, o'n'line, o'f'fline */
    uint64_t seen_us;
    bool has_reading, alarm, dirty;
    double ts, reading[READINGS];
    uint64_t seq;
    uint64_t telemetry, analyses, inferences, errors, anomalies;
    struct points points;
    struct notes *said, *measured, *wrong; /* analyses, metrics, anomalies; NULL: none yet */
};

struct board_model {
    char name[BOARD_NAME_MAX], energy_source[16];
    uint64_t inferences, errors, timed;
    double seconds, joules, tokens;
    double rates, cpu, memory; /* sums, of … */
    uint64_t n_rates, n_cpu, n_memory, n_joules;
    double joules_seconds;               /* of inferences whose energy is known */
    uint64_t buckets[BOARD_BUCKETS + 1]; /* how many fall in each */
    double recent[BOARD_RECENT];         /* a ring of times, ms */
    size_t n_recent;
    bool stale; /* p50 and p95 are older than recent */
    double p50, p95;
    struct points points;
};

struct board {
    pthread_mutex_t lock; /* of all below */
    char *prefix, *source, *machine;
    uint64_t started_us, hash_seed;
    struct board_device **devices;
    size_t n_devices, devices_capacity;
    uint32_t *slots; /* index + 1 by hash, at most half full */
    size_t n_slots;
    uint32_t *dirty; /* devices whose dirty is set */
    size_t n_dirty;
    bool changed; /* anything else */
    struct board_model *models[BOARD_MODELS_MAX];
    size_t n_models;
    struct notes *anomalies;
    size_t note_bytes, point_bytes;
    uint64_t telemetry, analyses, inferences, errors, bad, dropped, left_out;
    uint64_t n_anomalies;
    struct {
        char address[320];
        bool connected;
        uint64_t since_us, reconnects;
    } broker;
};

/* ---- board_find.c; the lock is held ---- */

/* NULL: no valid id, the board is full, or no memory. */
struct board_device *board_device_of(struct board *b, struct span id);
struct board_device *board_device_find(const struct board *b, struct span id); /* NULL: unknown */
struct board_model *board_model_of(struct board *b, struct span name);         /* NULL: full */
struct board_model *board_model_find(const struct board *b, struct span name);
void board_mark(struct board *b, struct board_device *d); /* it changed */
void board_note(struct board *b, struct notes *n, const struct buf *text);
struct notes *board_notes(struct notes **n, size_t max); /* makes it; NULL: no memory */
void board_point(struct board *b, struct points *s, const struct point *p);
const struct point *board_point_at(const struct points *s, size_t i); /* 0: the oldest */
void board_free(struct board *b);

/* ---- thin.c: at most so many points of a series ---- */

struct thin;
/* n series over [from, to]. NULL: no memory. */
struct thin *thin_open(double from, double to, size_t n, size_t points);
void thin_close(struct thin *t);
void thin_add(struct thin *t, size_t series, double at, double v); /* any order; NAN is left out */
/* {"from":…,"to":…,"source":…,"series":{…}} */
void thin_write(const struct thin *t, const struct history_query *q, const char *source,
                bool complete, struct buf *out);
/* Which of the readings or measures a field is; -1: none. */
int history_field(const struct history_query *q, const char *field);

#endif
