/* SPDX-License-Identifier: MIT */
/* --print-config: each setting of the command, its value, and where that came from. Secrets are
 * never shown, not even their length. */
#include "codec/codec.h"
#include "settings/parsed.h"

#include <stdio.h>

static const char *const source_names[] = {
    [FROM_DEFAULT] = "default", [FROM_ENVIRONMENT] = "environment", [FROM_FLAG] = "flag"};

/* True where a model may have a default of its own, which then counts. */
static bool model_may_say(const struct settings *s, enum setting_id id)
{
    return settings_table[id].model_first && s->table[id].source == FROM_DEFAULT;
}

/* What is shown in place of a value that will not be used; NULL: the value holds. */
static const char *stand_in(const struct settings *s, enum setting_id id)
{
    if (!s->spec->private_broker || s->table[SET_MQTT_BROKER].source != FROM_DEFAULT ||
        s->table[id].source != FROM_DEFAULT)
        return NULL;
    return id == SET_MQTT_BROKER ? "private broker" : id == SET_MQTT_PORT ? "free port" : NULL;
}

/* Plain where that is unmistakable, else as a JSON string: a value with a newline stays one line.
 */
static void put_shown(struct buf *out, const struct settings *set, enum setting_id id)
{
    struct span s = span_str(set->table[id].value.text);
    const char *instead = stand_in(set, id);
    if (instead) {
        buf_str(out, instead);
        return;
    }
    if (settings_table[id].rule.secret && s.n > 0) {
        buf_str(out, "***");
        return;
    }
    bool plain = s.n > 0 && s.p[0] != '"' && utf8_valid(s);
    for (size_t i = 0; plain && i < s.n; i++)
        plain = s.p[i] > ' ' && s.p[i] != 0x7f;
    if (plain)
        buf_span(out, s);
    else
        json_quote(out, s);
}

static void write_table(struct buf *out, const struct settings *s)
{
    enum { MOST = 40 }; /* longer values push their own line's source to the right only */
    struct buf shown;
    buf_init(&shown, 1 << 20);
    size_t names = 0, values = 0;
    for (int id = 0; id < SET_N; id++) {
        if (!command_concerns(s->spec, (enum setting_id)id))
            continue;
        buf_clear(&shown);
        put_shown(&shown, s, (enum setting_id)id);
        size_t name = strlen(settings_table[id].env), value = utf8_length(buf_view(&shown));
        names = name > names ? name : names;
        values = value > values && value <= MOST ? value : values;
    }
    for (int id = 0; id < SET_N; id++) {
        if (!command_concerns(s->spec, (enum setting_id)id))
            continue;
        buf_clear(&shown);
        put_shown(&shown, s, (enum setting_id)id);
        size_t value = utf8_length(buf_view(&shown));
        buf_printf(out, "%-*s  ", (int)names, settings_table[id].env);
        buf_append(out, &shown);
        buf_printf(out, "%*s  %s%s\n", value < values ? (int)(values - value) : 0, "",
                   source_names[s->table[id].source],
                   model_may_say(s, (enum setting_id)id) ? ", or the model's own" : "");
    }
    buf_release(&shown);
}

static void write_value(struct json_writer *w, const struct setting *row, const struct value *v)
{
    if (row->rule.secret && v->text[0])
        json_write_str(w, "***");
    else if (row->rule.type == VALUE_BOOL)
        json_write_bool(w, v->whole != 0);
    else if (row->rule.type == VALUE_INT)
        json_write_int(w, v->whole);
    else if (row->rule.type == VALUE_FLOAT)
        json_write_f64(w, v->number);
    else
        json_write_str(w, v->text);
}

static void write_json(struct buf *out, const struct settings *s)
{
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_array(&w);
    for (int id = 0; id < SET_N; id++) {
        const struct setting *row = &settings_table[id];
        if (!command_concerns(s->spec, (enum setting_id)id))
            continue;
        json_write_object(&w);
        json_write_key(&w, "name");
        json_write_str(&w, row->env);
        json_write_key(&w, "flag");
        char flag[128];
        snprintf(flag, sizeof flag, "--%s", row->flag);
        json_write_str(&w, flag);
        json_write_key(&w, "value");
        const char *instead = stand_in(s, (enum setting_id)id);
        if (instead)
            json_write_str(&w, instead);
        else
            write_value(&w, row, &s->table[id].value);
        json_write_key(&w, "source");
        json_write_str(&w, source_names[s->table[id].source]);
        if (model_may_say(s, (enum setting_id)id)) {
            json_write_key(&w, "model_first");
            json_write_bool(&w, true);
        }
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    buf_char(out, '\n');
}

void config_write(struct buf *out, const struct settings *s)
{
    if (s->wants_json)
        write_json(out, s);
    else
        write_table(out, s);
}
