/* SPDX-License-Identifier: MIT */
/* What --help and the pages made from it have to say of a command. */
#ifndef WATTLE_SETTINGS_HELP_H
#define WATTLE_SETTINGS_HELP_H

#include "settings/parsed.h"

/* "--devices N" and "how many devices [1 to 100000; default 1]". */
typedef void help_row_fn(void *ctx, const struct buf *left, const struct buf *right);

void help_each_option(const struct command_spec *spec, help_row_fn *put, void *ctx);
void help_each_setting(const struct command_spec *spec, help_row_fn *put, void *ctx);
bool help_has_settings(const struct command_spec *spec);
extern const char help_of_settings[]; /* stands before them */

#endif
