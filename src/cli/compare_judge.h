/* SPDX-License-Identifier: MIT */
/* What a run of compare says of the machine, once it is over. Private to
 * compare_run. */
#ifndef WATTLE_CLI_COMPARE_JUDGE_H
#define WATTLE_CLI_COMPARE_JUDGE_H

#include "cli/compare_models.h"
#include "meter/meter.h"

/* Spread and drift of the fixed calculation's times, in the order of their taking. */
void judge_noise(struct comparison *c, const double *ms, size_t n);
void judge_load(struct comparison *c, const struct settings *s, const struct load *load);

#endif
