/* SPDX-License-Identifier: MIT */
/* Names of folders and files made from names of devices: the rule is in metrics.h. Private to
 * metrics/. */
#ifndef WATTLE_METRICS_NAME_H
#define WATTLE_METRICS_NAME_H

#include <stddef.h>

enum { SAFE_NAME_MAX = 128, SAFE_NAME_SIZE = SAFE_NAME_MAX + 10 + 1 };

/* One path component for the raw name; NULL only without memory; free(). */
char *name_of_device(const char *raw);
/* The same, where ':' becoming '-' is no change. */
char *name_of_id(const char *raw);

#endif
