/* SPDX-License-Identifier: MIT */
/* --help, made from the table and the command's options: what there is to say, and its form as
 * text. pages.c gives the same another form. */
#include "settings/help.h"

enum { WIDTH = 96, HELP_COLUMN = 34 };

static void put_blanks(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_char(out, ' ');
}

/* Words of text from column on, broken at WIDTH and indented to indent. */
static void put_wrapped(struct buf *out, size_t column, size_t indent, struct span text)
{
    for (size_t pos = 0; pos < text.n;) {
        size_t n = 0;
        while (pos + n < text.n && text.p[pos + n] != ' ')
            n++;
        struct span word = span_sub(text, pos, n);
        size_t width = utf8_length(word);
        if (column > indent && column + 1 + width > WIDTH) {
            buf_char(out, '\n');
            put_blanks(out, indent);
            column = indent;
        } else if (column > indent) {
            buf_char(out, ' ');
            column++;
        }
        buf_span(out, word);
        column += width;
        pos += n + 1;
    }
    buf_char(out, '\n');
}

/* Text that has lines of its own: only those that are too long are broken, and go on where they
 * began. */
static void put_text(struct buf *out, struct span text)
{
    for (size_t pos = 0; pos < text.n;) {
        size_t n = 0, indent = 0;
        while (pos + n < text.n && text.p[pos + n] != '\n')
            n++;
        struct span line = span_sub(text, pos, n);
        pos += n + 1;
        if (utf8_length(line) <= WIDTH) {
            buf_span(out, line);
            buf_char(out, '\n');
            continue;
        }
        while (indent < line.n && line.p[indent] == ' ')
            indent++;
        put_blanks(out, indent);
        put_wrapped(out, indent, indent, span_sub(line, indent, line.n));
    }
}

static void put_row(void *ctx, const struct buf *left, const struct buf *right)
{
    struct buf *out = (struct buf *)ctx;
    size_t width = 2 + utf8_length(buf_view(left));
    buf_str(out, "  ");
    buf_append(out, left);
    if (right->failed)
        out->failed = true;
    if (width + 2 > HELP_COLUMN) {
        buf_char(out, '\n');
        width = 0;
    }
    put_blanks(out, HELP_COLUMN - width);
    put_wrapped(out, HELP_COLUMN, HELP_COLUMN, buf_view(right));
}

/* " [LLM_TEMPERATURE: 0 to 100; default: the model's own, else 0.7]" */
static void put_bounds(struct buf *right, const char *env, const struct value_rule *rule,
                       const char *fallback, bool model_first)
{
    struct buf b;
    buf_init(&b, 4096);
    if (env)
        buf_str(&b, env);
    /* Durations: their ends are there against nonsense, and the option's help has an example. */
    if (rule->type != VALUE_TEXT && rule->type != VALUE_BOOL && rule->type != VALUE_DURATION) {
        buf_str(&b, env ? ": " : "");
        value_expected(&b, rule);
    }
    if (fallback && *fallback) {
        buf_str(&b, b.n ? "; " : "");
        buf_printf(&b, "default%s %s", model_first ? ": the model's own, else" : "", fallback);
    }
    if (b.n || b.failed) {
        buf_str(right, " [");
        buf_append(right, &b);
        buf_char(right, ']');
    }
    buf_release(&b);
}

/* ---- what there is to say, in no format ---- */

void help_each_option(const struct command_spec *spec, help_row_fn *put, void *ctx)
{
    struct buf left, right;
    buf_init(&left, 4096);
    buf_init(&right, 4096);
    for (const struct option *o = spec->options; o && o->name; o++) {
        struct value_rule rule = option_rule(o);
        buf_clear(&left);
        buf_clear(&right);
        buf_printf(&left, "--%s", o->name);
        if (o->type != OPTION_FLAG)
            buf_printf(&left, " %s", o->value ? o->value : "VALUE");
        buf_str(&right, o->help);
        put_bounds(&right, NULL, &rule, o->fallback, false);
        put(ctx, &left, &right);
    }
    static const char *const ours[][2] = {
        {"--help", "this text"},
        {"--print-config", "show each setting and where its value comes from; with --json as JSON"},
    };
    for (size_t i = 0; i < (help_has_settings(spec) ? 2 : 1); i++) {
        buf_clear(&left);
        buf_clear(&right);
        buf_str(&left, ours[i][0]);
        buf_str(&right, ours[i][1]);
        put(ctx, &left, &right);
    }
    buf_release(&left);
    buf_release(&right);
}

bool help_has_settings(const struct command_spec *spec)
{
    return spec->settings && spec->settings[0] != SET_N;
}

const char help_of_settings[] =
    "By flag, by the variable in brackets, or in a config file by the variable's name; the flag "
    "counts first, then the variable. An empty variable counts as not set. BOOL is true, 1, yes, "
    "false, 0 or no; the flag alone is true.";

void help_each_setting(const struct command_spec *spec, help_row_fn *put, void *ctx)
{
    struct buf left, right;
    buf_init(&left, 4096);
    buf_init(&right, 4096);
    for (int id = 0; id < SET_N; id++) {
        const struct setting *row = &settings_table[id];
        if (!command_concerns(spec, (enum setting_id)id))
            continue;
        buf_clear(&left);
        buf_clear(&right);
        if (row->rule.type == VALUE_BOOL)
            buf_printf(&left, "--%s[=%s]", row->flag, row->value);
        else if (row->alias)
            buf_printf(&left, "--%s %s", row->alias, row->value);
        else
            buf_printf(&left, "--%s %s", row->flag, row->value);
        buf_str(&right, row->help);
        if (row->alias)
            buf_printf(&right, "; also --%s", row->flag);
        bool own = spec->private_broker && id == SET_MQTT_BROKER;
        put_bounds(&right, row->env, &row->rule, own ? "a private broker" : row->fallback,
                   row->model_first);
        put(ctx, &left, &right);
    }
    buf_release(&left);
    buf_release(&right);
}

/* ---- as text ---- */

void help_write(struct buf *out, const struct command_spec *spec)
{
    buf_printf(out, "wattle %s: %s\n\nUsage\n  ", spec->name, spec->summary);
    put_wrapped(out, 2, 6, span_str(spec->usage));
    buf_str(out, "\nOptions\n");
    help_each_option(spec, put_row, out);
    if (help_has_settings(spec)) {
        buf_str(out, "\nSettings\n  ");
        put_wrapped(out, 2, 2, span_str(help_of_settings));
        buf_char(out, '\n');
        help_each_setting(spec, put_row, out);
    }
    if (spec->notes) {
        buf_char(out, '\n');
        put_text(out, span_str(spec->notes));
    }
}
