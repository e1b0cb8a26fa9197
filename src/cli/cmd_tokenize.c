/* SPDX-License-Identifier: MIT */
/* wattle tokenize, wattle detokenize: texts to tokens and back. */
#include "cli/cli.h"

#include "cli/model_input.h"
#include "lab/lab.h"

static int run_lines(const struct settings *s,
                     int (*work)(const char *model_path, FILE *in, const char *in_name, FILE *out,
                                 struct err *e),
                     struct err *e)
{
    struct model_input m;
    int rc = model_input_open(&m, s, NEED_TEXT, e);
    if (rc == 0) {
        rc = work(m.model_path, m.in, m.in_name, stdout, e);
        model_input_close(&m);
    }
    return exit_code_of(rc);
}

static int run_tokenize(const struct settings *s, struct err *e)
{
    return run_lines(s, lab_tokenize, e);
}

static int run_detokenize(const struct settings *s, struct err *e)
{
    return run_lines(s, lab_detokenize, e);
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
    {.name = NULL},
};

static const enum setting_id settings[] = {MODEL_SETTINGS, SET_LOG_LEVEL, SET_N};

static const struct command_spec tokenize_spec = {
    .name = "tokenize",
    .usage = "wattle tokenize [--model MODEL] [--input FILE]",
    .summary = "texts to token ids, as JSON lines",
    .notes =
        "Each input line is an object: \"case\", \"text\", \"add_special\" (BOS and EOS as the\n"
        "vocabulary says, default true) and \"parse_special\" (the text of a control token "
        "becomes\n"
        "that token, default true). Each answer has \"case\" and \"ids\", or \"case\" and "
        "\"error\".\n\n"
        "  echo '{\"case\":1,\"text\":\"Hello\"}' | wattle tokenize --model m.gguf",
    .options = options,
    .settings = settings,
};

static const struct command_spec detokenize_spec = {
    .name = "detokenize",
    .usage = "wattle detokenize [--model MODEL] [--input FILE]",
    .summary = "token ids to text, as JSON lines",
    .notes = "Each input line is an object: \"case\", \"ids\" and \"skip_special\" (control tokens "
             "give\n"
             "nothing, default false). Each answer has \"case\", \"text\" and \"pieces\" (the text "
             "as a\n"
             "stream would give it: complete characters each), or \"case\" and \"error\".\n\n"
             "  echo '{\"case\":1,\"ids\":[1,2,3]}' | wattle detokenize --model m.gguf",
    .options = options,
    .settings = settings,
};

const struct command command_tokenize = {.spec = &tokenize_spec, .run = run_tokenize};
const struct command command_detokenize = {.spec = &detokenize_spec, .run = run_detokenize};
