/* SPDX-License-Identifier: MIT */
/* wattle compare: which model for which budget, from folders of metrics files or by running them.
 */
#include "cli/cli.h"

#include "cli/compare_run.h"
#include "cli/groups.h"
#include "cli/report_output.h"
#include "fleet/fleet.h"
#include "report/report.h"

static void write_report(const void *subject, enum report_format format, struct buf *out)
{
    static void (*const writers[])(const struct compare_result *, struct buf *) = {
        compare_text, compare_markdown, compare_json, compare_csv, compare_html};
    writers[format]((const struct compare_result *)subject, out);
}

/* Words are folders; --models and what goes with it is for running. */
static int check(const struct settings *s, struct err *e)
{
    static const char *const of_running[] = {"duration", "inferences", "warmup", "perplexity"};
    const char *models = settings_option_text(s, "models");
    if (models && settings_words(s) > 0)
        return err_set(e, ERR_USAGE, "'%s' and --models: expected folders to read or models to run",
                       settings_word(s, 0));
    if (!models && settings_words(s) == 0)
        return err_set(e, ERR_USAGE,
                       "nothing to compare: expected folders with metrics files, or --models");
    for (size_t i = 0; !models && i < sizeof of_running / sizeof *of_running; i++)
        if (settings_option_given(s, of_running[i]))
            return err_set(e, ERR_USAGE, "--%s: without --models, which it is for", of_running[i]);
    return report_output_check(s, e);
}

/* By name, or by the folder as it was given. */
static int find_reference(struct comparison *c, const struct settings *s, struct err *e)
{
    const char *name = settings_option_text(s, "reference");
    for (size_t i = 0; name && i < c->n; i++)
        if (strcmp(c->models[i].name, name) == 0 || strcmp(settings_word(s, (int)i), name) == 0)
            c->reference = (int)i;
    if (name && c->reference < 0)
        return err_set(e, ERR_USAGE, "--reference: '%s', expected one of the folders, as '%s'",
                       name, c->models[0].name);
    return 0;
}

/* The watts of a board, or those given: of measured energy nothing is shown then. */
static int put_on_board(struct comparison *c, const struct settings *s, struct err *e)
{
    struct fleet_power power;
    int r = fleet_power(s, &power, e);
    if (r == 0 && power.board)
        comparison_use_power(c, power.board, power.idle_w, power.max_w);
    return r;
}

static int read_folders(struct comparison *c, const struct settings *s, struct err *e)
{
    int r = 0;
    for (int i = 0; r == 0 && i < settings_words(s); i++)
        r = comparison_read(c, settings_word(s, i), e);
    if (r == 0)
        r = find_reference(c, s, e);
    if (r == 0)
        r = comparison_find_turns(c, e);
    if (r == 0) {
        bool asked_for = c->reference >= 0;
        r = comparison_agree(c, asked_for ? c->reference : comparison_largest(c), asked_for, e);
    }
    if (r == 0)
        r = put_on_board(c, s, e);
    return r;
}

static int run(const struct settings *s, struct err *e)
{
    struct comparison c;
    struct compare_result *a = NULL;
    comparison_init(&c);
    int r = check(s, e);
    if (r == 0)
        r = settings_option_text(s, "models") ? compare_run(s, &c, e) : read_folders(&c, s, e);
    /* What was measured before an interruption is shown all the same. */
    bool cut = r == ERR_CANCELLED && c.n > 0 && c.models[0].n > 0;
    if (r == 0 || cut)
        r = compare_open(&a, &c, e);
    if (r == 0)
        r = report_output(s, write_report, a, e);
    if (r == 0 && cut)
        r = ERR_CANCELLED;
    compare_close(&a);
    comparison_release(&c);
    return exit_code_of(r);
}

static const struct option options[] = {
    COMPARE_RUN_OPTIONS,
    {.name = "reference",
     .type = OPTION_TEXT,
     .value = "NAME",
     .help = "the model that the others are compared with (default: the first; with --models the "
             "one with most parameters, of folders saved by it the largest)"},
    REPORT_OUTPUT_OPTIONS,
    {.name = NULL},
};

static const enum setting_id settings[] = {COMPARE_RUN_SETTINGS, SET_N};

static const struct command_spec spec = {
    .name = "compare",
    .usage = "wattle compare DIR DIR … [--reference NAME] [--format FORMAT] [--output FILE] "
             "[--html FILE]\n  wattle compare --models LIST [--inferences N | --duration TIME] …",
    .summary = "which model for which budget of time, energy and memory",
    .notes =
        "Each DIR holds the metrics files of one model, as saved by\n"
        "'cp metrics/edge-device-01/*.json results/tinyllama/'. The answer comes first, then what\n"
        "it rests on: mean, median, 95th percentile and 95 % intervals of every metric, each\n"
        "difference with its interval and effect, and what to mind in words. With --power-profile\n"
        "energy is estimated for a named board.\n\n"
        "  wattle compare results/phi35 results/tinyllama --html comparison.html",
    .options = options,
    .settings = settings,
    .min_words = 0,
    .max_words = COMPARED_MAX,
};

const struct command command_compare = {.spec = &spec, .run = run};
