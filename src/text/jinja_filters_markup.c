/* SPDX-License-Identifier: MIT */
/* Filters for HTML and for addresses. Nothing is escaped by itself; what escape and safe give is
 * marked, so that it is not escaped twice and that a text added to it is escaped, as MarkupSafe
 * does. Other operations lose the mark. */
#include "text/jinja.h"

#include <stdio.h>

/* ---- escaping ---- */

struct jvalue jinja_escaped(struct jinja *j, const struct jstring *s)
{
    size_t start = j->out.n;
    for (size_t i = 0; i < s->n && !j->rc; i++) {
        const char *as = NULL;
        switch (s->p[i]) {
        case '&':
            as = "&amp;";
            break;
        case '<':
            as = "&lt;";
            break;
        case '>':
            as = "&gt;";
            break;
        case '\'':
            as = "&#39;";
            break;
        case '"':
            as = "&#34;";
            break;
        default:
            break;
        }
        jinja_put_bytes(j, as ? as : s->p + i, as ? strlen(as) : 1);
    }
    struct jvalue v = jv_string(jinja_take(j, start));
    v.markup = true;
    return v;
}

static bool is_markup(struct jvalue v)
{
    return v.kind == J_STRING && v.markup;
}

static struct jvalue filter_escape(const struct jargs *c)
{
    if (is_markup(c->self))
        return c->self;
    return jinja_escaped(c->j, jinja_str(c->j, c->self));
}

static struct jvalue filter_forceescape(const struct jargs *c)
{
    return jinja_escaped(c->j, jinja_str(c->j, c->self));
}

static struct jvalue filter_safe(const struct jargs *c)
{
    struct jvalue v = jv_string(jinja_str(c->j, c->self));
    v.markup = true;
    return v;
}

/* xmlattr(autospace=true): a dict as attributes; what is none or undefined is left out. */
static struct jvalue filter_xmlattr(const struct jargs *c)
{
    struct jinja *j = c->j;
    size_t start = j->out.n;
    bool first = !jinja_arg_bool(c->a[0], true);
    if (c->self.kind != J_DICT)
        return jinja_fail(j, ERR_FORMAT, "xmlattr: '%s' object, expected a dict",
                          jinja_type_name(c->self.kind));
    for (size_t i = 0; i < c->self.dict->n && jinja_steps(j, 1); i++) {
        struct jvalue key = c->self.dict->entries[i].key, v = c->self.dict->entries[i].value;
        if (v.kind == J_NONE || v.kind == J_UNDEFINED)
            continue;
        const struct jstring *name = jinja_str(j, key), *value = jinja_str(j, v);
        for (size_t k = 0; k < name->n; k++)
            if (!name->p[k] || strchr(" \t\n\v\f\r/>=", name->p[k]))
                jinja_fail(j, ERR_FORMAT, "xmlattr: '%.*s' is no name of an attribute",
                           SPAN_FMT(jstring_span(name)));
        jinja_put_bytes(j, " ", !first);
        first = false;
        jinja_put(j, jinja_escaped(j, name));
        jinja_put_bytes(j, "=\"", 2);
        jinja_put(j, is_markup(v) ? v : jinja_escaped(j, value));
        jinja_put_bytes(j, "\"", 1);
    }
    return jv_string(jinja_take(j, start));
}

/* ---- addresses ---- */

/* in_query: a blank becomes "+" and a slash is escaped. */
static void put_url(struct jinja *j, struct jvalue v, bool in_query)
{
    const struct jstring *s = jinja_str(j, v);
    for (size_t i = 0; i < s->n && !j->rc; i++) {
        char text[4], ch = s->p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9') || (ch && strchr("_.-~", ch)) ||
                     (ch == '/' && !in_query);
        if (ch == ' ' && in_query)
            jinja_put_bytes(j, "+", 1);
        else if (plain)
            jinja_put_bytes(j, &ch, 1);
        else
            jinja_put_bytes(j, text,
                            (size_t)snprintf(text, sizeof text, "%%%02X", (unsigned char)ch));
    }
}

/* A text, or pairs (a dict's, or a list of them) as a query. */
static struct jvalue filter_urlencode(const struct jargs *c)
{
    struct jinja *j = c->j;
    size_t start = j->out.n;
    if (c->self.kind != J_DICT && c->self.kind != J_LIST && c->self.kind != J_TUPLE) {
        put_url(j, c->self, false);
        return jv_string(jinja_take(j, start));
    }
    struct jlist *items = jinja_to_list(j, c->self);
    for (size_t i = 0; !j->rc && i < items->n; i++) {
        struct jvalue key = items->v[i], value;
        if (c->self.kind == J_DICT) {
            value = c->self.dict->entries[i].value;
        } else {
            value = jinja_getitem(j, items->v[i], jv_int(1));
            key = jinja_getitem(j, items->v[i], jv_int(0));
        }
        jinja_put_bytes(j, "&", i > 0);
        put_url(j, key, true);
        jinja_put_bytes(j, "=", 1);
        put_url(j, value, true);
    }
    return jv_string(jinja_take(j, start));
}

static const struct jbuiltin rows[] = {
    {"escape", "", 0, filter_escape, 0},
    {"e", "", 0, filter_escape, 0},
    {"forceescape", "", 0, filter_forceescape, 0},
    {"safe", "", 0, filter_safe, 0},
    {"xmlattr", "autospace", 0, filter_xmlattr, 0},
    {"urlencode", "", 0, filter_urlencode, 0},
};

struct jbuiltin_table jinja_markup_filters(void)
{
    return (struct jbuiltin_table){rows, sizeof rows / sizeof *rows};
}
