/* SPDX-License-Identifier: MIT */
/* JSON lines in, JSON lines out: the loop that all of lab's commands share. */
#ifndef WATTLE_LAB_LINES_H
#define WATTLE_LAB_LINES_H

#include "codec/codec.h"

#include <stdio.h>

enum { LINE_BYTES_MAX = 64 << 20 };

/* Answers one input object: members of the output object behind "case" go to w, whose buffer may be
 * written to out early with lines_flush. On failure what it has written since the last flush is
 * dropped and the line becomes {"case":…,"error":…}; so after a flush it must not fail. */
typedef int (*line_fn)(void *ctx, const struct json *in, struct json_writer *w, FILE *out,
                       struct err *e);

/* Until the end of in. Blank lines are passed over. Each answer is flushed. Returns 0, or what made
 * going on impossible: reading or writing failed, no memory. */
int lines_run(FILE *in, const char *in_name, FILE *out, line_fn answer, void *ctx, struct err *e);

/* Writes what the buffer behind w has so far. */
int lines_flush(struct json_writer *w, FILE *out, struct err *e);

/* Members of an input object. Absent or null: the fallback; of another type: ERR_FORMAT with the
 * key. */
int line_bool(const struct json *in, const char *key, bool fallback, bool *out, struct err *e);
int line_int(const struct json *in, const char *key, int64_t min, int64_t max, int64_t fallback,
             int64_t *out, struct err *e);
/* A string that must be there. */
int line_text(const struct json *in, const char *key, struct span *out, struct err *e);
/* An array of integers in [min, max], at most max_n of them; absent: none. *out: malloc'ed. */
int line_ints(const struct json *in, const char *key, int64_t min, int64_t max, size_t max_n,
              int32_t **out, size_t *n, struct err *e);

#endif
