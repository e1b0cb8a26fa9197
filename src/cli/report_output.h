/* SPDX-License-Identifier: MIT */
/* Where a report goes, and as what: the options that report and compare share. Private to cli/. */
#ifndef WATTLE_CLI_REPORT_OUTPUT_H
#define WATTLE_CLI_REPORT_OUTPUT_H

#include "cli/cli.h"

enum report_format { REPORT_TEXT, REPORT_MARKDOWN, REPORT_JSON, REPORT_CSV, REPORT_HTML };

/* For the list of a command's own options. */
#define REPORT_OUTPUT_OPTIONS                                                                 \
    {.name = "format",                                                                        \
     .type = OPTION_TEXT,                                                                     \
     .value = "FORMAT",                                                                       \
     .help = "text, markdown, json, csv or html (default: by the ending of --output, text)"}, \
        {.name = "output",                                                                    \
         .type = OPTION_TEXT,                                                                 \
         .value = "FILE",                                                                     \
         .help = "write it there; a file that exists is left alone without --force"},         \
        {.name = "html",                                                                      \
         .type = OPTION_TEXT,                                                                 \
         .value = "FILE",                                                                     \
         .help = "also write one HTML file with plots that needs nothing else"},              \
        {.name = "force", .type = OPTION_FLAG, .help = "replace files that exist"},           \
    {                                                                                         \
        .name = "json", .type = OPTION_FLAG, .help = "the same as --format json"              \
    }

/* The report of subject as format, appended to out. */
typedef void report_writer(const void *subject, enum report_format format, struct buf *out);

/* Checks the options, and that no file is in the way: before the work, which may take long. */
int report_output_check(const struct settings *s, struct err *e);
/* Writes what the options ask for; without any, text on the standard output. */
int report_output(const struct settings *s, report_writer *write, const void *subject,
                  struct err *e);

#endif
