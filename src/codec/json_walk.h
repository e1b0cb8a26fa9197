/* SPDX-License-Identifier: MIT */
/* One level of a large JSON text, without a tree of it: the members of an object or the elements of
 * an array as spans, each to be given to json_parse or to another walk. So a file of any size takes
 * no more memory than its largest value. Only the outer level is checked here: commas, colons, the
 * closing bracket and that nothing follows. Errors name the byte. One thread. */
#ifndef WATTLE_CODEC_JSON_WALK_H
#define WATTLE_CODEC_JSON_WALK_H

#include "codec/json.h"

struct json_walk {
    struct span text; /* borrowed */
    size_t at;
    uint8_t close; /* '}' or ']' */
    bool started;
    const char *what; /* borrowed: names the source in messages */
};

/* type: JSON_OBJECT or JSON_ARRAY, which the text must be. */
int json_walk_init(struct json_walk *w, struct span text, enum json_type type, const char *what,
                   struct err *e);
/* 1: *value is the next value's text (and *key its key with quotes and escapes as they stand, empty
 * in an array); 0: the end; below: malformed. key may be NULL. */
int json_walk_next(struct json_walk *w, struct span *key, struct span *value, struct err *e);

#endif
