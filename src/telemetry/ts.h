/* SPDX-License-Identifier: MIT */
/* Time stamps as text: private to telemetry/. */
#ifndef WATTLE_TELEMETRY_TS_H
#define WATTLE_TELEMETRY_TS_H

#include "base/base.h"

enum { TS_SIZE = 32 };

/* Turns "1.5945120943859746E9" into "1594512094.3859746" by moving the point, so that no digit is
 * lost to a double on the way. The result is a JSON number without exponent and without needless
 * leading zeros; trailing zeros stay. false: not a number, negative, 1e11 or more, or longer than
 * TS_SIZE - 1 characters; out is untouched then. */
bool ts_plain(struct span text, char out[TS_SIZE]);

#endif
