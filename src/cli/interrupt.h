/* SPDX-License-Identifier: MIT */
/* SIGINT and SIGTERM for commands that compute: the first one asks the work to end, a second one
 * ends the process. Commands with an event loop have loop_signals instead. */
#ifndef WATTLE_CLI_INTERRUPT_H
#define WATTLE_CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);
bool interrupted(void); /* one has come since */

#endif
