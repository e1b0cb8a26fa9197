/* SPDX-License-Identifier: MIT */
/* wattle report: what a folder of metrics files says. */
#include "cli/cli.h"

#include "cli/report_output.h"
#include "report/report.h"

static void write_report(const void *subject, enum report_format format, struct buf *out)
{
    static void (*const writers[])(const struct report *, struct buf *) = {
        report_text, report_markdown, report_json, report_csv, report_html};
    writers[format]((const struct report *)subject, out);
}

static int run(const struct settings *s, struct err *e)
{
    const char *dir = settings_words(s) ? settings_word(s, 0) : settings_text(s, SET_METRICS_DIR);
    struct report *report = NULL;
    int code = report_output_check(s, e);
    if (code == 0)
        code = report_open(&report, dir, e);
    if (code)
        goto done;
    for (size_t i = 0; i < report_skipped(report); i++)
        log_warning("left out: %s", report_skipped_at(report, i));
    code = report_output(s, write_report, report, e);
done:
    report_close(&report);
    return exit_code_of(code);
}

static const struct option options[] = {
    REPORT_OUTPUT_OPTIONS,
    {.name = NULL},
};

static const enum setting_id settings[] = {SET_METRICS_DIR, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "report",
    .usage = "wattle report [DIR] [--format FORMAT] [--output FILE] [--html FILE] [--force]",
    .summary = "what the metrics files of a folder say, in a table",
    .notes =
        "DIR is searched for inference_metrics_*.json, four folders deep; without it METRICS_DIR\n"
        "is. A row a file and one for all: inferences, errors, time of an inference (mean, median\n"
        "and 95th percentile), tokens a second, CPU share, memory of an inference, joules in all\n"
        "and for a token, and where the joules come from (rapl, nvml, hwmon or the estimate).\n"
        "A file that is no metrics file is named and left out.\n\n"
        "The HTML report also shows each inference over time, and what to mind.\n\n"
        "  wattle report metrics --html run.html",
    .options = options,
    .settings = settings,
    .min_words = 0,
    .max_words = 1,
};

const struct command command_report = {.spec = &spec, .run = run};
