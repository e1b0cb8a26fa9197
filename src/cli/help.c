/* SPDX-License-Identifier: MIT */
/* wattle help: the text of --help, and the pages that are made from the same source. */
#include "cli/help.h"

#include <wattle.h>

enum { HELP_BYTES_MAX = 1 << 20 };

static const char about[] = "language models on edge devices, and what every answer costs";

const struct command *command_find(const struct command_list *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->commands[i]->spec->name, name) == 0)
            return all->commands[i];
    return NULL;
}

int command_unknown(const struct command_list *all, const char *name)
{
    enum { MOST = 64 };
    const char *known[MOST] = {"help", "--help", "--version"};
    size_t n = 3;
    for (size_t i = 0; i < all->n && n < MOST; i++)
        known[n++] = all->commands[i]->spec->name;
    const char *nearest = settings_nearest(name, known, n);
    struct err e;
    const char *kind = name[0] == '-' ? "option" : "command";
    if (nearest)
        err_set(&e, ERR_USAGE, "'%s' is no %s, the nearest is '%s'", name, kind, nearest);
    else
        err_set(&e, ERR_USAGE, "'%s' is no %s, 'wattle help' shows those there are", name, kind);
    fprintf(stderr, "wattle: %s\n", e.text);
    return EXIT_USAGE;
}

/* ---- all commands ---- */

void help_commands(FILE *out, const struct command_list *all)
{
    fprintf(out, "wattle %s: %s\n\nUsage\n  wattle COMMAND [OPTIONS]\n\nCommands\n",
            wattle_version(), about);
    for (size_t i = 0; i < all->n; i++)
        fprintf(out, "  %-12s%s\n", all->commands[i]->spec->name, all->commands[i]->spec->summary);
    fprintf(out, "\n'wattle COMMAND --help' shows the options of one, 'wattle --version' the "
                 "version.\n");
}

static void print_markdown(const struct command_list *all)
{
    printf("# Commands\n\n| command | does |\n| --- | --- |\n");
    for (size_t i = 0; i < all->n; i++) {
        const struct command_spec *c = all->commands[i]->spec;
        printf("| [wattle %s](%s.md) | %s |\n", c->name, c->name, c->summary);
    }
    printf("\n`wattle` alone names them on standard error and ends with 2, as wrong usage does. "
           "Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong value, 130 interrupted.\n\n"
           "Made by `wattle help --format markdown`; `scripts/make-pages` writes all of them.\n");
}

static void print_man(const struct command_list *all)
{
    printf(".TH WATTLE 1 \"\" \"wattle %s\" \"wattle\"\n.SH NAME\nwattle \\- %s\n"
           ".SH SYNOPSIS\nwattle COMMAND [OPTIONS]\n.SH COMMANDS\n",
           wattle_version(), about);
    for (size_t i = 0; i < all->n; i++)
        printf(".TP\n\\fBwattle\\-%s\\fR(1)\n%s\n", all->commands[i]->spec->name,
               all->commands[i]->spec->summary);
    printf(".SH FILES\n.TP\n/etc/edge\\-device/*.yaml\nsettings, by the names of their "
           "environment variables\n.SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage or a wrong "
           "value, 130 interrupted.\n");
}

/* ---- one, or all ---- */

static int print_page(const struct command_spec *spec, enum help_format format)
{
    struct buf out;
    struct err e;
    buf_init(&out, HELP_BYTES_MAX);
    settings_help(&out, spec, format);
    int rc = buf_check(&out, "the help", &e);
    if (rc)
        fprintf(stderr, "wattle help: %s\n", e.text);
    else
        fwrite(out.p, 1, out.n, stdout);
    buf_release(&out);
    return exit_code_of(rc);
}

static int refuse(const char *problem, const char *word)
{
    fprintf(stderr,
            "wattle help: %s%s%s%s, expected wattle help [--format text|markdown|man] "
            "[COMMAND]\n",
            word ? "'" : "", word ? word : "", word ? "': " : "", problem);
    return EXIT_USAGE;
}

/* The format that a word names; false: none. */
static bool take_format(const char *word, enum help_format *out)
{
    static const char *const names[] = {
        [HELP_TEXT] = "text", [HELP_MARKDOWN] = "markdown", [HELP_MAN] = "man"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(word, names[i]) == 0) {
            *out = (enum help_format)i;
            return true;
        }
    }
    return false;
}

int help_run(const struct command_list *all, int argc, char **argv)
{
    enum help_format format = HELP_TEXT;
    const char *name = NULL, *text = NULL;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        text = NULL;
        if (strncmp(word, "--format=", 9) == 0)
            text = word + 9;
        else if (strcmp(word, "--format") == 0 && i + 1 < argc)
            text = argv[++i];
        else if (strcmp(word, "--format") == 0)
            return refuse("its value is missing", word);
        else if (name)
            return refuse("one word too many", word);
        else
            name = word;
        if (text && !take_format(text, &format))
            return refuse("no format", text);
    }
    if (name && strcmp(name, "help") != 0 && strcmp(name, "--help") != 0) {
        const struct command *c = command_find(all, name);
        return c ? print_page(c->spec, format) : command_unknown(all, name);
    }
    if (format == HELP_MARKDOWN)
        print_markdown(all);
    else if (format == HELP_MAN)
        print_man(all);
    else
        help_commands(stdout, all);
    return EXIT_DONE;
}
