/* SPDX-License-Identifier: MIT */
/* What the program says of itself: its commands, the help of one, as text, Markdown or a man page.
 */
#ifndef WATTLE_CLI_HELP_H
#define WATTLE_CLI_HELP_H

#include "cli/cli.h"

#include <stdio.h>

struct command_list {
    const struct command *const *commands;
    size_t n;
};

const struct command *command_find(const struct command_list *all, const char *name); /* or NULL */
/* Says on standard error that there is no such command, and which is near; EXIT_USAGE. */
int command_unknown(const struct command_list *all, const char *name);
void help_commands(FILE *out, const struct command_list *all);
/* wattle help [--format text|markdown|man] [COMMAND]: argv begins behind "help". */
int help_run(const struct command_list *all, int argc, char **argv);

#endif
