/* SPDX-License-Identifier: MIT */
/* From argv, environ and config files to checked values: flag, then environment, then config, then
 * default.
 *
 * Only settings that the command names are looked at, so that a variable of another command can
 * stop nobody. An empty variable counts as not set: that is how compose files pass on what their
 * user left out. */
#include "settings/settings.h"

#include "settings/parsed.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 128 << 20 }; /* a folder of the largest config files, as trees */

bool command_concerns(const struct command_spec *spec, enum setting_id id)
{
    const enum setting_id *p = spec->settings;
    if (id == SET_WATTLE_CONFIG) /* whoever takes settings takes them from there too */
        return p && *p != SET_N;
    for (; p && *p != SET_N; p++)
        if (*p == id)
            return true;
    return false;
}

int settings_hold(const struct settings *s, struct held_value *h, const struct value_rule *rule,
                  const char *subject, const char *text, enum value_source source, struct err *e)
{
    int r = value_parse(&h->value, rule, subject, text, s->arena, e);
    if (r == 0) {
        h->source = source;
        h->entry = NULL;
    }
    return r;
}

int settings_hold_entry(const struct settings *s, struct held_value *h,
                        const struct config_entry *entry, enum value_source source, struct err *e)
{
    const struct setting *row = &settings_table[entry->id];
    const char *text = entry->text[0] ? entry->text : row->fallback;
    char subject[400];
    snprintf(subject, sizeof subject, "%.150s:%u:%u: %.200s", entry->place.file, entry->place.line,
             entry->place.column, entry->key);
    int r = settings_hold(s, h, &row->rule, subject, text, source, e);
    if (r == 0)
        h->entry = entry;
    return r;
}

/* The value of one setting that no flag gave. */
static int choose(struct settings *s, enum setting_id id, char **environment, struct err *e)
{
    const struct setting *row = &settings_table[id];
    struct held_value *h = &s->table[id];
    const char *text = NULL;
    const struct config_entry *entry = NULL;
    if (h->source == FROM_FLAG)
        return 0;
    if (command_concerns(s->spec, id)) {
        text = environment_get(environment, row->env);
        entry = config_find(s->config.entries, id);
    }
    if (text)
        return settings_hold(s, h, &row->rule, row->env, text, FROM_ENVIRONMENT, e);
    if (entry && entry->text[0])
        return settings_hold_entry(s, h, entry, FROM_CONFIG, e);
    return settings_hold(s, h, &row->rule, row->env, row->fallback, FROM_DEFAULT, e);
}

/* The config's own place first: the rest may stand in it. */
static int choose_all(struct settings *s, char **environment, struct err *e)
{
    int r = choose(s, SET_WATTLE_CONFIG, environment, e);
    if (r == 0 && command_concerns(s->spec, SET_WATTLE_CONFIG))
        r = config_read(&s->config, settings_text(s, SET_WATTLE_CONFIG),
                        !settings_given(s, SET_WATTLE_CONFIG), e);
    if (r == ERR_NOTFOUND || r == ERR_IO) /* what was named is not there: that is wrong usage */
        r = ERR_USAGE;
    for (int id = 0; r == 0 && id < SET_N; id++)
        if (id != SET_WATTLE_CONFIG)
            r = choose(s, (enum setting_id)id, environment, e);
    if (r == 0 && command_concerns(s->spec, SET_DEVICE_NAME))
        r = settings_apply_own_device(s, e);
    if (r == 0)
        r = settings_check_together(s, e);
    if (r == 0 && s->spec->many_devices)
        r = settings_make_views(s, e);
    return r;
}

static int settings_new(struct settings **out, const struct command_spec *spec, int argc,
                        struct err *e)
{
    /* The arena beside them, so that the settings of single devices can be copies. */
    struct {
        struct settings settings;
        struct arena arena;
    } *both = calloc(1, sizeof *both);
    if (!both)
        return err_set(e, ERR_NOMEM, "no memory for the settings");
    struct settings *s = &both->settings;
    s->spec = spec;
    s->arena = s->config.arena = &both->arena;
    arena_init(s->arena, TEXT_BYTES_MAX);
    while (spec->options && spec->options[s->n_options].name)
        s->n_options++;
    s->table = arena_array(s->arena, SET_N, sizeof *s->table);
    s->options = arena_array(s->arena, s->n_options, sizeof *s->options);
    s->words = arena_array(s->arena, argc > 0 ? (size_t)argc : 0, sizeof *s->words);
    int r = s->table && s->options && s->words
                ? 0
                : err_set(e, ERR_NOMEM, "no memory for the settings");
    for (size_t i = 0; r == 0 && i < s->n_options; i++) {
        const struct option *o = &spec->options[i];
        struct value_rule rule = option_rule(o);
        const char *fallback = o->type == OPTION_FLAG && !o->fallback ? "false" : o->fallback;
        if (fallback)
            r = settings_hold(s, &s->options[i], &rule, o->name, fallback, FROM_DEFAULT, e);
    }
    if (r < 0)
        settings_free(&s);
    else
        *out = s;
    return r;
}

int settings_parse(struct settings **out, const struct command_spec *spec, int argc, char **argv,
                   char **environment, struct buf *text, struct err *e)
{
    struct settings *s = NULL;
    int r = settings_new(&s, spec, argc, e);
    if (r < 0)
        return r;
    settings_look_ahead(s, argc, argv);
    if (s->wants_help) {
        help_write(text, spec);
        r = SETTINGS_DONE;
        goto done;
    }
    if ((r = settings_parse_arguments(s, argc, argv, e)) < 0 ||
        (r = choose_all(s, environment, e)) < 0)
        goto done;
    for (char **p = environment; p && *p; p++)
        warn_of_misspelt(s, *p);
    if (s->wants_config) {
        config_write(text, s);
        r = SETTINGS_DONE;
    } else if (s->n_words < spec->min_words) {
        r = err_set(e, ERR_USAGE, "%d %s given, %d needed, expected %s", s->n_words,
                    plural((uint64_t)s->n_words, "word", "words"), spec->min_words, spec->usage);
    }
done:
    if (r == SETTINGS_DONE && buf_check(text, "the answer", e) < 0)
        r = ERR_LIMIT;
    if (r == SETTINGS_GO)
        *out = s;
    else
        settings_free(&s);
    return r;
}

void settings_free(struct settings **s)
{
    if (!*s)
        return;
    arena_release((*s)->arena);
    free(*s);
    *s = NULL;
}
