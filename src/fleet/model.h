/* SPDX-License-Identifier: MIT */
/* A model and its meter as the settings say, for whoever runs one: a fleet, a workload, a server. A
 * part of fleet.h. */
#ifndef WATTLE_FLEET_MODEL_H
#define WATTLE_FLEET_MODEL_H

#include "fleet/power.h"

#include <wattle.h>

struct meter;

/* LLM_PACKED_DIR, or the folder that XDG_CACHE_HOME and HOME give, in out then; NULL: none, a
 * warning says so unless it was wanted. */
const char *fleet_packed_folder(const struct settings *s, char *out, size_t size);
/* LLM_THREADS, LLM_MAX_LENGTH, LLM_QUANT (quant NULL, else that), LLM_PACKED_DIR and WATTLE_ISA.
 * path: as model_find gives it. */
int fleet_model_open(struct wattle_model **out, const struct settings *s, const char *path,
                     const char *quant, struct err *e);
/* Whether a model that has just been opened fits into the memory that we may use: ERR_LIMIT if the
 * kernel would end us for it; a warning in the log where it will be slow. */
int memory_limit_check_model(struct meter *m, const struct wattle_model_info *model, struct err *e);
/* "Compute device: cpu" and how it came up. */
void fleet_model_log(const struct wattle_model_info *info, const char *name);
/* WATTLE_SYSROOT, and those watts for the estimate. */
int fleet_meter_open(struct meter **out, const struct settings *s, const struct fleet_power *power,
                     struct err *e);

#endif
