/* SPDX-License-Identifier: MIT */
/* Files that `wattle consume` writes messages to: JSON lines, and one CSV file a kind. Private to
 * cli/. */
#ifndef WATTLE_CLI_CONSUME_FILES_H
#define WATTLE_CLI_CONSUME_FILES_H

#include "base/base.h"

/* A file that lines are appended to; what is unfinished at its end is ended first. */
struct line_file;
int line_file_open(struct line_file **out, const char *path, struct err *e);
bool line_file_is_empty(const struct line_file *f);
int line_file_write(struct line_file *f, const struct buf *line, struct err *e); /* adds the end */
int line_file_flush(struct line_file *f, struct err *e);
void line_file_close(struct line_file **f);

/* telemetry.csv, metrics.csv, analysis.csv, … in a folder: one a kind of topic, made when its first
 * message comes. Columns: timestamp, then those of the kind (docs/mqtt.md). */
struct csv_folder;
/* The folder is made for the first message; that it can be, or is there, is looked at here. */
int csv_folder_open(struct csv_folder **out, const char *path, struct err *e);
/* A payload that is no JSON object goes to other.csv as text. kind "": no topic of ours. */
int csv_folder_add(struct csv_folder *c, uint64_t utc_us, const char *topic, struct span kind,
                   struct span suffix, struct span payload, struct err *e);
int csv_folder_flush(struct csv_folder *c, struct err *e);
void csv_folder_close(struct csv_folder **c);

#endif
