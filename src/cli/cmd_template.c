/* SPDX-License-Identifier: MIT */
/* wattle template: conversations through a chat template. */
#include "cli/cli.h"

#include "cli/model_input.h"
#include "lab/lab.h"

static int run(const struct settings *s, struct err *e)
{
    const char *file = settings_option_text(s, "template");
    if (file && settings_option_given(s, "model")) {
        err_set(e, ERR_USAGE, "--template and --model: both given, expected one of them");
        return EXIT_USAGE;
    }
    struct model_input m;
    int rc = model_input_open(&m, s, file ? NEED_NO_MODEL : NEED_TEXT, e);
    if (rc == 0) {
        rc = lab_template(m.model_path, file, m.in, m.in_name, stdout, e);
        model_input_close(&m);
    }
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "model",
     .type = OPTION_TEXT,
     .value = "MODEL",
     .help = "GGUF or safetensors file, folder or hub name (default: LLM_MODEL_NAME)"},
    {.name = "template",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "a Jinja file instead of a model's template"},
    {.name = "input",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "JSON lines to answer (default: standard input)"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MODEL_SETTINGS, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "template",
    .usage = "wattle template [--model MODEL | --template FILE] [--input FILE]",
    .summary = "conversations through a chat template, as JSON lines",
    .notes =
        "Each input line is an object: \"case\", \"messages\" (\"role\" and \"content\" each), "
        "\"tools\",\n"
        "\"variables\" (more names for the template), \"now\" (\"2025-07-04T12:34:56\") and\n"
        "\"add_generation_prompt\". Each answer has \"case\" and \"text\", or \"case\" and "
        "\"error\".\n"
        "bos_token and eos_token come from the model; with --template they are undefined unless\n"
        "\"variables\" has them.\n\n"
        "  echo '{\"case\":1,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}' | wattle "
        "template --model "
        "m.gguf",
    .options = options,
    .settings = settings,
};

const struct command command_template = {.spec = &spec, .run = run};
