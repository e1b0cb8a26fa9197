/* SPDX-License-Identifier: MIT */
/* The SQL that makes a store. Private to metrics/. */
#ifndef WATTLE_METRICS_STORE_SCHEMA_H
#define WATTLE_METRICS_STORE_SCHEMA_H

#include "base/base.h"

enum { STORE_APPLICATION_ID = 0x77746c31 }; /* "wtl1": schema version 1 */

void store_write_schema(struct buf *sql); /* of an empty file */
/* The views, anew, of topics that begin with prefix. */
void store_write_views(struct buf *sql, const char *prefix);

#endif
