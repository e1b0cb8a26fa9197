/* SPDX-License-Identifier: MIT */
/* Flags and words of a command line. */
#include "settings/nearest.h"
#include "settings/parsed.h"

#include <stdio.h>

enum { NAME_SIZE = NEAREST_MAX + 2 };

struct value_rule option_rule(const struct option *o)
{
    struct value_rule rule = {.min = o->min, .max = o->max, .max_bytes = 65536};
    switch (o->type) {
    case OPTION_FLAG:
        rule.type = VALUE_BOOL;
        break;
    case OPTION_INT:
        rule.type = VALUE_INT;
        break;
    case OPTION_FLOAT:
        rule.type = VALUE_FLOAT;
        break;
    case OPTION_DURATION:
        rule.type = VALUE_DURATION;
        break;
    case OPTION_TEXT: /* the command knows what is in it */
    case OPTION_PHRASE:
        rule.type = VALUE_TEXT;
        rule.kind = TEXT_BYTES;
        rule.may_be_empty = o->type == OPTION_PHRASE;
        break;
    }
    return rule;
}

static bool flag_is(const struct setting *row, struct span name)
{
    return span_is(name, row->flag) || (row->alias && span_is(name, row->alias));
}

static int unknown_flag(const struct command_spec *spec, struct span name, struct err *e)
{
    const char *known[2 * SET_N + 66];
    size_t n = 0;
    known[n++] = "help";
    known[n++] = "print-config";
    for (const struct option *o = spec->options; o && o->name && n < 64; o++)
        known[n++] = o->name;
    for (int id = 0; id < SET_N; id++) {
        const struct setting *row = &settings_table[id];
        if (!command_concerns(spec, (enum setting_id)id)) {
            if (flag_is(row, name))
                return err_set(e, ERR_USAGE, "--%.*s: the command '%s' does not take this option",
                               SPAN_FMT(name), spec->name);
            continue;
        }
        known[n++] = row->flag;
        if (row->alias)
            known[n++] = row->alias;
    }
    char text[NEAREST_MAX] = "";
    if (name.n < sizeof text)
        span_copy(text, name);
    const char *nearest = settings_nearest(text, known, n);
    if (nearest)
        return err_set(e, ERR_USAGE, "--%.*s: unknown option, the nearest is --%s", SPAN_FMT(name),
                       nearest);
    return err_set(e, ERR_USAGE, "--%.*s: unknown option, 'wattle %s --help' shows those there are",
                   SPAN_FMT(name), spec->name);
}

/* The value of a flag: what stands behind '=', or the next argument. */
static const char *flag_value(struct span name, const char *equals, bool is_bool, int argc,
                              char **argv, int *i, struct err *e)
{
    if (equals)
        return equals + 1;
    if (is_bool)
        return "true";
    if (*i + 1 >= argc) {
        err_set(e, ERR_USAGE, "--%.*s: its value is missing", SPAN_FMT(name));
        return NULL;
    }
    /* `--store --json` is a forgotten file name far more often than a file named "--json". */
    if (strncmp(argv[*i + 1], "--", 2) == 0) {
        struct span next = span_str(argv[*i + 1]);
        err_set(e, ERR_USAGE, "--%.*s: its value is missing before '%.*s'", SPAN_FMT(name),
                SPAN_FMT(next));
        return NULL;
    }
    return argv[++*i];
}

static int parse_flag(struct settings *s, int argc, char **argv, int *i, struct err *e)
{
    const struct command_spec *spec = s->spec;
    const char *arg = argv[*i] + 2;
    const char *equals = strchr(arg, '=');
    struct span name = span_of(arg, equals ? (size_t)(equals - arg) : strlen(arg));
    struct held_value *held = NULL;
    struct value_rule rule;
    for (size_t o = 0; !held && o < s->n_options; o++)
        if (span_is(name, spec->options[o].name)) {
            held = &s->options[o];
            rule = option_rule(&spec->options[o]);
        }
    for (int id = 0; !held && id < SET_N; id++)
        if (command_concerns(spec, (enum setting_id)id) && flag_is(&settings_table[id], name)) {
            held = &s->table[id];
            rule = settings_table[id].rule;
        }
    if (!held && !equals && span_is(name, "print-config"))
        return s->wants_config = true, 0;
    if (!held && !equals && span_is(name, "json") && s->wants_json)
        return 0;
    if (!held)
        return unknown_flag(spec, name, e);
    const char *text = flag_value(name, equals, rule.type == VALUE_BOOL, argc, argv, i, e);
    if (!text)
        return ERR_USAGE;
    char subject[NAME_SIZE];
    snprintf(subject, sizeof subject, "--%.*s", SPAN_FMT(name));
    return settings_hold(s, held, &rule, subject, text, FROM_FLAG, e);
}

/* before: the argument before it, or NULL. */
static int parse_word(struct settings *s, const char *word, const char *before, struct err *e)
{
    if (s->n_words >= s->spec->max_words) {
        struct span w = span_str(word), b = span_str(before);
        struct value v;
        const struct value_rule boolean = {.type = VALUE_BOOL};
        /* `--enable-llm true`: only switches leave the next word alone. */
        if (b.n > 2 && strncmp(before, "--", 2) == 0 && !strchr(before, '=') &&
            value_parse(&v, &boolean, "", word, s->arena, NULL) == 0)
            return err_set(e, ERR_USAGE, "%.*s: its value is given as %.*s=%.*s", SPAN_FMT(b),
                           SPAN_FMT(b), SPAN_FMT(w));
        /* the usage of a command with two forms has two lines */
        return err_set(e, ERR_USAGE, "'%.*s': one word too many, expected %.*s", SPAN_FMT(w),
                       (int)strcspn(s->spec->usage, "\n"), s->spec->usage);
    }
    s->words[s->n_words++] = word;
    return 0;
}

int settings_parse_arguments(struct settings *s, int argc, char **argv, struct err *e)
{
    bool only_words = false;
    int r = 0;
    for (int i = 0; r == 0 && i < argc; i++) {
        const char *arg = argv[i];
        if (only_words || arg[0] != '-' || arg[1] == '\0') {
            r = parse_word(s, arg, i > 0 ? argv[i - 1] : NULL, e);
        } else if (strcmp(arg, "--") == 0) {
            only_words = true;
        } else if (arg[1] != '-') {
            struct span a = span_str(arg);
            r = err_set(e, ERR_USAGE, "'%.*s': unknown option, long ones begin with two dashes",
                        SPAN_FMT(a));
        } else {
            r = parse_flag(s, argc, argv, &i, e);
        }
    }
    return r;
}

/* --help is answered whatever else is wrong, and --json may stand before --print-config. */
void settings_look_ahead(struct settings *s, int argc, char **argv)
{
    bool config = false, json = false;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            s->wants_help = true;
        config = config || strcmp(argv[i], "--print-config") == 0;
        json = json || strcmp(argv[i], "--json") == 0;
    }
    s->wants_json = config && json;
}
