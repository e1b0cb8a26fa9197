/* SPDX-License-Identifier: MIT */
/* compare --models: runs the same telemetry through several models. Private to cli/. */
#ifndef WATTLE_CLI_COMPARE_RUN_H
#define WATTLE_CLI_COMPARE_RUN_H

#include "cli/groups.h"
#include "report/report.h"

/* Its options, for the command's list; --reference is the command's own. */
/* clang-format off */
#define COMPARE_RUN_OPTIONS                                                                        \
    {.name = "models", .type = OPTION_TEXT, .value = "A,B,…",                                      \
     .help = "run the same readings through these models in turns: files, folders or hub names"},  \
    {.name = "quant", .type = OPTION_TEXT, .value = "q4,q8,…",                                     \
     .help = "with --models: each of them once with each of these (LLM_QUANT's words; file: as it "\
             "is)"},                                                                               \
    {.name = "inferences", .type = OPTION_INT, .value = "N", .min = 1, .max = 1000000,             \
     .help = "with --models: readings through each of them (default: 30, or until --duration)"},   \
    {.name = "duration", .type = OPTION_DURATION, .value = "TIME", .min = 0.001, .max = 31536000,  \
     .help = "with --models: begin no further round after this long: 30m, 90s, 2h"},               \
    {.name = "warmup", .type = OPTION_INT, .value = "N", .min = 1, .max = 1000, .fallback = "2",   \
     .help = "with --models: analyses by each before those that count"},                           \
    {.name = "perplexity", .type = OPTION_TEXT, .value = "FILE",                                   \
     .help = "with --models: how well does each foretell this text?"}
/* clang-format on */
/* Those that are for running alone, but --models. */
#define COMPARE_RUN_ONLY "quant", "inferences", "duration", "warmup", "perplexity"

/* Its settings, for the command's list; METRICS_DIR keeps each model's metrics if it is given. */
#define COMPARE_RUN_SETTINGS                                                                   \
    MODEL_SETTINGS, INFERENCE_SETTINGS, SET_DATASET_PATH, SET_METRICS_DIR, SET_WATTLE_SYSROOT, \
        SET_WATTLE_ISA, SET_LOG_LEVEL

/* Fills c, which is initialised, with what was measured of the models that the options name. A
 * model that cannot be opened or always fails has a problem and the others go on; ERR_IO if all do.
 * ERR_CANCELLED: interrupted. In both cases c has what there was until then, maybe no models. */
int compare_run(const struct settings *s, struct comparison *c, struct err *e);

#endif
