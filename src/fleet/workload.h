/* SPDX-License-Identifier: MIT */
/* The same readings through several models, measured as on a device, without a broker. A part of
 * fleet.h. One thread. */
#ifndef WATTLE_FLEET_WORKLOAD_H
#define WATTLE_FLEET_WORKLOAD_H

#include "base/base.h"
#include "fleet/power.h"
#include "metrics/metrics.h"
#include "settings/settings.h"
#include "telemetry/telemetry.h"

#include <wattle.h>

/* What all models share: readings, prompt, sampling, seed, meter. */
struct workload;
struct workload_options {
    const struct settings *settings; /* borrowed */
    const char *metrics_dir;         /* a folder for each model's metrics goes in it; NULL: none */
};
/* Without LLM_SEED the seed is 1, so that two runs ask the same. Logs dataset and energy source. */
int workload_open(struct workload **out, const struct workload_options *o, struct err *e);
void workload_close(struct workload **w); /* after its models */
const struct fleet_power *workload_power(const struct workload *w);
uint64_t workload_seed(const struct workload *w);
size_t workload_rows(const struct workload *w); /* of the dataset */
/* Sleeps for so many seconds (a signal ends it) and gives the mean watts of that time by a counter
 * or sensor; NAN where the energy is only estimated. */
double workload_idle_power(struct workload *w, double seconds);

/* One model of it: opened, closed and opened again as memory asks. */
struct workload_model;
/* name: what records and its metrics' folder call it; NULL: it keeps no records. quant: NULL for
 * LLM_QUANT's; borrowed until workload_model_free. */
int workload_model_new(struct workload_model **out, struct workload *w, const char *name,
                       const char *path, const char *quant, struct err *e);
void workload_model_free(struct workload_model **m); /* closes; saves nothing */
/* What the process's resident set grows by from here until workload_model_warm counts as this
 * model's, and not as the others'. */
int workload_model_open(struct workload_model *m, struct err *e);
void workload_model_close(struct workload_model *m);
/* Frees a model that was opened and warmed up before all others, so that none of them pays for what
 * they have in common. twin: another of the same file. What of the freed one's memory stays with
 * the process is nobody's from now on. */
void workload_decoy_free(struct workload_model **decoy, const struct workload_model *twin);
bool workload_model_is_open(const struct workload_model *m);
/* Of the last time that it was open; zeroed if it never was. */
const struct wattle_model_info *workload_model_info(const struct workload_model *m);
/* n analyses that are neither recorded nor counted; the first error ends them. */
int workload_model_warm(struct workload_model *m, int n, struct err *e);

struct workload_result {
    bool good;
    enum verdict verdict;
    struct metric_record record; /* of a failed one: its error; strings until the next run */
};
/* The analysis of reading `request` (from 1): the same reading, prompt and seed in every model. The
 * model is open. Its record goes to the metrics file, if there is one. */
void workload_model_run(struct workload_model *m, uint64_t request, struct workload_result *out);
/* Writes what is unsaved of the metrics file. */
int workload_model_save(struct workload_model *m, struct err *e);
const char *workload_model_file(const struct workload_model *m); /* NULL: none was written */

#endif
