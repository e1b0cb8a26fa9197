/* SPDX-License-Identifier: MIT */
/* base: what libc lacks, for both halves.
 *
 * Owns: error texts, byte spans and buffers, arenas, checked sizes, clocks, random numbers, the log
 * sink and what of it is said again, whole-file reading, mapping and atomic writing, UTF-8 checks,
 * the processors that this process may use, and the thread pool. Knows nothing of models, telemetry
 * or protocols. May include: nothing of ours. Start reading: err.h, span.h, buf.h; then pool.h for
 * how compute threads meet.
 *
 * Other folders include this file only. */
#ifndef WATTLE_BASE_BASE_H
#define WATTLE_BASE_BASE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/cpus.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "base/pool.h"
#include "base/repeat.h"
#include "base/rng.h"
#include "base/span.h"
#include "base/utf8.h"
#include "base/words.h"

#endif
