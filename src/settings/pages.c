/* SPDX-License-Identifier: MIT */
/* The same help as Markdown (docs/commands/) and as man pages: groff's man macros, of which only
 * TH, SH, PP, TP, nf and fi are used, so that mandoc and groff agree. */
#include "settings/help.h"

/* Lines of notes that begin with two blanks are to be shown as they are. */
static bool is_code(struct span line)
{
    return line.n > 2 && line.p[0] == ' ' && line.p[1] == ' ';
}

static struct span take_line(struct span *rest)
{
    const uint8_t *end = span_find(*rest, '\n');
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    struct span line = span_sub(*rest, 0, n);
    *rest = span_sub(*rest, n + 1, rest->n);
    return line;
}

/* ---- Markdown ---- */

/* Text whose marks are no Markdown. In a table a bar would end the cell. */
static void put_marked(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("|<>*`[]\\", s.p[i]) && s.p[i])
            buf_char(out, '\\');
        buf_char(out, (char)s.p[i]);
    }
}

static void put_markdown_row(void *ctx, const struct buf *left, const struct buf *right)
{
    struct buf *out = (struct buf *)ctx;
    buf_str(out, "| `");
    buf_append(out, left);
    buf_str(out, "` | ");
    put_marked(out, buf_view(right));
    buf_str(out, " |\n");
}

static void put_markdown_notes(struct buf *out, struct span notes)
{
    bool code = false;
    while (notes.n) {
        struct span line = take_line(&notes);
        if (line.n && is_code(line) != code) {
            buf_str(out, code ? "```\n\n" : "```\n");
            code = !code;
        }
        if (code)
            buf_span(out, span_sub(line, 2, line.n));
        else
            put_marked(out, line);
        buf_char(out, '\n');
    }
    buf_str(out, code ? "```\n" : "");
}

static void write_markdown(struct buf *out, const struct command_spec *spec)
{
    buf_printf(out, "# wattle %s\n\n", spec->name);
    put_marked(out, span_str(spec->summary));
    buf_printf(out, "\n\n```\n%s\n```\n\n", spec->usage);
    if (spec->notes) {
        put_markdown_notes(out, span_str(spec->notes));
        buf_char(out, '\n');
    }
    buf_str(out, "## Options\n\n| option | |\n| --- | --- |\n");
    help_each_option(spec, put_markdown_row, out);
    if (help_has_settings(spec)) {
        buf_str(out, "\n## Settings\n\n");
        put_marked(out, span_str(help_of_settings));
        buf_str(out, " More: [settings](../config.md).\n\n| flag | |\n| --- | --- |\n");
        help_each_setting(spec, put_markdown_row, out);
    }
    buf_printf(out, "\nMade by `wattle help --format markdown %s`, from what `--help` says.\n",
               spec->name);
}

/* ---- man ---- */

/* Text that roff takes as it stands: no escapes, no line that begins a request, no hyphen that is
 * typeset as another character. */
static void put_roff(struct buf *out, struct span s)
{
    if (s.n && (s.p[0] == '.' || s.p[0] == '\''))
        buf_str(out, "\\&");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            buf_str(out, "\\e");
        else if (s.p[i] == '-')
            buf_str(out, "\\-");
        else
            buf_char(out, (char)s.p[i]);
    }
}

static void put_man_row(void *ctx, const struct buf *left, const struct buf *right)
{
    struct buf *out = (struct buf *)ctx;
    buf_str(out, ".TP\n\\fB");
    put_roff(out, buf_view(left));
    buf_str(out, "\\fR\n");
    put_roff(out, buf_view(right));
    buf_char(out, '\n');
}

static void put_man_notes(struct buf *out, struct span notes)
{
    bool code = false, fresh = true; /* fresh: a request stands just before */
    while (notes.n) {
        struct span line = take_line(&notes);
        if (line.n == 0) {
            buf_str(out, fresh || !notes.n ? "" : code ? "\n" : ".PP\n");
            fresh = true;
            continue;
        }
        if (is_code(line) != code) {
            buf_str(out, code ? ".fi\n.PP\n" : ".nf\n");
            code = !code;
        }
        put_roff(out, line);
        buf_char(out, '\n');
        fresh = false;
    }
    buf_str(out, code ? ".fi\n" : "");
}

static void write_man(struct buf *out, const struct command_spec *spec)
{
    buf_str(out, ".TH WATTLE\\-");
    for (const char *p = spec->name; *p; p++)
        buf_char(out, *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p);
    buf_printf(out, " 1 \"\" \"wattle %s\" \"wattle\"\n.SH NAME\nwattle\\-%s \\- ", WATTLE_VERSION,
               spec->name);
    put_roff(out, span_str(spec->summary));
    buf_str(out, "\n.SH SYNOPSIS\n");
    put_roff(out, span_str(spec->usage));
    buf_char(out, '\n');
    if (spec->notes) {
        buf_str(out, ".SH DESCRIPTION\n");
        put_man_notes(out, span_str(spec->notes));
    }
    buf_str(out, ".SH OPTIONS\n");
    help_each_option(spec, put_man_row, out);
    if (help_has_settings(spec)) {
        buf_str(out, ".SH SETTINGS\n");
        put_roff(out, span_str(help_of_settings));
        buf_char(out, '\n');
        help_each_setting(spec, put_man_row, out);
        buf_str(out, ".SH FILES\n.TP\n/etc/edge\\-device/*.yaml\nsettings, unless "
                     "\\-\\-config names others\n");
    }
    buf_str(out, ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage or a wrong value, 130 "
                 "interrupted.\n.SH SEE ALSO\nwattle(1)\n");
}

void settings_help(struct buf *out, const struct command_spec *spec, enum help_format format)
{
    if (format == HELP_MARKDOWN)
        write_markdown(out, spec);
    else if (format == HELP_MAN)
        write_man(out, spec);
    else
        help_write(out, spec);
}
