/* SPDX-License-Identifier: MIT */
/* wattle logits: what a model computes, for comparison with a reference. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "fleet/fleet.h"
#include "lab/lab.h"

#include <limits.h>
#include <string.h>

static int run(const struct settings *s, struct err *e)
{
    char folder[PATH_MAX];
    const char *quant = settings_option_text(s, "quant");
    if (quant && strcmp(quant, "f32") != 0) {
        err_set(e, ERR_USAGE, "--quant: '%s', expected f32", quant);
        return EXIT_USAGE;
    }
    struct model_input m;
    int rc = model_input_open(&m, s, NEED_WEIGHTS, e);
    if (rc == 0) {
        struct lab_logits_options o = {
            .model_path = m.model_path,
            .isa = settings_text(s, SET_WATTLE_ISA),
            .quant = settings_text(s, SET_LLM_QUANT),
            .packed_folder = fleet_packed_folder(s, folder, sizeof folder),
            .threads = (int)settings_int(s, SET_LLM_THREADS),
            .exact = quant != NULL,
        };
        rc = lab_logits(&o, m.in, m.in_name, stdout, e);
        model_input_close(&m);
    }
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "model",
     .type = OPTION_TEXT,
     .value = "MODEL",
     .help = "GGUF or safetensors file, folder or hub name (default: LLM_MODEL_NAME)"},
    {.name = "input",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "JSON lines to answer (default: standard input)"},
    {.name = "quant",
     .type = OPTION_TEXT,
     .value = "f32",
     .help = "f32: dequantize all weights and compute in 32-bit floats, as a reference does"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MODEL_SETTINGS, PACK_SETTINGS, SET_LLM_THREADS,
                                           SET_WATTLE_ISA, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "logits",
    .usage = "wattle logits [--model MODEL] [--input FILE] [--quant f32]",
    .summary = "logits, greedy tokens and log probabilities as JSON lines",
    .notes = "Each input line is an object: \"case\", \"ids\" (tokens), \"positions\" (whose "
             "logits are\n"
             "wanted, from 0, -1 is the last), \"greedy\" (how many tokens to go on for) and\n"
             "\"continuation\" (tokens to score after ids). Each answer has \"case\", \"logits\", "
             "\"greedy\"\n"
             "and \"logprobs\", or \"case\" and \"error\".\n\n"
             "  echo '{\"case\":1,\"ids\":[1,2,3],\"greedy\":5}' | wattle logits --model m.gguf",
    .options = options,
    .settings = settings,
};

const struct command command_logits = {.spec = &spec, .run = run};
