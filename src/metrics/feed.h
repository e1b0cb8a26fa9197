/* SPDX-License-Identifier: MIT */
/* The live feed: from those who publish to those who watch. A fleet (or a subscriber of a broker)
 * puts in what happens, a board keeps what a watcher wants to know of it. Part of metrics.h. */
#ifndef WATTLE_METRICS_FEED_H
#define WATTLE_METRICS_FEED_H

#include "base/base.h"

/* ---- the feed: bounded, drops its oldest ---- */

struct feed;

enum feed_kind { FEED_MESSAGE, FEED_TOKEN, FEED_DEVICE, FEED_BROKER };

/* What went in; texts are valid during the call. */
struct feed_event {
    enum feed_kind kind;
    uint64_t utc_us;
    const char *name; /* MESSAGE: topic; TOKEN, DEVICE: device id; BROKER: its address */
    struct span text; /* MESSAGE: payload; TOKEN: text; DEVICE: the device's name */
    bool flag;        /* TOKEN: first of an analysis; BROKER: connected */
    uint64_t number;  /* BROKER: reconnects */
};

enum { FEED_BYTES_MAX = 32 << 20 };

int feed_open(struct feed **out, size_t max_bytes, struct err *e);
void feed_close(struct feed **f);
/* For producers: any thread, no longer than a copy takes whoever watches; f may be NULL. */
void feed_message(struct feed *f, const char *topic, struct span payload);
void feed_token(struct feed *f, const char *device_id, struct span text, bool first);
void feed_device(struct feed *f, const char *id, const char *name);
void feed_broker(struct feed *f, const char *address, bool connected, uint64_t reconnects);
/* Gives all that is in it to fn, oldest first, and takes it out; one thread at a time. */
size_t feed_take(struct feed *f, void (*fn)(void *ctx, const struct feed_event *ev), void *ctx);
uint64_t feed_dropped(struct feed *f); /* events that were never taken */

/* ---- the board: what is known of devices, models and the broker ---- */

/* Bounded whatever comes: 10,000 devices, 64 models, 64 MiB of readings (600 a device where they
 * fit), 64 MiB of texts (50 analyses and 50 metrics a device). Any thread. */
struct board;

struct board_options {
    const char *prefix;  /* of topics */
    const char *source;  /* "run", "broker" */
    const char *machine; /* one line */
};
int board_open(struct board **out, const struct board_options *o, struct err *e); /* copies */
void board_close(struct board **b);

enum board_news { BOARD_NOTHING, BOARD_TOKEN, BOARD_ANALYSIS, BOARD_ANOMALY };
/* Takes an event in, from whoever it comes. What watchers are to be told at once is appended to
 * news as a JSON object, and its kind returned. */
enum board_news board_apply(struct board *b, const struct feed_event *ev, struct buf *news);
void board_dropped(struct board *b, uint64_t dropped); /* feed_dropped */

/* JSON objects (docs/dashboard.md), appended to out. */
void board_write_state(struct board *b, struct buf *out);
/* What changed since the last call; false, and nothing written: nothing did. */
bool board_write_changes(struct board *b, struct buf *out);
int board_write_device(struct board *b, const char *id, struct buf *out, struct err *e);
/* OpenMetrics 1.0 text, "# EOF" included. */
void board_write_metrics(struct board *b, struct buf *out);
/* Whether the broker is connected, and its address; address: of at least 320 bytes. */
bool board_connected(struct board *b, char *address, size_t size);

/* ---- series over time ---- */

enum { HISTORY_FIELDS_MAX = 8, HISTORY_POINTS_MAX = 5000 };

struct history_query {
    const char *id, *model; /* one of both */
    const char *fields[HISTORY_FIELDS_MAX];
    size_t n_fields;
    double from_s, to_s; /* UTC */
    size_t points;       /* at most so many a series: 2..HISTORY_POINTS_MAX */
};
/* ERR_USAGE: a field that is none; e names those there are. */
int history_check(const struct history_query *q, struct err *e);
/* {"from","to","source","series"}. Where there are more values than points, each stretch of time
 * gives its least and its greatest. ERR_NOTFOUND: no such device or model. */
int board_write_history(struct board *b, const struct history_query *q, struct buf *out,
                        struct err *e);
/* Whether the board remembers everything from from_s on. */
bool board_reaches(struct board *b, const struct history_query *q);
/* The same from a store, opened for reading only. Ends after 2 s of searching: "complete" is false
 * then. prefix: of its topics. */
int store_write_history(const char *path, const char *prefix, const struct history_query *q,
                        struct buf *out, struct err *e);

#endif
