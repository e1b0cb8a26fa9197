/* SPDX-License-Identifier: MIT */
/* Writing JSON into a buf: commas, escapes and numbers are taken care of; never NaN or Infinity
 * (they become null), never a locale's comma, strings always valid UTF-8 (bad bytes become U+FFFD).
 * Wrong nesting is our own mistake: assert. */
#ifndef WATTLE_CODEC_JSON_WRITE_H
#define WATTLE_CODEC_JSON_WRITE_H

#include "codec/json.h"

/* Any parsed value (JSON_DEPTH_MAX levels) fits inside of as many levels of our own. */
enum { JSON_WRITE_DEPTH = 2 * JSON_DEPTH_MAX + 1 };

struct json_writer {
    struct buf *out; /* borrowed */
    int depth;
    bool first[JSON_WRITE_DEPTH];
    bool after_key;
    int indent; /* 0: one line, `{"a":1,"b":[1,2]}`; else that many blanks a level */
};

void json_write_init(struct json_writer *w, struct buf *out, int indent);
void json_write_object(struct json_writer *w);     /* { */
void json_write_object_end(struct json_writer *w); /* } */
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);
void json_write_key_span(struct json_writer *w, struct span key);
void json_write_span(struct json_writer *w, struct span utf8);
void json_write_str(struct json_writer *w, const char *s); /* NULL writes null */
void json_write_int(struct json_writer *w, int64_t v);
void json_write_u64(struct json_writer *w, uint64_t v);
void json_write_f64(struct json_writer *w, double v); /* shortest that reads back */
void json_write_fixed(struct json_writer *w, double v,
                      int decimals); /* rounded, 0..15 decimals, no zeros behind */
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
void json_write_value(struct json_writer *w, const struct json *v); /* a parsed value again */
void json_write_raw(struct json_writer *w, struct span json); /* one value that is JSON already */

/* The same with the key before it: members of an object. */
void json_put_object(struct json_writer *w, const char *key); /* ended by json_write_object_end */
void json_put_array(struct json_writer *w, const char *key);
void json_put_span(struct json_writer *w, const char *key, struct span utf8);
void json_put_str(struct json_writer *w, const char *key, const char *s);
void json_put_text(struct json_writer *w, const char *key, const char *s); /* "" is null too */
void json_put_int(struct json_writer *w, const char *key, int64_t v);
void json_put_u64(struct json_writer *w, const char *key, uint64_t v);
void json_put_f64(struct json_writer *w, const char *key, double v);
void json_put_fixed(struct json_writer *w, const char *key, double v, int decimals);
void json_put_bool(struct json_writer *w, const char *key, bool v);
void json_put_null(struct json_writer *w, const char *key);
void json_put_value(struct json_writer *w, const char *key, const struct json *v);
void json_put_raw(struct json_writer *w, const char *key, struct span json);

/* Just the quoted string, for those who need no writer. */
void json_quote(struct buf *out, struct span utf8);

#endif
