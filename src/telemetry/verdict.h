/* SPDX-License-Identifier: MIT */
/* What an answer says of its reading. Pure. A part of telemetry.h. */
#ifndef WATTLE_TELEMETRY_VERDICT_H
#define WATTLE_TELEMETRY_VERDICT_H

#include "base/base.h"

enum verdict {
    VERDICT_NONE, /* it does not say, or contradicts itself, or is not English */
    VERDICT_NORMAL,
    VERDICT_UNUSUAL,
};

/* Reads the answer to a prompt that asks whether the readings are normal or unusual, by the rules
 * of docs/compare-run.md, "Verdicts": a JSON member "verdict" where there is one, else English
 * prose of which the first 64 KiB count. Any bytes. */
enum verdict verdict_read(struct span answer);
const char *verdict_name(enum verdict v); /* "none", "normal", "unusual" */

#endif
