/* SPDX-License-Identifier: MIT */
/* Reading JSON (RFC 8259): strict, bounded, order of keys kept. */
#ifndef WATTLE_CODEC_JSON_H
#define WATTLE_CODEC_JSON_H

#include "base/base.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum { JSON_DEPTH_MAX = 64, JSON_VALUES_MAX = 4000000, JSON_NUL_VALUES_MAX = 1000000 };

/* An opaque value. Values got from a document are borrowed: valid until json_close of the document.
 */
struct json;

/* Parses exactly one value (blanks around it allowed). Refuses: more than max_bytes, nesting past
 * JSON_DEPTH_MAX, more than JSON_VALUES_MAX values (an object counts for eight), a duplicate key
 * (named), \u0000, invalid UTF-8, NaN and friends, integers outside of int64. A number with a point
 * or an exponent is JSON_REAL. The tree takes up to 60 bytes for a byte of hostile text: choose
 * max_bytes by what is needed. what names the source in the message ("line 3 of 'f.jsonl'"), which
 * gives line and column. */
int json_parse(struct json **out, struct span text, size_t max_bytes, const char *what,
               struct err *e);
/* The same, but strings may hold \u0000, which json_string gives as the byte that it is (keys may
 * not), and an integer outside of int64 is JSON_REAL. For what Python wrote: tokenizers' files list
 * bytes, and nearly every tokenizer_config.json has a model_max_length of 10^30. */
int json_parse_nul(struct json **out, struct span text, size_t max_bytes, const char *what,
                   struct err *e);
/* As json_parse_nul, and nothing but an object. On failure *out may hold a document all the same.
 */
int json_parse_object(struct json **out, struct span text, size_t max_bytes, const char *what,
                      struct err *e);
void json_close(struct json **doc); /* NULL is fine; only for what the two above gave */

/* Appends the bytes that a string in quotes stands for: a key or a value that json_walk_next gave,
 * read without a tree. \u0000 gives a NUL; otherwise as strict as json_parse. out keeps its old
 * bytes on failure. */
int json_unescape(struct span quoted, struct buf *out, const char *what, struct err *e);

enum json_type json_type_of(const struct json *v); /* NULL counts as JSON_NULL */
const char *json_type_name(enum json_type t);      /* "an object", for messages */
bool json_bool(const struct json *v);              /* false unless JSON_BOOL true */
int64_t json_int(const struct json *v);            /* 0 unless JSON_INT */
double json_number(const struct json *v);          /* JSON_INT or JSON_REAL, else 0 */
bool json_is_number(const struct json *v);
struct span json_string(const struct json *v); /* empty unless JSON_STRING; NUL-terminated behind */
size_t json_size(const struct json *v);        /* elements or members, else 0 */
const struct json *json_at(const struct json *v, size_t i); /* NULL past the end or no array */
const struct json *json_get(const struct json *v,
                            const char *key); /* NULL if absent or no object */

/* Members in file order: for (void *it = json_first(o); it; it = json_next(o, it)). */
void *json_first(const struct json *object);
void *json_next(const struct json *object, void *it);
const char *json_key(void *it);
const struct json *json_value(void *it);

#endif
