/* SPDX-License-Identifier: MIT */
/* wattle report: what a folder of metrics files says. */
#include "cli/cli.h"

#include "report/report.h"

#include <stdio.h>

enum { OUTPUT_BYTES_MAX = 64 << 20 };

static int run(const struct settings *s, struct err *e)
{
    const char *dir = settings_words(s) ? settings_word(s, 0) : settings_text(s, SET_METRICS_DIR);
    struct report *report = NULL;
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    int code = report_open(&report, dir, e);
    if (code)
        goto done;
    for (size_t i = 0; i < report_skipped(report); i++)
        log_warning("left out: %s", report_skipped_at(report, i));
    if (settings_option_flag(s, "json"))
        report_json(report, &out);
    else
        report_text(report, &out);
    code = buf_check(&out, "the report", e);
    if (!code)
        fwrite(out.p, 1, out.n, stdout);
done:
    buf_release(&out);
    report_close(&report);
    return exit_code_of(code);
}

static const struct option options[] = {
    {.name = "json", .type = OPTION_FLAG, .help = "one JSON object instead of a table"},
    {.name = NULL},
};

static const enum setting_id settings[] = {SET_METRICS_DIR, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "report",
    .usage = "wattle report [DIR] [--json]",
    .summary = "what the metrics files of a folder say, in a table",
    .notes =
        "DIR is searched for inference_metrics_*.json, four folders deep; without it METRICS_DIR\n"
        "is. A row a file and one for all: inferences, errors, time of an inference (mean, median\n"
        "and 95th percentile), tokens a second, CPU share, memory of an inference, joules in all\n"
        "and for a token, and where the joules come from (rapl, nvml, hwmon or the estimate).\n"
        "A file that is no metrics file is named and left out.\n\n"
        "  wattle report metrics",
    .options = options,
    .settings = settings,
    .min_words = 0,
    .max_words = 1,
};

const struct command command_report = {.spec = &spec, .run = run};
