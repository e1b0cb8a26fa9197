/* SPDX-License-Identifier: MIT */
/* jansson, whose trees our struct json are. Private to codec/. Some of its names are also ours,
 * with other meanings: they go by another name here. */
#ifndef WATTLE_CODEC_JSON_JANSSON_H
#define WATTLE_CODEC_JSON_JANSSON_H

#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY  JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_REAL   JANSSON_REAL
#define JSON_NULL   JANSSON_NULL
#define json_string jansson_string
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_REAL
#undef JSON_NULL
#undef json_string
#undef json_is_number

#include "codec/json.h"

_Static_assert(sizeof(json_int_t) == sizeof(int64_t), "integers of 64 bits");

/* Line and column of a byte of the text, as an editor shows them: the column counts characters. */
struct json_place {
    size_t line, column;
};
struct json_place json_place_of(struct span text, size_t at);

/* Reads the one value that text is. Its nesting is at most JSON_DEPTH_MAX: counted before, since
 * this recurses. python: what json_parse_nul allows. NULL: *code and e say why. */
json_t *json_read(struct span text, bool python, const char *what, int *code, struct err *e);

#endif
