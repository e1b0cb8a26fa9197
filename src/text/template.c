/* SPDX-License-Identifier: MIT */
/* Chat templates: from source to tree once, from a conversation to text many times.
 *
 * A template is immutable after template_open; everything that a rendering changes lives in its
 * struct jinja. */
#include "text/template.h"
#include "text/jinja_ast.h"

#include <stdlib.h>

/* ---- opening ---- */

/* A copy with LF for every line end, and without the one that ends the template: Jinja2 does both
 * before it looks at anything else. */
static bool normalize(struct template *t, struct span source, struct span *out)
{
    uint8_t *p = arena_alloc(&t->arena, source.n + 1);
    size_t n = 0;
    if (!p)
        return false;
    for (size_t i = 0; i < source.n; i++) {
        uint8_t c = source.p[i];
        if (c == '\r' && i + 1 < source.n && source.p[i + 1] == '\n')
            continue;
        p[n++] = c == '\r' ? '\n' : c;
    }
    if (n > 0 && p[n - 1] == '\n')
        n--;
    *out = span_of(p, n);
    return true;
}

int template_open(struct template **out, struct span source, struct err *e)
{
    int rc = 0;
    struct span text;
    struct template *t = NULL;
    if (source.n > JINJA_SOURCE_MAX)
        return err_set(e, ERR_LIMIT, "template: %zu bytes, expected at most %d", source.n,
                       JINJA_SOURCE_MAX);
    if (!utf8_valid(source))
        return err_set(e, ERR_FORMAT, "template: is not UTF-8");
    t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "out of memory for the template");
    arena_init(&t->arena, JINJA_TREE_MAX);
    if (!normalize(t, source, &text)) {
        rc = err_set(e, ERR_NOMEM, "out of memory for the template");
        goto done;
    }
    if ((rc = jinja_parse(t, text, e))) {
        err_wrap(e, rc, "template");
        goto done;
    }
    *out = t;
    t = NULL;
done:
    template_close(&t);
    return rc;
}

void template_close(struct template **t)
{
    if (!t || !*t)
        return;
    arena_release(&(*t)->arena);
    free(*t);
    *t = NULL;
}

/* ---- picking ---- */

/* Name and text of a list's element; false: it is no such thing. */
static bool named_template(const struct json *v, struct span *name, struct span *text)
{
    const struct json *n = json_get(v, "name"), *t = json_get(v, "template");
    if (json_type_of(n) != JSON_STRING || json_type_of(t) != JSON_STRING)
        return false;
    *name = json_string(n);
    *text = json_string(t);
    return true;
}

struct choice {
    struct span plain, with_tools; /* p == NULL: none */
    struct buf names;              /* for the message */
};

static void offer(struct choice *c, struct span name, struct span text)
{
    text.p = text.p ? text.p : (const uint8_t *)"";
    if (span_is(name, "default"))
        c->plain = text; /* of two the last, as in Python's dict */
    else if (span_is(name, "tool_use"))
        c->with_tools = text;
    buf_str(&c->names, c->names.n ? ", " : "");
    buf_span(&c->names, name);
}

static int gather_templates(struct choice *c, const struct json *v, struct err *e)
{
    for (size_t i = 0; json_type_of(v) == JSON_ARRAY && i < json_size(v); i++) {
        struct span name, text;
        if (!named_template(json_at(v, i), &name, &text))
            return err_set(e, ERR_FORMAT,
                           "chat_template: element %zu: expected {\"name\", \"template\"}", i);
        offer(c, name, text);
    }
    if (json_type_of(v) != JSON_OBJECT)
        return 0;
    for (void *it = json_first(v); it; it = json_next(v, it)) {
        if (json_type_of(json_value(it)) != JSON_STRING)
            return err_set(e, ERR_FORMAT, "chat_template: '%s': %s, expected a string",
                           json_key(it), json_type_name(json_type_of(json_value(it))));
        offer(c, span_str(json_key(it)), json_string(json_value(it)));
    }
    return 0;
}

int template_pick(const struct json *chat_template, bool tools, struct span *source, struct err *e)
{
    enum json_type type = json_type_of(chat_template);
    struct choice c = {.plain = {NULL, 0}};
    if (type == JSON_STRING) {
        *source = json_string(chat_template);
        return 0;
    }
    if (type == JSON_NULL || (type == JSON_ARRAY && json_size(chat_template) == 0))
        return err_set(e, ERR_NOTFOUND, "chat_template: there is none");
    if (type != JSON_ARRAY && type != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "chat_template: %s, expected a string or a list",
                       json_type_name(type));
    buf_init(&c.names, 200); /* what does not fit any more is not named */
    int rc = gather_templates(&c, chat_template, e);
    if (!rc && tools && c.with_tools.p)
        *source = c.with_tools;
    else if (!rc && c.plain.p)
        *source = c.plain;
    else if (!rc)
        rc = err_set(e, ERR_FORMAT, "chat_template: no template named 'default' among: %s",
                     buf_cstr(&c.names));
    buf_release(&c.names);
    return rc;
}

/* ---- rendering ---- */

static struct jvalue from_json(struct jinja *j, const struct json *v);

static struct jvalue list_from_json(struct jinja *j, const struct json *v)
{
    struct jlist *l = jinja_list(j, json_size(v));
    for (size_t i = 0; i < json_size(v) && !j->rc; i++)
        jinja_push(j, l, from_json(j, json_at(v, i)));
    return jv_sequence(J_LIST, l);
}

static struct jvalue dict_from_json(struct jinja *j, const struct json *v)
{
    struct jdict *d = jinja_dict(j);
    for (void *it = json_first(v); it && !j->rc; it = json_next(v, it)) {
        const char *key = json_key(it);
        jinja_dict_set_str(j, d, jinja_view(j, key, strlen(key)), from_json(j, json_value(it)));
    }
    return jv_dict(d);
}

/* Strings are borrowed: the document outlives the rendering. Its nesting is bounded by the codec.
 */
static struct jvalue from_json(struct jinja *j, const struct json *v)
{
    struct span s;
    switch (json_type_of(v)) {
    case JSON_BOOL:
        return jv_bool(json_bool(v));
    case JSON_INT:
        return jv_int(json_int(v));
    case JSON_REAL:
        return jv_float(json_number(v));
    case JSON_STRING:
        s = json_string(v);
        return jv_string(jinja_view(j, s.p, s.n));
    case JSON_ARRAY:
        return list_from_json(j, v);
    case JSON_OBJECT:
        return dict_from_json(j, v);
    case JSON_NULL:
        break;
    }
    return jv_none();
}

static void define(struct jinja *j, const char *name, struct jvalue v)
{
    size_t symbol = template_symbol(j->t, span_str(name));
    if (symbol != SIZE_MAX && !j->rc)
        jinja_bind(j, j->scope, (uint32_t)symbol, v);
}

/* Only what the template names is turned into values at all. */
static void define_json(struct jinja *j, const char *name, const struct json *v)
{
    if (template_symbol(j->t, span_str(name)) != SIZE_MAX)
        define(j, name, from_json(j, v));
}

static void define_token(struct jinja *j, const char *name, struct span token)
{
    if (token.p)
        define(j, name, jv_string(jinja_view(j, token.p, token.n)));
}

/* As transformers gives them: tools and documents are none where there are none. */
static void define_all(struct jinja *j, const struct template_input *in)
{
    define_json(j, "messages", in->messages);
    define_json(j, "tools", in->tools);
    define(j, "documents", jv_none());
    define(j, "add_generation_prompt", jv_bool(in->add_generation_prompt));
    define_token(j, "bos_token", in->bos_token);
    define_token(j, "eos_token", in->eos_token);
    for (void *it = json_first(in->variables); it && !j->rc; it = json_next(in->variables, it))
        define_json(j, json_key(it), json_value(it));
}

int template_render(const struct template *t, const struct template_input *in, struct buf *out,
                    struct err *e)
{
    struct jscope root = {0};
    struct jinja j = {.t = t,
                      .scope = &root,
                      .e = e,
                      .units_left = (uint64_t)JINJA_STEPS_MAX * JINJA_UNITS_A_STEP,
                      .now_seconds = in->now_seconds};
    arena_init(&j.arena, JINJA_MEMORY_MAX);
    buf_init(&j.out, JINJA_OUTPUT_MAX);
    define_all(&j, in);
    jinja_exec(&j, t->root);
    if (j.rc == ERR_FORMAT || j.rc == ERR_LIMIT)
        err_wrap(e, j.rc, "template");
    if (!j.rc) {
        buf_span(out, buf_view(&j.out));
        j.rc = buf_check(out, "the rendered template", e);
    }
    buf_release(&j.out);
    arena_release(&j.arena);
    return j.rc;
}
