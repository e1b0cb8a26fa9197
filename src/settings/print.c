/* SPDX-License-Identifier: MIT */
/* --print-config: each setting of the command, its value, and where that came from. Secrets are
 * never shown, not even their length. */
#include "codec/codec.h"
#include "settings/parsed.h"

#include <math.h>
#include <stdio.h>

static const char *const source_names[] = {[FROM_DEFAULT] = "default",
                                           [FROM_CONFIG] = "config",
                                           [FROM_DEVICE] = "config",
                                           [FROM_ENVIRONMENT] = "environment",
                                           [FROM_FLAG] = "flag"};

/* True where a model may have a default of its own, which then counts. */
static bool model_may_say(const struct settings *s, enum setting_id id)
{
    return settings_table[id].model_first && s->table[id].source == FROM_DEFAULT;
}

/* What is shown in place of a value that will not be used; NULL: the value holds. */
static const char *stand_in(const struct settings *s, enum setting_id id)
{
    if (!s->spec->private_broker || settings_held(s, SET_MQTT_BROKER)->source != FROM_DEFAULT ||
        s->table[id].source != FROM_DEFAULT)
        return NULL;
    return id == SET_MQTT_BROKER ? "private broker" : id == SET_MQTT_PORT ? "free port" : NULL;
}

/* Plain where that is unmistakable, else as a JSON string: a value with a newline stays one line.
 */
static void put_shown(struct buf *out, const struct settings *set, enum setting_id id)
{
    struct span s = span_str(settings_held(set, id)->value.text);
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

/* "config /etc/edge-device/10.yaml:3" */
static void put_source(struct buf *out, const struct settings *s, enum setting_id id)
{
    const struct held_value *h = settings_held(s, id);
    buf_str(out, source_names[h->source]);
    if (h->entry)
        buf_printf(out, " %s:%u", h->entry->place.file, h->entry->place.line);
    if (h->source == FROM_DEVICE && !s->device)
        buf_str(out, ", of this device");
    if (model_may_say(s, id))
        buf_str(out, ", or the model's own");
    buf_char(out, '\n');
}

struct widths {
    size_t names, values;
};

/* In the settings of one device only what is its own. */
static bool is_shown(const struct settings *s, enum setting_id id)
{
    if (!command_concerns(s->spec, id))
        return false;
    for (const struct override *o = s->overrides; s->device && o; o = o->next)
        if (o->id == id)
            return settings_held(s, id) == &o->held;
    return !s->device;
}

static void write_rows(struct buf *out, const struct settings *s, struct widths w)
{
    struct buf shown;
    buf_init(&shown, 1 << 20);
    for (int i = 0; i < SET_N; i++) {
        enum setting_id id = (enum setting_id)i;
        if (!is_shown(s, id))
            continue;
        buf_clear(&shown);
        put_shown(&shown, s, id);
        size_t value = utf8_length(buf_view(&shown));
        buf_printf(out, "%-*s  ", (int)w.names, settings_table[id].env);
        buf_append(out, &shown);
        buf_printf(out, "%*s  ", value < w.values ? (int)(w.values - value) : 0, "");
        put_source(out, s, id);
    }
    buf_release(&shown);
}

static void measure(struct widths *w, const struct settings *s)
{
    enum { MOST = 40 }; /* longer values push their own line's source to the right only */
    struct buf shown;
    buf_init(&shown, 1 << 20);
    for (int i = 0; i < SET_N; i++) {
        enum setting_id id = (enum setting_id)i;
        if (!is_shown(s, id))
            continue;
        buf_clear(&shown);
        put_shown(&shown, s, id);
        size_t name = strlen(settings_table[id].env), value = utf8_length(buf_view(&shown));
        w->names = name > w->names ? name : w->names;
        w->values = value > w->values && value <= MOST ? value : w->values;
    }
    buf_release(&shown);
}

static void write_table(struct buf *out, const struct settings *s)
{
    struct widths w = {0, 0};
    measure(&w, s);
    for (size_t i = 0; i < s->n_views; i++)
        measure(&w, &s->views[i]);
    write_rows(out, s, w);
    for (size_t i = 0; i < s->n_views; i++) {
        buf_str(out, "\nDevice ");
        json_quote(out, span_str(s->views[i].device->name));
        buf_char(out, '\n');
        write_rows(out, &s->views[i], w);
    }
}

static void write_value(struct json_writer *w, const struct setting *row, const struct value *v)
{
    if (row->rule.secret && v->text[0])
        json_write_str(w, "***");
    else if (row->rule.type == VALUE_BOOL)
        json_write_bool(w, v->whole != 0);
    else if (row->rule.type == VALUE_INT)
        json_write_int(w, v->whole);
    else if (row->rule.type == VALUE_FLOAT && isnan(v->number))
        json_write_null(w);
    else if (row->rule.type == VALUE_FLOAT)
        json_write_f64(w, v->number);
    else
        json_write_str(w, v->text);
}

static void write_source(struct json_writer *w, const struct settings *s, enum setting_id id)
{
    const struct held_value *h = settings_held(s, id);
    json_put_str(w, "source", source_names[h->source]);
    if (h->entry) {
        json_put_str(w, "file", h->entry->place.file);
        json_put_int(w, "line", h->entry->place.line);
        json_put_str(w, "key", h->entry->key);
    }
    if (model_may_say(s, id))
        json_put_bool(w, "model_first", true);
}

static void write_objects(struct json_writer *w, const struct settings *s)
{
    for (int i = 0; i < SET_N; i++) {
        enum setting_id id = (enum setting_id)i;
        const struct setting *row = &settings_table[id];
        if (!is_shown(s, id))
            continue;
        json_write_object(w);
        if (s->device)
            json_put_str(w, "device", s->device->name);
        json_put_str(w, "name", row->env);
        char flag[128];
        snprintf(flag, sizeof flag, "--%s", row->flag);
        json_put_str(w, "flag", flag);
        json_write_key(w, "value");
        const char *instead = stand_in(s, id);
        if (instead)
            json_write_str(w, instead);
        else
            write_value(w, row, &settings_held(s, id)->value);
        write_source(w, s, id);
        json_write_object_end(w);
    }
}

static void write_json(struct buf *out, const struct settings *s)
{
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_array(&w);
    write_objects(&w, s);
    for (size_t i = 0; i < s->n_views; i++)
        write_objects(&w, &s->views[i]);
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
