/* SPDX-License-Identifier: MIT */
/* Small readers of a parsed object: a value of the wrong type is named, null and absent are "not
 * known" and leave the output as it is. Private to metrics/. */
#ifndef WATTLE_METRICS_FIELDS_H
#define WATTLE_METRICS_FIELDS_H

#include "base/base.h"
#include "codec/codec.h"

enum { METRIC_RECORD_MAX = 64 << 10 }; /* bytes of one record */

int field_wrong_type(const char *what, const char *key, const struct json *v, const char *expected,
                     struct err *e);
int field_number(double *out, const struct json *object, const char *what, const char *key,
                 struct err *e);
int field_count(uint64_t *out, const struct json *object, const char *what, const char *key,
                struct err *e);
/* Cut at a character where too long. */
void field_copy(char *out, size_t size, struct span s);
int field_text(char *out, size_t size, const struct json *object, const char *what, const char *key,
               struct err *e);

#endif
