/* SPDX-License-Identifier: MIT */
/* cli: main and one file a command: parse, call, print.
 *
 * Owns: the table of commands, exit codes (0 done, 1 failed, 2 wrong usage, 130 interrupted), what
 * goes to stdout and stderr. May include: any folder of the app half, lab, wattle.h; nobody
 * includes cli. Start reading: main.c. */
#ifndef WATTLE_CLI_CLI_H
#define WATTLE_CLI_CLI_H

#include "settings/settings.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

struct command {
    const struct command_spec *spec;
    /* Returns the exit code; on EXIT_FAILED and EXIT_USAGE e holds the line, which main prints to
     * stderr as "wattle NAME: LINE". Prints its own output. */
    int (*run)(const struct settings *s, struct err *e);
    /* The log is the command's output (`docker logs | grep` sees it): stdout, else stderr. */
    bool log_on_stdout;
};

extern const struct command command_compare, command_run, command_serve, command_device,
    command_compose, command_report, command_consume, command_dashboard, command_generate,
    command_eval, command_logits, command_tokenize, command_detokenize, command_template,
    command_pull, command_models, command_health, command_synth, command_quantize, command_bench;

/* 1 from a code that a library half function returned: ERR_USAGE gives EXIT_USAGE, ERR_CANCELLED
 * 130, others 1. */
int exit_code_of(int code);

/* What was printed did not arrive because who read it has gone, as `| head` does. Main ends quietly
 * then, by SIGPIPE like other programs, once the command has done what it has to. */
bool reader_has_gone(void);

#endif
