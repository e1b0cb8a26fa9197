/* SPDX-License-Identifier: MIT */
/* The text of an answer while it grows: ends before a stop text, and gives out only what can no
 * longer become part of one. */
#ifndef WATTLE_ENGINE_ANSWER_H
#define WATTLE_ENGINE_ANSWER_H

#include "base/base.h"

enum { ANSWER_STOPS_MAX = 17, ANSWER_STOP_BYTES_MAX = 256 };

struct answer {
    struct buf text; /* once stopped, without the stop text and what followed it */
    size_t given;    /* bytes of text that were given out */
    bool stopped;    /* a stop text was met */
    size_t n_stops, longest_stop;
    struct span stops[ANSWER_STOPS_MAX]; /* borrowed, valid UTF-8, none empty */
    void (*on_text)(void *ctx, const char *text, size_t bytes); /* or NULL */
    void *ctx;
};

void answer_init(struct answer *a, size_t max_bytes,
                 void (*on_text)(void *ctx, const char *text, size_t bytes), void *ctx);
void answer_release(struct answer *a);
/* At most ANSWER_STOPS_MAX of them, each of 1 to ANSWER_STOP_BYTES_MAX bytes. */
void answer_stop_at(struct answer *a, struct span stop);

/* piece: complete characters. After it has stopped, nothing more is taken. */
int answer_add(struct answer *a, struct span piece, struct err *e);
/* Gives out what was held back: the answer has ended otherwise. */
void answer_finish(struct answer *a);

#endif
