/* SPDX-License-Identifier: MIT */
/* codec: JSON and CSV, with limits.
 *
 * Owns: a read-only JSON tree (jansson inside, and only here), a walk over the values of a
 * large JSON text, a JSON writer, a CSV reader.
 * May include: base.
 * Start reading: json.h. */
#ifndef WATTLE_CODEC_CODEC_H
#define WATTLE_CODEC_CODEC_H

#include "codec/csv.h"
#include "codec/json.h"
#include "codec/json_walk.h"
#include "codec/json_write.h"

#endif
