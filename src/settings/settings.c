/* SPDX-License-Identifier: MIT */
/* From argv and environ to checked values: flag, then environment, then default.
 *
 * Only settings that the command names are looked at, so that a variable of another command can
 * stop nobody. An empty variable counts as not set: that is how compose files pass on what their
 * user left out. */
#include "settings/settings.h"

#include "settings/nearest.h"
#include "settings/parsed.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 16 << 20, NAME_SIZE = NEAREST_MAX + 2 };

static const char *source_of(const struct settings *s, enum setting_id id, char out[NAME_SIZE])
{
    if (s->table[id].source == FROM_FLAG)
        snprintf(out, NAME_SIZE, "--%s", settings_table[id].flag);
    else
        snprintf(out, NAME_SIZE, "%s", settings_table[id].env);
    return out;
}

bool command_concerns(const struct command_spec *spec, enum setting_id id)
{
    for (const enum setting_id *p = spec->settings; p && *p != SET_N; p++)
        if (*p == id)
            return true;
    return false;
}

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

/* ---- flags ---- */

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

static int hold(struct settings *s, struct held_value *h, const struct value_rule *rule,
                const char *subject, const char *text, enum value_source source, struct err *e)
{
    int r = value_parse(&h->value, rule, subject, text, &s->arena, e);
    if (r == 0)
        h->source = source;
    return r;
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
    return hold(s, held, &rule, subject, text, FROM_FLAG, e);
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
            value_parse(&v, &boolean, "", word, &s->arena, NULL) == 0)
            return err_set(e, ERR_USAGE, "%.*s: its value is given as %.*s=%.*s", SPAN_FMT(b),
                           SPAN_FMT(b), SPAN_FMT(w));
        return err_set(e, ERR_USAGE, "'%.*s': one word too many, expected %s", SPAN_FMT(w),
                       s->spec->usage);
    }
    s->words[s->n_words++] = word;
    return 0;
}

static int parse_arguments(struct settings *s, int argc, char **argv, struct err *e)
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
static void look_ahead(struct settings *s, int argc, char **argv)
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

/* ---- environment ---- */

static const char *environment_get(char **environment, const char *name)
{
    size_t n = strlen(name);
    for (char **p = environment; p && *p; p++)
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return *p + n + 1;
    return NULL;
}

static int parse_environment(struct settings *s, char **environment, struct err *e)
{
    for (int id = 0; id < SET_N; id++) {
        const struct setting *row = &settings_table[id];
        struct held_value *held = &s->table[id];
        if (held->source == FROM_FLAG)
            continue;
        const char *text = NULL;
        if (command_concerns(s->spec, (enum setting_id)id))
            text = environment_get(environment, row->env);
        int r = text && *text ? hold(s, held, &row->rule, row->env, text, FROM_ENVIRONMENT, e)
                              : hold(s, held, &row->rule, row->env, row->fallback, FROM_DEFAULT, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A variable that looks like one of ours, misspelt, or one that only a later version knows, would
 * be silently without effect. Strict: the environment is everybody's, so "MQTT_HOST" is not taken
 * for MQTT_PORT. */
static void warn_of_misspelt(const struct settings *s, const char *variable)
{
    static const char *const prefixes[] = {"LLM_",    "MQTT_",   "WATTLE_",
                                           "ENABLE_", "DEVICE_", "TELEMETRY_"};
    char name[NEAREST_MAX] = "";
    size_t n = strcspn(variable, "="), prefix = 0;
    if (n >= sizeof name || variable[n] == '\0')
        return;
    memcpy(name, variable, n);
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            prefix = strlen(prefixes[i]);
    if (prefix == 0)
        return;
    static const char *const planned[] = {"LLM_QUANT", "LLM_BATCH_SIZE", "LLM_ENDPOINT"};
    for (size_t i = 0; i < sizeof planned / sizeof planned[0]; i++) {
        if (strcmp(name, planned[i]) == 0) {
            log_warning("environment: %s has no effect, this version cannot do that yet", name);
            return;
        }
    }
    const char *nearest = NULL;
    size_t best = 3; /* at most two mistakes, and at most one in three letters */
    for (int id = 0; id < SET_N; id++) {
        const char *known = settings_table[id].env;
        size_t d = name_distance(name, known);
        if (d == 0)
            return;
        if (!command_concerns(s->spec, (enum setting_id)id) || d >= best ||
            3 * d + prefix > strlen(known))
            continue;
        best = d;
        nearest = known;
    }
    if (nearest)
        log_warning("environment: %s is no setting and has no effect, the nearest is %s", name,
                    nearest);
}

/* ---- what only two values together show ---- */

static bool is_set(const struct settings *s, enum setting_id id)
{
    return command_concerns(s->spec, id) && s->table[id].value.text[0] != '\0';
}

static int needs(const struct settings *s, enum setting_id id, enum setting_id other, struct err *e)
{
    char name[NAME_SIZE];
    if (!is_set(s, id) || is_set(s, other))
        return 0;
    return err_set(e, ERR_USAGE, "%s: needs %s, which is not set", source_of(s, id, name),
                   settings_table[other].env);
}

static int check_together(const struct settings *s, struct err *e)
{
    char a[NAME_SIZE], b[NAME_SIZE];
    int r = 0;
    if (is_set(s, SET_MQTT_PASSWORD) && is_set(s, SET_MQTT_PASSWORD_FILE))
        return err_set(e, ERR_USAGE, "%s and %s: only one of them may be set",
                       source_of(s, SET_MQTT_PASSWORD, a), source_of(s, SET_MQTT_PASSWORD_FILE, b));
    /* A password without a user would be dropped on its way, a certificate without a CA would be
     * sent nowhere: the connection would be open where its owner believes it closed. */
    static const enum setting_id pairs[][2] = {
        {SET_MQTT_PASSWORD, SET_MQTT_USERNAME},  {SET_MQTT_PASSWORD_FILE, SET_MQTT_USERNAME},
        {SET_MQTT_CERT_FILE, SET_MQTT_KEY_FILE}, {SET_MQTT_KEY_FILE, SET_MQTT_CERT_FILE},
        {SET_MQTT_CERT_FILE, SET_MQTT_CA_FILE},
    };
    for (size_t i = 0; r == 0 && i < sizeof pairs / sizeof pairs[0]; i++)
        r = needs(s, pairs[i][0], pairs[i][1], e);
    if (r < 0)
        return r;
    double idle = settings_float(s, SET_POWER_IDLE_W), max = settings_float(s, SET_POWER_MAX_W);
    if (max < idle)
        return err_set(e, ERR_USAGE, "%s: %s W is less than the %s W of %s",
                       source_of(s, SET_POWER_MAX_W, a), settings_text(s, SET_POWER_MAX_W),
                       settings_text(s, SET_POWER_IDLE_W), source_of(s, SET_POWER_IDLE_W, b));
    if (s->table[SET_RATE].value.number > 0 && settings_given(s, SET_INTERVAL))
        return err_set(e, ERR_USAGE, "%s and %s: only one of them may be set",
                       source_of(s, SET_INTERVAL, a), source_of(s, SET_RATE, b));
    return 0;
}

/* ---- putting it together ---- */

static int settings_new(struct settings **out, const struct command_spec *spec, int argc,
                        struct err *e)
{
    struct settings *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the settings");
    s->spec = spec;
    arena_init(&s->arena, TEXT_BYTES_MAX);
    while (spec->options && spec->options[s->n_options].name)
        s->n_options++;
    s->options = arena_array(&s->arena, s->n_options, sizeof *s->options);
    s->words = arena_array(&s->arena, argc > 0 ? (size_t)argc : 0, sizeof *s->words);
    int r = s->options && s->words ? 0 : err_set(e, ERR_NOMEM, "no memory for the settings");
    for (size_t i = 0; r == 0 && i < s->n_options; i++) {
        const struct option *o = &spec->options[i];
        struct value_rule rule = option_rule(o);
        const char *fallback = o->type == OPTION_FLAG && !o->fallback ? "false" : o->fallback;
        if (fallback)
            r = hold(s, &s->options[i], &rule, o->name, fallback, FROM_DEFAULT, e);
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
    look_ahead(s, argc, argv);
    if (s->wants_help) {
        help_write(text, spec);
        r = SETTINGS_DONE;
        goto done;
    }
    if ((r = parse_arguments(s, argc, argv, e)) < 0 ||
        (r = parse_environment(s, environment, e)) < 0 || (r = check_together(s, e)) < 0)
        goto done;
    for (char **p = environment; p && *p; p++)
        warn_of_misspelt(s, *p);
    if (s->wants_config) {
        config_write(text, s);
        r = SETTINGS_DONE;
    } else if (s->n_words < spec->min_words) {
        r = err_set(e, ERR_USAGE, "%d word%s given, %d needed, expected %s", s->n_words,
                    s->n_words == 1 ? "" : "s", spec->min_words, spec->usage);
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
    arena_release(&(*s)->arena);
    free(*s);
    *s = NULL;
}

/* ---- reading ---- */

bool settings_bool(const struct settings *s, enum setting_id id)
{
    assert(settings_table[id].rule.type == VALUE_BOOL);
    return s->table[id].value.whole != 0;
}

int64_t settings_int(const struct settings *s, enum setting_id id)
{
    assert(settings_table[id].rule.type == VALUE_INT || settings_table[id].rule.type == VALUE_SEED);
    return s->table[id].value.whole;
}

double settings_float(const struct settings *s, enum setting_id id)
{
    assert(settings_table[id].rule.type == VALUE_FLOAT);
    return s->table[id].value.number;
}

const char *settings_text(const struct settings *s, enum setting_id id)
{
    return s->table[id].value.text;
}

bool settings_given(const struct settings *s, enum setting_id id)
{
    return s->table[id].source != FROM_DEFAULT;
}

int64_t settings_int_or(const struct settings *s, enum setting_id id, int64_t otherwise)
{
    return settings_given(s, id) ? settings_int(s, id) : otherwise;
}

double settings_float_or(const struct settings *s, enum setting_id id, double otherwise)
{
    return settings_given(s, id) ? settings_float(s, id) : otherwise;
}

const char *settings_env_name(enum setting_id id)
{
    return settings_table[id].env;
}

void settings_interval(const struct settings *s, double *min_s, double *max_s)
{
    *min_s = s->table[SET_INTERVAL].value.number;
    *max_s = s->table[SET_INTERVAL].value.number_high;
}

/* Asking for an option that the command does not have is our own mistake. */
static const struct held_value *option_get(const struct settings *s, const char *name)
{
    size_t i = 0;
    while (i < s->n_options && strcmp(s->spec->options[i].name, name) != 0)
        i++;
    assert(i < s->n_options);
    return &s->options[i];
}

bool settings_option_given(const struct settings *s, const char *name)
{
    return option_get(s, name)->source != FROM_DEFAULT;
}

int64_t settings_option_int(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.whole;
}

double settings_option_float(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.number;
}

const char *settings_option_text(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.text;
}

bool settings_option_flag(const struct settings *s, const char *name)
{
    return option_get(s, name)->value.whole != 0;
}

int settings_words(const struct settings *s)
{
    return s->n_words;
}

const char *settings_word(const struct settings *s, int i)
{
    assert(i >= 0 && i < s->n_words);
    return s->words[i];
}
